"""The vectors of docs/spec.md, read by a second program that was written from the page alone.

Nothing of entrenous is imported: hashes from the standard library, ciphers from libsodium and
`cryptography`, CBOR from `dag-cbor`.  What agrees here would agree in another language.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dag_cbor
import nacl.bindings as secretstream
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as open_xchacha

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec-vectors.json"
WORLD: dict[str, dict[str, Any]] = json.loads(VECTORS.read_text())
DAY = 46_021
PATH = "energy/electricity/load-curve"
ZEROS = bytes(16)
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

# What CBOR decodes to is Any: the checks below say what it is.
cb: Any = dag_cbor.encode
decode: Any = dag_cbor.decode


def hexed(example: str, part: str) -> bytes:
    return bytes.fromhex(WORLD[example][part])


def blake(data: bytes, key: bytes = b"", size: int = 32) -> bytes:
    return hashlib.blake2b(data, key=key, digest_size=size).digest()


def kdf(key: bytes, label: str, *parts: Any) -> bytes:
    return blake(cb([f"entrenous/1/{label}", *parts]), key)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, "sha256").digest()


def cid(data: bytes) -> bytes:
    return b"\x01\x71\x12\x20" + sha(data)


def public_of(did: str) -> bytes:
    number = 0
    for character in did.removeprefix("did:key:z"):
        number = number * 58 + ALPHABET.index(character)
    return number.to_bytes(34, "big")[2:]


def tree(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x01" + tree(leaves[:middle]) + tree(leaves[middle:]))


def root_of(size: int, first: int, leaves: Sequence[bytes], proof: list[bytes]) -> bytes:
    """The root to which a range proof leads; consumes `proof`."""

    def visit(low: int, high: int) -> bytes:
        if high <= first or first + len(leaves) <= low:
            return proof.pop(0)
        if high - low == 1:
            return leaves[low - first]
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        left = visit(low, middle)
        return sha(b"\x01" + left + visit(middle, high))

    return visit(0, size)


def body_of(raw: bytes, *signers: str) -> Any:
    """The body of a signed object whose signatures were verified."""
    kind, body, *signatures = decode(raw)
    assert len(signatures) == len(signers)
    for signer, signature in zip(signers, signatures, strict=True):
        who = body.get(signer) or signer
        Ed25519PublicKey.from_public_bytes(public_of(who)).verify(signature, cb([kind, body]))
    return body


def open_hpke(secret: bytes, sealed: bytes, info: bytes) -> bytes:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    return suite.decrypt(sealed, X25519PrivateKey.from_private_bytes(secret), info=info)


def day_key(node: bytes, depth: int, day: int) -> bytes:
    for bit in range(15 - depth, -1, -1):
        node = blake(b"entrenous/1/day" + bytes([day >> bit & 1]), node)
    return node


cast = partial(hexed, "cast")


# --- tests ----------------------------------------------------------------------------------------


def test_from_the_vault_secret_to_the_records() -> None:
    collection = kdf(cast("V_e"), "collection", PATH, ZEROS)
    key = day_key(kdf(collection, "days"), 0, DAY)
    entry = decode(hexed("page", "entry"))
    page_id, salt, path, day, epoch, gen, count, length, digest = entry[:9]
    statement, schema, writer, codec, plain_len = entry[9:]
    ciphertext = hexed("page", "page: nonce and ciphertext")
    assert (len(ciphertext), sha(ciphertext), day, path) == (length, digest, DAY, PATH)
    assert writer == WORLD["cast"]["person: device DID"]
    label = "entrenous/1/page"
    aad = cb([label, page_id, epoch, path, gen, day, schema, statement, count, codec, plain_len])
    page_key = kdf(key, "page", page_id, salt)
    packed = open_xchacha(ciphertext[24:], aad, ciphertext[:24], page_key)
    assert codec == 0
    assert not any(packed[plain_len:])
    assert len(packed) == 2048
    opened = decode(packed[:plain_len])
    columns = opened["cols"]
    first, *steps = struct.unpack(f"<{count}q", columns["time"][1])
    assert first == (DAY - 25_567) * 86_400_000
    assert steps == [21_600_000] * 3
    mantissas = struct.unpack(f"<{count}q", columns["value"][1][: 8 * count])
    assert mantissas == (1000, 1006, 1012, 1018)
    dtype, quality = columns["quality"]
    assert (dtype, quality[0], quality[9:]) == ("?str", 0b0100, b"estimated")


def test_the_sources_word_on_its_days() -> None:
    part = partial(hexed, "statement-by-day")
    body = body_of(part("statement"), "src")
    leaves: list[bytes] = []
    for day in range(DAY, DAY + 3):
        salt = part(f"day {day}: salt_d")
        count = WORLD["statement-by-day"][f"day {day}: count"]
        s_0, b_d = mac(salt, b"leaf" + bytes(4)), mac(salt, b"day")
        root_d = sha(b"\x00" + s_0 + part(f"day {day}: columns"))
        leaves.append(sha(b"\x00" + b_d + cb([day, count, root_d])))
    assert tree(leaves) == body["root"]
    proof = decode(part(f"range proof of days {DAY} to {DAY + 1}"))
    assert root_of(3, 0, leaves[:2], proof) == body["root"]
    assert not proof


def test_one_record_alone() -> None:
    part = partial(hexed, "statement-by-record")
    body = body_of(part("statement"), "src")
    day, count, index, s_i, b_d, record_path, day_path = decode(part("proof of record 1 alone"))
    assert (count, index, len(record_path), day_path) == (3, 1, 2, [])
    leaf = sha(b"\x00" + s_i + part("record 1"))
    root_d = sha(b"\x01" + sha(b"\x01" + record_path[0] + leaf) + record_path[1])
    assert sha(b"\x00" + b_d + cb([day, count, root_d])) == body["root"]


def test_what_the_device_vouches_for() -> None:
    body = body_of(hexed("segment", "segment"), "dev")
    leaves = [hexed("segment", f"leaf {place}") for place in range(body["n"])]
    assert tree(leaves) == body["root"]
    assert leaves[0] == sha(b"\x00" + hexed("page", "entry")) == hexed("page", "entry: leaf")
    segment, first, size, hashes = decode(hexed("segment", "run of entries 0 and 1"))
    assert segment == hexed("segment", "segment: CID")
    assert root_of(body["n"], first, leaves[first : first + size], hashes) == body["root"]


def test_who_is_who() -> None:
    inception = body_of(hexed("identity", "inception of the person"), "did")
    seed = kdf(cast("S, the recovery secret"), "next", 0, 0)
    assert seed == hexed("identity", "next_0: seed")
    succession = body_of(hexed("identity", "succession of the person"), "new")
    assert sha(public_of(succession["new"])) == inception["next"]
    body_of(hexed("identity", "certificate of the supplier's device"), "persona")
    body_of(hexed("identity", "a later reader key of the supplier"), "did")


def test_meeting() -> None:
    link = WORLD["meeting"]["link"].removeprefix("entrenous:")
    version, device, _, secret, _ = decode(base64.urlsafe_b64decode(link + "=" * (-len(link) % 4)))
    assert (version, device) == (1, public_of(WORLD["cast"]["person: device DID"]))
    said, out = (
        decode(hexed("meeting", name)) for name in ("args of /pair/open", "out of its answer")
    )
    assert said["secret"] == secret
    names = (cid(cb(decode(each["inception"])[:2])) for each in (said, out))
    assert kdf(secret, "pair", said["k"], out["k"], *names) == hexed("meeting", "k_pair")


def test_a_delivery_opens() -> None:
    args = decode(hexed("delivery", "args of /record/deliver"))
    sealed = hexed("delivery", "part 0, sealed")
    digest = "b" + base64.b32encode(sha(sealed)).decode().rstrip("=").lower()
    assert args["parts"] == [[digest, len(sealed)]]
    info = hexed("delivery", "HPKE info of part 0")
    raw, *days = decode(open_hpke(cast("person: reader secret (X25519)"), sealed, info))
    assert raw == hexed("statement-by-day", "statement")
    assert [day for day, _, _ in days] == [DAY, DAY + 1, DAY + 2]


def test_a_parcel_opens() -> None:
    data, magic = hexed("parcel", "the file"), b"entrenous/1/parcel-file\n"
    assert data.startswith(magic)
    envelope, stream = data[len(magic) : len(magic) + 142], data[len(magic) + 142 :]
    to = WORLD["cast"]["person: DID"]
    info = cb(["entrenous/1/parcel-file", to, cast("person: reader key")])
    assert info == hexed("parcel", "HPKE info of the envelope")
    secret = cast("person: reader secret (X25519)")
    version, sender, seed = decode(open_hpke(secret, envelope, info))
    assert (version, sender) == (1, WORLD["cast"]["supplier: DID"])
    key = kdf(seed, "parcel-key", sender, to)
    assert key == hexed("parcel", "key of the stream")
    state = secretstream.crypto_secretstream_xchacha20poly1305_state()
    secretstream.crypto_secretstream_xchacha20poly1305_init_pull(state, stream[:24], key)
    plain, tag = secretstream.crypto_secretstream_xchacha20poly1305_pull(state, stream[24:])
    assert (len(plain), tag) == (16 * 1024, 3)
    size = struct.unpack(">I", plain[:4])[0]
    assert not any(plain[4 + size :])
    assert plain[4 : 4 + size] == hexed("parcel", "the head")
    body = body_of(plain[4 : 4 + size], WORLD["cast"]["supplier: device DID"])
    assert body_of(body["cert"], "persona")["device"] == WORLD["cast"]["supplier: device DID"]
    assert (body["from"], body["to"], body["n"]) == (sender, to, 3)
    ((inv, proofs, parts),) = body["calls"]
    assert (proofs, parts) == ([], [])
    assert decode(inv)[1]["ucan/inv@1.0.0"]["meta"] == {"counter": 3}
    ((answer, certificate),) = body["words"]
    assert body_of(answer, WORLD["cast"]["supplier: device DID"])["code"] == "ok"
    assert certificate == body["cert"]


def test_a_grant_and_its_keys() -> None:
    signature, signed = decode(hexed("granting", "delegation"))
    payload = signed["ucan/dlg@1.0.0"]
    key = Ed25519PublicKey.from_public_bytes(public_of(payload["iss"]))
    key.verify(signature, cb(signed))
    assert cid(hexed("granting", "delegation")) == hexed("granting", "delegation: CID")
    keyset = body_of(hexed("keyset", "keyset"), payload["iss"])
    secret = cast("supplier: reader secret (X25519)")
    inside = decode(open_hpke(secret, keyset["sealed"], hexed("keyset", "HPKE info")))
    [found] = inside["sets"]
    days = [(depth, prefix) for depth, prefix, _ in found["nodes"]]
    assert days == [(16, DAY), (16, DAY + 1)]
    assert found["nodes"][0][2] == hexed("page", f"D, key of day {DAY}")


def test_a_receipt_and_its_leaf() -> None:
    raw = hexed("reading", "receipt with both signatures")
    body = body_of(raw, "server", "reader")
    name = cid(cb(decode(raw)[:2]))
    assert name == hexed("reading", "receipt with both signatures: CID")
    offer = decode(hexed("reading", "body of the offer frame"))
    assert offer["receipt"] == body
    assert tree([sha(b"\x00" + entry) for entry in offer["entries"]]) == body["entries_root"]
    k_r = kdf(cast("k_grant"), "receipt", body["inv"], body["window"])
    data = mac(kdf(cast("K_log"), "leaf", 0), mac(k_r, name))
    assert sha(b"\x00" + data) == hexed("log", "hash of leaf 0")


def test_taking_back() -> None:
    names = [hexed("taking-back", f"{kind}: CID") for kind in ("revocation", "rotation")]
    body_of(hexed("taking-back", "revocation"), "by")
    gens = [
        blake(cb(["entrenous/1/generation", sorted(some)]), size=16) for some in (names[:1], names)
    ]
    assert gens == [hexed("taking-back", f"gen after {which}") for which in ("it", "both")]


@pytest.mark.parametrize("name", sorted(WORLD["frames"]))
def test_frames(name: str) -> None:
    raw = hexed("frames", name)
    assert int.from_bytes(raw[:4], "big") == len(raw) - 4
    kind, call, _ = decode(raw[4:])
    assert kind == name.split()[0]
    assert (call == 0) is (kind in ("hello", "refuse", "ping"))

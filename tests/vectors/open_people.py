"""Vectors of encoding, of personas and their devices, and of pairing."""

from __future__ import annotations

from collections.abc import Sequence

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.crypto.digest import sha256
from entrenous.crypto.keys import ReaderSecret
from entrenous.crypto.labels import Signed
from entrenous.crypto.recovery import backup_secret, next_key
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.command import Cmd, PairAnswer, PairOpenArgs, digest_text
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.invocation import issue_invocation
from entrenous.protocol.pairing import Invite, pair_key
from entrenous.protocol.persona import make_inception, make_reader_key, make_succession
from entrenous.protocol.receipt import make_answer
from entrenous.protocol.signed import sign
from entrenous.tests.protocol.forge import (
    HONEST_BARE,
    IDENTITY,
    IDENTITY_UNREDUCED,
    MIXED_BARE,
    ORDER_EIGHT,
    ORDER_TWO,
    POINT_UNREDUCED,
    BareKey,
    malleable,
    raw_did,
)
from entrenous.tests.vectors.open_form import Case, Fault, Subject, hexes, plain
from entrenous.tests.vectors.open_world import (
    BANK,
    DAY_S,
    PERSON,
    RECOVERY,
    STRANGER,
    SUPPLIER,
    T_MS,
    T_S,
    TABLET,
    certify,
    random,
)

WEEK_S = 7 * DAY_S


# --- encoding -------------------------------------------------------------------------------------


def encoding() -> Subject:
    link = Link(cid_of(encode({"v": 1})))
    values: dict[str, Value] = {
        "integers": [0, 23, 24, 255, 256, 65_536, 2**32, 2**53 + 1, 2**63 - 1, -1, -(2**63)],
        "map": {"v": 1, "to": None, "aa": True, "b": False, "ab": [], "longer": {}},
        "text": ["", "a", "é", "駅", "𝄞"],
        "bytes": [b"", bytes(23), bytes(24), bytes(range(256))],
        "link": {"prf": [link]},
    }
    cases = [
        Case(
            f"encoding: {name}",
            "encoding",
            {"bytes": encode(value).hex()},
            {
                "value": plain(value),
                "cid": cid_text(cid_of(encode(value))),
                "digest": digest_text(sha256(encode(value))),
            },
        )
        for name, value in values.items()
    ]
    long_link = b"\xd8\x2a\x58\x26\x00\x01\xf1\x00\x12\x20" + bytes(32)
    odd = {
        "an integer in more bytes than it needs": "1817",
        "a length in more bytes than it needs": "780161",
        "a list without a length": "9f01ff",
        "a text in pieces": "7f6161ff",
        "a map whose keys are not in order": "a2616201616101",
        "a map whose longer key comes first": "a2626161016162" + "01",
        "a key twice": "a2616101616102",
        "a key that is not text": "a10102",
        "a float that is whole": "fb3ff0000000000000",
        "a float": "fb3ff8000000000000",
        "a short float": "f93e00",
        "undefined": "f7",
        "another simple value": "f0",
        "another tag": "c101",
        "a link whose numbers are longer than they need": long_link.hex(),
        "a link that is no CID": "d82a4500ffffffff",
        "an integer of more than 64 bits signed": "1b8000000000000000",
        "a text that is not UTF-8": "61ff",
        "bytes after the value": "0100",
        "the end is missing": "8201",
        "nothing": "",
    }
    faults = [
        Fault(f"encoding: {name}", "encoding: map", "encoding", {"bytes": raw})
        for name, raw in odd.items()
    ]
    return Subject("encoding.json", "Strict DAG-CBOR, CIDs and digests in text.", cases, faults)


# --- identity -------------------------------------------------------------------------------------


def identity() -> Subject:
    mixed = MIXED_BARE.drawn(_bare_message(MIXED_BARE), cancels=True)
    later = [
        make_reader_key(SUPPLIER.key, key=ReaderSecret(random(f"reader key {n}", 32)).public, n=n)
        for n in (1, 2)
    ]
    begun = SUPPLIER.inception
    successor = next_key(RECOVERY, 0, 0)
    after = make_inception(
        successor, reader_key=ReaderSecret(random("new reader", 32)).public, next_digest=bytes(32)
    )
    succession = make_succession(PERSON.did, successor)
    certificate = certify(SUPPLIER.key, SUPPLIER.device, cmds=("/grant", "/record/read"))
    asked = {
        "certificate": certificate.signed.raw.hex(),
        "persona": SUPPLIER.did,
        "device": SUPPLIER.device_did,
        "cmd": "/record/read",
        "t_ms": T_MS,
    }
    output = {"cid": cid_text(certificate.signed.cid)}
    cases = [
        Case(
            "secret: next keys and backup key",
            "secret",
            {"secret": RECOVERY.secret_bytes().hex(), "list": 0, "i": 0},
            {
                "next": successor.public.hex(),
                "digest": PERSON.inception.next_digest.hex(),
                "backup": backup_secret(RECOVERY).public.hex(),
            },
        ),
        Case(
            "persona: begun",
            "persona",
            {"inception": begun.signed.raw.hex(), "reader_keys": []},
            {
                "did": begun.did,
                "cid": cid_text(begun.signed.cid),
                "next": begun.next_digest.hex(),
                "n": 0,
                "reader_key": begun.reader_key.hex(),
            },
        ),
        Case(
            "persona: the highest reader key wins",
            "persona",
            {
                "inception": begun.signed.raw.hex(),
                "reader_keys": hexes([later[1].signed.raw, later[0].signed.raw]),
            },
            {
                "did": begun.did,
                "cid": cid_text(begun.signed.cid),
                "next": begun.next_digest.hex(),
                "n": 2,
                "reader_key": later[1].key.hex(),
            },
        ),
        Case(
            "persona: a key of mixed order",
            "persona",
            {"inception": _signed_bare(MIXED_BARE, mixed).hex(), "reader_keys": []},
            {
                "did": raw_did(MIXED_BARE.public),
                "cid": cid_text(cid_of(_bare_message(MIXED_BARE))),
                "next": begun.next_digest.hex(),
                "n": 0,
                "reader_key": begun.reader_key.hex(),
            },
        ),
        Case(
            "succession",
            "succession",
            {
                "old": PERSON.inception.signed.raw.hex(),
                "new": after.signed.raw.hex(),
                "succession": succession.signed.raw.hex(),
            },
            {"old": PERSON.did, "new": did_of(successor.public)},
        ),
        Case("certificate: of a command", "certificate", asked, output),
        Case(
            "certificate: of a command below",
            "certificate",
            {**asked, "cmd": "/grant/keys"},
            output,
        ),
        Case(
            "certificate: in its last second",
            "certificate",
            {**asked, "t_ms": certificate.exp_s * 1000},
            output,
        ),
    ]
    return Subject(
        "identity.json",
        "Personas, reader keys, successions, certificates of devices.",
        cases,
        [*_persona_faults(), *_signature_faults(), *_certificate_faults()],
    )


def _bare_body(key: BareKey) -> dict[str, Value]:
    return {**SUPPLIER.inception.signed.body, "did": raw_did(key.public)}


def _bare_message(key: BareKey) -> bytes:
    return encode(["entrenous/1/inception", _bare_body(key)])


def _signed_bare(key: BareKey, signature: bytes) -> bytes:
    return encode(["entrenous/1/inception", _bare_body(key), signature])


def _signature_faults() -> list[Fault]:
    """What libraries of Ed25519 judge differently: one answer to each."""
    of = "persona: begun"
    raw, body = SUPPLIER.inception.signed.raw, SUPPLIER.inception.signed.body
    honest, mixed = _bare_message(HONEST_BARE), _bare_message(MIXED_BARE)
    unreduced = {**body, "did": raw_did(POINT_UNREDUCED)}
    found = {
        "S + L for S": raw[:-64] + malleable(raw[-64:]),
        "R of small order": _signed_bare(HONEST_BARE, HONEST_BARE.sign_with(IDENTITY, honest)),
        "R of small order, in another spelling": _signed_bare(
            HONEST_BARE, HONEST_BARE.sign_with(IDENTITY_UNREDUCED, honest)
        ),
        "R with a point of order two added": _signed_bare(
            HONEST_BARE, HONEST_BARE.sign_added(ORDER_TWO, honest)
        ),
        "under a key of mixed order, holds times eight only": _signed_bare(
            MIXED_BARE, MIXED_BARE.drawn(mixed, cancels=False)
        ),
    }
    return [
        *(
            Fault(f"persona: a signature, {name}", of, "signature", {"inception": one.hex()})
            for name, one in found.items()
        ),
        Fault(
            "persona: a key not below the prime",
            of,
            "key",
            {"inception": encode(["entrenous/1/inception", unreduced, raw[-64:]]).hex()},
        ),
    ]


def _persona_faults() -> list[Fault]:
    begun = SUPPLIER.inception
    raw, body = begun.signed.raw, dict(begun.signed.body)

    def altered(**changed: Value) -> str:
        return sign(Signed.INCEPTION, {**body, **changed}, SUPPLIER.key).raw.hex()

    def reader(**changed: Value) -> str:
        found = {"v": 1, "did": SUPPLIER.did, "key": bytes(31) + b"\x09", "n": 2, **changed}
        return sign(Signed.READER_KEY, found, SUPPLIER.key).raw.hex()

    lacking = {key: value for key, value in body.items() if key != "next"}
    small = [
        encode(["entrenous/1/inception", {**body, "did": raw_did(point)}, point + bytes(32)])
        for point in (IDENTITY, ORDER_EIGHT)
    ]
    of, two = "persona: begun", "persona: the highest reader key wins"
    other = make_reader_key(STRANGER.key, key=bytes(31) + b"\x09", n=3).signed.raw
    foreign = sign(
        Signed.SUCCESSION, {"v": 1, "old": PERSON.did, "new": STRANGER.did}, STRANGER.key
    )
    by_old = sign(
        Signed.SUCCESSION,
        {"v": 1, "old": PERSON.did, "new": did_of(next_key(RECOVERY, 0, 0).public)},
        PERSON.key,
    )

    def begins(name: str, why: str, raw: str) -> Fault:
        return Fault(f"persona: {name}", of, why, {"inception": raw})

    return [
        begins("signature altered", "signature", (raw[:-1] + bytes([raw[-1] ^ 1])).hex()),
        begins(
            "signed by another", "signature", sign(Signed.INCEPTION, body, STRANGER.key).raw.hex()
        ),
        begins(
            "body altered after signing",
            "signature",
            raw.replace(begun.next_digest, bytes(32)).hex(),
        ),
        begins("no signature", "form", encode(["entrenous/1/inception", body]).hex()),
        begins(
            "two signatures",
            "form",
            sign(Signed.INCEPTION, body, SUPPLIER.key, SUPPLIER.key).raw.hex(),
        ),
        begins("another type", "form", sign(Signed.CARD, body, SUPPLIER.key).raw.hex()),
        begins("another version", "version", altered(v=2)),
        begins("a key more", "form", altered(more=None)),
        begins("a key too few", "form", sign(Signed.INCEPTION, lacking, SUPPLIER.key).raw.hex()),
        begins("a reader key of 31 bytes", "form", altered(reader_key=bytes(31))),
        begins("a key of small order", "key", small[0].hex()),
        begins("a key of small order, another", "key", small[1].hex()),
        begins("a DID in base64url", "key", altered(did="did:key:u7QE" + "A" * 40)),
        begins("encoded in another way", "encoding", (b"\x98\x03" + raw[1:]).hex()),
        Fault("persona: one number, two keys", two, "persona", {"reader_keys.1": reader()}),
        Fault("persona: number 0 again", two, "form", {"reader_keys.1": reader(n=0)}),
        Fault("persona: a reader key of another", two, "persona", {"reader_keys.1": other.hex()}),
        Fault(
            "succession: not the key that was named",
            "succession",
            "succession",
            {"succession": foreign.raw.hex(), "new": STRANGER.inception.signed.raw.hex()},
        ),
        Fault(
            "succession: signed by the old key",
            "succession",
            "signature",
            {"succession": by_old.raw.hex()},
        ),
        Fault(
            "succession: of another persona",
            "succession",
            "succession",
            {"old": BANK.inception.signed.raw.hex()},
        ),
    ]


_ODD_CERTIFICATES: Sequence[tuple[str, str, dict[str, Value]]] = (
    ("another version", "version", {"v": 2}),
    ("a command twice", "form", {"cmds": ["/grant", "/grant"]}),
    ("a command that is no path", "form", {"cmds": ["grant"]}),
    ("a command in capitals", "form", {"cmds": ["/Grant"]}),
    ("a command with an empty word", "form", {"cmds": ["/grant//keys"]}),
    ("sixty-five commands", "form", {"cmds": [f"/c{n:02}" for n in range(65)]}),
    ("commands that are no list", "form", {"cmds": "/grant"}),
    ("an end as text", "form", {"exp": "2026"}),
    ("an end before all time", "form", {"exp": -1}),
    ("a device of small order", "key", {"device": raw_did(IDENTITY)}),
    ("a device that is no did:key", "key", {"device": "did:web:example.org"}),
    ("a key more", "form", {"more": None}),
)


def _certificate_faults() -> list[Fault]:
    of = "certificate: of a command"

    def made(**changed: Value) -> str:
        body: dict[str, Value] = {
            "v": 1,
            "persona": SUPPLIER.did,
            "device": SUPPLIER.device_did,
            "cmds": ["/grant", "/record/read"],
            "exp": T_S + 30 * DAY_S,
        }
        return sign(Signed.CERTIFICATE, {**body, **changed}, SUPPLIER.key).raw.hex()

    return [
        Fault("certificate: ended", of, "certificate", {"t_ms": (T_S + 30 * DAY_S) * 1000 + 1}),
        Fault("certificate: for too long", of, "certificate", {"t_ms": T_MS - 61_000}),
        Fault("certificate: of another device", of, "certificate", {"device": STRANGER.device_did}),
        Fault("certificate: of another persona", of, "certificate", {"persona": BANK.did}),
        Fault("certificate: of another command", of, "certificate", {"cmd": "/record/deliver"}),
        Fault("certificate: by characters, not by words", of, "certificate", {"cmd": "/grants"}),
        Fault(
            "certificate: commands out of order",
            of,
            "form",
            {"certificate": made(cmds=["/record/read", "/grant"])},
        ),
        Fault("certificate: no command", of, "form", {"certificate": made(cmds=[])}),
        *(
            Fault(f"certificate: {name}", of, why, {"certificate": made(**changed)})
            for name, why, changed in _ODD_CERTIFICATES
        ),
        Fault(
            "certificate: altered after signing",
            of,
            "signature",
            {"certificate": made().replace(b"/record/read".hex(), b"/record/reac".hex())},
        ),
        Fault(
            "certificate: signed by another persona",
            of,
            "signature",
            {
                "certificate": sign(
                    Signed.CERTIFICATE,
                    dict(certify(SUPPLIER.key, SUPPLIER.device).signed.body),
                    STRANGER.key,
                ).raw.hex()
            },
        ),
        Fault(
            "certificate: of the stolen device, by the persona that followed",
            of,
            "certificate",
            {"certificate": certify(next_key(RECOVERY, 0, 0), SUPPLIER.device).signed.raw.hex()},
        ),
        Fault(
            "certificate: by its own device",
            of,
            "signature",
            {
                "certificate": sign(
                    Signed.CERTIFICATE,
                    {
                        "v": 1,
                        "persona": SUPPLIER.did,
                        "device": SUPPLIER.device_did,
                        "cmds": ["/"],
                        "exp": T_S + DAY_S,
                    },
                    SUPPLIER.device,
                ).raw.hex()
            },
        ),
    ]


# --- pairing --------------------------------------------------------------------------------------


def pairing() -> Subject:
    """The person's node invites; the supplier's scans."""
    secret, k_scanner, k_inviter = random("invite", 16), random("k 1", 32), random("k 2", 32)
    at = "/ip4/192.0.2.7/tcp/4001"
    invite = Invite(PERSON.device.public, (at,), secret, T_S + DAY_S)

    def opening(*, secret: bytes = secret, k: bytes = k_scanner) -> str:
        inception, cert = SUPPLIER.inception.signed.raw, SUPPLIER.certificate.signed.raw
        args = PairOpenArgs(secret, inception, cert, "Supplier", k_scanner, ()).value()
        return _opening({**args, "k": k})

    def opening_of(raw: str) -> bytes:
        return cid_of(bytes.fromhex(raw))

    said = opening()
    out = PairAnswer(
        PERSON.inception.signed.raw, PERSON.certificate.signed.raw, "Home", k_inviter, ()
    )

    def answered(inv: bytes, *, prev: bytes | None = None, by: object = None) -> str:
        device = PERSON.device if by is None else TABLET
        return make_answer(
            device, inv=inv, code=Code.OK, out=out.value(), t_ms=T_MS, prev=prev
        ).signed.raw.hex()

    key = pair_key(
        secret,
        k_scanner=k_scanner,
        k_inviter=k_inviter,
        inception_scanner=SUPPLIER.inception.signed.cid,
        inception_inviter=PERSON.inception.signed.cid,
    )
    case = Case(
        "pairing",
        "pairing",
        {
            "link": invite.link(),
            "invocation": said,
            "answer": answered(opening_of(said)),
            "device": SUPPLIER.device_did,
            "now_ms": T_MS,
        },
        {"scanner": SUPPLIER.did, "inviter": PERSON.did, "k_pair": key.secret_bytes().hex()},
    )
    far = Invite(PERSON.device.public, (at,), secret, T_S + WEEK_S + 1).link()
    over = Invite(PERSON.device.public, (at,), secret, T_S - 1).link()
    other = opening(secret=bytes(16))
    short = opening(k=bytes(31))
    faults = [
        Fault("pairing: the link has ended", "pairing", "expired", {"link": over}),
        Fault("pairing: the link runs for too long", "pairing", "lifetime", {"link": far}),
        Fault("pairing: a padded link", "pairing", "link", {"link": invite.link() + "="}),
        Fault("pairing: another scheme", "pairing", "link", {"link": "http:" + invite.link()}),
        Fault(
            "pairing: another secret",
            "pairing",
            "link",
            {"invocation": other, "answer": answered(opening_of(other))},
        ),
        Fault(
            "pairing: k of 31 bytes",
            "pairing",
            "form",
            {"invocation": short, "answer": answered(opening_of(short))},
        ),
        Fault(
            "pairing: the answer to another call",
            "pairing",
            "receipt",
            {"answer": answered(bytes.fromhex("01711220") + bytes(32))},
        ),
        Fault(
            "pairing: answered by another device",
            "pairing",
            "signature",
            {"answer": answered(opening_of(said), by=TABLET)},
        ),
        Fault(
            "pairing: something was said before",
            "pairing",
            "form",
            {"answer": answered(opening_of(said), prev=opening_of(said))},
        ),
        Fault(
            "pairing: another device scanned",
            "pairing",
            "certificate",
            {"device": STRANGER.device_did},
        ),
    ]
    return Subject("pairing.json", "The link, /pair/open and its answer, k_pair.", [case], faults)


def _opening(args: dict[str, Value]) -> str:
    return issue_invocation(
        SUPPLIER.key,
        sub=SUPPLIER.did,
        aud=PERSON.device_did,
        cmd=Cmd.PAIR_OPEN,
        args=args,
        prf=(),
        exp=T_S + 120,
        nonce=random("nonce of the pairing", 16),
    ).raw.hex()

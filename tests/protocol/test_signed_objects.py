"""Every signed object: what is altered in any field, by anyone but its signer, is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature, EntrenousError
from entrenous.crypto.key_tree import FIRST_GENERATION
from entrenous.crypto.keys import DeviceKey, GrantKey, PersonaKey, ReaderSecret, VaultSecret
from entrenous.protocol.capability import issue_delegation
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code, VersionError, WireError
from entrenous.protocol.grant import issue_grant, make_bundle, parse_bundle
from entrenous.protocol.keyset import Sealing, make_keyset, parse_keyset, path_keys
from entrenous.protocol.persona import (
    make_certificate,
    make_inception,
    make_reader_key,
    make_succession,
    parse_certificate,
    parse_inception,
    parse_reader_key,
    parse_succession,
)
from entrenous.protocol.receipt import (
    ReceiptBody,
    countersign,
    countersigned,
    make_answer,
    parse_answer,
    parse_receipt,
    sign_receipt,
)
from entrenous.protocol.revocation import (
    make_revocation,
    make_rotation,
    parse_revocation,
    parse_rotation,
)
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode, encode

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
OWNER = PersonaKey(bytes([1]) * 32)
READER = PersonaKey(bytes([2]) * 32)
DEVICE = DeviceKey(bytes([3]) * 32)
STRANGER = PersonaKey(bytes([4]) * 32)
SECRET = ReaderSecret(bytes([5]) * 32)
ENTROPY = SeededEntropy(b"signed objects")
OWNER_DID, READER_DID = did_of(OWNER.public), did_of(READER.public)
TERMS = Terms("dpv:ServiceProvision", 30, ("nobody",), None, (Clause("no resale", Force.PROMISED),))
LOAD = "energy/electricity/load-curve"
GRANT = issue_grant(
    OWNER,
    aud=READER_DID,
    windows=[Window(LOAD, 46_000, 46_029)],
    terms=TERMS,
    exp_s=NOW_S + 86_400 * 60,
    nonce=bytes(12),
)
OTHER_DLG = issue_delegation(
    OWNER, aud=READER_DID, sub=OWNER_DID, cmd="/record/read", pol=[], exp=None, nonce=bytes(12)
)
CERTIFICATE = make_certificate(
    OWNER, device=DEVICE, cmds=["/record/read"], exp_s=NOW_S + 86_400, now_ms=NOW_MS
)
RECEIPT = sign_receipt(
    ReceiptBody(
        inv=OTHER_DLG.cid,
        dlg=GRANT.cid,
        server=did_of(DEVICE.public),
        reader=READER_DID,
        window=0,
        last=True,
        entries_root=bytes(32),
        first=46_000,
        last_day=46_029,
        pages=30,
        size=61_440,
        t_ms=NOW_MS,
        prev=None,
    ),
    DEVICE,
)
TWO_SIDED = countersigned(RECEIPT, countersign(RECEIPT, READER))


def _keyset() -> bytes:
    sealing = Sealing(GRANT.cid, TERMS.cid, OWNER_DID, READER_DID, SECRET.public)
    found = path_keys(
        VaultSecret(bytes([6]) * 32),
        epoch=bytes(16),
        path=LOAD,
        gen=FIRST_GENERATION,
        windows=GRANT.windows,
        exp_s=GRANT.exp_s,
    )
    assert found is not None
    k_grant = GrantKey(bytes([7]) * 32)
    return make_keyset(
        OWNER, sealing, n=NOW_MS, k_grant=k_grant, sets=[found], entropy=ENTROPY
    ).signed.raw


@dataclass(frozen=True, slots=True)
class Case:
    raw: bytes
    accept: Callable[[bytes], object]


CASES: Mapping[str, Case] = {
    "inception": Case(
        make_inception(OWNER, reader_key=SECRET.public, next_digest=bytes(32)).signed.raw,
        parse_inception,
    ),
    "reader-key": Case(make_reader_key(OWNER, key=SECRET.public, n=1).signed.raw, parse_reader_key),
    "succession": Case(make_succession(OWNER_DID, READER).signed.raw, parse_succession),
    "certificate": Case(CERTIFICATE.signed.raw, parse_certificate),
    "revocation": Case(
        make_revocation(OWNER, dlg=GRANT.cid, paths=[LOAD], t_ms=NOW_MS).signed.raw,
        parse_revocation,
    ),
    "rotation": Case(
        make_rotation(OWNER, paths=[LOAD], t_ms=NOW_MS, entropy=ENTROPY).signed.raw,
        parse_rotation,
    ),
    "bundle": Case(
        make_bundle(OWNER, GRANT, terms=TERMS, reader_key=SECRET.public).signed.raw, parse_bundle
    ),
    "keyset": Case(_keyset(), lambda raw: parse_keyset(raw, OWNER_DID)),
    "receipt": Case(RECEIPT.signed.raw, lambda raw: parse_receipt(raw).verify(CERTIFICATE)),
    "two-sided receipt": Case(
        TWO_SIDED.signed.raw, lambda raw: parse_receipt(raw).verify(CERTIFICATE)
    ),
    "answer": Case(
        make_answer(
            DEVICE, inv=OTHER_DLG.cid, code=Code.OK, out="kept", t_ms=NOW_MS, prev=None
        ).signed.raw,
        lambda raw: parse_answer(raw).verify(CERTIFICATE, OTHER_DLG.cid),
    ),
}


def _parts(raw: bytes) -> tuple[str, dict[str, Value], list[bytes]]:
    value = decode(raw)
    assert isinstance(value, list)
    kind, body, *signatures = value
    assert isinstance(kind, str)
    assert isinstance(body, dict)
    found = [signature for signature in signatures if isinstance(signature, bytes)]
    return kind, body, found


def _other(value: Value) -> Value:
    """Another value of the same type, which the parser would take."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1])
        case str() if value.startswith("did:"):
            return did_of(STRANGER.public)
        case str():
            return "busy" if value == "ok" else value + "x"
        case [first, *rest]:
            return [_other(first), *rest]
        case list():
            return [GRANT.delegation.raw]
        case None:
            return GRANT.cid
        case _:
            raise AssertionError(value)


FIELDS = [(name, key) for name, case in CASES.items() for key in sorted(_parts(case.raw)[1])]


@pytest.mark.parametrize("name", CASES)
def test_each_is_accepted_as_it_was_signed(name: str) -> None:
    CASES[name].accept(CASES[name].raw)


@pytest.mark.parametrize(("name", "key"), FIELDS)
def test_a_field_altered_under_the_same_signature_is_refused(name: str, key: str) -> None:
    kind, body, signatures = _parts(CASES[name].raw)
    altered = {**body, key: _other(body[key])}
    with pytest.raises(EntrenousError):
        CASES[name].accept(encode([kind, altered, *signatures]))


@pytest.mark.parametrize(("name", "key"), FIELDS)
def test_a_field_left_out_is_refused_by_name(name: str, key: str) -> None:
    kind, body, signatures = _parts(CASES[name].raw)
    del body[key]
    with pytest.raises(WireError, match=rf"lacks {key}"):
        CASES[name].accept(encode([kind, body, *signatures]))


@pytest.mark.parametrize("name", CASES)
def test_a_field_too_many_is_refused(name: str) -> None:
    kind, body, signatures = _parts(CASES[name].raw)
    with pytest.raises(WireError, match="not known"):
        CASES[name].accept(encode([kind, {**body, "also": 1}, *signatures]))


@pytest.mark.parametrize("name", CASES)
def test_a_later_version_says_which_side_is_too_old(name: str) -> None:
    kind, body, signatures = _parts(CASES[name].raw)
    with pytest.raises(VersionError, match="update this side"):
        CASES[name].accept(encode([kind, {**body, "v": 2}, *signatures]))


@pytest.mark.parametrize("name", CASES)
def test_each_is_refused_under_the_name_of_another(name: str) -> None:
    _, body, signatures = _parts(CASES[name].raw)
    with pytest.raises(WireError, match="this is not"):
        CASES[name].accept(encode(["entrenous/1/statement", body, *signatures]))


@pytest.mark.parametrize("name", CASES)
def test_a_strangers_signature_is_refused(name: str) -> None:
    kind, body, signatures = _parts(CASES[name].raw)
    forged = [STRANGER.sign(encode([kind, body])) for _ in signatures]
    with pytest.raises(BadSignature):
        CASES[name].accept(encode([kind, body, *forged]))


@given(st.data())
def test_a_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    case = CASES[data.draw(st.sampled_from(sorted(CASES)))]
    raw = bytearray(case.raw)
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(EntrenousError):
        case.accept(bytes(raw))

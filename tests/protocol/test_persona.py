"""Personas, their reader keys and successors, and the devices certified for them."""

from __future__ import annotations

import pytest

from entrenous.crypto.digest import sha256
from entrenous.crypto.keys import DeviceKey, PersonaKey, ReaderSecret
from entrenous.crypto.labels import Signed
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, LocalProtocolError, WireError
from entrenous.protocol.persona import (
    check_succession,
    current_reader_key,
    make_certificate,
    make_inception,
    make_reader_key,
    make_succession,
    parse_certificate,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import Value

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
DAY_S = 86_400
OLD, NEXT, THIEF = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3))
DEVICE, OTHER = (DeviceKey(bytes([n]) * 32) for n in (4, 5))
SECRETS = [ReaderSecret(bytes([n]) * 32) for n in (6, 7, 8)]
INCEPTION = make_inception(OLD, reader_key=SECRETS[0].public, next_digest=sha256(NEXT.public))


def test_the_promised_key_succeeds() -> None:
    new = make_inception(NEXT, reader_key=SECRETS[1].public, next_digest=bytes(32))
    check_succession(make_succession(INCEPTION.did, NEXT), INCEPTION, new)


def test_a_key_that_was_never_promised_does_not_succeed() -> None:
    thief = make_inception(THIEF, reader_key=SECRETS[1].public, next_digest=bytes(32))
    with pytest.raises(CapabilityError, match="never promised"):
        check_succession(make_succession(INCEPTION.did, THIEF), INCEPTION, thief)


def test_a_succession_of_another_persona_is_refused() -> None:
    new = make_inception(NEXT, reader_key=SECRETS[1].public, next_digest=bytes(32))
    with pytest.raises(CapabilityError, match="another persona"):
        check_succession(make_succession(did_of(THIEF.public), NEXT), INCEPTION, new)
    thief = make_inception(THIEF, reader_key=SECRETS[1].public, next_digest=bytes(32))
    with pytest.raises(CapabilityError, match="another persona"):
        check_succession(make_succession(INCEPTION.did, NEXT), INCEPTION, thief)


def test_the_highest_reader_key_wins_whatever_the_order() -> None:
    first = make_reader_key(OLD, key=SECRETS[1].public, n=1)
    second = make_reader_key(OLD, key=SECRETS[2].public, n=2)
    assert current_reader_key(INCEPTION, []) == SECRETS[0].public
    assert current_reader_key(INCEPTION, [first, second]) == SECRETS[2].public
    assert current_reader_key(INCEPTION, [second, first, second]) == SECRETS[2].public


def test_reader_keys_that_disagree_or_are_anothers_are_refused() -> None:
    one = make_reader_key(OLD, key=SECRETS[1].public, n=1)
    two = make_reader_key(OLD, key=SECRETS[2].public, n=1)
    with pytest.raises(WireError, match="two different reader keys"):
        current_reader_key(INCEPTION, [one, two])
    with pytest.raises(WireError, match="another persona"):
        current_reader_key(INCEPTION, [make_reader_key(THIEF, key=SECRETS[1].public, n=9)])


# --- certificates ---------------------------------------------------------------------------------

CERT = make_certificate(
    OLD, device=DEVICE, cmds=["/record", "/grant/keys"], exp_s=NOW_S + 30 * DAY_S, now_ms=NOW_MS
)


def test_a_certificate_holds_for_its_device_time_and_commands() -> None:
    CERT.check(NOW_MS, DEVICE.public, "/record/read")
    CERT.check(NOW_MS, DEVICE.public, "/grant/keys")
    CERT.check(CERT.exp_s * 1000, DEVICE.public)
    assert CERT.cmds == ("/grant/keys", "/record")


@pytest.mark.parametrize(
    ("now_ms", "device", "command", "code"),
    [
        (NOW_MS, OTHER.public, "/record/read", Code.AUDIENCE),
        (CERT.exp_s * 1000 + 1, DEVICE.public, "/record/read", Code.EXPIRED),
        (NOW_MS - 61_000, DEVICE.public, "/record/read", Code.NOT_YET),
        (NOW_MS, DEVICE.public, "/grant", Code.COMMAND),
        (NOW_MS, DEVICE.public, "/records", Code.COMMAND),
        (NOW_MS, DEVICE.public, "/grant/keyset", Code.COMMAND),
    ],
)
def test_a_certificate_is_refused(now_ms: int, device: bytes, command: str, code: Code) -> None:
    with pytest.raises(CapabilityError) as refused:
        CERT.check(now_ms, device, command)
    assert refused.value.code is code


def test_a_certificate_of_more_than_thirty_days_is_not_made() -> None:
    for exp_s in (NOW_S - 1, NOW_S + 30 * DAY_S + 1):
        with pytest.raises(LocalProtocolError, match="30 days"):
            make_certificate(OLD, device=DEVICE, cmds=["/"], exp_s=exp_s, now_ms=NOW_MS)


@pytest.mark.parametrize(
    "cmds",
    [[], ["/b", "/a"], ["/a", "/a"], ["a"], ["/A"], ["/a/"], [1], ["/" + "a" * 200], "/a"],
)
def test_a_certificate_with_malformed_commands_is_refused(cmds: Value) -> None:
    body: dict[str, Value] = {
        "v": 1,
        "persona": INCEPTION.did,
        "device": did_of(DEVICE.public),
        "cmds": cmds,
        "exp": NOW_S,
    }
    with pytest.raises(WireError):
        parse_certificate(sign(Signed.CERTIFICATE, body, OLD).raw)

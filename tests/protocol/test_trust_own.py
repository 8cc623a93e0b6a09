"""The other two doors: what is said in one's own name, and by a stranger with an invite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.command import AcceptArgs, Cmd, PairOpenArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.grant import (
    ReadGrant,
)
from entrenous.protocol.pairing import OpenInvite
from entrenous.protocol.persona import make_certificate, make_inception
from entrenous.protocol.trust import (
    Pair,
    Standing,
    VerifiedMeeting,
    VerifiedOwn,
    authorise_meeting,
    authorise_own,
)
from entrenous.protocol.wire import Value
from entrenous.tests.protocol.test_trust import (
    DAY_S,
    DEVICE,
    GRANT,
    NOW_MS,
    NOW_S,
    OWNER_DID,
    READER,
    READER_DID,
    SCANNER_DEVICE,
    STANDING,
    STRANGER,
    STRANGER_DID,
    TERMS,
    THIRD_DID,
    Call,
)

# --- in one's own name ----------------------------------------------------------------------------

ACCEPT = AcceptArgs(OWNER_DID, GRANT.cid, TERMS.cid)


def _own(
    *,
    args: Mapping[str, Value] | None = None,
    cmd: str = Cmd.ACCEPT,
    key: PersonaKey = READER,
    standing: Standing = STANDING,
    chain: tuple[ReadGrant, ...] = (),
) -> VerifiedOwn:
    call = Call(
        key=key,
        sub=did_of(key.public),
        cmd=cmd,
        chain=chain,
        args=ACCEPT.value() if args is None else args,
        standing=standing,
    )
    return authorise_own(call.heard(), standing, NOW_MS)


def test_a_pair_speaks_in_its_own_name() -> None:
    said = _own()
    assert said.args == ACCEPT
    assert said.sender == READER_DID


@pytest.mark.parametrize("withdrawn", [Cmd.ACCEPT])
def test_the_owner_withdraws_a_command(withdrawn: Cmd) -> None:
    pair = Pair(OWNER_DID, READER_DID, Pair(OWNER_DID, READER_DID).permits - {withdrawn})
    with pytest.raises(GrantRefused, match="withdrawn") as refused:
        _own(standing=replace(STANDING, pair=pair))
    assert refused.value.code is Code.COMMAND


def test_own_name_commands_are_refused_by_pair_command_and_args() -> None:
    replay = Call(sub=READER_DID, cmd=Cmd.ACCEPT, chain=(), args=ACCEPT.value()).heard()
    cases: Sequence[tuple[Callable[[], object], Code]] = (
        (lambda: _own(key=STRANGER), Code.UNPAIRED),
        (lambda: _own(standing=replace(STANDING, pair=None)), Code.UNPAIRED),
        (lambda: _own(args=replace(ACCEPT, to=THIRD_DID).value()), Code.UNPAIRED),
        (lambda: _own(cmd="/grant/burn"), Code.COMMAND),
        (lambda: _own(cmd=Cmd.READ), Code.COMMAND),
        (lambda: _own(cmd=Cmd.PAIR_OPEN), Code.COMMAND),
        (lambda: _own(chain=(GRANT,)), Code.COMMAND),
        (lambda: _own(args={**ACCEPT.value(), "more": 1}), Code.MALFORMED),
        (lambda: _own(args={"v": 1, "grant": "b", "terms": "b"}), Code.MALFORMED),
        (lambda: _own(args={**ACCEPT.value(), "v": 2}), Code.VERSION),
        (
            lambda: authorise_own(replay, replace(STANDING, spent={replay.inv.cid}), NOW_MS),
            Code.REPLAY,
        ),
    )
    for act, code in cases:
        with pytest.raises(GrantRefused) as refused:
            act()
        assert refused.value.code is code


# --- meeting --------------------------------------------------------------------------------------

SECRET16 = bytes(range(16))
INVITE = OpenInvite(SECRET16, NOW_S + DAY_S, None)
INCEPTION = make_inception(STRANGER, reader_key=bytes([9]) * 32, next_digest=bytes(32))
CERT = make_certificate(
    STRANGER, device=SCANNER_DEVICE, cmds=["/"], exp_s=NOW_S + DAY_S, now_ms=NOW_MS
)
OPEN = PairOpenArgs(SECRET16, INCEPTION.signed.raw, CERT.signed.raw, "Home", bytes(32))


def _meet(
    args: PairOpenArgs = OPEN,
    *,
    key: PersonaKey = STRANGER,
    cmd: str = Cmd.PAIR_OPEN,
    transport: bytes = SCANNER_DEVICE.public,
    invites: Sequence[OpenInvite] = (INVITE,),
    now_ms: int = NOW_MS,
) -> VerifiedMeeting:
    call = Call(key=key, sub=did_of(key.public), cmd=cmd, chain=(), args=args.value())
    return authorise_meeting(call.heard(), DEVICE, invites, transport, now_ms)


def test_an_invite_is_opened_by_its_secret() -> None:
    met = _meet()
    assert met.scanner.inception.did == STRANGER_DID
    assert met.invite == INVITE


def test_the_same_scanner_is_answered_again_and_another_is_not() -> None:
    again = replace(INVITE, spent_by=INCEPTION.signed.cid)
    assert _meet(invites=[again]).invite == again
    with pytest.raises(GrantRefused, match="already used") as refused:
        _meet(invites=[replace(INVITE, spent_by=GRANT.cid)])
    assert refused.value.code is Code.REPLAY


def test_meetings_are_refused() -> None:
    cases: Sequence[tuple[Callable[[], object], Code]] = (
        (lambda: _meet(replace(OPEN, secret=bytes(16))), Code.UNPAIRED),
        (lambda: _meet(invites=[]), Code.UNPAIRED),
        (lambda: _meet(cmd=Cmd.ACCEPT), Code.UNPAIRED),
        (lambda: _meet(invites=[replace(INVITE, exp_s=NOW_S)]), Code.EXPIRED),
        (lambda: _meet(transport=bytes(32)), Code.AUDIENCE),
        (lambda: _meet(key=READER), Code.AUDIENCE),
        (lambda: _meet(replace(OPEN, cert=INCEPTION.signed.raw)), Code.MALFORMED),
        (lambda: _meet(replace(OPEN, inception=b"")), Code.MALFORMED),
        (lambda: _meet(replace(OPEN, name="")), Code.MALFORMED),
        (lambda: _meet(replace(OPEN, k=bytes(31))), Code.MALFORMED),
    )
    for act, code in cases:
        with pytest.raises(GrantRefused) as refused:
            act()
        assert refused.value.code is code


def test_a_secret_is_not_shown() -> None:
    for shown in (repr(OPEN), repr(INVITE), repr(_meet().invite), repr(_meet().args)):
        assert repr(SECRET16) not in shown
        assert SECRET16.hex() not in shown

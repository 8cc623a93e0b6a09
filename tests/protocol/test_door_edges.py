"""The edges of the one door: the last millisecond, the last proof, the number of a parcel, and in
whose pair a word is heard that is said for another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.protocol.capability import issue_invocation
from entrenous.protocol.command import (
    OWN_DEVICES,
    AcceptArgs,
    Cmd,
    MandateInboxArgs,
    OwnArgs,
    RequestArgs,
)
from entrenous.protocol.command_device import HaveArgs
from entrenous.protocol.counter import CounterWindow, counter_meta
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.limits import (
    CHAIN_MAX,
    INVOCATION_AHEAD_S_MAX,
    PARCEL_CLOCK_S_MAX,
    PARCEL_LIFE_S_MAX,
)
from entrenous.protocol.mandate import Acted, Lodged, Mandate, Office, make_mandate
from entrenous.protocol.request import Request
from entrenous.protocol.terms import Terms
from entrenous.protocol.trust import (
    Carried,
    Heard,
    Pair,
    Standing,
    authorise_own,
    authorise_stranger,
    hear,
)
from entrenous.protocol.window import Window

ENTROPY = SeededEntropy(b"edges of the door")
NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
OWNER, READER, PROXY = (PersonaKey.generate(ENTROPY.fork(name)) for name in ("o", "r", "p"))
OWNER_DID, READER_DID, PROXY_DID = (did_of(key.public) for key in (OWNER, READER, PROXY))
DEVICE = did_of(DeviceKey.generate(ENTROPY.fork("device")).public)
CID = b"\x01\x71\x12\x20" + bytes(32)
ACCEPT = AcceptArgs(OWNER_DID, CID, CID)
PAIR = Pair(OWNER_DID, READER_DID)
STANDING = Standing(DEVICE, PAIR, {}, ())
TERMS = Terms("dpv:ServiceProvision", 30, (), None, ())
WINDOW = Window("finance/accounts/transactions", 100, 200)


def _said(
    args: OwnArgs = ACCEPT,
    cmd: str = Cmd.ACCEPT,
    *,
    key: PersonaKey = READER,
    sub: Did = READER_DID,
    exp_s: int = NOW_S + 60,
    mandate: Mandate | None = None,
    counter: int | None = None,
) -> Heard:
    links = [] if mandate is None else [mandate.link(cmd)]
    inv = issue_invocation(
        key,
        sub=sub,
        cmd=cmd,
        args=args.value(),
        prf=[link.cid for link in links],
        exp=exp_s,
        nonce=bytes(12),
        aud=DEVICE,
        meta=None if counter is None else counter_meta(counter),
    )
    return hear(inv.raw, [link.raw for link in links])


def _refused(heard: Heard, standing: Standing, now_ms: int = NOW_MS) -> GrantRefused:
    with pytest.raises(GrantRefused) as refused:
        authorise_own(heard, standing, now_ms)
    return refused.value


# --- time -----------------------------------------------------------------------------------------


def test_a_word_holds_through_the_second_in_which_it_ends() -> None:
    heard = _said(exp_s=NOW_S)
    assert authorise_own(heard, STANDING, NOW_MS).args == ACCEPT
    refused = _refused(heard, STANDING, NOW_MS + 1)
    assert (refused.code, str(refused)) == (Code.EXPIRED, "an invocation has expired")


@pytest.mark.parametrize(
    ("carried", "ahead_s"),
    [
        (None, INVOCATION_AHEAD_S_MAX),
        (Carried(1, CounterWindow()), PARCEL_LIFE_S_MAX + PARCEL_CLOCK_S_MAX),
    ],
    ids=["on a stream", "in a parcel"],
)
def test_a_word_ends_no_later_than_clocks_may_differ(carried: Carried | None, ahead_s: int) -> None:
    heard = _said(exp_s=NOW_S + ahead_s, counter=None if carried is None else carried.n)
    standing = replace(STANDING, carried=carried)
    assert authorise_own(heard, standing, NOW_MS).spent_until_s > NOW_S + ahead_s
    refused = _refused(heard, standing, NOW_MS - 1)
    assert refused.code is Code.NOT_YET
    assert f"more than {ahead_s} s" in str(refused)


def test_what_ends_for_a_parcel_is_too_far_ahead_on_a_stream() -> None:
    heard = _said(exp_s=NOW_S + INVOCATION_AHEAD_S_MAX + 1, counter=1)
    assert _refused(heard, STANDING).code is Code.NOT_YET
    assert authorise_own(heard, replace(STANDING, carried=Carried(1, CounterWindow())), NOW_MS)


# --- proofs ---------------------------------------------------------------------------------------


def test_a_call_carries_as_many_proofs_as_a_chain_has_and_no_more() -> None:
    raw = _said().inv.raw
    assert len(hear(raw, [b""] * CHAIN_MAX).proofs) == CHAIN_MAX
    with pytest.raises(GrantRefused, match="more proofs") as refused:
        hear(raw, [b""] * (CHAIN_MAX + 1))
    assert refused.value.code is Code.TOO_MUCH


def test_ten_thousand_proofs_are_not_looked_at() -> None:
    with pytest.raises(GrantRefused) as refused:
        hear(_said().inv.raw, [b"not a proof"] * 10_000)
    assert refused.value.code is Code.TOO_MUCH


# --- the number of a parcel -----------------------------------------------------------------------


@pytest.mark.parametrize("counter", [None, 4, 6])
def test_a_word_was_signed_for_the_parcel_it_comes_in(counter: int | None) -> None:
    standing = replace(STANDING, carried=Carried(5, CounterWindow(3, 0b111)))
    assert authorise_own(_said(counter=5), standing, NOW_MS).args == ACCEPT
    refused = _refused(_said(counter=counter), standing)
    assert (refused.code, str(refused)) == (
        Code.MALFORMED,
        "an invocation was signed for another parcel",
    )


def test_a_parcel_that_was_taken_is_not_taken_again() -> None:
    standing = replace(STANDING, carried=Carried(2, CounterWindow(3, 0b111)))
    refused = _refused(_said(counter=2), standing)
    assert (refused.code, str(refused)) == (Code.REPLAY, "this was taken before")


# --- whose pair -----------------------------------------------------------------------------------


def _mandate(key: PersonaKey, command: str) -> Mandate:
    """The proxy may say this one thing to the owner's node, for whose key it is."""
    return make_mandate(
        key,
        proxy=PROXY_DID,
        to=OWNER_DID,
        office=Office.PROXY,
        commands=[command],
        exp_s=NOW_S + 86_400,
        entropy=ENTROPY,
    )


def _lodged(mandate: Mandate) -> dict[bytes, Lodged]:
    return {link.cid: Lodged(mandate.cid, mandate.onward, ended=False) for link in mandate.links}


REQUEST = RequestArgs(
    OWNER_DID, Request(READER_DID, (WINDOW,), TERMS.purpose, TERMS, NOW_S + 86_400, "")
)


def test_in_ones_own_name_the_pair_is_ones_own_whoever_else_is_known() -> None:
    said = authorise_own(_said(), replace(STANDING, principal=Pair(OWNER_DID, PROXY_DID)), NOW_MS)
    assert (said.pair, said.acted) == (PAIR, None)


def test_for_another_the_pair_is_that_other_ones() -> None:
    mandate = _mandate(READER, Cmd.REQUEST)
    heard = _said(REQUEST, Cmd.REQUEST, key=PROXY, mandate=mandate)
    pair = Pair(OWNER_DID, PROXY_DID)
    standing = Standing(DEVICE, pair, {}, (), principal=PAIR, mandates=_lodged(mandate))
    said = authorise_own(heard, standing, NOW_MS)
    assert said.pair == PAIR
    assert said.acted is not None
    assert (said.acted.principal, said.acted.proxy) == (READER_DID, PROXY_DID)


def test_for_the_one_who_owns_this_node_the_pair_is_the_proxys() -> None:
    mandate = _mandate(OWNER, Cmd.MANDATE_INBOX)
    args = MandateInboxArgs(OWNER_DID, None)
    heard = _said(args, Cmd.MANDATE_INBOX, key=PROXY, sub=OWNER_DID, mandate=mandate)
    pair = Pair(OWNER_DID, PROXY_DID)
    standing = Standing(DEVICE, pair, {}, (), mandates=_lodged(mandate))
    said = authorise_own(heard, standing, NOW_MS)
    assert said.pair == pair
    assert said.acted == Acted(OWNER_DID, PROXY_DID, mandate.cid)


# --- at the principal's own node ------------------------------------------------------------------


def test_at_home_nothing_is_said_without_a_mandate() -> None:
    heard = _said(MandateInboxArgs(OWNER_DID, None), Cmd.MANDATE_INBOX)
    refused = _refused(heard, STANDING)
    assert refused.code is Code.UNKNOWN_GRANT
    assert str(refused) == "this is said under a mandate, and none came with it"


def test_at_home_a_mandate_for_one_command_does_not_cover_another() -> None:
    """It is for looking; what it does not cover is said to wait for its principal."""
    mandate = _mandate(OWNER, Cmd.MANDATE_INBOX)
    link = mandate.link(Cmd.MANDATE_INBOX)
    inv = issue_invocation(
        PROXY,
        sub=OWNER_DID,
        cmd=Cmd.MANDATE_DECIDE,
        args=MandateInboxArgs(OWNER_DID, None).value(),
        prf=[link.cid],
        exp=NOW_S + 60,
        nonce=bytes(12),
        aud=DEVICE,
    )
    standing = Standing(DEVICE, Pair(OWNER_DID, PROXY_DID), {}, (), mandates=_lodged(mandate))
    refused = _refused(hear(inv.raw, [link.raw]), standing)
    assert refused.code is Code.COMMAND
    assert str(refused) == "the mandate does not cover this: it waits for its principal"


def test_at_home_what_is_over_is_over_and_not_merely_uncovered() -> None:
    mandate = _mandate(OWNER, Cmd.MANDATE_INBOX)
    later_ms = NOW_MS + 2 * 86_400_000
    heard = _said(
        MandateInboxArgs(OWNER_DID, None),
        Cmd.MANDATE_INBOX,
        key=PROXY,
        sub=OWNER_DID,
        exp_s=later_ms // 1000 + 60,
        mandate=mandate,
    )
    standing = Standing(DEVICE, Pair(OWNER_DID, PROXY_DID), {}, (), mandates=_lodged(mandate))
    assert _refused(heard, standing, later_ms).code is Code.EXPIRED


def test_a_command_that_is_not_for_a_pair_is_refused_as_such() -> None:
    refused = _refused(_said(ACCEPT, Cmd.READ), STANDING)
    assert (refused.code, str(refused)) == (
        Code.COMMAND,
        "this command is not one that a pair may say",
    )


# --- strangers ------------------------------------------------------------------------------------


def test_a_stranger_is_heard_by_the_device_it_names_for_itself_and_while_its_word_lasts() -> None:
    """Its authority is a secret that the caller looks at; all else is asked here."""
    heard = _said(exp_s=NOW_S)
    assert authorise_stranger(heard, DEVICE, NOW_MS).inv == heard.inv
    other = did_of(DeviceKey.generate(ENTROPY.fork("another device")).public)
    for said, device, now_ms, code in (
        (heard, other, NOW_MS, Code.AUDIENCE),
        (heard, DEVICE, NOW_MS + 1, Code.EXPIRED),
        (_said(exp_s=NOW_S + INVOCATION_AHEAD_S_MAX + 1), DEVICE, NOW_MS, Code.NOT_YET),
        (_said(sub=OWNER_DID), DEVICE, NOW_MS, Code.UNKNOWN_GRANT),
    ):
        with pytest.raises(GrantRefused) as refused:
            authorise_stranger(said, device, now_ms)
        assert refused.value.code is code


# --- devices --------------------------------------------------------------------------------------


def test_what_devices_of_one_person_say_is_heard_from_them_alone() -> None:
    heard = _said(HaveArgs(OWNER_DID, ""), Cmd.DEVICE_HAVE)
    devices = replace(STANDING, pair=replace(PAIR, permits=OWN_DEVICES))
    assert authorise_own(heard, devices, NOW_MS).args == HaveArgs(OWNER_DID, "")
    assert _refused(heard, STANDING).code is Code.COMMAND
    # and of what others say, a device of one's own says nothing
    assert _refused(_said(), devices).code is Code.COMMAND


def test_who_reads_under_a_chain_says_nothing_in_its_own_name() -> None:
    by_chain = replace(STANDING, pair=replace(PAIR, reads_only=True))
    refused = _refused(_said(), by_chain)
    assert refused.code is Code.COMMAND
    assert "reads under its chain" in str(refused)

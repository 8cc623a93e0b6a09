"""The edges of grants: the longest chain and purpose, a link that begins later, whose days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import PersonaKey, ReaderSecret
from entrenous.crypto.labels import Signed
from entrenous.protocol.capability import issue_delegation
from entrenous.protocol.cid import cid_text
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, GrantRefused, RecordError, WireError
from entrenous.protocol.grant import (
    Bundle,
    ReadGrant,
    check_bundle,
    issue_grant,
    issue_sub_grant,
    make_bundle,
    parse_bundle,
    parse_read_args,
    parse_read_policy,
    read_grant,
    read_policy,
    was_asked,
)
from entrenous.protocol.limits import CHAIN_MAX, LINE_CHARS_MAX, WINDOWS_MAX
from entrenous.protocol.request import Request
from entrenous.protocol.signed import sign
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
KEYS = [PersonaKey(bytes([n]) * 32) for n in range(1, CHAIN_MAX + 3)]
DIDS = [did_of(key.public) for key in KEYS]
READER_KEY = ReaderSecret(bytes([4]) * 32).public
TERMS = Terms("dpv:ServiceProvision", 30, (), None, ())
LOAD = "energy/electricity/load-curve"
WINDOWS = [Window(LOAD, 46_000, 46_029)]
GRANT = issue_grant(
    KEYS[0], aud=DIDS[1], windows=WINDOWS, terms=TERMS, exp_s=NOW_S + 60, nonce=bytes(12)
)
REQUEST = Request(DIDS[1], tuple(WINDOWS), TERMS.purpose, TERMS, NOW_S, "none")


def terms_of(place: int) -> Terms:
    """The terms of the giver at this place of a chain: each has its own."""
    return replace(TERMS, retention_days=30 - place)


def chain_of(links: int) -> list[ReadGrant]:
    """So many grants, each lent on by the one to whom the one before was given."""
    chain = [GRANT]
    while len(chain) < links:
        place = len(chain)
        chain.append(
            issue_sub_grant(
                KEYS[place],
                chain,
                aud=DIDS[place + 1],
                windows=WINDOWS,
                terms=terms_of(place),
                exp_s=NOW_S + 60,
                nonce=bytes(12),
            )
        )
    return chain


def bundle_of(links: int) -> Bundle:
    chain = chain_of(links)
    giver = links - 1
    return make_bundle(
        KEYS[giver], chain[-1], terms=terms_of(giver), reader_key=READER_KEY, chain=chain[:-1]
    )


# --- chains ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("links", [1, 2, 3, CHAIN_MAX])
def test_the_args_of_a_read_name_the_terms_of_each_who_lent_on(links: int) -> None:
    bundle = parse_bundle(bundle_of(links).signed.raw)
    assert [link.cid for link in bundle.links] == [link.cid for link in chain_of(links)]
    args = bundle.args(WINDOWS[0])
    assert args.terms == TERMS.cid
    assert args.under == tuple(terms_of(place).cid for place in range(1, links))
    assert parse_read_args(args.value()) == args
    for link in bundle.links:
        link.delegation.policy.require(args.value())


def test_a_chain_longer_than_any_is_no_bundle() -> None:
    longest = bundle_of(CHAIN_MAX)
    links: list[Value] = [link.delegation.raw for link in longest.chain]
    more: dict[str, Value] = {"dlg": longest.grant.delegation.raw, "terms": longest.terms.encode()}
    giver = KEYS[CHAIN_MAX - 1]
    assert parse_bundle(raw_bundle(giver, links, **more)).links == longest.links
    with pytest.raises(WireError, match="chain"):
        parse_bundle(raw_bundle(giver, [*links, links[-1]], **more))
    with pytest.raises(WireError, match="limit"):
        bundle_of(CHAIN_MAX + 1)


def test_who_lends_on_says_its_own_terms_and_nothing_in_their_place() -> None:
    under: Value = ["==", ".under[0]", cid_text(TERMS.cid)]
    pol = read_policy(WINDOWS, "p", TERMS.cid)
    assert parse_read_policy([*pol, under], place=1).under is not None
    for other in (
        ["==", ".under[1]", cid_text(TERMS.cid)],
        ["==", ".under", cid_text(TERMS.cid)],
        ["==", ".under[0]", "T"],
        ["!=", ".under[0]", cid_text(TERMS.cid)],
        ["==", ".terms", cid_text(TERMS.cid)],
    ):
        with pytest.raises(CapabilityError) as refused:
            parse_read_policy([*pol, other], place=1)
        assert refused.value.code is Code.MALFORMED
    with pytest.raises(CapabilityError):
        parse_read_policy([*pol, under, under], place=1)


@pytest.mark.parametrize("place", [0, 1])
def test_a_grant_says_at_every_place_whose_data_it_is_about(place: int) -> None:
    """UCAN's powerline, a delegation about nobody, is no grant of ours."""
    chain = chain_of(2)
    delegation = chain[place].delegation
    nobodys = issue_delegation(
        KEYS[place],
        aud=delegation.aud,
        sub=None,
        cmd=delegation.cmd,
        pol=list(delegation.pol),
        exp=delegation.exp,
        nonce=bytes(12),
    )
    with pytest.raises(CapabilityError):
        read_grant(nobodys, place=place)


# --- limits ---------------------------------------------------------------------------------------


def test_as_many_windows_and_as_long_a_purpose_as_there_may_be() -> None:
    windows = [Window(LOAD, 2 * n, 2 * n) for n in range(WINDOWS_MAX)]
    for purpose in ("p", "p" * LINE_CHARS_MAX):
        policy = parse_read_policy(read_policy(windows, purpose, TERMS.cid))
        assert (list(policy.windows), policy.purpose) == (windows, purpose)
    with pytest.raises(CapabilityError):
        parse_read_policy(read_policy(windows, "p" * (LINE_CHARS_MAX + 1), TERMS.cid))
    with pytest.raises(WireError):
        read_policy([*windows, Window(LOAD, 1_000, 1_000)], "p", TERMS.cid)


def test_a_read_has_a_purpose_and_lists_terms() -> None:
    args = bundle_of(2).args(WINDOWS[0]).value()
    assert parse_read_args({**args, "purpose": "p"}).purpose == "p"
    other: tuple[dict[str, Value], ...] = (
        {"purpose": ""},
        {"under": [1]},
        {"under": [None]},
        {"under": ["T"]},
        {"under": [cid_text(TERMS.cid)] * (CHAIN_MAX + 1)},
        {"to": 45_999},
        {"collection": "Energy"},
    )
    for changed in other:
        with pytest.raises((WireError, RecordError)):
            parse_read_args({**args, **changed})


# --- bundles --------------------------------------------------------------------------------------


def raw_bundle(key: PersonaKey, chain: Sequence[Value], **changed: Value) -> bytes:
    body: dict[str, Value] = {
        "v": 1,
        "dlg": GRANT.delegation.raw,
        "chain": list(chain),
        "terms": TERMS.encode(),
        "reader_key": READER_KEY,
    }
    return sign(Signed.BUNDLE, {**body, **changed}, key).raw


def test_a_bundle_holds_delegations_and_a_key() -> None:
    parse_bundle(raw_bundle(KEYS[0], []))
    for link in (1, None, "x", [GRANT.delegation.raw]):
        with pytest.raises(WireError):
            parse_bundle(raw_bundle(KEYS[0], [link]))
    with pytest.raises(WireError):
        parse_bundle(raw_bundle(KEYS[0], [], reader_key=bytes(31)))


def test_no_bundle_is_made_that_could_not_be_read() -> None:
    for reader_key in (READER_KEY[1:], READER_KEY + b"x"):
        with pytest.raises(WireError, match="limit"):
            make_bundle(KEYS[0], GRANT, terms=TERMS, reader_key=reader_key)
    with pytest.raises(BadSignature):
        make_bundle(KEYS[1], GRANT, terms=TERMS, reader_key=READER_KEY)
    with pytest.raises(BadSignature):
        parse_bundle(raw_bundle(KEYS[1], []))


def test_an_owner_grants_for_the_purpose_of_its_terms() -> None:
    other = replace(TERMS, purpose="dpv:Marketing")
    delegation = issue_delegation(
        KEYS[0],
        aud=DIDS[1],
        sub=DIDS[0],
        cmd=GRANT.delegation.cmd,
        pol=read_policy(WINDOWS, TERMS.purpose, other.cid),
        exp=NOW_S + 60,
        nonce=bytes(12),
    )
    with pytest.raises(CapabilityError) as refused:
        make_bundle(KEYS[0], read_grant(delegation), terms=other, reader_key=READER_KEY)
    assert refused.value.code is Code.PURPOSE
    raw = raw_bundle(KEYS[0], [], dlg=delegation.raw, terms=other.encode())
    with pytest.raises(CapabilityError) as refused:
        parse_bundle(raw)
    assert refused.value.code is Code.PURPOSE


def test_a_bundle_that_is_read_carries_the_terms_of_its_giver() -> None:
    chain = chain_of(2)
    above: list[Value] = [chain[0].delegation.raw]
    own = chain[1].delegation.raw
    parse_bundle(raw_bundle(KEYS[1], above, dlg=own, terms=terms_of(1).encode()))
    for raw in (
        raw_bundle(KEYS[0], [], terms=terms_of(1).encode()),
        raw_bundle(KEYS[1], above, dlg=own, terms=TERMS.encode()),
    ):
        with pytest.raises(CapabilityError) as refused:
            parse_bundle(raw)
        assert refused.value.code is Code.TERMS


@pytest.mark.parametrize(("begins", "ends"), [(1, 2), (86_400, 86_401)])
def test_a_grant_that_begins_later_is_an_answer_now(begins: int, ends: int) -> None:
    """Also one that lasts a second; one that ended is none, however late it began."""
    grant = issue_grant(
        KEYS[0],
        aud=DIDS[1],
        windows=WINDOWS,
        terms=TERMS,
        nbf_s=NOW_S + begins,
        exp_s=NOW_S + ends,
        nonce=bytes(12),
    )
    bundle = make_bundle(KEYS[0], grant, terms=TERMS, reader_key=READER_KEY)
    for now_s in (NOW_S, NOW_S + begins, NOW_S + ends):
        check_bundle(bundle, REQUEST, reader_key=READER_KEY, now_ms=now_s * 1000)
    with pytest.raises((CapabilityError, GrantRefused)) as refused:
        check_bundle(bundle, REQUEST, reader_key=READER_KEY, now_ms=(NOW_S + ends) * 1000 + 1)
    assert refused.value.code is Code.EXPIRED


def test_who_asks_for_the_house_may_be_given_somebodys_and_not_the_other_way_round() -> None:
    house, somebodys = [Window(LOAD, 5, 9)], [Window(f"{LOAD}/p2", 5, 9)]
    assert was_asked(somebodys, house)
    assert not was_asked(house, somebodys)
    assert not was_asked([Window(f"{LOAD}/p1", 5, 9)], somebodys)
    assert not was_asked([Window(f"{LOAD}/p2", 5, 10)], house)

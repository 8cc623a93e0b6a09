"""What a helper is given, in bytes: there and back, and every way in which it is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.errors import CryptoError
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.protocol.command_help import ids_out, split_ids, state_out
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import (
    CapabilityError,
    Code,
    LocalProtocolError,
    RecordError,
    StatementError,
    WireError,
)
from entrenous.protocol.helped import (
    Kept,
    KeptPages,
    KeptSegment,
    KeptStatement,
    Shelf,
    Stands,
    check_lease,
    is_lease,
    kept_from_parts,
    make_lease,
    parts_of,
)
from entrenous.protocol.limits import (
    CLOCK_SKEW_S_MAX,
    KEYSET_BYTES_MAX,
    LEASE_S_MAX,
    PART_BYTES_MAX,
)
from entrenous.protocol.persona import make_certificate
from entrenous.protocol.wire import decode
from entrenous.tests.protocol.spec_helped import helper_device, lease, pages, shelf, stands
from entrenous.tests.protocol.spec_words import granted
from entrenous.tests.protocol.spec_world import T_MS, T_S, cast

DEVICE = did_of(helper_device().public)
OWNER = PersonaKey(bytes([5]) * 32)
_DIDS = [did_of(PersonaKey(bytes([n]) * 32).public) for n in range(1, 5)]


@pytest.mark.parametrize("kept", [shelf(), stands(), pages()])
def test_what_is_given_comes_back(kept: Kept) -> None:
    assert kept_from_parts(parts_of(kept)) == kept


@given(st.lists(st.tuples(st.sampled_from(_DIDS), st.sampled_from(_DIDS)), max_size=40))
def test_any_shelves_come_back_however_they_are_cut(shelves: list[tuple[Did, Did]]) -> None:
    kept = Stands(tuple(shelves))
    (whole,) = parts_of(kept)
    for cut in (1, 7, len(whole)):
        parts = [whole[at : at + cut] for at in range(0, len(whole), cut)]
        assert kept_from_parts(parts) == kept


@given(st.integers(min_value=0), st.data())
def test_pages_of_which_one_byte_is_another_are_refused(at: int, data: st.DataObject) -> None:
    """Or it was a day that is gone, which nobody signs."""
    (whole,) = parts_of(pages())
    place = at % len(whole)
    bit = data.draw(st.integers(0, 7))
    changed = bytes([*whole[:place], whole[place] ^ (1 << bit), *whole[place + 1 :]])
    try:
        found = kept_from_parts([changed])
    except (WireError, CapabilityError, RecordError, StatementError, CryptoError):
        return
    assert isinstance(found, KeptPages)
    assert found.pages == pages().pages


def test_parts_are_of_a_mebibyte_and_not_too_many() -> None:
    (segment,) = pages().segments
    page = pages().pages[0]
    # More than one part; the page is not real, and is not read back here.
    large = replace(page, ciphertext=bytes(PART_BYTES_MAX + 1))
    parts = parts_of(replace(pages(), pages=(large,)))
    assert [len(part) <= PART_BYTES_MAX for part in parts] == [True, True]
    huge = KeptSegment(segment.head, (bytes(32),) * (9 * PART_BYTES_MAX // 32))
    with pytest.raises(LocalProtocolError):
        parts_of(replace(pages(), segments=(huge,)))


def _value(kept: Kept) -> dict[str, Value]:
    match decode(b"".join(parts_of(kept)), bytes_max=1 << 24):
        case [str(), dict(body)]:
            return dict(body)
        case _:
            raise AssertionError


def _raw(word: str, body: Value) -> bytes:
    return encode([word, body])


def _changed(kept: Kept, word: str, **changed: Value) -> bytes:
    return _raw(word, {**_value(kept), **changed})


def _first(kept: Kept, key: str) -> list[Value]:
    items = _value(kept)[key]
    assert isinstance(items, list)
    first = items[0]
    assert isinstance(first, list)
    return first


def _before() -> int:
    """The day before the first of the statement."""
    (given,) = pages().statements
    return given.statement.first - 1


def _other_grant() -> bytes:
    """Between the same two."""
    who = cast()
    other = granted(who.person, who.supplier, who.supplier_reader, days=19, nonce="another")
    return other.grant.delegation.raw


def _keys() -> Value:
    return _first(shelf(), "grants")[1]


def _leaf_count() -> int:
    (segment,) = pages().segments
    return len(segment.leaves)


def _other_keyset() -> list[Value]:
    raw, keyset = _first(shelf(), "grants")
    assert isinstance(keyset, bytes)
    return [raw, keyset[:-1] + bytes([keyset[-1] ^ 1])]


_STRANGER = make_lease(OWNER, device=DEVICE, exp_s=T_S + 60, now_ms=T_MS).signed.raw
_SEGMENT = _first(pages(), "segments")
_STATEMENT = _first(pages(), "statements")
_PAGE = _first(pages(), "pages")
_PAGES = [one.value() for one in pages().pages]

# name of the failure -> (bytes, what is raised, a word of its sentence)
REFUSED: dict[str, tuple[Callable[[], bytes], type[Exception], str]] = {
    "no word": (lambda: encode([]), WireError, "no shelf and no pages"),
    "unknown word": (lambda: _raw("keys", {}), WireError, "no shelf and no pages"),
    "no shelf": (lambda: _raw("shelf", {"v": 1}), WireError, "a shelf"),
    "empty shelf": (lambda: _changed(shelf(), "shelf", grants=[]), WireError, "grants"),
    "lease of another": (
        lambda: _changed(shelf(), "shelf", lease=_STRANGER),
        CapabilityError,
        "another owner",
    ),
    "grant for another": (
        lambda: _changed(shelf(), "shelf", reader=_DIDS[0]),
        CapabilityError,
        "another reader",
    ),
    "grant twice": (
        lambda: _changed(
            shelf(), "shelf", grants=[_first(shelf(), "grants"), _first(shelf(), "grants")]
        ),
        WireError,
        "twice",
    ),
    "keys altered": (
        lambda: _changed(shelf(), "shelf", grants=[_other_keyset()]),
        CryptoError,
        "",
    ),
    "shelf of one persona": (
        lambda: _raw("stands", {"v": 1, "shelves": [[_DIDS[0]]]}),
        WireError,
        "two personas",
    ),
    "leaves of another segment": (
        lambda: _changed(
            pages(), "pages", segments=[[_SEGMENT[0], bytes(len(bytes(_leaves(_SEGMENT))))]]
        ),
        WireError,
        "leaves of a segment",
    ),
    "leaves missing": (
        lambda: _changed(pages(), "pages", segments=[[_SEGMENT[0], b""]]),
        WireError,
        "as many leaves",
    ),
    "days of another statement": (
        lambda: _changed(
            pages(), "pages", statements=[[_STATEMENT[0], bytes(len(_leaves(_STATEMENT))), []]]
        ),
        WireError,
        "days of a statement",
    ),
    "gone days that do not ascend": (
        lambda: _changed(
            pages(), "pages", statements=[[_STATEMENT[0], _leaves(_STATEMENT), [2, 1]]]
        ),
        WireError,
        "do not ascend",
    ),
    "gone days that the statement is not about": (
        lambda: _changed(
            pages(), "pages", statements=[[_STATEMENT[0], _leaves(_STATEMENT), [_before()]]]
        ),
        WireError,
        "are not the statement's",
    ),
    "keys of another grant": (
        lambda: _changed(shelf(), "shelf", grants=[[_other_grant(), _keys()]]),
        CapabilityError,
        "the keys of another grant",
    ),
    "keys longer than keys may be": (
        lambda: _changed(shelf(), "shelf", grants=[[_other_grant(), bytes(KEYSET_BYTES_MAX + 1)]]),
        WireError,
        "a delegation and a keyset",
    ),
    "grant without its place for keys": (
        lambda: _changed(shelf(), "shelf", grants=[_first(shelf(), "grants")[:1]]),
        WireError,
        "a delegation and a keyset",
    ),
    "segment without leaves": (
        lambda: _changed(pages(), "pages", segments=[_SEGMENT[:1]]),
        WireError,
        "a head and its leaves",
    ),
    "statement without days": (
        lambda: _changed(pages(), "pages", statements=[_STATEMENT[:2]]),
        WireError,
        "a statement with its days",
    ),
    "page without its ciphertext": (
        lambda: _changed(pages(), "pages", pages=[_PAGE[:3]]),
        WireError,
        "the form of one",
    ),
    "page just beyond the segment": (
        lambda: _changed(pages(), "pages", pages=[[_PAGE[0], _PAGE[1], _leaf_count(), _PAGE[3]]]),
        WireError,
        "did not come",
    ),
    "page without its segment": (
        lambda: _changed(pages(), "pages", segments=[]),
        WireError,
        "did not come",
    ),
    "page at another place": (
        lambda: _changed(pages(), "pages", pages=[[_PAGE[0], _PAGE[1], 1 - _index(), _PAGE[3]]]),
        WireError,
        "vouched for",
    ),
    "page beyond the segment": (
        lambda: _changed(pages(), "pages", pages=[[_PAGE[0], _PAGE[1], 4096, _PAGE[3]]]),
        WireError,
        "did not come",
    ),
    "page altered": (
        lambda: _changed(pages(), "pages", pages=[[*_PAGE[:3], b"x" + bytes(_cipher())[1:]]]),
        WireError,
        "altered",
    ),
    "page of another collection": (
        lambda: _changed(pages(), "pages", path="energy/gas/load-curve"),
        WireError,
        "another collection",
    ),
    "page twice": (
        lambda: _changed(pages(), "pages", pages=[_PAGES[0], _PAGES[0]]),
        WireError,
        "twice",
    ),
}


def _leaves(item: list[Value]) -> bytes:
    joined = item[1]
    assert isinstance(joined, bytes)
    return joined


def _cipher() -> bytes:
    ciphertext = _PAGE[3]
    assert isinstance(ciphertext, bytes)
    return ciphertext


def _index() -> int:
    index = _PAGE[2]
    assert isinstance(index, int)
    return index


@pytest.mark.parametrize("failure", REFUSED)
def test_what_no_reader_would_take_is_refused(failure: str) -> None:
    make, kind, sentence = REFUSED[failure]
    with pytest.raises(kind, match=sentence or None):
        kept_from_parts([make()])


# --- leases ---------------------------------------------------------------------------------------


def test_a_lease_holds_for_a_day_on_one_device() -> None:
    check_lease(lease(), T_MS, helper_device().public)
    check_lease(lease(), (T_S + LEASE_S_MAX) * 1000)
    for at_ms, device, code in (
        (T_MS, DeviceKey(bytes([9]) * 32).public, Code.AUDIENCE),
        ((T_S + LEASE_S_MAX) * 1000 + 1, None, Code.EXPIRED),
        (T_MS - (CLOCK_SKEW_S_MAX + 1) * 1000, None, Code.NOT_YET),
    ):
        with pytest.raises(CapabilityError) as refused:
            check_lease(lease(), at_ms, device)
        assert refused.value.code is code


@pytest.mark.parametrize("cmds", [("/",), ("/record",), ("/record/deliver", "/record/read")])
def test_a_certificate_for_more_than_reads_is_no_lease(cmds: tuple[str, ...]) -> None:
    wider = make_certificate(OWNER, device=DEVICE, cmds=cmds, exp_s=T_S + 60, now_ms=T_MS)
    assert not is_lease(wider)
    with pytest.raises(CapabilityError) as refused:
        check_lease(wider, T_MS)
    assert refused.value.code is Code.COMMAND


def test_no_lease_is_made_for_more_than_a_day() -> None:
    with pytest.raises(LocalProtocolError):
        make_lease(OWNER, device=DEVICE, exp_s=T_S + LEASE_S_MAX + 1, now_ms=T_MS)


# --- ids ------------------------------------------------------------------------------------------


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=50))
def test_ids_come_back_in_order_and_once(ids: set[bytes]) -> None:
    ordered = tuple(sorted(ids))
    assert ids_out(b"".join(ordered)) == split_ids(b"".join(ordered)) == ordered
    if len(ordered) > 1:
        with pytest.raises(WireError):
            ids_out(b"".join(reversed(ordered)))
        with pytest.raises(WireError):
            ids_out(b"".join((*ordered, ordered[-1])))


@pytest.mark.parametrize("out", [None, b"", bytes(15), bytes(17), "known"])
def test_a_digest_has_16_bytes(out: Value) -> None:
    with pytest.raises(WireError):
        state_out(out)


def test_statements_and_shelves_are_what_they_say() -> None:
    (statement,) = pages().statements
    assert isinstance(statement, KeptStatement)
    assert isinstance(shelf(), Shelf)
    assert shelf().owner == lease().persona


def test_the_first_and_the_last_day_of_a_statement_may_be_gone() -> None:
    (given,) = pages().statements
    days = sorted({given.statement.first, given.statement.last})
    raw = _changed(pages(), "pages", statements=[[*_STATEMENT[:2], list[Value](days)]])
    found = kept_from_parts([raw])
    assert isinstance(found, KeptPages)
    assert [one.gone for one in found.statements] == [tuple(days)]

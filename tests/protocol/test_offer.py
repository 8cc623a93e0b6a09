"""Offers one at a time: what an entry may look like, what a window may hold, how pages arrive."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.digest import sha256
from entrenous.protocol import limits
from entrenous.protocol.errors import Code, LocalProtocolError, RemoteProtocolError, WireError
from entrenous.protocol.offer import Arriving, Offer, Span, check_pages, parse_offer
from entrenous.protocol.wire import decode
from entrenous.tests.protocol.session_link import SIG, entry_of, offer_of

PAGE = bytes(range(100))


def as_it_comes(offer: Offer) -> Value:
    """The body of an offer frame, as the codec gives it."""
    return decode(encode(offer.value()))


def with_entries(*entries: bytes, pages: int | None = None, size: int | None = None) -> Value:
    """The body of an offer of these entries, each of a page like PAGE."""
    receipt = dataclasses.replace(
        offer_of([PAGE]).receipt,
        pages=len(entries) if pages is None else pages,
        size=len(PAGE) * len(entries) if size is None else size,
    )
    return as_it_comes(Offer(receipt, SIG, [], entries))


# --- entries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chars", [*range(1, 33), 200, 255])
def test_a_path_of_any_length_is_read(chars: int) -> None:
    _, spans = parse_offer(with_entries(entry_of(PAGE, path="a" * chars)))
    assert spans == (Span(len(PAGE), sha256(PAGE)),)


@pytest.mark.parametrize("chars", [*range(1, 33), 255])
def test_a_path_whose_length_is_another_is_refused(chars: int) -> None:
    """Else an entry would be read otherwise here than by the codec that signs for it."""
    entry = entry_of(PAGE, path="a" * chars)
    head = encode("a" * chars)[: 1 if chars < 24 else 2]
    at = entry.index(head + b"a" * chars)
    longer = entry[: at + len(head)] + b"a" + entry[at + len(head) :]
    with pytest.raises(WireError, match="not of the form"):
        parse_offer(with_entries(longer))


@pytest.mark.parametrize("day", [0, 23, 24, 255, 256, 65_535])
@pytest.mark.parametrize("size", [1, 23, 24, 255, 256, 65_535, 65_536])
def test_numbers_of_every_width_are_read(day: int, size: int) -> None:
    page = bytes(size)
    _, spans = parse_offer(with_entries(entry_of(page, day=day), size=size))
    assert spans == (Span(size, sha256(page)),)


def test_a_page_without_bytes_is_refused() -> None:
    with pytest.raises(WireError, match="has no bytes"):
        parse_offer(with_entries(entry_of(b""), entry_of(PAGE), size=len(PAGE)))


@given(st.integers(0, 200), st.integers(0, 255))
def test_an_altered_entry_says_something_else_or_nothing(at: int, byte: int) -> None:
    """What is read of an entry is read from it, wherever it is altered."""
    entry = bytearray(entry_of(PAGE))
    entry[at % len(entry)] = byte
    try:
        _, spans = parse_offer(with_entries(bytes(entry)))
    except WireError:
        return
    (span,) = spans
    assert span.length == len(PAGE)
    assert encode(span.digest) in bytes(entry)


# --- an offer as a whole --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pages", "size"), [(2, len(PAGE)), (2, 2 * len(PAGE)), (1, len(PAGE) - 1), (1, len(PAGE) + 1)]
)
def test_a_receipt_that_counts_otherwise_is_refused(pages: int, size: int) -> None:
    with pytest.raises(WireError, match="other pages than its receipt counts"):
        parse_offer(with_entries(entry_of(PAGE), pages=pages, size=size))


@pytest.mark.parametrize(
    ("key", "items_max", "bytes_max"),
    [
        ("heads", limits.WINDOW_PAGES_MAX, limits.SEGMENT_BYTES_MAX),
        ("keysets", limits.OFFER_KEYSETS_MAX, limits.KEYSET_BYTES_MAX),
        ("proofs", limits.WINDOW_PAGES_MAX, None),
        ("statements", limits.WINDOW_PAGES_MAX, None),
    ],
)
def test_lists_go_to_their_limits_and_no_further(
    key: str, items_max: int, bytes_max: int | None
) -> None:
    body = offer_of([PAGE]).value()
    body |= {"proofs": [], "statements": []}
    parse_offer({**body, key: [b"x"] * items_max})
    with pytest.raises(WireError):
        parse_offer({**body, key: [b"x"] * (items_max + 1)})
    if bytes_max is None:
        return
    parse_offer({**body, key: [bytes(bytes_max)]})
    for wrong in ([b"x", bytes(bytes_max + 1)], [bytes(bytes_max + 1), b"x"], [b"x", "x"], ["x"]):
        with pytest.raises(WireError, match=f"an offer: {key} is not a list of byte strings"):
            parse_offer({**body, key: wrong})


def test_entries_go_to_their_limits_and_no_further() -> None:
    most = [entry_of(PAGE)] * limits.WINDOW_PAGES_MAX
    assert len(parse_offer(with_entries(*most))[1]) == limits.WINDOW_PAGES_MAX
    with pytest.raises(WireError):
        parse_offer(with_entries(*most, most[0]))
    filled = entry_of(PAGE) + bytes(limits.ENTRY_BYTES_MAX - len(entry_of(PAGE)))
    parse_offer(with_entries(filled))  # what follows the start of an entry is the reader's to judge
    with pytest.raises(WireError, match="entries is not a list of byte strings"):
        parse_offer(with_entries(filled + b"x"))


def test_what_we_offer_is_what_our_receipt_counts() -> None:
    offer = offer_of([PAGE, PAGE])
    check_pages(offer, [PAGE, PAGE])
    others: list[list[bytes]] = [[PAGE], [PAGE, PAGE, b""], [PAGE, PAGE[1:]], [PAGE + PAGE]]
    for pages in others:
        with pytest.raises(LocalProtocolError, match="not those that the receipt counts"):
            check_pages(offer, pages)
    fewer = dataclasses.replace(offer, entries=offer.entries[:1])
    with pytest.raises(LocalProtocolError, match="not those that the receipt counts"):
        check_pages(fewer, [PAGE, PAGE])


def test_a_window_goes_to_its_limits_and_no_further() -> None:
    whole = [bytes(limits.WINDOW_BYTES_MAX)]
    check_pages(offer_of(whole), whole)
    many = [b"x"] * limits.WINDOW_PAGES_MAX
    check_pages(offer_of(many), many)
    for pages in ([bytes(limits.WINDOW_BYTES_MAX + 1)], [*many, b"x"]):
        with pytest.raises(LocalProtocolError, match="passes the limit"):
            check_pages(offer_of(pages), pages)


# --- pages ----------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5), st.data())
def test_pages_arrive_in_any_pieces(pages: list[bytes], data: st.DataObject) -> None:
    offer = offer_of(pages)
    arriving = Arriving(offer, parse_offer(as_it_comes(offer))[1])
    raw = b"".join(pages)
    while raw:
        assert not arriving.whole
        with pytest.raises(RemoteProtocolError, match="more pages come") as caught:
            arriving.add(raw + b"x")
        assert caught.value.code is Code.TOO_MUCH
        at = data.draw(st.integers(1, len(raw)))
        arriving.add(raw[:at])
        raw = raw[at:]
    assert arriving.whole
    assert arriving.pages() == (tuple(pages), ())


def test_pages_that_were_altered_are_named_by_their_places() -> None:
    pages = [b"one", b"three", b"four"]
    offer = offer_of(pages)
    arriving = Arriving(offer, parse_offer(as_it_comes(offer))[1])
    with pytest.raises(RemoteProtocolError, match="empty"):
        arriving.add(b"")
    arriving.add(b"ONEthree")
    arriving.add(b"FOUR")
    assert arriving.pages() == ((b"ONE", b"three", b"FOUR"), (0, 2))


def test_pages_that_nobody_waits_for_are_counted_and_not_kept() -> None:
    offer = offer_of([PAGE])
    arriving = Arriving(offer, parse_offer(as_it_comes(offer))[1])
    arriving.add(PAGE[:60])
    arriving.forget()
    arriving.add(PAGE[60:])
    assert arriving.whole
    assert arriving.pages() == ((PAGE[60:],), (0,))

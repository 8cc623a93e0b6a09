"""Reads by file of peers that play by no rules: pages nobody asked for, pages that are not what
they claim, signatures that are none, and more of everything than there may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import CryptoError
from entrenous.crypto.labels import Signed
from entrenous.node.grants.grant_held import GrantHeld
from entrenous.node.parcels.reads_by_file import READS_MAX
from entrenous.node.results.parcels import Fate, ParcelTaken
from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import Cmd
from entrenous.protocol.errors import WireError
from entrenous.protocol.invocation import issue_invocation
from entrenous.protocol.limits import PARCEL_OFFERS_MAX, PARCEL_SIGNATURES_MAX, WINDOW_BYTES_MAX
from entrenous.protocol.parcel import ENVELOPE_BYTES, MAGIC, Unpacking
from entrenous.protocol.parcel_head import (
    ParcelCall,
    ParcelHead,
    ParcelOffer,
    ParcelSignature,
    parse_head,
    read_meta,
)
from entrenous.protocol.receipt import receipt_body_from_value, sign_receipt
from entrenous.protocol.signed import sign
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode, encode
from entrenous.tests.node.forged_parcels import Forger, everything
from entrenous.tests.node.test_parcel_reads import TEN, lent_apart, reads, receipts, want
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, both_logs_hold
from entrenous.tests.protocol import spec_parcel
from entrenous.tests.protocol.spec_world import cast

ENTROPY = SeededEntropy(b"hostile reads by file")


@dataclass
class Caught:
    """A parcel of the owner that the reader has not taken: its one window, to be altered."""

    home: Party
    shop: Party
    forger: Forger
    offer: dict[str, Value]
    pages: bytes
    certificate: bytes

    @classmethod
    async def of(cls, home: Party, shop: Party, parcel: Path) -> Caught:
        with parcel.open("rb") as file:
            opened = await shop.node.parcel_taking.open(file)
            file.seek(len(MAGIC) + ENVELOPE_BYTES)
            unpacking = Unpacking(iter(lambda: file.read(65_536), b""), opened.key)
        for call in unpacking.head.calls:
            unpacking.parts(call)
        (offered,) = unpacking.head.offers
        raw, pages = unpacking.window(offered)
        value = decode(raw)
        assert isinstance(value, dict)
        forger = await Forger.of(home, shop)
        forger.n = unpacking.head.n
        return cls(home, shop, forger, value, pages, offered.certificate)

    async def hand(
        self, folder: Path, offer: dict[str, Value] | None = None, pages: bytes | None = None
    ) -> ParcelTaken:
        """Let the reader take a parcel with this window."""
        raw = encode(self.offer if offer is None else offer)
        joined = self.pages if pages is None else pages
        head = self.forger.head(offers=[ParcelOffer(self.certificate, len(raw), len(joined))])
        target = self.forger.write(folder / f"forged {self.forger.n}", head, [raw, joined])
        self.forger.n += 1
        return await self.shop.node.parcel_taking.take(target)

    def signed_anew(self, **changed: Value) -> dict[str, Value]:
        """The offer with a receipt that says otherwise, signed by the owner's device."""
        receipt = self.offer["receipt"]
        assert isinstance(receipt, dict)
        body = receipt_body_from_value({**receipt, **changed})
        sig = sign_receipt(body, self.forger.device).signed.signatures[0]
        return {**self.offer, "receipt": body.value(), "sig": sig}


Alter = Callable[[Caught], tuple[dict[str, Value], bytes]]


def _lists(caught: Caught, key: str) -> list[Value]:
    value = caught.offer[key]
    assert isinstance(value, list)
    return value


def _page_altered(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.offer, caught.pages[:-1] + bytes([caught.pages[-1] ^ 1])


def _page_missing(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.offer, caught.pages[:-2048]


def _other_digest(caught: Caught) -> tuple[dict[str, Value], bytes]:
    first, *rest = _lists(caught, "entries")
    assert isinstance(first, bytes)
    entry = decode(first)
    assert isinstance(entry, list)
    entry[8] = bytes(32)
    return {**caught.offer, "entries": [encode(entry), *rest]}, caught.pages


def _forged_receipt(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return {**caught.offer, "sig": bytes(64)}, caught.pages


def _no_heads(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return {**caught.offer, "heads": []}, caught.pages


def _window_skipped(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.signed_anew(window=1), caught.pages


def _days_left_out(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.signed_anew(**{"from": DAY + 1}), caught.pages


def _days_not_asked(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.signed_anew(to=DAY + 19), caught.pages


def _another_read(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.signed_anew(inv=cid_of(b"never asked")), caught.pages


def _another_grant(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.signed_anew(dlg=cid_of(b"never granted")), caught.pages


def _fewer_bytes(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.signed_anew(bytes=1), caught.pages


def _other_entries(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return caught.signed_anew(entries_root=bytes(32)), caught.pages


def _keys_of_nobody(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return {**caught.offer, "keysets": [b"\x80"]}, caught.pages


def _no_offer(caught: Caught) -> tuple[dict[str, Value], bytes]:
    return {"receipt": None}, caught.pages


@pytest.mark.parametrize(
    "alter",
    [
        _page_altered,
        _page_missing,
        _other_digest,
        _forged_receipt,
        _no_heads,
        _window_skipped,
        _days_left_out,
        _days_not_asked,
        _another_read,
        _another_grant,
        _fewer_bytes,
        _other_entries,
        _keys_of_nobody,
        _no_offer,
    ],
)
async def test_a_window_that_is_not_what_it_claims_is_neither_kept_nor_signed(
    autojump_clock: MockClock, tmp_path: Path, alter: Alter
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        await stick.carry(shop, home)
        caught = await Caught.of(home, shop, await stick.write(home, shop))
        before = await everything(shop)
        taken = await caught.hand(tmp_path, *alter(caught))
        (item,) = [item for item in taken.items if item.cmd == Cmd.READ]
        assert item.fate is Fate.REFUSED
        assert item.reason
        after = await everything(shop)
        for table in ("page", "receipt", "leaf", "catalogue"):
            assert after[table] == before[table], table
        assert (await reads(shop, home)).signatures == ()
        # The true one is still taken.
        taken = await caught.hand(tmp_path)
        assert [item.fate for item in taken.items] == [Fate.DONE]
        taken = await caught.hand(tmp_path)
        assert [item.fate for item in taken.items] == [Fate.BEFORE]
        await both_logs_hold(home, shop)


async def test_pages_that_nobody_asked_for(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path)
        await want(shop)
        await stick.carry(shop, home)
        caught = await Caught.of(home, shop, await stick.write(home, shop))
        pair = await shop.peer("home")
        await shop.write(
            lambda tx: shop.node.reads_by_file.save(
                tx, pair, replace(shop.node.reads_by_file.of(tx, pair), asked=())
            )
        )
        taken = await caught.hand(tmp_path)
        assert [(item.fate, item.reason) for item in taken.items] == [
            (Fate.REFUSED, "pages came that nobody here waits for")
        ]
        assert await receipts(shop) == []


# --- what a reader may try ------------------------------------------------------------------------


def signing(forger: Forger, *signatures: ParcelSignature) -> ParcelHead:
    return forger.head(signatures=signatures)


async def test_signatures_that_are_none(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=5)
        await want(shop)
        await stick.carry(shop, home)
        await stick.write(home, shop)
        (given,) = await receipts(home)
        forger = await Forger.of(shop, home)
        forger.n = 2
        true = forger.persona.sign(given.word.signed.message)
        head = signing(
            forger,
            ParcelSignature(given.word.cid, bytes(64), None),
            ParcelSignature(cid_of(b"never offered"), true, None),
            ParcelSignature(given.word.cid, true, 2**60),
            ParcelSignature(given.word.cid, true, None),
        )
        taken = await home.node.parcel_taking.take(forger.write(tmp_path / "x", head))
        assert [item.fate for item in taken.items] == [
            Fate.REFUSED,
            Fate.REFUSED,
            Fate.DONE,
            Fate.BEFORE,
        ]
        assert [one.next for one in (await reads(home, shop)).served] == [1]
        # A number of keys that was never sent is no acknowledgement.
        (grant,) = await home.read(home.node.lending.all)
        assert grant.acknowledged == 0
        await both_logs_hold(home, shop)


async def test_a_signature_for_what_another_reads(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The answer to a request is a word of ours too, and no window."""
    async with a_town() as town:
        home, shop, _, _ = await lent_apart(town, tmp_path)
        words = await home.read(home.node.receipts.all)
        forger = await Forger.of(shop, home)
        head = signing(forger, *(ParcelSignature(one.word.cid, bytes(64), 1) for one in words))
        before = await home.read(home.node.receipts.all)
        taken = await home.node.parcel_taking.take(forger.write(tmp_path / "x", head))
        assert {item.fate for item in taken.items} == {Fate.REFUSED}
        assert await home.read(home.node.receipts.all) == before


async def held(shop: Party) -> GrantHeld:
    (one,) = await shop.read(shop.node.borrowing.all)
    return one


def read_call(
    forger: Forger, grant: GrantHeld, window: Window, *, id: bytes | None, n: int = 1
) -> ParcelCall:
    meta = read_meta(n, b"" if id is None else id)
    inv = issue_invocation(
        forger.persona,
        sub=grant.bundle.root.delegation.iss,
        cmd=Cmd.READ,
        args=grant.bundle.args(window).value(),
        prf=[link.cid for link in grant.bundle.links],
        exp=forger.now_ms // 1000 + 3600,
        nonce=ENTROPY.random_bytes(16),
        aud=forger.pair.certificate.device,
        meta=meta,
    )
    return ParcelCall(inv.raw, tuple(link.delegation.raw for link in grant.bundle.links), ())


async def test_more_reads_than_there_may_be(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _, _ = await lent_apart(town, tmp_path)
        forger, grant = await Forger.of(shop, home), await held(shop)
        for forger.n in range(1, 3):
            calls = [
                read_call(forger, grant, TEN, id=ENTROPY.random_bytes(16), n=forger.n)
                for _ in range(100)
            ]
            path = forger.write(tmp_path / f"x{forger.n}", forger.head(calls))
            taken = await home.node.parcel_taking.take(path)
            done = [item for item in taken.items if item.fate is Fate.DONE]
            assert len(done) == (READS_MAX if forger.n == 1 else 0)
            refused = {item.reason for item in taken.items if item.fate is Fate.REFUSED}
            assert refused == {f"{READS_MAX} reads by file are under way already"}
        assert len((await reads(home, shop)).served) == READS_MAX
        written = await home.node.parcel_writing.write("shop", tmp_path / "back")
        assert written.windows == PARCEL_OFFERS_MAX
        assert len(await receipts(home)) == READS_MAX
        again = await home.node.parcel_writing.write("shop", tmp_path / "again")
        assert again.windows == PARCEL_OFFERS_MAX
        assert len(await receipts(home)) == READS_MAX


async def test_reads_that_are_not_allowed(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _, _ = await lent_apart(town, tmp_path)
        forger, grant = await Forger.of(shop, home), await held(shop)
        id = ENTROPY.random_bytes(16)
        calls = [
            read_call(forger, grant, Window(CURVE, DAY, DAY + 20), id=id),
            read_call(forger, grant, Window("energy/gas/load-curve", DAY, DAY), id=id),
            read_call(forger, grant, TEN, id=None),
            read_call(forger, grant, TEN, id=id, n=7),
            replace(read_call(forger, grant, TEN, id=id), proofs=()),
        ]
        taken = await home.node.parcel_taking.take(forger.write(tmp_path / "x", forger.head(calls)))
        assert [item.fate for item in taken.items] == [Fate.REFUSED] * 5
        assert [item.reason for item in taken.items][2:4] == [
            "a read by file is named by 16 bytes in its invocation",
            "an invocation was signed for another parcel",
        ]
        assert (await reads(home, shop)).served == ()
        await both_logs_hold(home, shop)


# --- heads ----------------------------------------------------------------------------------------


async def test_more_than_a_head_may_say(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _, _ = await lent_apart(town, tmp_path)
        forger = await Forger.of(shop, home)
        offer = ParcelOffer(b"", 1, 0)
        for bad, sentence in (
            ([offer] * (PARCEL_OFFERS_MAX + 1), "offers is not a list"),
            ([ParcelOffer(b"", 0, 0)], "an offer is not"),
            ([ParcelOffer(b"", 1, WINDOW_BYTES_MAX + 1)], "an offer is not"),
            ([ParcelOffer(b"", 1 << 40, 0)], "an offer is not"),
        ):
            with pytest.raises(WireError, match=sentence):
                forger.head(offers=bad)
        one = ParcelSignature(cid_of(b"x"), bytes(64), None)
        with pytest.raises(WireError, match="signatures is not a list"):
            forger.head(signatures=[one] * (PARCEL_SIGNATURES_MAX + 1))
        with pytest.raises(WireError, match="a signature is not"):
            forger.head(signatures=[replace(one, sig=bytes(63))])


_VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=70) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(("offers", "signatures")), _VALUES)
def test_offers_and_signatures_of_any_form(field: str, value: Value) -> None:
    body = {**spec_parcel.head().signed.body, field: value}
    raw = sign(Signed.PARCEL, body, cast().supplier_device).raw
    try:
        parsed = parse_head(raw)
    except (WireError, CryptoError):
        return
    assert parsed.signed.raw == raw

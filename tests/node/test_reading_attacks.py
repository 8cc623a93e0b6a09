"""Attacks on reading, each by its name: on the owner by a reader, on a reader by others.

A reader that never signs; an owner whose receipt is for other bytes than it sent; and somebody with
the same keys, who puts pages of their own before a reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import trio
from trio.testing import MockClock

from entrenous.crypto.digest import sha256
from entrenous.crypto.errors import CryptoError
from entrenous.crypto.keys import DayKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.merkle import tree_hash
from entrenous.node.errors import Away
from entrenous.node.reads import serving
from entrenous.node.reads.serving import Evidence, ReadPlan, Slice
from entrenous.node.store.database import Tx
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code, ProtocolError
from entrenous.protocol.invocation import issue_invocation
from entrenous.protocol.limits import READ_CALL_BYTES_MAX
from entrenous.protocol.log_proof import parse_log_proof
from entrenous.protocol.page import PageEntry, parse_entry, seal_page
from entrenous.protocol.receipt import Receipt, ReceiptBody
from entrenous.protocol.segment import RunProof, make_segment
from entrenous.protocol.session_event import RefuseReceived, WindowReceived
from entrenous.protocol.signed import sign
from entrenous.protocol.trust import VerifiedRead
from entrenous.protocol.window import Window
from entrenous.tests.node.test_door import a_lender_and_a_rogue, granted, read_of
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    Town,
    a_town,
    lend,
    meet,
    readings,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)
PAGES = 2


def few_pages_a_window(owner: Party) -> None:
    owner.node.serving._window_pages_max = PAGES  # pyright: ignore[reportPrivateUsage]  # as a simulated node is made


# --- the owner's side -----------------------------------------------------------------------------


async def test_a_reader_that_never_countersigns(autojump_clock: MockClock) -> None:
    """It gets one window of each read that it signed for; the owner can show that, and no more."""
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        few_pages_a_window(owner)
        link = await rogue.greet(owner)
        bundle = await granted(town, owner, rogue, link)
        asked = read_of(rogue, owner, bundle)
        link.session.call(asked.raw, [bundle.grant.delegation.raw])
        window = await link.until(WindowReceived)
        assert isinstance(window, WindowReceived)
        assert (len(window.pages), window.offer.receipt.last) == (PAGES, False)
        ended = await link.until(RefuseReceived, WindowReceived)
        assert isinstance(ended, RefuseReceived), "a second window came without a signature"
        assert ended.code is Code.BUSY
        report = await owner.read(owner.node.receipts.verify)
        assert (report.receipts, report.one_sided) == (0, 1)
        (logged,) = [
            one
            for one in await owner.read(owner.node.receipts.all)
            if isinstance(one.word, Receipt)
        ]
        assert (logged.their, logged.two_sided) == (rogue.did, False)
        assert isinstance(logged.word, Receipt)
        assert logged.word.body.inv == asked.cid
        # The reader's own word is its call: kept with the window that it never signed for, and in
        # the proof that the owner shows to a stranger.
        assert logged.call == asked.raw
        made = await owner.write(lambda tx: owner.node.log_proving.prove(tx, logged, owner.now_ms))
        shown = parse_log_proof(made.raw)
        assert shown.call is not None
        assert (shown.call.iss, shown.call.cid) == (rogue.did, asked.cid)
        events = await owner.read(lambda tx: owner.node.history.who(tx, CURVE, {}, owner.now_ms))
        (read,) = [one for one in events if one.what == "read"]
        assert read.note is not None
        assert f"log prove {logged.index}" in read.note


async def test_a_call_that_was_signed_for_is_not_kept(autojump_clock: MockClock) -> None:
    """One row for each read, beside its newest window, and none once that is signed for."""
    async with a_town() as town:
        owner, reader = await town.party("home"), await town.party("shop")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 10)
        few_pages_a_window(owner)
        await lend(owner, reader, TEN)
        pair = await reader.peer("home")
        await reader.node.fetcher.fetch(pair, TEN)
        await settle()

        async def kept() -> list[bool]:
            rows = await owner.read(owner.node.receipts.all)
            return [one.call is not None for one in rows if isinstance(one.word, Receipt)]

        assert await kept() == [False] * 5
        keep, left = reader.node.borrowing.keep, 3

        def then_gone(*args: object) -> int | None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Away("gone in the middle")
            return keep(*args)  # type: ignore[arg-type]  # handed through

        reader.node.borrowing.keep = then_gone  # type: ignore[method-assign]  # goes away
        with pytest.raises(Away):
            await reader.node.fetcher.fetch(pair, TEN)
        await settle()
        assert await kept() == [False] * 7 + [True]


async def test_a_call_longer_than_a_read_needs(autojump_clock: MockClock) -> None:
    """Else a reader that never signs would fill the owner's log with what it likes."""
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        bundle = await granted(town, owner, rogue, link)
        short = read_of(rogue, owner, bundle)
        padded = issue_invocation(
            rogue.persona,
            sub=short.sub,
            cmd=short.cmd,
            args=short.args,
            prf=short.prf,
            exp=short.exp,
            nonce=b"n" * 16,
            aud=short.aud,
            meta={"more": bytes(READ_CALL_BYTES_MAX)},
        )
        said = await link.say(padded, [bundle.grant.delegation.raw])
        assert said.code is Code.TOO_MUCH
        rows = await owner.read(owner.node.receipts.all)
        assert not any(isinstance(one.word, Receipt) for one in rows)


async def test_receipts_are_two_sided_but_for_the_last(
    autojump_clock: MockClock,
) -> None:
    """A reader that goes away after any window leaves one that it has not signed, at most."""
    async with a_town() as town:
        owner, reader = await town.party("home"), await town.party("shop")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 10)
        few_pages_a_window(owner)
        await lend(owner, reader, TEN)
        pair = await reader.peer("home")
        keep = reader.node.borrowing.keep
        for windows in range(1, 6):
            left = windows

            def then_gone(*args: object) -> int | None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise Away("gone in the middle")
                return keep(*args)  # type: ignore[arg-type]  # handed through

            reader.node.borrowing.keep = then_gone  # type: ignore[method-assign]  # goes away
            before = await owner.read(owner.node.receipts.verify)
            with pytest.raises(Away):
                await reader.node.fetcher.fetch(pair, TEN)
            await settle(300)
            after = await owner.read(owner.node.receipts.verify)
            assert after.receipts - before.receipts == windows - 1
            assert after.one_sided - before.one_sided == 1
        reader.node.borrowing.keep = keep  # and is back
        await reader.node.fetcher.fetch(pair, TEN)


# --- the reader's side: receipts ------------------------------------------------------------------

LIES: dict[str, tuple[Callable[[ReceiptBody], ReceiptBody], str]] = {
    "other pages": (
        lambda body: replace(body, entries_root=tree_hash([sha256(b"another page")])),
        "not those of its receipt",
    ),
    "another grant": (lambda body: replace(body, dlg=cid_of(b"another")), "about another read"),
    "another device": (lambda body: replace(body, server=body.reader), "for another device"),
    "another reader": (lambda body: replace(body, reader=body.server), "about another read"),
    "days that were not sent": (
        lambda body: replace(body, first=body.first + 1),
        "leaves out days",
    ),
    "fewer days, and that was all": (
        lambda body: replace(body, last_day=body.last_day - 1),
        "does not end where the read ends",
    ),
    "another time": (
        lambda body: replace(body, t_ms=body.t_ms + 366 * 86_400_000),
        "has expired",
    ),
    "an hour ago": (
        lambda body: replace(body, t_ms=body.t_ms - 3_600_000),
        "dated at another time",
    ),
    "in an hour": (
        lambda body: replace(body, t_ms=body.t_ms + 3_600_000),
        "dated at another time",
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_receipt_for_other_bytes(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """The owner's device signs it in earnest; the reader neither keeps the pages nor signs."""
    tell, sentence = LIES[lie]
    async with a_town() as town:
        owner, reader = await town.party("home"), await town.party("shop")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 10)
        await lend(owner, reader, TEN)
        honest = serving.receipt_body

        def lying(
            read: VerifiedRead, n: int, window: Slice, last: bool, t_ms: int, prev: bytes | None
        ) -> ReceiptBody:
            return tell(honest(read, n, window, last, t_ms, prev))

        monkeypatch.setattr(serving, "receipt_body", lying)
        await trio.sleep(2 * 3_600)  # a certificate that was made now does not hold an hour ago
        await refuses(reader, owner, TEN, sentence)


async def refuses(reader: Party, owner: Party, window: Window, sentence: str) -> None:
    """A read ends in an error; nothing is kept, nothing signed."""
    pair = await reader.peer("home")
    with pytest.raises((ProtocolError, CryptoError), match=sentence):
        await reader.node.fetcher.fetch(pair, window)
    kept = await reader.read(lambda tx: reader.node.vault.stored(tx, CURVE, 0, 65_534, pair.their))
    assert kept == []
    assert (await reader.read(reader.node.receipts.verify)).receipts == 0
    words = await owner.read(owner.node.receipts.all)
    assert not any(one.two_sided for one in words)


# --- the reader's side: pages ---------------------------------------------------------------------

ONE = Window(CURVE, DAY, DAY)


@dataclass(frozen=True, slots=True)
class Forged:
    """What is put in place of the one page of a read."""

    entry: PageEntry
    ciphertext: bytes
    evidence: Evidence | None = None


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("its own segment", "signed by another device than the server"),
        ("the owner's name", "signature does not verify"),
        ("the owner's segment", "not those that the device signed"),
        ("the owner's entry", "came altered"),
    ],
)
async def test_a_fellow_reader_forging_pages(
    autojump_clock: MockClock, way: str, sentence: str
) -> None:
    """Whoever was lent the same days has their keys, and what it seals with them opens.

    It has even taken over what the owner's device sends (a helper, a disk, a line): pages that the
    owner's device never vouched for are refused all the same.
    """
    async with a_town() as town:
        owner, reader = await town.party("home"), await town.party("shop")
        fellow = await town.party("fellow")
        await meet(owner, reader)
        await meet(owner, fellow)
        await owner.fill(CURVE, DAY, 1)
        await lend(owner, reader, ONE)
        await lend(owner, fellow, ONE)
        forged = await forged_by(town, owner, fellow, way)
        plan = owner.node.serving.plan

        def planned(tx: Tx, read: VerifiedRead, *, alone: bool = True) -> ReadPlan:
            honest = plan(tx, read, alone=alone)
            ((page,),) = (whole.pages for whole in honest.slices)
            other = replace(page, raw=forged.entry.encoded(), length=forged.entry.length)
            return replace(honest, slices=(replace(honest.slices[0], pages=(other,)),))

        def sent(*_: object) -> list[bytes]:
            return [forged.ciphertext]

        def vouched(*_: object) -> Evidence:
            assert forged.evidence is not None
            return forged.evidence

        owner.node.serving.plan = planned  # taken over
        owner.node.serving.pages = sent  # type: ignore[method-assign]  # taken over
        if forged.evidence is not None:
            owner.node.serving.evidence = vouched  # type: ignore[method-assign]  # taken over
        await refuses(reader, owner, ONE, sentence)


async def forged_by(town: Town, owner: Party, fellow: Party, way: str) -> Forged:
    """A page of that day with other figures, under the very key of the day."""
    (honest,) = await owner.read(lambda tx: owner.node.vault.stored(tx, CURVE, DAY, DAY))
    real = parse_entry(honest.raw)
    device = fellow.node.keystore.device
    own = did_of(device.public)
    entry, ciphertext = seal_page(
        readings(DAY, 1, value=900),
        day_key=await key_of(fellow, real),
        path=real.path,
        day=real.day,
        epoch=real.epoch,
        gen=real.gen,
        statement=None,
        salt_d=None,
        writer=own if way == "its own segment" else real.writer,
        entropy=town.entropy,
    )
    match way:
        case "the owner's entry":  # with the digest and the length of another page
            assert len(ciphertext) == real.length
            return Forged(real, ciphertext)
        case "the owner's segment":  # which vouches for another page
            return Forged(entry, ciphertext)
        case _:
            made = make_segment(
                [replace(entry, writer=own)], device=device, seq=0, prev=None, entropy=town.entropy
            )
    head = made.head.signed
    if way == "the owner's name":
        head = sign(Signed.SEGMENT, {**head.body, "dev": real.writer, "root": entry.leaf()}, device)
    run = RunProof(head.cid, 0, 1, ())
    return Forged(entry, ciphertext, Evidence((head.raw,), (run.value(),), ()))


async def key_of(fellow: Party, entry: PageEntry) -> DayKey:
    """The key of a page, out of what the fellow reader was given for itself."""
    pair = await fellow.peer("home")

    def unit(tx: Tx) -> DayKey:
        held = fellow.node.borrowing.grant_for(tx, pair, ONE, fellow.now_ms)
        keys = fellow.node.borrowing.keys(tx, held)
        return keys.day_key(entry.path, entry.epoch, entry.gen, entry.day)

    return await fellow.read(unit)

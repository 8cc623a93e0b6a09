"""What stands in the vault of the vectors: pages, and the segments that vouch for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from entrenous.crypto.key_tree import (
    FIRST_GENERATION,
    UNDATED,
    collection_key,
    day_key,
    tree_root,
)
from entrenous.crypto.keys import DeviceKey
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.page import PageEntry, seal_page
from entrenous.protocol.record import Batch
from entrenous.protocol.segment import Segment, make_segment
from entrenous.protocol.statement import Statement, StatementDay
from entrenous.tests.vectors.open_world import (
    AGAIN,
    CONTACTS,
    EPOCH,
    EPOCH_BEFORE,
    FIRST,
    MONEY,
    PERSON,
    READINGS,
    ROTATED,
    SEED,
    TABLET,
    TODAY,
    VAULTS,
    contacts,
    paid,
    second_generation,
    year,
)


@dataclass(frozen=True, slots=True)
class Page:
    entry: PageEntry
    ciphertext: bytes
    batch: Batch
    salt: bytes | None


def sealed(
    batch: Batch,
    path: str,
    day: int,
    *,
    epoch: bytes = EPOCH,
    gen: bytes = FIRST_GENERATION,
    said: StatementDay | None = None,
    statement: Statement | None = None,
    writer: Did = PERSON.device_did,
    name: str = "page",
) -> Page:
    root = tree_root(collection_key(VAULTS[epoch], path, gen))
    salt = None if said is None else said.salt
    entry, ciphertext = seal_page(
        batch,
        day_key=day_key([root], day),
        path=path,
        day=day,
        epoch=epoch,
        gen=gen,
        statement=None if statement is None else statement.cid,
        salt_d=salt,
        writer=writer,
        entropy=SEED.fork(f"{name} of {path}, day {day}"),
    )
    return Page(entry, ciphertext, batch, salt)


@dataclass(frozen=True, slots=True)
class Commit:
    """A segment and its pages, in the order of its entries."""

    segment: Segment
    pages: tuple[Page, ...]


def committed(
    pages: Iterable[Page], *, device: DeviceKey, seq: int, prev: bytes | None = None
) -> Commit:
    of = {page.entry.page_id: page for page in pages}
    segment = make_segment(
        [page.entry for page in of.values()],
        device=device,
        seq=seq,
        prev=prev,
        entropy=SEED.fork(f"padding of segment {seq} of {did_of(device.public)}"),
    )
    return Commit(segment, tuple(of[entry.page_id] for entry in segment.entries))


@cache
def vault() -> tuple[Commit, ...]:
    """Readings before and after the revocation, payments, and what the tablet wrote."""
    before, after = (
        [
            sealed(said.batch, READINGS, day, gen=gen, said=said, statement=year().statement)
            for day, said in year().days.items()
            if first <= day < end
        ]
        for first, end, gen in (
            (FIRST, ROTATED, FIRST_GENERATION),
            (ROTATED, TODAY + 1, second_generation()),
        )
    )
    money = [
        sealed(said.batch, MONEY, day, said=said, statement=paid().statement)
        for day, said in paid().days.items()
    ]
    undated = sealed(contacts(), CONTACTS, UNDATED)
    tablet = did_of(TABLET.public)
    again = [
        sealed(
            year().days[day].batch,
            READINGS,
            day,
            epoch=EPOCH_BEFORE,
            writer=tablet,
            name="page of the tablet",
        )
        for day in range(AGAIN[0], AGAIN[1] + 1)
    ]
    one = committed(before, device=PERSON.device, seq=0)
    two = committed(after, device=PERSON.device, seq=1, prev=one.segment.head.cid)
    three = committed([*money, undated], device=PERSON.device, seq=2, prev=two.segment.head.cid)
    return one, two, three, committed(again, device=TABLET, seq=0)


def pages() -> list[Page]:
    return [page for commit in vault() for page in commit.pages]

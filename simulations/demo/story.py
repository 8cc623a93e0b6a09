"""The story, step by step, told to three running nodes through their clients.

Each step does what a person or an organisation would do, reads back from both sides what they now
hold, and notes what is not as it should be.  Nothing is taken from what the demo itself knows but
the two files, against which the days and sums are held; where a file was generated, its own known
answers are held against what arrived.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from ...crypto.entropy import Entropy
from ...node.client import Client
from ...node.errors import NodeError, Refused
from ...node.results.deliveries import DeliveryState
from ...node.results.grants import GrantInfo, RequestInfo
from ...protocol.cid import cid_text
from ...protocol.day import UNDATED, date_of, day_of
from ...protocol.did import Did
from ...protocol.reading import ExtractItem
from ...protocol.record import Batch
from ...protocol.window import Window
from ...protocol.wire import Value
from .hostile_reader import HostileReader, read_args
from .processes import DemoHome
from .report import Step, Story

WAIT_S = 90.0
POLL_S = 0.05
# What is asked and what is given, in days.
ASKED_DAYS = 365
GIVEN_DAYS = 30
PURPOSE = "dpv:ServiceOptimisation"
TERMS: Mapping[str, Value] = {
    "retention_days": 30,
    "recipients": [],
    "clauses": ["The readings are used to propose a tariff and for nothing else."],
}
GRANT_LIFE_S = 30 * 86_400
DAY_S = 86_400
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Actor:
    """One of the three: its home, and the client of its node."""

    home: DemoHome
    client: Client


@dataclass(frozen=True, slots=True)
class Known:
    """What is right, worked out by who made the file: how many records, and their exact sum."""

    records: int
    total: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file that an organisation hands back, what a reader finds in it, and what is known of it.

    `known` is None for a file that somebody brought.
    """

    file: Path
    item: ExtractItem
    known: Known | None = None

    @property
    def batch(self) -> Batch:
        return self.item.batch

    @property
    def first(self) -> int:
        return day_of(self.batch.times[0])

    @property
    def last(self) -> int:
        return day_of(self.batch.times[-1])


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is there, and what they bring."""

    person: Actor
    bank: Actor
    energy: Actor
    bank_file: Source
    energy_file: Source
    entropy: Entropy

    @property
    def given(self) -> Window:
        """A window of days that ends inside the data: 30 days where the file has them."""
        source = self.energy_file
        days = source.last - source.first + 1
        length = min(GIVEN_DAYS, max(days - 2, 1))
        last = max(source.last - 1, source.first)
        return Window(source.item.path, max(last - length + 1, source.first), last)


async def tell(cast: Cast, story: Story, done: Callable[[Step], None]) -> None:
    """The eight steps.  `done` is called after each."""
    steps: list[tuple[str, str, Callable[[Cast, Step], Awaitable[None]]]] = [
        ("pairing", "pairing, both ways", pairing),
        ("deliveries", "data handed back", deliveries),
        ("request", "the supplier asks", request),
        ("grant", "the person narrows and grants", grant),
        ("read", "the supplier reads", read),
        ("refusals", "what it was not lent is refused", refusals),
        ("receipts", "both logs hold the receipts", receipts),
        ("revocation", "the person takes it back", revocation),
    ]
    for key, title, act in steps:
        step = story.step(key, title)
        try:
            await act(cast, step)
        except NodeError as error:
            step.wrong.append(str(error))
        done(step)
        if not step.ok:
            return


async def pairing(cast: Cast, step: Step) -> None:
    """The person's invite is scanned by the bank; the supplier's by the person."""
    invitation = await cast.person.client.invite("bank")
    await cast.bank.client.pair(invitation.link, "person")
    again = await _refusal(lambda: cast.energy.client.pair(invitation.link, "person"))
    invitation = await cast.energy.client.invite("person")
    await cast.person.client.pair(invitation.link, "energy")
    peers = {peer.name: peer for peer in await cast.person.client.peers()}
    step.expect(set(peers) == {"bank", "energy"}, "the person does not have both peers")
    own = {peer.own for peer in peers.values()}
    step.expect(len(own) == 2, "the person shows both organisations the same persona")
    step.expect(again is not None, "an invite was used twice")
    for actor, name in ((cast.bank, "bank"), (cast.energy, "energy")):
        (back,) = await actor.client.peers()
        step.expect(
            (back.own, back.their) == (peers[name].their, peers[name].own),
            f"the person and the {name} do not name the same two personas",
        )
    step.tell(
        "person ↔ bank by the person's invite, person ↔ energy by the supplier's",
        peers=sorted(peers),
    )
    step.tell(
        f"{len(own)} personas of the person: the two organisations cannot join files by them",
        personas=len(own),
    )
    step.tell("the used invite, scanned again: refused", second_use_refused=again is not None)


async def deliveries(cast: Cast, step: Step) -> None:
    """Both organisations hand back what they hold; the statements stay with the records."""
    for actor, source in ((cast.bank, cast.bank_file), (cast.energy, cast.energy_file)):
        name = actor.home.name
        await actor.client.deliver(source.file, "person")
        sent = await _until(
            partial(_stored_everywhere, actor), f"the {name}'s delivery did not arrive"
        )
        records = await cast.person.client.read(source.item.path, 0, UNDATED - 1)
        taken = [
            one
            for one in await cast.person.client.deliveries()
            if one.way == "in" and one.peer == name
        ]
        step.expect(records.batch.columns == source.batch.sorted().columns, f"{name}: other data")
        step.expect(
            sorted(one.statement for one in taken) == sorted(sent),
            f"{name}: the statement that was sent is not the one that is kept",
        )
        step.tell(
            f"{name}: {len(records.batch):,} records into {source.item.path}, "
            f"{date_of(source.first)} to {date_of(source.last)}",
        )
        step.facts[name] = {
            "path": source.item.path,
            "records": len(records.batch),
            "first": date_of(source.first),
            "last": date_of(source.last),
            "statements": [cid_text(one.statement) for one in taken],
        }
        if source.known is not None:
            known, total = source.known, _sum(records.batch)
            step.expect(
                (len(records.batch), total) == (known.records, known.total),
                f"{name}: what arrived is not what the household lived through",
            )
            step.tell(
                f"{name}: {known.records:,} records, {known.total:+,} {known.unit} in all, as the "
                "known answers of the household say"
            )
            step.facts[f"{name}_known"] = {
                "records": known.records,
                "total": f"{known.total} {known.unit}",
            }
    step.tell("each with the statement that its source signed over every day")


async def _stored_everywhere(actor: Actor) -> list[bytes] | None:
    sent = [one for one in await actor.client.deliveries() if one.way == "out"]
    if sent and all(one.state is DeliveryState.STORED for one in sent):
        return [one.statement for one in sent]
    return None


async def request(cast: Cast, step: Step) -> None:
    """The supplier asks for twelve months of load curve, for a purpose."""
    last = cast.energy_file.last
    wanted = Window(cast.energy_file.item.path, last - ASKED_DAYS + 1, last)
    asked = await cast.energy.client.ask(
        "person",
        [wanted],
        purpose=PURPOSE,
        terms=TERMS,
        exp_s=int(time.time()) + GRANT_LIFE_S,
        refusal="You keep your present tariff.",
    )
    waiting = await _until(lambda: _waiting(cast.person), "the request did not arrive")
    (mine,) = await cast.energy.client.asked()
    step.expect(waiting.id == asked == mine.id, "the two sides name different requests")
    step.expect(waiting.items == (wanted,), "the person is shown other days than were asked for")
    step.tell(
        f"{wanted.collection}, {date_of(wanted.first)} to {date_of(wanted.last)}",
        asked=cid_text(asked),
        collection=wanted.collection,
        first=date_of(wanted.first),
        last=date_of(wanted.last),
    )
    step.tell(
        f"for {waiting.purpose}, kept {waiting.terms.retention_days} days; "
        f"a refusal costs: {waiting.refusal}",
        purpose=waiting.purpose,
    )


async def _waiting(person: Actor) -> RequestInfo | None:
    inbox = [one for one in await person.client.inbox() if one.state == "waiting"]
    return inbox[0] if inbox else None


async def grant(cast: Cast, step: Step) -> None:
    """The person narrows the request to a window that ends inside the data."""
    waiting = await _waiting(cast.person)
    if waiting is None:
        step.wrong.append("there is no request to decide")
        return
    window = cast.given
    cid = await cast.person.client.grant(waiting.id, [window])
    held = await _until(
        lambda: _grant_of(cast.energy, cid, keys=True), "the grant and its keys did not arrive"
    )
    given = await _until(lambda: _grant_of(cast.person, cid), "the grant is not there")
    step.expect(given.windows == held.windows == (window,), "the two sides hold different days")
    step.expect(given.terms == held.terms, "the two sides hold different terms")
    days = window.last - window.first + 1
    step.tell(
        f"{days} days of them: {date_of(window.first)} to {date_of(window.last)} (UTC)",
        grant=cid_text(cid),
        first=date_of(window.first),
        last=date_of(window.last),
        days=days,
    )
    step.tell("accepted by the supplier's node: terms unchanged, days not wider than asked")


async def _grant_of(actor: Actor, cid: bytes, *, keys: bool = False) -> GrantInfo | None:
    for one in await actor.client.grants():
        if one.id == cid and (one.acknowledged or not keys):
            return one
    return None


async def read(cast: Cast, step: Step) -> None:
    """The supplier reads exactly these days, and verifies its statement on just these."""
    window = cast.given
    expected = _within(cast.energy_file.batch, window)
    fetched = await cast.energy.client.fetch("person", window.collection, window.first, window.last)
    if fetched.batch is None:
        step.wrong.append("the supplier got nothing")
        return
    step.expect(fetched.batch.columns == expected.columns, "other records than the file's came")
    step.expect(not fetched.damaged, "pages did not open")
    verified = [one for one in fetched.provenance if one.verified]
    step.expect(
        len(verified) == len(fetched.provenance) == 1
        and (verified[0].first, verified[0].last) == (window.first, window.last),
        "the source's statement does not verify on just these days",
    )
    days = sorted({day_of(t_ms) for t_ms in fetched.batch.times})
    step.tell(
        f"{len(fetched.batch):,} readings on {len(days)} days, "
        f"{date_of(days[0])} to {date_of(days[-1])}, {_total(fetched.batch)}",
        records=len(fetched.batch),
        days=len(days),
        first=date_of(days[0]),
        last=date_of(days[-1]),
        total=_total(fetched.batch),
        pages=fetched.pages,
        bytes=fetched.bytes,
    )
    step.tell(
        "the statement of the source verifies on these days alone; the others stay blind",
        statement_verified=bool(verified),
    )


async def refusals(cast: Cast, step: Step) -> None:
    """Six things that the supplier was not lent, each refused with its reason."""
    window, energy = cast.given, cast.energy
    hostile = HostileReader.open(energy.home.folder, energy.home.passphrase, "person", cast.entropy)
    friend = HostileReader.open(
        cast.bank.home.folder, cast.bank.home.passphrase, "person", cast.entropy, grants=False
    )
    wider = Window(window.collection, window.first, window.last + 1)
    now_ms = time.time_ns() // 1_000_000
    spent = hostile.read(Window(window.collection, window.first, window.first), now_ms)
    on = hostile.lend_on(Did(friend.pair.own), wider, now_ms)
    beyond = friend.token(
        "/record/read", read_args(wider, hostile), (hostile.root, on), friend.pair, now_ms
    )
    proofs = [hostile.root.raw]
    await _invoke(energy, spent, proofs)
    attempts: list[tuple[str, str, str, Callable[[], Awaitable[object]]]] = [
        ("one_day_more", "one day more", "days", lambda: _fetch(energy, wider)),
        (
            "another_collection",
            "another collection",
            "collection",
            lambda: _fetch(energy, Window(cast.bank_file.item.path, window.first, window.last)),
        ),
        (
            "another_command",
            "another command",
            "command",
            lambda: _invoke(energy, hostile.command("/record/erase", window, now_ms), proofs),
        ),
        ("replay", "the same invocation again", "replay", lambda: _invoke(energy, spent, proofs)),
        (
            "wider_sub_delegation",
            "a sub-delegation wider than its root",
            "days",
            lambda: _invoke(cast.bank, beyond, [*proofs, on.raw]),
        ),
        (
            "outside_in_time",
            "a day before the window",
            "days",
            lambda: _fetch(energy, Window(window.collection, window.first - 1, window.first)),
        ),
    ]
    for key, what, code, act in attempts:
        refused = await _refusal(act)
        step.expect(
            refused is not None and refused.code == code, f"{what} was not refused as {code}"
        )
        said = "was not refused" if refused is None else f"{refused} ({refused.code})"
        step.tell(f"{what}: {said}")
        step.facts[key] = (
            None if refused is None else {"code": refused.code, "reason": str(refused)}
        )


async def receipts(cast: Cast, step: Step) -> None:
    """Both logs hold the countersigned receipts, and verify."""
    sums: list[tuple[int, int]] = []
    for actor, way in ((cast.person, "given"), (cast.energy, "taken")):
        report = await actor.client.log_verify()
        rows = [one for one in await actor.client.log() if one.kind == "receipt"]
        mine = [one for one in rows if one.way == way]
        two_sided = [one for one in mine if one.two_sided]
        sums.append((len(two_sided), sum(one.bytes for one in two_sided)))
        step.expect(bool(two_sided), f"{actor.home.name} holds no countersigned receipt")
        step.tell(
            f"{actor.home.name}: {report.size} leaves verify; windows signed by both: "
            f"{len(two_sided)}, {sums[-1][1]:,} bytes"
        )
        step.facts[actor.home.name] = {
            "leaves": report.size,
            "countersigned": len(two_sided),
            "bytes": sums[-1][1],
        }
    step.expect(sums[0] == sums[1], "the two logs tell of different reads")


async def revocation(cast: Cast, step: Step) -> None:
    """Taken back: the next read is refused, and a day written afterwards does not open."""
    window = cast.given
    given = [one for one in await cast.person.client.grants() if one.side == "given"]
    await cast.person.client.revoke(given[0].id)
    refused = await _refusal(lambda: _fetch(cast.energy, window))
    step.expect(refused is not None and refused.code == "revoked", "a read after it was answered")
    step.tell(f"the next read: {refused}", refused=None if refused is None else refused.code)
    await _until(lambda: _ended(cast.energy, given[0].id), "the supplier was not told")
    await cast.energy.client.deliver(cast.energy_file.file, "person")
    await _until(lambda: _delivered_twice(cast), "the later delivery did not arrive")
    step.tell("the same days handed back once more, written under a new generation of keys")


async def _delivered_twice(cast: Cast) -> bool | None:
    taken = [
        one
        for one in await cast.person.client.deliveries()
        if one.way == "in" and one.path == cast.energy_file.item.path
    ]
    return True if len(taken) == 2 else None


async def _ended(actor: Actor, cid: bytes) -> GrantInfo | None:
    found = await _grant_of(actor, cid)
    return found if found is not None and found.status == "revoked" else None


async def _fetch(actor: Actor, window: Window) -> object:
    return await actor.client.fetch("person", window.collection, window.first, window.last)


async def _invoke(actor: Actor, token: bytes, proofs: list[bytes]) -> object:
    """Send a token as it is; a refusal in a signed answer is raised like any other."""
    try:
        said = await actor.client.invoke("person", "", {}, proofs=proofs, token=token)
    except Refused as refused:
        if refused.code == "ok":
            return None  # pages were offered: the token was good, and is spent now
        raise
    if said.code != "ok":
        raise Refused(str(said.out), said.code)
    return said


async def _refusal(act: Callable[[], Awaitable[object]]) -> Refused | None:
    try:
        await act()
    except Refused as refused:
        return refused
    return None


async def _until(look: Callable[[], Awaitable[T | None]], otherwise: str) -> T:
    """Look until there is something to see.  Raises NodeError after half a minute."""
    with trio.move_on_after(WAIT_S):
        while True:
            if (found := await look()) is not None:
                return found
            await trio.sleep(POLL_S)
    raise NodeError(otherwise)


def _within(batch: Batch, window: Window) -> Batch:
    ordered = batch.sorted()
    rows = [
        i for i, t_ms in enumerate(ordered.times) if window.first <= day_of(t_ms) <= window.last
    ]
    return ordered.slice(rows[0], rows[-1] + 1) if rows else Batch.empty(batch.schema)


def _sum(batch: Batch) -> Decimal:
    """The exact sum of the amounts or readings."""
    total = Decimal(0)
    for cell in batch.columns["value" if "value" in batch.columns else "amount"]:
        assert isinstance(cell, tuple)
        total += Decimal(cell[0]).scaleb(-cell[1])
    return total


def _total(batch: Batch) -> str:
    """The sum of the readings, exact, in their unit."""
    totals: dict[str, tuple[int, int]] = {}
    for cell, unit in zip(batch.columns["value"], batch.columns["unit"], strict=True):
        assert isinstance(cell, tuple)
        assert isinstance(unit, str)
        mantissa, scale = totals.get(unit, (0, 0))
        finest = max(scale, cell[1])
        total = mantissa * 10 ** (finest - scale) + cell[0] * 10 ** (finest - cell[1])
        totals[unit] = (total, finest)
    return ", ".join(
        f"{mantissa / 10**scale:,.{scale}f} {unit}" for unit, (mantissa, scale) in totals.items()
    )

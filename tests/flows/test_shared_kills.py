"""kill -9 inside every step of a proposal, of a dispute and of an acceptance, on two real nodes;
of what brings lost versions back, and of the word that a copy was erased.

What was acknowledged is there; a version is there once, whole or not at all; both sides end with
the same two histories, and the logs verify.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.client import Client
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config
from entrenous.node.node import Ground, Node
from entrenous.node.offline import NoNetwork
from entrenous.node.offload import InlineOffload
from entrenous.node.results.shared import SharedInfo
from entrenous.node.steps import said_of
from entrenous.node.store.database import Tx
from entrenous.node.store.home import Home
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.objects import Kind
from entrenous.protocol.command import Cmd
from entrenous.tests.flows.deaths import ForkServer, Mortal, Tally, until
from entrenous.tests.flows.test_kills import Two, two_homes

PATH = "identity/contacts"
WHOLE = '{"id": "c1", "kind": "individual", "name": "Ada Example", "note": "NOTE"}'


def steps_of(cmd: Cmd) -> Sequence[str]:
    said = said_of(cmd)
    return said.sending, said.served, said.answered, said.kept


async def record(mortal: Mortal, id: str = "c1") -> SharedInfo | None:
    found = await mortal.ask(Client.shared)
    return next((one for one in found if one.record == id), None)


async def history(mortal: Mortal, id: str = "c1") -> list[tuple[bytes, str, str]]:
    found = await record(mortal, id)
    assert found is not None
    steps = await mortal.ask(lambda client: client.shared_history(found.id))
    return [(step.id, step.word, step.state) for step in steps]


async def settled(two: Two, state: str, versions: int) -> SharedInfo:
    """Both sides have it so, each from its own side; and both hold the same versions."""
    await two.all_is_said()
    seen = {"asked": "asks"}.get(state, state)

    async def both() -> bool:
        mine, theirs = await record(two.owner), await record(two.reader)
        return (
            mine is not None
            and theirs is not None
            and (mine.state, theirs.state) == (state, seen)
            and mine.versions == theirs.versions == versions
        )

    await until(f"both have {versions} versions, {state}", both)
    histories = [await history(side) for side in (two.owner, two.reader)]
    assert histories[0] == histories[1]
    assert {state for _, _, state in histories[0]} == {"heard"}
    found = await record(two.owner)
    assert found is not None
    return found


async def cut(two: Two, step: str, number: int) -> None:
    """A note proposed, disputed and accepted; somebody dies at `step` of one of these words."""
    proposing = step in steps_of(Cmd.PROPOSE)
    sender, receiver = (two.owner, two.reader) if proposing else (two.reader, two.owner)
    dying = receiver if step.endswith("served") else sender
    whole = WHOLE.replace("NOTE", f"round {number}")
    if proposing:
        await dying.arm(step)
    done = await two.owner.ask(
        lambda client: client.shared_propose("reader", PATH, whole=whole, schema="contact/1")
    )
    if proposing:
        await two.die(dying, step)
    await settled(two, "asked", 3 * number + 1)
    if not proposing:
        await dying.arm(step)
    await two.reader.ask(
        lambda client: client.shared_answer(done.id, accept=False, reason="not yet")
    )
    if not proposing:
        await two.die(dying, step)
    await settled(two, "disputed", 3 * number + 2)
    await two.reader.ask(lambda client: client.shared_answer(done.id, accept=True))
    found = await settled(two, "agreed", 3 * number + 3)
    assert found.mine.record == found.theirs.record


async def test_versions_of_a_shared_record_survive_a_kill_at_every_step(
    server: ForkServer, tmp_path: Path
) -> None:
    tally = Tally()
    async with two_homes(partial(Mortal.make, server), tmp_path, tally, 1) as two:
        for number, step in enumerate((*steps_of(Cmd.PROPOSE), *steps_of(Cmd.ANSWER_RECORD))):
            await cut(two, step, number)
    assert sum(tally.deaths.values()) == 8


# --- versions that were lost ----------------------------------------------------------------------


async def lose_newest(mortal: Mortal, id: str) -> None:
    """The newest version of its own copy is gone from a home, as after a restore."""
    await mortal.stop()
    async with InlineDatabase(Home(mortal.folder).database, durable=True) as database:
        ground = Ground(database, NoNetwork(), SystemClock(), SystemEntropy(), InlineOffload())
        node = Node(ground, mortal.opened(), Config(name=mortal.name))

        def unit(tx: Tx) -> None:
            (shared,) = (one for one in node.shared.all(tx) if one.name.id == id)
            lost = [one for one in shared.versions if shared.is_ours(one.version)][-1]
            node.store.objects.delete(tx, Kind.SHARED_VERSION, lost.cid)
            kept = tuple(one for one in shared.versions if one is not lost)
            node.shared.keep(tx, replace(shared, versions=kept))

        await database.write(unit)
    await mortal.start()


async def lost(two: Two, step: str, number: int) -> None:
    """What was lost comes back although somebody dies at `step`; and the next word is taken."""

    id = f"l{number}"

    async def say(note: str) -> None:
        whole = WHOLE.replace("NOTE", note).replace('"c1"', f'"{id}"')
        await two.owner.ask(
            lambda client: client.shared_propose("reader", PATH, whole=whole, schema="contact/1")
        )

    async def alike() -> bool:
        if await record(two.reader, id) is None:
            return False
        mine, theirs = await history(two.owner, id), await history(two.reader, id)
        heard = [cid for cid, _, state in mine if state == "heard"]
        return heard == [cid for cid, _, _ in theirs] and "said" not in {one[2] for one in mine}

    await say("before")
    await until("it is heard", alike)
    before = len(await history(two.reader, id))
    await lose_newest(two.owner, id)
    asks = step in steps_of(Cmd.RECALL)
    sender, receiver = (two.owner, two.reader) if asks else (two.reader, two.owner)
    dying = receiver if step.endswith("served") else sender
    await dying.arm(step)
    await say("not knowing")
    await two.die(dying, step)
    await two.all_is_said()
    await until("what was lost is back", alike)
    assert len(await history(two.reader, id)) == before
    await say("after")
    await until("the next word is taken", alike)
    assert len(await history(two.reader, id)) == before + 1


async def erased(two: Two, step: str, number: int) -> None:
    """The owner erases a record; whoever dies, the reader hears of it, and keeps its own."""
    id = f"e{number}"
    whole = WHOLE.replace('"c1"', f'"{id}"')
    dying = two.reader if step.endswith("served") else two.owner
    await two.owner.ask(
        lambda client: client.shared_propose("reader", PATH, whole=whole, schema="contact/1")
    )

    async def states(mortal: Mortal) -> list[str]:
        return [one.state for one in await mortal.ask(Client.shared) if one.record == id]

    async def asked() -> bool:
        return await states(two.reader) == ["asks"]

    async def left() -> bool:
        return await states(two.reader) == ["left"]

    await until("it is asked", asked)
    await two.all_is_said()
    await dying.arm(step)
    # It may die of its next word before this is answered: what was erased is erased.
    await two.owner.attempt(lambda client: client.erase(PATH, id))
    await two.die(dying, step)
    await two.all_is_said()
    await until("the reader knows", left)
    assert await states(two.owner) == []


async def test_lost_versions_come_back_through_a_kill_at_every_step_and_erasure_is_heard(
    server: ForkServer, tmp_path: Path
) -> None:
    recall, returned, gone = (steps_of(cmd) for cmd in (Cmd.RECALL, Cmd.RETURN, Cmd.ERASED))
    tally = Tally()
    async with two_homes(partial(Mortal.make, server), tmp_path, tally, 1) as two:
        for number, step in enumerate((*recall, *returned)):
            await lost(two, step, number)
        for number, step in enumerate(gone):
            await erased(two, step, number)
    assert sum(tally.deaths.values()) == 12

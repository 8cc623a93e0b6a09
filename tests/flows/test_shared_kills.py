"""kill -9 inside every step of a proposal, of a dispute and of an acceptance, on two real nodes.

What was acknowledged is there; a version is there once, whole or not at all; both sides end with
the same two histories, and the logs verify.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path

import pytest

from entrenous.node.client import Client
from entrenous.node.results.shared import SharedInfo
from entrenous.node.steps import said_of
from entrenous.protocol.command import Cmd
from entrenous.tests.flows.deaths import ForkServer, Mortal, Tally, fork_server, until
from entrenous.tests.flows.test_kills import Two, two_homes

PATH = "identity/contacts"
WHOLE = '{"id": "c1", "kind": "individual", "name": "Ada Example", "note": "NOTE"}'


def steps_of(cmd: Cmd) -> Sequence[str]:
    said = said_of(cmd)
    return said.sending, said.served, said.answered, said.kept


@pytest.fixture(scope="module")
def server() -> Generator[ForkServer]:
    with fork_server() as found:
        yield found


async def record(mortal: Mortal) -> SharedInfo | None:
    return next(iter(await mortal.ask(Client.shared)), None)


async def history(mortal: Mortal) -> list[tuple[bytes, str, str]]:
    found = await record(mortal)
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

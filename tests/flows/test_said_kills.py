"""kill -9 inside every step of what is said since there are terms: narrower grants and the reader's
answer to them, witnesses, erasing, exporting; and right after each answer that a person gets.

Acknowledged means durable; what was not is there whole or not at all, and said once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from entrenous.node.client import Client
from entrenous.node.erasure.erasure import Step as EraseStep
from entrenous.node.export.export import Step as ExportStep
from entrenous.node.results.grants import RequestInfo
from entrenous.node.steps import said_of
from entrenous.protocol.command import Cmd
from entrenous.protocol.wire import Value
from entrenous.tests.flows.deaths import ForkServer, Mortal, Tally, until
from entrenous.tests.flows.test_kills import DAY, PATH, Two, two_homes

TIGHT_DAYS = 5
RULES: dict[str, Value] = {
    "ask_again_days": 30,
    "rules": [{"name": "never my health", "does": "refuse", "collections": ["health"]}],
}


def steps_of(cmd: Cmd) -> Sequence[tuple[str, bool]]:
    """The steps of a command, each with whether its sender is there."""
    said = said_of(cmd)
    return (said.sending, True), (said.served, False), (said.answered, True), (said.kept, True)


# --- terms that bind harder -----------------------------------------------------------------------


async def offered(two: Two, day: int) -> bytes:
    """The owner grants under tighter terms; the request, once the reader has the answer."""
    request = await two.request(day, day)
    await two.owner.ask(lambda client: client.grant(request, retention_days=TIGHT_DAYS))

    async def came() -> bool:
        return (await asked(two, request)).state == "offered"

    await until("the offer comes", came)
    return request


async def asked(two: Two, request: bytes) -> RequestInfo:
    (found,) = [one for one in await two.reader.ask(Client.asked) if one.id == request]
    return found


async def settled(two: Two, request: bytes, state: str) -> None:
    async def done() -> bool:
        return (await asked(two, request)).state == state

    await until(f"the request is {state}", done)


@pytest.mark.parametrize("cmd", [Cmd.ACCEPT, Cmd.DECLINE])
async def test_an_answer_to_tighter_terms_survives_a_kill_at_every_step(
    server: ForkServer, tmp_path: Path, cmd: Cmd
) -> None:
    tally = Tally()
    async with two_homes(partial(Mortal.make, server), tmp_path, tally, 4) as two:
        for number, (step, at_sender) in enumerate(steps_of(cmd), 1):
            day = DAY + number - 1
            request = await offered(two, day)
            dying = two.reader if at_sender else two.owner
            await dying.arm(step)
            if cmd is Cmd.ACCEPT:
                await two.reader.attempt(lambda client, id=request: client.accept_offer(id))
            else:
                await two.reader.attempt(
                    lambda client, id=request: client.decline_offer(id, "too short")
                )
            await two.die(dying, step)
            await two.all_is_said()
            await settled(two, request, "granted" if cmd is Cmd.ACCEPT else "declined")
            (given,) = await two.grants_on(two.owner, day)
            assert (given.status == "live") == (cmd is Cmd.ACCEPT)
            if cmd is Cmd.ACCEPT:
                await two.fetched(day, day)
    assert sum(tally.deaths.values()) == 4


# --- witnesses ------------------------------------------------------------------------------------


async def state_of(mortal: Mortal, side: str) -> str | None:
    for one in await mortal.ask(Client.witnesses):
        if one.side == side:
            return one.state
    return None


async def stands(two: Two, ours: str, theirs: str) -> None:
    async def so() -> bool:
        return (await state_of(two.owner, "ours"), await state_of(two.reader, "theirs")) == (
            ours,
            theirs,
        )

    await until(f"the witness is {ours} there and {theirs} here", so)


async def test_a_witness_survives_a_kill_at_every_step(server: ForkServer, tmp_path: Path) -> None:
    """Asked for, allowed, and shown a checkpoint: by the owner, of the reader's node."""
    tally = Tally()
    async with two_homes(partial(Mortal.make, server), tmp_path, tally, 1) as two:
        say: dict[Cmd, tuple[Mortal, Mortal, Callable[[Client], Awaitable[object]]]] = {
            Cmd.LOG_ASK: (two.owner, two.reader, lambda client: client.witness_add("reader")),
            Cmd.LOG_DECIDE: (two.reader, two.owner, lambda client: client.witness_allow("owner")),
        }
        for cmd, (sender, receiver, call) in say.items():
            for step, at_sender in steps_of(cmd):
                dying = sender if at_sender else receiver
                await dying.arm(step)
                await sender.attempt(call)
                await two.die(dying, step)
                await two.all_is_said()
                if cmd is Cmd.LOG_ASK:
                    await stands(two, "asked", "asked")
                    if step != steps_of(cmd)[-1][0]:
                        await two.owner.ask(lambda client: client.witness_remove("reader"))
                        await two.all_is_said()
                else:
                    await stands(two, "witness", "allowed")
        made = await two.owner.ask(lambda client: client.log_checkpoint(publish=True))
        await two.owner.killed()
        again = await two.owner.ask(lambda client: client.log_checkpoint())
        assert again.size >= made.size
    assert sum(tally.deaths.values()) == 8


# --- erasing and exporting ------------------------------------------------------------------------


async def test_erasing_survives_a_kill_at_every_step(server: ForkServer, tmp_path: Path) -> None:
    """What was claimed is erased in the end; what was not begun is there."""
    tally = Tally()
    for number, step in enumerate(EraseStep):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with two_homes(partial(Mortal.make, server), folder, tally, 2) as two:
            await two.grant(DAY, DAY)
            await two.owner.arm(step)
            assert await two.owner.attempt(lambda client: client.erase(PATH)) is None
            await two.die(two.owner, step)

            async def gone(two: Two = two) -> bool:
                found = await two.owner.ask(Client.collections)
                return all(one.path != PATH for one in found)

            await until("the collection is gone", gone)
            (item,) = await two.owner.ask(Client.erased)
            assert item.path == PATH
    assert sum(tally.deaths.values()) == len(EraseStep)


def verified(folder: Path) -> None:
    """Every file that the manifest names is there, with its length and digest."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["files"]
    for one in manifest["files"]:
        data = (folder / one["path"]).read_bytes()
        assert len(data) == one["bytes"]
        assert hashlib.sha256(data).hexdigest() == one["sha256"]


async def test_an_export_survives_a_kill_at_every_step(server: ForkServer, tmp_path: Path) -> None:
    """Without its manifest it is none; given again, the command makes it whole."""
    tally = Tally()
    async with two_homes(partial(Mortal.make, server), tmp_path, tally, 2) as two:
        for number, step in enumerate(ExportStep):
            await two.owner.arm(step)
            target = tmp_path / f"export {number}"
            assert await two.owner.attempt(lambda client, to=target: client.export(to)) is None
            await two.die(two.owner, step)
            whole = (target / "manifest.json").exists()
            assert whole == (step is ExportStep.DONE)
            if not whole:
                await two.owner.ask(lambda client, to=target: client.export(to))
            assert (target / "manifest.json").exists()
            verified(target)
    assert sum(tally.deaths.values()) == len(ExportStep)


# --- right after the answer -----------------------------------------------------------------------


async def test_what_was_acknowledged_is_there_after_a_kill(
    server: ForkServer, tmp_path: Path
) -> None:
    """The person has read the answer; then the machine dies, before anything else is done."""
    tally = Tally()
    async with two_homes(partial(Mortal.make, server), tmp_path, tally, 2) as two:
        owner, reader = two.owner, two.reader

        rules = await owner.ask(lambda client: client.set_standing_terms(RULES))
        await owner.killed()
        assert await owner.ask(Client.standing_terms) == rules

        accepted = await offered(two, DAY)
        await reader.ask(lambda client: client.accept_offer(accepted))
        await reader.killed()
        await settled(two, accepted, "granted")
        await two.fetched(DAY, DAY)

        request = await offered(two, DAY + 1)
        await reader.ask(lambda client: client.decline_offer(request, "no"))
        await reader.killed()
        await two.all_is_said()
        await settled(two, request, "declined")

        await owner.ask(lambda client: client.erase(PATH))
        await owner.killed()
        assert all(one.path != PATH for one in await owner.ask(Client.collections))

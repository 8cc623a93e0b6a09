"""A refused invocation gives a signed answer with its code, and stands in the logs of both sides.

Two real nodes; the reader's sends what no honest program would, over the same link and into the
same log as everything else.  Every code that a paired peer can cause is here, but for `busy`.
Bytes in which no invocation can be read are refused unsigned: there is nothing to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from trio.testing import MockClock

from entrenous.crypto.keys import PersonaKey
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.log.receipts import Way
from entrenous.node.peers.peers import Pair
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.command import AcceptArgs, Cmd, DeliverArgs
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.invocation import Invocation, issue_invocation
from entrenous.protocol.receipt import Answer
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    GAS,
    TERMS,
    Party,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    revoke,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)


@dataclass
class Scene:
    """An owner that has lent ten days to a reader, and the keys of that reader."""

    owner: Party
    reader: Party
    pair: Pair
    key: PersonaKey
    given: GrantGiven
    proofs: list[bytes] = field(default_factory=list[bytes])

    def say(self, cmd: str, args: Mapping[str, Value], **changed: object) -> Invocation:
        """An invocation of the reader's; some of it replaced."""
        asked: dict[str, object] = {
            "sub": did_of(self.key.public),
            "aud": did_of(self.owner.node.keystore.device.public),
            "prf": (),
            "exp": self.reader.now_ms // 1000 + 60,
            "nonce": b"nonce of 12.",
            "key": self.key,
            **changed,
        }
        key = asked.pop("key")
        return issue_invocation(key, cmd=cmd, args=args, **asked)  # type: ignore[arg-type]  # passed through

    def read(self, window: Window = TEN, **changed: Value) -> Invocation:
        """A read of `window` under the grant; some of its arguments replaced."""
        grant = self.given.bundle
        self.proofs = [grant.grant.delegation.raw]
        args = {**grant.args(window).value(), **changed}
        sub = Did(self.pair.their)
        return self.say(Cmd.READ, args, sub=sub, prf=[grant.grant.cid])

    def accept(self, **changed: object) -> Invocation:
        args = AcceptArgs(Did(self.pair.their), self.given.cid, TERMS.cid).value()
        return self.say(Cmd.ACCEPT, args, **changed)


async def a_scene(town: Town) -> Scene:
    owner, reader = await town.party("home"), await town.party("reader")
    await meet(owner, reader)
    await owner.fill(CURVE, DAY, 40)
    given = await lend(owner, reader, TEN)
    pair = await reader.peer("home")
    persona = await reader.read(lambda tx: reader.node.peers.persona(tx, pair.own))
    return Scene(owner, reader, pair, persona.key, given)


def _huge(scene: Scene) -> Invocation:
    parts = tuple((bytes(32), 1024 * 1024) for _ in range(100))
    args = DeliverArgs(Did(scene.pair.their), b"n" * 16, cid_of(b"s"), parts)
    return scene.say(Cmd.DELIVER, args.value())


def _nobodys_grant(scene: Scene) -> Invocation:
    args = AcceptArgs(Did(scene.pair.their), cid_of(b"none"), TERMS.cid)
    return scene.say(Cmd.ACCEPT, args.value())


def _later(scene: Scene, seconds: int) -> Invocation:
    return scene.accept(exp=scene.reader.now_ms // 1000 + seconds)


CALLS: Mapping[Code, Callable[[Scene], Invocation]] = {
    Code.MALFORMED: lambda scene: scene.read(more=1),
    Code.VERSION: lambda scene: scene.read(v=2),
    Code.UNPAIRED: lambda scene: scene.accept(
        key=PersonaKey(b"k" * 32), sub=did_of(PersonaKey(b"k" * 32).public)
    ),
    Code.UNKNOWN_GRANT: _nobodys_grant,
    Code.EXPIRED: lambda scene: _later(scene, -1),
    Code.NOT_YET: lambda scene: _later(scene, 3_600),
    Code.AUDIENCE: lambda scene: scene.accept(aud=did_of(PersonaKey(b"k" * 32).public)),
    Code.COMMAND: lambda scene: scene.say("/grant/everything", {"v": 1, "to": scene.pair.their}),
    Code.DAYS: lambda scene: scene.read(Window(CURVE, DAY, DAY + 10)),
    Code.COLLECTION: lambda scene: scene.read(Window(GAS, DAY, DAY + 9)),
    Code.PURPOSE: lambda scene: scene.read(purpose="dpv:Marketing"),
    Code.TERMS: lambda scene: scene.read(terms=cid_text(cid_of(b"other terms"))),
    Code.REVOKED: lambda scene: scene.read(),
    Code.SUSPENDED: lambda scene: scene.read(),
    Code.TOO_MUCH: _huge,
    Code.REPLAY: lambda scene: scene.accept(),
}


async def _before(scene: Scene, code: Code) -> None:
    """What must have happened for this code."""
    if code is Code.REVOKED:
        await revoke(scene.owner, scene.given)
        await settle()
    elif code is Code.SUSPENDED:
        owner = scene.owner
        assert await owner.write(lambda tx: owner.node.lending.suspend_all(tx, owner.now_ms)) == 1


async def _words(party: Party, way: Way) -> list[bytes]:
    logged = await party.read(party.node.receipts.all)
    return [one.word.cid for one in logged if one.way is way and isinstance(one.word, Answer)]


@pytest.mark.parametrize("code", CALLS)
async def test_a_refusal_stands_in_both_logs(autojump_clock: MockClock, code: Code) -> None:
    async with a_town() as town:
        scene = await a_scene(town)
        await _before(scene, code)
        invocation = CALLS[code](scene)
        exchange = scene.reader.node.exchange
        if code is Code.REPLAY:
            first = await exchange.invoke(scene.pair, invocation, scene.proofs)
            assert first.answer.code is Code.OK
        said = (await exchange.invoke(scene.pair, invocation, scene.proofs)).answer
        await settle()
        assert said.code is code
        assert said.inv == invocation.cid
        assert isinstance(said.out, str)
        assert said.out
        assert said.cid in await _words(scene.owner, Way.GIVEN)
        assert said.cid in await _words(scene.reader, Way.TAKEN)
        await both_logs_hold(scene.owner, scene.reader)


def test_every_code_is_here_or_is_never_signed() -> None:
    unsigned: Sequence[Code] = (
        Code.OK,  # is no refusal
        Code.BUSY,  # the node cannot now, or the peer asks too much: a log is not to be filled so
    )
    assert set(CALLS) | set(unsigned) == set(Code)

"""Nodes that know each other over the memory network, and peers that play by no rules.

`Party` is a whole node on a trio clock: under `autojump_clock` a minute of waiting costs nothing.
`Rogue` has keys of its own, is paired like anybody, and then says what the test makes it say: it
holds a bare `Session`, no node.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import DeviceKey, PersonaKey, ReaderSecret, RecoverySecret
from entrenous.node.config import Config, IdentitySettings, Role
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.keystore import Keystore
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld
from entrenous.node.network.transport import Stream, TransportError
from entrenous.node.network.well_known import WellKnown
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.peers.peers import Pair
from entrenous.node.store.database import Tx
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.command import Cmd, PairAnswer, PairOpenArgs, parse_out
from entrenous.protocol.day import day_of, start_ms
from entrenous.protocol.did import Did, did_of, public_of
from entrenous.protocol.errors import Code, LocalProtocolError
from entrenous.protocol.invocation import Invocation, issue_invocation
from entrenous.protocol.pairing import Invite
from entrenous.protocol.persona import Certificate, Inception, make_certificate, make_inception
from entrenous.protocol.receipt import Answer, parse_answer
from entrenous.protocol.record import Batch
from entrenous.protocol.request import Request
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import (
    AnswerReceived,
    CallReceived,
    Closed,
    Event,
    HelloReceived,
    Opened,
    RefuseReceived,
)
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

T = TypeVar("T")

EPOCH_MS = 1_767_225_600_000
DAY = day_of(EPOCH_MS)
DAY_S = 86_400
CURVE = "energy/electricity/load-curve"
GAS = "energy/gas/load-curve"
TERMS = Terms(
    "dpv:ServiceProvision", 30, ("nobody else",), None, (Clause("no resale", Force.PROMISED),)
)


class TrioClock:
    """Wall-clock time that goes with trio's clock, and jumps when told to."""

    def __init__(self) -> None:
        self._start_s = trio.current_time()
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return EPOCH_MS + self.ahead_ms + int((trio.current_time() - self._start_s) * 1000)


@dataclass
class Party:
    """One node, and what a test asks of it."""

    name: str
    node: Node
    nursery: trio.Nursery
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def write(self, unit: Callable[[Tx], T]) -> T:
        value = await self.node.store.database.write(unit)
        self.node.outgoing.notify()
        return value

    async def read(self, unit: Callable[[Tx], T]) -> T:
        return await self.node.store.database.read(unit)

    @property
    def now_ms(self) -> int:
        return self.node.clock.now_ms()

    async def peer(self, name: str) -> Pair:
        return await self.read(lambda tx: self.node.peers.named(tx, name))

    async def fill(self, path: str, first: int, days: int, *, value: int = 7) -> None:
        """Hourly readings on `days` days from `first` on, of one import."""
        batch = readings(first, days, value=value)
        await self.node.vault.write(path, METER_READING, pieces_of(batch), origin=b"test")

    async def up(self) -> None:
        """Put the node on the network."""
        self.scope = trio.CancelScope()
        started = trio.Event()

        async def run() -> None:
            with self.scope:
                async with self.node.network:
                    started.set()
                    await self.node.run()

        self.nursery.start_soon(run)
        await started.wait()
        await trio.testing.wait_all_tasks_blocked()

    async def down(self) -> None:
        self.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()


@dataclass
class Town:
    """Everybody of one test."""

    world: MemoryWorld
    clock: TrioClock
    entropy: SeededEntropy
    stack: AsyncExitStack
    nursery: trio.Nursery

    async def party(
        self,
        name: str,
        role: Role = Role.PERSON,
        *,
        well_known: WellKnown | None = None,
        identity: IdentitySettings | None = None,
    ) -> Party:
        entropy = self.entropy.fork(name)
        keystore = Keystore.create(RecoverySecret.generate(entropy), entropy, successions=32)
        database = await self.stack.enter_async_context(InlineDatabase(None))
        network = MemoryNetwork(keystore.device, self.world)
        ground = Ground(
            database, network, self.clock, entropy, InlineOffload(), well_known=well_known
        )
        config = Config(name=name, role=role, identity=identity or IdentitySettings())
        party = Party(name, Node(ground, keystore, config), self.nursery)
        await party.up()
        return party

    async def rogue(self, name: str) -> Rogue:
        entropy = self.entropy.fork(name)
        device = DeviceKey.generate(entropy)
        network = await self.stack.enter_async_context(MemoryNetwork(device, self.world))
        rogue = Rogue(name, self, entropy, device, network)
        self.nursery.start_soon(network.serve, rogue.answer_door)
        return rogue


@asynccontextmanager
async def a_town(seed: bytes = b"town") -> AsyncGenerator[Town]:
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        yield Town(MemoryWorld(seed), TrioClock(), SeededEntropy(seed), stack, nursery)
        nursery.cancel_scope.cancel()


def readings(first_day: int, days: int, *, value: int = 7, duration_s: int = 3600) -> Batch:
    each = DAY_S // duration_s
    times = [start_ms(first_day) + i * duration_s * 1000 for i in range(days * each)]
    count = len(times)
    return Batch(
        METER_READING,
        {
            "time": times,
            "offset_min": [60] * count,
            "duration_s": [duration_s] * count,
            "value": [(value + i, 1) for i in range(count)],
            "unit": ["Wh"] * count,
            "quality": [None] * count,
        },
    ).check()


# --- the steps of a story -------------------------------------------------------------------------


async def meet(inviter: Party, scanner: Party) -> None:
    """Pair the two; each is called by its own name afterwards."""
    invite = await inviter.write(
        lambda tx: inviter.node.meeting.invite(
            tx, inviter.node.addresses(), scanner.name, inviter.now_ms
        )
    )
    await scanner.node.exchange.pair(invite, inviter.name)


def request_of(pair: Pair, windows: Sequence[Window], now_ms: int, days: int = 30) -> Request:
    exp_s = now_ms // 1000 + days * DAY_S
    return Request(Did(pair.own), tuple(windows), TERMS.purpose, TERMS, exp_s, "nothing")


async def ask(reader: Party, owner: Party, *windows: Window, days: int = 30) -> bytes:
    """Ask, and wait until the request is with the owner; its CID."""
    pair = await reader.peer(owner.name)
    request = request_of(pair, windows, reader.now_ms, days)
    cid = await reader.write(lambda tx: reader.node.borrowing.ask(tx, pair, request, reader.now_ms))
    await settle()
    return cid


async def decide(owner: Party, cid: bytes, *windows: Window, days: int = 20) -> GrantGiven:
    """Grant, and wait until accepted and the keys are there."""
    exp_s = owner.now_ms // 1000 + days * DAY_S
    given = await owner.write(
        lambda tx: owner.node.lending.grant(tx, cid, windows, exp_s, owner.now_ms)
    )
    await settle()
    return given


async def lend(owner: Party, reader: Party, *windows: Window, days: int = 20) -> GrantGiven:
    return await decide(owner, await ask(reader, owner, *windows), *windows, days=days)


async def revoke(owner: Party, given: GrantGiven) -> None:
    await owner.write(lambda tx: owner.node.lending.revoke(tx, given.cid, owner.now_ms))


async def settle(seconds: float = 1.0) -> None:
    """Let everybody say what they have to say."""
    await trio.sleep(seconds)
    await trio.testing.wait_all_tasks_blocked()


async def both_logs_hold(*parties: Party) -> None:
    for party in parties:
        await party.read(party.node.receipts.verify)


# --- peers that play by no rules ------------------------------------------------------------------


@dataclass
class RawLink:
    """A bare session on a stream.  `event` pumps until something happens."""

    session: Session
    stream: Stream
    clock: TrioClock
    prev: bytes | None = None

    async def flush(self) -> None:
        while data := self.session.data_to_send(self.clock.now_ms()):
            await self.stream.send_all(data)

    async def event(self) -> Event:
        """The next event; Closed again and again once the stream is over."""
        while True:
            event = self.session.next_event()
            if isinstance(event, CallReceived):
                self.session.refuse(event.call, Code.BUSY, "a rogue does not work")
                event = None
            with suppress(TransportError):
                await self.flush()
            if event is not None:
                return event
            try:
                data = await self.stream.receive_some()
            except TransportError:
                data = b""
            with suppress(LocalProtocolError):
                self.session.receive_data(data, self.clock.now_ms())
            if not data:
                event = self.session.next_event()
                assert event is not None, "the stream is over"
                return event

    async def until_quiet(self) -> None:
        """Send what is queued and take what comes within a second."""
        with trio.move_on_after(1):
            while True:
                await self.event()

    async def until(self, *kinds: type[Event]) -> Event:
        """The next event of one of these kinds."""
        while True:
            event = await self.event()
            if isinstance(event, kinds):
                return event
            if isinstance(event, Closed):
                raise AssertionError(f"the session ended: {event.sentence}")

    async def say(
        self, inv: Invocation, proofs: Sequence[bytes] = (), parts: Sequence[bytes] = ()
    ) -> Answer | RefuseReceived:
        """Make a call that is answered or refused."""
        number = self.session.call(inv.raw, proofs, parts)
        while True:
            event = await self.until(AnswerReceived, RefuseReceived)
            assert isinstance(event, AnswerReceived | RefuseReceived)
            if event.call == number:
                return parse_answer(event.raw) if isinstance(event, AnswerReceived) else event


@dataclass
class Rogue:
    """A peer with keys of its own."""

    name: str
    town: Town
    entropy: SeededEntropy
    device: DeviceKey
    network: MemoryNetwork
    pairs: dict[str, PairAnswer] = field(default_factory=lambda: dict[str, PairAnswer]())
    door: Callable[[RawLink], object] | None = None

    def __post_init__(self) -> None:
        self.persona = PersonaKey.generate(self.entropy)
        self.reader = ReaderSecret.generate(self.entropy)
        self.inception: Inception = make_inception(
            self.persona, reader_key=self.reader.public, next_digest=b"n" * 32
        )
        self.arrivals: list[RawLink] = []

    @property
    def did(self) -> Did:
        return did_of(self.persona.public)

    @property
    def now_ms(self) -> int:
        return self.town.clock.now_ms()

    def certificate(
        self,
        *,
        device: DeviceKey | None = None,
        life_s: int = 86_400,
        persona: PersonaKey | None = None,
    ) -> Certificate:
        return make_certificate(
            persona or self.persona,
            device=device or self.device,
            cmds=("/",),
            exp_s=self.now_ms // 1000 + life_s,
            now_ms=self.now_ms,
        )

    async def answer_door(self, stream: Stream) -> None:
        """Nodes that dial this peer are let in, and find nobody."""
        link = RawLink(Session.listener(stream.remote_key, self.now_ms), stream, self.town.clock)
        self.arrivals.append(link)
        await trio.sleep_forever()

    async def dial(self, party: Party) -> RawLink:
        node = party.node
        stream = await self.network.dial(node.keystore.device.public, node.addresses(), 5)
        session = Session.dialler(node.keystore.device.public, self.now_ms)
        return RawLink(session, stream, self.town.clock)

    def invocation(
        self,
        aud: bytes,
        cmd: str,
        args: Mapping[str, Value],
        *,
        key: PersonaKey | None = None,
        sub: Did | None = None,
        prf: Sequence[bytes] = (),
        exp_s: int | None = None,
    ) -> Invocation:
        signer = key or self.persona
        return issue_invocation(
            signer,
            sub=sub or did_of(signer.public),
            cmd=cmd,
            args=args,
            prf=prf,
            exp=self.now_ms // 1000 + 120 if exp_s is None else exp_s,
            nonce=self.entropy.random_bytes(16),
            aud=did_of(aud),
        )

    def pair_open(self, invite: Invite, **changed: object) -> Invocation:
        args = PairOpenArgs(
            invite.secret,
            self.inception.signed.raw,
            self.certificate().signed.raw,
            self.name,
            b"k" * 32,
            tuple(self.network.addresses),
        ).value()
        return self.invocation(invite.device, Cmd.PAIR_OPEN, {**args, **changed})  # type: ignore[dict-item]  # tests pass values

    async def meet(self, party: Party) -> Did:
        """Be paired with `party`, as whoever scans its link is; its persona for us."""
        invite = await party.write(
            lambda tx: party.node.meeting.invite(
                tx, party.node.addresses(), self.name, party.now_ms
            )
        )
        link = await self.dial(party)
        link.session.hello(None, None, None)
        await link.until(Opened)
        answer = await link.say(self.pair_open(invite))
        assert isinstance(answer, Answer), answer
        out = parse_out(Cmd.PAIR_OPEN, answer.out)
        assert isinstance(out, PairAnswer)
        self.pairs[party.name] = out
        await link.stream.aclose()
        return self.persona_of(party)

    def persona_of(self, party: Party) -> Did:
        from entrenous.protocol.persona import parse_inception

        return parse_inception(self.pairs[party.name].inception).did

    async def greet(
        self, party: Party, *, certificate: Certificate | None = None, last: bytes | None = None
    ) -> RawLink:
        """A link that is open between the two personas."""
        link = await self.dial(party)
        link.session.hello(certificate or self.certificate(), self.persona_of(party), last)
        await link.until(Opened)
        return link

    def own(self, party: Party, cmd: Cmd, args: Mapping[str, Value], **more: object) -> Invocation:
        """A command in our own name, for `party`."""
        return self.invocation(party.node.keystore.device.public, cmd, args, **more)  # type: ignore[arg-type]  # tests pass through


async def refused_hello(link: RawLink) -> Closed:
    """How a session ends that was not let in."""
    while True:
        event = await link.event()
        if isinstance(event, Closed):
            return event
        assert isinstance(event, HelloReceived | Opened), event


def public(did: Did) -> bytes:
    return public_of(did)

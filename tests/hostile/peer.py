"""A paired peer that keeps no rule: our own formats, on any network, without our node around them.

It has keys of its own, scans an invite like anybody, and holds a bare `Session` on a stream that
it dialled.  What it then says is up to the attack.  The network may be the real one or a simulated
one; nothing here knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import trio

from entrenous.crypto.entropy import Entropy
from entrenous.crypto.keys import DeviceKey, PersonaKey, ReaderSecret
from entrenous.node.network.transport import Stream, TransportError
from entrenous.protocol.command import (
    Cmd,
    DecideArgs,
    PairAnswer,
    PairOpenArgs,
    RequestArgs,
    parse_args,
    parse_out,
)
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import Code, LocalProtocolError
from entrenous.protocol.grant import Bundle, parse_bundle
from entrenous.protocol.invocation import Invocation, issue_invocation, parse_invocation
from entrenous.protocol.offer import Offer
from entrenous.protocol.pairing import Invite
from entrenous.protocol.persona import (
    Certificate,
    Inception,
    make_certificate,
    make_inception,
    parse_inception,
)
from entrenous.protocol.receipt import (
    Answer,
    countersign,
    make_answer,
    parse_answer,
    sign_receipt,
)
from entrenous.protocol.request import Request
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import (
    AnswerReceived,
    CallReceived,
    Closed,
    Event,
    Opened,
    RefuseReceived,
)
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

DIAL_S = 20.0
TERMS = Terms(
    "dpv:ServiceProvision", 30, ("nobody else",), None, (Clause("no resale", Force.PROMISED),)
)


class HungUp(Exception):  # what happened, not what went wrong
    """The node ended the session; the sentence is what it said, if it said one."""

    def __init__(self, sentence: str, code: Code | None) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass
class Line:
    """A session on a stream, pumped by hand."""

    session: Session
    stream: Stream
    now_ms: Callable[[], int]
    device: DeviceKey
    persona: PersonaKey
    prev: bytes | None = None
    # How many calls of the node were answered.
    answered: int = 0
    bundles: list[Bundle] = field(default_factory=lambda: list[Bundle]())

    async def flush(self) -> None:
        while data := self.session.data_to_send(self.now_ms()):
            await self.stream.send_all(data)

    async def event(self) -> Event:
        """The next event.  Raises HungUp at the end."""
        while True:
            event = self.session.next_event()
            match event:
                case CallReceived():
                    self._answer(event)
                    continue
                case Closed():
                    with suppress(TransportError):
                        await self.flush()
                    raise HungUp(event.sentence, event.code)
                case None:
                    pass
                case _:
                    return event
            await self.flush()
            try:
                data = await self.stream.receive_some()
            except TransportError:
                data = b""
            with suppress(LocalProtocolError):
                self.session.receive_data(data, self.now_ms())
            if not data and (event := self.session.next_event()) is None:
                raise HungUp("the stream is over", None)
            elif not data:
                raise HungUp(event.sentence if isinstance(event, Closed) else "over", None)

    def _answer(self, event: CallReceived) -> None:
        """What the node says to us is taken with thanks; a decision's bundle is kept."""
        inv = parse_invocation(event.inv)
        if inv.cmd == Cmd.DECIDE:
            args = parse_args(Cmd.DECIDE, inv.args)
            assert isinstance(args, DecideArgs)
            if args.bundle is not None:
                self.bundles.append(parse_bundle(args.bundle))
        answer = make_answer(
            self.device, inv=inv.cid, code=Code.OK, out=None, t_ms=self.now_ms(), prev=self.prev
        )
        self.prev = answer.cid
        self.answered += 1
        self.session.answer(event.call, answer.signed.raw)

    async def say(
        self, inv: Invocation, proofs: Sequence[bytes] = (), parts: Sequence[bytes] = ()
    ) -> Answer | RefuseReceived:
        """Make a call that is answered or refused.  Raises HungUp."""
        number = self.session.call(inv.raw, proofs, parts)
        while True:
            event = await self.event()
            if isinstance(event, AnswerReceived) and event.call == number:
                return parse_answer(event.raw)
            if isinstance(event, RefuseReceived) and event.call == number:
                return event

    def sign_for(self, offer: Offer) -> bytes:
        """Our countersignature, as the reader of what was offered."""
        # Whose signature stands beside ours does not matter: the body is what is signed.
        return countersign(sign_receipt(offer.receipt, self.device), self.persona)

    async def close(self) -> None:
        self.session.close()
        with suppress(TransportError):
            await self.flush()
        await self.stream.aclose()


class Dials(Protocol):
    """What a peer needs of a network."""

    async def dial(self, device: bytes, addresses: Sequence[str], timeout_s: float) -> Stream: ...


@dataclass
class Peer:
    """Keys, and what is known of the node that is attacked."""

    network: Dials
    device: DeviceKey
    entropy: Entropy
    now_ms: Callable[[], int]
    addresses: Sequence[str]
    name: str = "mallory"
    node: bytes = b""
    to: Did | None = None
    node_reader: bytes = b""

    def __post_init__(self) -> None:
        self.persona = PersonaKey.generate(self.entropy)
        self.reader = ReaderSecret.generate(self.entropy)
        self.inception: Inception = make_inception(
            self.persona, reader_key=self.reader.public, next_digest=b"n" * 32
        )

    @property
    def did(self) -> Did:
        return did_of(self.persona.public)

    def certificate(self) -> Certificate:
        return make_certificate(
            self.persona,
            device=did_of(self.device.public),
            cmds=("/",),
            exp_s=self.now_ms() // 1000 + 86_400,
            now_ms=self.now_ms(),
        )

    def invocation(
        self,
        cmd: str,
        args: Mapping[str, Value],
        *,
        sub: Did | None = None,
        aud: Did | None = None,
        prf: Sequence[bytes] = (),
        exp_s: int | None = None,
        key: PersonaKey | None = None,
    ) -> Invocation:
        """A command for the node, in our own name unless said otherwise."""
        signer = key or self.persona
        return issue_invocation(
            signer,
            sub=sub or did_of(signer.public),
            cmd=cmd,
            args=args,
            prf=prf,
            exp=self.now_ms() // 1000 + 120 if exp_s is None else exp_s,
            nonce=self.entropy.random_bytes(16),
            aud=aud or did_of(self.node),
        )

    # meeting

    def pair_open(self, secret: bytes) -> Invocation:
        args = PairOpenArgs(
            secret,
            self.inception.signed.raw,
            self.certificate().signed.raw,
            self.name,
            b"k" * 32,
            (),
        )
        return self.invocation(Cmd.PAIR_OPEN, args.value(), aud=did_of(self.node))

    async def line(self) -> Line:
        """A session on a new stream, on which nothing was said.  Raises TransportError."""
        stream = await self.network.dial(self.node, self.addresses, DIAL_S)
        session = Session.dialler(self.node, self.now_ms())
        return Line(session, stream, self.now_ms, self.device, self.persona)

    async def stranger(self) -> Line:
        """A line on which a pairing may be opened.  Raises TransportError, HungUp."""
        line = await self.line()
        line.session.hello(None, None, None)
        await _until_open(line)
        return line

    async def meet(self, invite: Invite) -> None:
        """Be paired, as whoever scans a link is."""
        self.node = invite.device
        line = await self.stranger()
        answer = await line.say(self.pair_open(invite.secret))
        if not isinstance(answer, Answer):
            raise AssertionError(f"not paired: {answer}")
        out = parse_out(Cmd.PAIR_OPEN, answer.out)
        assert isinstance(out, PairAnswer)
        met = parse_inception(out.inception)
        self.to, self.node_reader = met.did, met.reader_key
        await line.close()

    async def greet(self) -> Line:
        """A line that is open between the two personas.  Raises TransportError, HungUp."""
        line = await self.line()
        line.session.hello(self.certificate(), self.to, None)
        await _until_open(line)
        return line

    # being granted

    def request(self, windows: Sequence[Window]) -> Request:
        exp_s = self.now_ms() // 1000 + 86_400
        return Request(self.did, tuple(windows), TERMS.purpose, TERMS, exp_s, "")

    def own(self, cmd: Cmd, args: Mapping[str, Value]) -> Invocation:
        return self.invocation(cmd, args)

    async def granted(self, line: Line, windows: Sequence[Window]) -> Bundle:
        """Ask for `windows` and wait until they are granted."""
        assert self.to is not None
        args = RequestArgs(self.to, self.request(windows)).value()
        answer = await line.say(self.own(Cmd.REQUEST, args))
        assert isinstance(answer, Answer), answer
        with trio.fail_after(120):
            while not line.bundles:
                with trio.move_on_after(0.2):
                    await line.event()
        return line.bundles[0]

    def read_of(self, bundle: Bundle, window: Window) -> tuple[Invocation, list[bytes]]:
        """A read under a grant, and its proofs."""
        links = bundle.links
        inv = self.invocation(
            Cmd.READ,
            bundle.args(window).value(),
            sub=bundle.root.delegation.iss,
            prf=[link.cid for link in links],
        )
        return inv, [link.delegation.raw for link in links]


async def _until_open(line: Line) -> None:
    while not isinstance(await line.event(), Opened):
        pass

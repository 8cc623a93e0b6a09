"""The exchange: pairing, and asking a peer over a link.

A command is signed for the device at the other end of the link (`links.py`), so that nobody else
can show it anywhere; its answer, whatever its code, is verified and logged before it is told.  What
devices of one person ask one another stands aside of the log: nothing is lent or agreed by it.

What is read over a link is `fetcher.py`, what waits in the outbox `post.py`, what peers ask
`door.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...crypto.entropy import Entropy
from ...crypto.keys import DeviceKey
from ...protocol.command import (
    Cmd,
    Outcome,
    PairAnswer,
    parse_out,
)
from ...protocol.did import Did
from ...protocol.errors import Code, RemoteProtocolError
from ...protocol.invocation import Invocation
from ...protocol.limits import INVOCATION_LIFE_S
from ...protocol.pairing import Invite, check_invite
from ...protocol.persona import parse_certificate
from ...protocol.receipt import Answer, parse_answer
from ...protocol.session_event import (
    AnswerReceived,
    CallTimedOut,
    PagesAltered,
    RefuseReceived,
    WindowReceived,
)
from ...protocol.wire import Value
from ..clock import Clock
from ..errors import Away, Refused, UsageError
from ..household.household import People
from ..household.mandate_kept import MandateKept
from ..household.mandates import Mandates
from ..log.receipts import Receipts, Way
from ..log.subject import subject_of
from ..peers.outgoing import Outgoing
from ..peers.peers import OwnPersona, Pair, Peers
from ..store.database import Tx
from ..store.store import Store
from .link import Arrived, Link
from .links import Links
from .meeting import Meeting
from .saying import sign_command


@dataclass(frozen=True, slots=True)
class Said:
    """What a peer answered to a command."""

    invocation: Invocation
    answer: Answer


class Exchange:
    """What this node says to its peers, and what they answer."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        clock: Clock,
        entropy: Entropy,
        addresses: Callable[[], Sequence[str]],
        peers: Peers,
        receipts: Receipts,
        meeting: Meeting,
        outgoing: Outgoing,
        mandates: Mandates,
        links: Links,
    ) -> None:
        self._store = store
        self._device = device
        self._clock = clock
        self._entropy = entropy
        self._addresses = addresses
        self._peers = peers
        self._receipts = receipts
        self._meeting = meeting
        self._outgoing = outgoing
        self._mandates = mandates
        self._links = links

    # pairing

    async def pair(self, invite: Invite, name: str | None, people: People = ()) -> Pair:
        """Answer an invite that was scanned, in the name of `people` of the house.

        Raises GrantRefused, Away, Refused.
        """
        now_ms = self._clock.now_ms()
        check_invite(invite, now_ms)
        if invite.device == self._device.public:
            raise UsageError("this invite is this node's own: another node scans it")
        scanning = await self._store.database.write(
            lambda tx: self._meeting.scan(tx, invite, name, now_ms, people)
        )
        link = await self._links.open_stranger(invite.device, invite.addresses, "the inviter")
        asked = self._meeting.ask(scanning, self._addresses(), now_ms)
        try:
            await self._links.until_open(link, "the inviter")
            with await link.ask(asked.raw) as asking:
                answer = answer_of(await asking.reply())
        finally:
            link.close()
        if answer.code is not Code.OK:
            raise refusal_of(answer, "the inviter")
        out = parse_out(Cmd.PAIR_OPEN, answer.out)
        assert isinstance(out, PairAnswer)
        answer.verify(parse_certificate(out.cert), asked.cid)
        pair = await self._store.database.write(
            lambda tx: self._meeting.answered(tx, scanning, out, now_ms)
        )
        self._outgoing.notify()
        return pair

    # asking

    async def say(
        self,
        pair: Pair,
        cmd: str,
        args: Mapping[str, Value],
        *,
        parts: Sequence[bytes] = (),
        mandate: bytes | None = None,
        device: Did | None = None,
    ) -> Said:
        """Say a command in one's own name, or in that of the principal of a mandate that is held,
        to any device of the peer's or to this one; the answer, whatever its code, is logged.

        Raises Away, Refused for a refusal without a signed word.
        """
        link = await self._links.link_to(pair, device)

        def look(tx: Tx) -> tuple[OwnPersona, MandateKept | None]:
            held = None if mandate is None else self._mandates.held(tx, mandate)
            return self._peers.persona_in(tx, pair), held

        persona, held = await self._store.database.read(look)
        invocation, proofs = self._sign(link, pair, persona, held, cmd, args)
        return await self.invoke(pair, invocation, proofs, parts=parts)

    def _sign(
        self,
        link: Link,
        pair: Pair,
        persona: OwnPersona,
        held: MandateKept | None,
        cmd: str,
        args: Mapping[str, Value],
    ) -> tuple[Invocation, Sequence[bytes]]:
        """A command for the device at the other end of `link`, and what stands above it."""
        return sign_command(
            persona,
            held,
            cmd,
            args,
            to=pair.their_now,
            aud=link.server.device,
            exp_s=self._clock.now_ms() // 1000 + INVOCATION_LIFE_S,
            entropy=self._entropy,
        )

    async def invoke(
        self,
        pair: Pair,
        invocation: Invocation,
        proofs: Sequence[bytes],
        *,
        parts: Sequence[bytes] = (),
    ) -> Said:
        """Send an invocation that is signed already, and log the answer.

        Raises as `say`; a read that is answered with pages is not asked this way: Refused.
        """
        link = await self._links.link_to(pair, invocation.aud)
        with await link.ask(invocation.raw, proofs, parts) as asking:
            arrived = await asking.reply()
            if isinstance(arrived.event, WindowReceived):
                sentence = "the other side offers pages: fetch them instead"
                link.withdraw(asking.number, Code.COMMAND, sentence)
                raise Refused(sentence, Code.OK.value)
            answer = answer_of(arrived)
        await self.keep_answer(link, pair, arrived.number, invocation, answer)
        return Said(invocation, answer)

    async def keep_answer(
        self, link: Link, pair: Pair, number: int, invocation: Invocation, answer: Answer
    ) -> None:
        """Verify and log what the peer answered.  Raises BadSignature, CapabilityError."""
        certificate = link.server
        answer.verify(certificate, invocation.cid)

        def unit(tx: Tx) -> None:
            subject = subject_of(invocation.cmd, invocation.args)
            self._receipts.add(
                tx, Way.TAKEN, pair.own, pair.their, answer, pair.key, certificate, subject
            )
            if link.chain.keeps(number):
                self._peers.took(tx, pair, answer.cid, certificate.device)

        await self._store.database.write(unit)

    async def ask_aside(
        self, pair: Pair, cmd: Cmd, args: Mapping[str, Value]
    ) -> tuple[Outcome, bytes]:
        """Ask another device of this person: what it answers, and the CID of the call.

        Neither side logs it, and it stands in no chain of words: nothing is lent or agreed.
        Raises as `say`; BadSignature, CapabilityError, WireError for an answer that is none.
        """
        link = await self._links.link_to(pair)
        persona = await self._store.database.read(lambda tx: self._peers.persona_in(tx, pair))
        invocation, proofs = self._sign(link, pair, persona, None, cmd, args)
        with await link.ask(invocation.raw, proofs, aside=True) as asking:
            answer = answer_of(await asking.reply())
        answer.verify(link.server, invocation.cid)
        if answer.code is not Code.OK:
            raise refusal_of(answer, pair.name)
        return parse_out(cmd, answer.out), invocation.cid


def answer_of(arrived: Arrived) -> Answer:
    """The signed answer that ends a call, not yet verified.

    Raises Refused for an unsigned refusal, Away for silence, RemoteProtocolError for pages that
    are not those offered or that nobody asked for.
    """
    match arrived.event:
        case AnswerReceived(raw=raw):
            return parse_answer(raw)
        case RefuseReceived(code=code, sentence=sentence):
            raise Refused(f"refused: {sentence}", code.value)
        case CallTimedOut():
            raise Away("the other side did not answer in time; try again")
        case PagesAltered(places=places):
            raise RemoteProtocolError(
                f"{len(places)} pages came altered: the other side's disk or program is damaged"
            )
        case WindowReceived():
            raise RemoteProtocolError("pages came in answer to a command")


def refusal_of(answer: Answer, name: str) -> Refused:
    """What an answer that is not `ok` means, in a sentence."""
    return Refused(f"{name} refuses: {answer.reason[:300]}", answer.code.value)

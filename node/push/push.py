"""The push socket: local programs add records, each to its own collection, and can do no more.

    connect ──▶ greeting ──▶ proof ──▶ welcome ──▶ push ──▶ answer ──▶ push …

The words are those of `protocol/push.py`, frames those of `control_frame.py`.  It is a socket of
its own because the control socket obeys whoever may open it: this one may be opened by other users
of the machine (`push_group`), and obeys a capability.

Whoever connects is a stranger until its proof was good: strangers are few at a time, fewer of one
user, and have seconds.  A program that pushes faster than it may is told how long to wait, and is
not read from meanwhile; one that does not read its answers is dropped.  An answer says what is
durable.  A program that hears none may push the same again: what was stored is there already.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from dataclasses import dataclass

import structlog
import trio

from ...crypto.entropy import Entropy
from ...protocol.errors import CapabilityError, Code, ProtocolError, RecordError
from ...protocol.limits import PUSH_BYTES_MAX, PUSH_RECORDS_MAX
from ...protocol.push import (
    CHALLENGE_BYTES,
    BadRecords,
    Greeting,
    PushCode,
    Pushed,
    VerifiedPush,
    Welcome,
    parse_push,
    refusal_value,
    verify_proof,
)
from ...protocol.record import Batch
from ...protocol.wire import Value
from ..clock import Clock
from ..control_frame import ControlError, EndOfFrames, FrameReader, frame, peer_uid
from ..errors import NodeError
from ..imports.declared import Declared
from ..rate import Rate
from ..store.errors import StoreError
from ..vault.origin import origin_of
from .allowances import Allowances, Row, Session, revoked

log = structlog.get_logger()

# A proof is signed in a millisecond by a program that has just connected.
PROOF_S = 5.0
SEND_S = 10.0
# A meter that speaks every quarter of an hour keeps its connection; one that is rarer comes again.
IDLE_S = 1_200.0
# A push comes whole within this.
PUSH_S = 30.0
# Connections whose proof is still to come: all together, and of one user.
STRANGERS_MAX = 32
STRANGERS_OF_ONE_MAX = 8
CONNECTIONS_MAX = 256
# Connections taken, all together and of one user: more are left waiting, or closed.
ACCEPTS_PER_MINUTE = 6_000
ACCEPTS_OF_ONE_PER_MINUTE = 1_200
USERS_KEPT_MAX = 256
# After a refusal the next frame is read no sooner, so that refusals cost the program and not us.
PAUSE_S = 0.1
PAUSE_MAX_S = 5.0
# A disk that is full is not free again in the next second.
STORE_WAIT_MS = 5_000
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Push:
    """Serves the push socket of one node."""

    def __init__(
        self, allowances: Allowances, declared: Declared, clock: Clock, entropy: Entropy
    ) -> None:
        self._allowances = allowances
        self._declared = declared
        self._clock = clock
        self._entropy = entropy
        self._connections = 0
        self._strangers: Counter[int | None] = Counter()
        self._users: dict[int | None, Rate] = {}

    async def serve(self, listener: trio.SocketListener) -> None:
        """Serve until cancelled."""
        accepts = Rate(ACCEPTS_PER_MINUTE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._allowances.keep_counts)
            while True:
                if wait_s := accepts.take(1, trio.current_time()):
                    await trio.sleep(wait_s)
                    continue
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in _NO_DESCRIPTOR:
                        raise
                    log.warning("push_accept", reason=os.strerror(error.errno))
                    await trio.sleep(PAUSE_S)
                    continue
                nursery.start_soon(self._connected, stream)

    async def _connected(self, stream: trio.SocketStream) -> None:
        self._connections += 1
        try:
            await self._converse(stream)
        except (
            ControlError,
            EndOfFrames,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            trio.TooSlowError,
        ) as error:
            log.debug("push_dropped", reason=type(error).__name__)
        except Exception:
            # A fault of ours must end one connection and be found in the log, not end the node.
            log.exception("push_failed")
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.SocketStream) -> None:
        frames = FrameReader(stream, PUSH_BYTES_MAX)
        try:
            proof, row = await self._proof(stream, frames)
        except ProtocolError as error:
            code = error.code if isinstance(error, CapabilityError) else Code.MALFORMED
            log.info("push_refused", code=code.value)
            await _say(stream, refusal_value(code.value, str(error)))
            return
        try:
            with self._allowances.session(row, proof.root) as session:
                talk = _Talk(stream, frames, session, proof)
                await self._session(talk)
        except CapabilityError as error:
            await _say(stream, refusal_value(error.code.value, str(error)))
            return
        if session.scope.cancelled_caught:
            await _say(stream, refusal_value(PushCode.REVOKED.value, str(revoked())))

    # a stranger

    async def _proof(
        self, stream: trio.SocketStream, frames: FrameReader
    ) -> tuple[VerifiedPush, Row]:
        """Who connects, and under which allowance.  Raises CapabilityError, WireError."""
        user = peer_uid(stream)
        self._admit(user)
        self._strangers[user] += 1
        try:
            greeting = Greeting(self._allowances.node, self._entropy.random_bytes(CHALLENGE_BYTES))
            with trio.fail_after(PROOF_S):
                await stream.send_all(frame(greeting.value()))
                value = await self._frame(frames)
            proof = verify_proof(value, greeting, now_ms=self._clock.now_ms())
            return proof, await self._allowances.live_row(proof.root)
        finally:
            self._strangers[user] -= 1
            if not self._strangers[user]:
                del self._strangers[user]

    def _admit(self, user: int | None) -> None:
        """Raise CapabilityError (busy) where there are too many connections, or of this user."""
        if len(self._users) >= USERS_KEPT_MAX:
            self._users.clear()
        rate = self._users.setdefault(user, Rate(ACCEPTS_OF_ONE_PER_MINUTE))
        if (
            self._connections > CONNECTIONS_MAX
            or self._strangers.total() >= STRANGERS_MAX
            or self._strangers[user] >= STRANGERS_OF_ONE_MAX
            or rate.take(1, trio.current_time())
        ):
            raise CapabilityError("too many programs connect at once: try again", Code.BUSY)

    # a program

    async def _session(self, talk: _Talk) -> None:
        records_max = min(PUSH_RECORDS_MAX, talk.session.per_minute)
        await _answer(
            talk.stream,
            Welcome(
                talk.proof.collection,
                talk.proof.schema.name,
                talk.session.per_minute,
                records_max,
            ).value(),
        )
        while True:
            with trio.fail_after(IDLE_S):
                await talk.frames.begun()
            try:
                with trio.fail_after(PUSH_S):
                    value = await self._frame(talk.frames)
                n, batch = parse_push(value, talk.proof.schema)
                if len(batch) > records_max:
                    raise BadRecords(n, f"at most {records_max} records are pushed at a time")
            except BadRecords as error:
                talk.session.take(1)
                await _answer(
                    talk.stream, refusal_value(PushCode.RECORD.value, str(error), n=error.n)
                )
                await trio.sleep(PAUSE_S)
                continue
            except ProtocolError as error:
                await _say(talk.stream, refusal_value(PushCode.MALFORMED.value, str(error)))
                return
            if not await self._push(talk, n, batch):
                return

    async def _push(self, talk: _Talk, n: int, batch: Batch) -> bool:
        """Do one push and answer it; False where the session is over."""
        if self._clock.now_ms() // 1000 > talk.proof.exp_s:
            sentence = "the time for which this program may push is over"
            await _say(talk.stream, refusal_value(PushCode.EXPIRED.value, sentence))
            return False
        if wait_s := talk.session.take(len(batch)):
            sentence = f"at most {talk.session.per_minute} records a minute are taken"
            wait_ms = int(wait_s * 1000) + 1
            await _answer(
                talk.stream, refusal_value(PushCode.BUSY.value, sentence, wait_ms=wait_ms, n=n)
            )
            await trio.sleep(min(wait_s, PAUSE_MAX_S))
            return True
        try:
            added = await self._declared.add(
                talk.proof.collection, batch, origin=origin_of(talk.proof.root)
            )
        except RecordError as error:
            await _answer(talk.stream, refusal_value(PushCode.RECORD.value, str(error), n=n))
            await trio.sleep(PAUSE_S)
            return True
        except (StoreError, NodeError) as error:
            log.warning("push_not_stored", kind=type(error).__name__)
            refusal = refusal_value(PushCode.STORE.value, str(error), wait_ms=STORE_WAIT_MS, n=n)
            await _answer(talk.stream, refusal)
            await trio.sleep(PAUSE_S)
            return True
        talk.session.count(added.new, self._clock.now_ms())
        await _answer(talk.stream, Pushed(n, added.new, added.there).value())
        return True

    async def _frame(self, frames: FrameReader) -> Value:
        """The next frame; one that is not readable is the program's fault, and is told."""
        try:
            return await frames.receive()
        except ControlError as error:
            raise CapabilityError(str(error), Code.MALFORMED) from error


@dataclass(frozen=True, slots=True)
class _Talk:
    """One connection whose proof was good."""

    stream: trio.SocketStream
    frames: FrameReader
    session: Session
    proof: VerifiedPush


async def _answer(stream: trio.SocketStream, value: Value) -> None:
    with trio.fail_after(SEND_S):
        await stream.send_all(frame(value))


async def _say(stream: trio.SocketStream, value: Value) -> None:
    """A last word, if it is heard at once."""
    with trio.move_on_after(1):
        await stream.send_all(frame(value))

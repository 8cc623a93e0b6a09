"""A session: the two ends of one stream between two devices, as a machine without I/O.

Bytes and the time go in, events and bytes come out:

    receive_data(data, now_ms)   what the transport gave; b"" when the peer ended the stream
    next_event()                 what it meant, one event at a time, None when there is no more
    data_to_send(now_ms)         what to write next, b"" when there is nothing
    next_timer()                 when to call handle_timer(now_ms) if nothing else happens

and between them the actions: hello, accept, call, answer, refuse, offer, countersign, ping, close.
Drain `next_event` after every `receive_data` and `handle_timer`, and `data_to_send` after every
event and action; go on reading whether or not writing is blocked.  The events do not depend on
how the network cut the bytes.

What our own program may not do now raises LocalProtocolError and changes nothing.  What the peer
may not do ends the session: the last event is Closed with the RemoteProtocolError, everything
before it has been delivered, and the peer is sent one refuse with the reason.  An altered page is
milder: it ends its call only, since a damaged disk is no reason to lose the rest.

A session moves frames and holds order, limits and time.  It does *not* look at tokens, grants,
signatures of receipts, proofs or keys: who may do what is decided above it.  The two tables are in
`hello.py` (the stream) and `call.py` (each call); docs/session.md draws them.

Source: formats.md, "Session".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from ..crypto.errors import EntrenousError
from . import limits
from .call import CallEvent, CallState
from .cid import cid_of
from .did import Did
from .errors import (
    CapabilityError,
    Code,
    LocalProtocolError,
    RemoteProtocolError,
    VersionError,
    WireError,
)
from .frame import Buffer, Frame, FrameDecoder, Kind, encode_frame
from .hello import Greeting, Hello, StreamEvent, StreamState
from .message import (
    WHOLE,
    answer_frame,
    call_frame,
    check_question,
    countersign_frame,
    one_line,
    parse_answer,
    parse_call,
    parse_countersign,
    parse_ping,
    parse_refuse,
    ping_frame,
    refuse_frame,
)
from .offer import Arriving, Offer, check_pages, parse_offer
from .patience import Patience
from .persona import Certificate
from .send_queue import Mark, SendQueue
from .session_calls import Call, Calls
from .session_event import (
    AnswerReceived,
    CallReceived,
    CallTimedOut,
    Closed,
    CountersignReceived,
    Ending,
    Event,
    HelloReceived,
    Opened,
    PagesAltered,
    PartReceived,
    RefuseReceived,
    WindowReceived,
)

_TIMED_OUT = "nothing came for this call in its time"


class Session:
    """One end of a stream.  Make it with `dialler` or `listener`."""

    def __init__(self, remote_key: bytes, now_ms: int, *, dialler: bool) -> None:
        self._now_ms = now_ms
        self._greeting = Greeting(remote_key, dialler=dialler)
        self._decoder = FrameDecoder(limits.HELLO_BYTES_MAX)
        self._ended = False
        self._events: deque[Event] = deque()
        self._queue = SendQueue()
        self._calls = Calls(dialler=dialler)
        self._patience = Patience(now_ms)
        self._receive: Mapping[Kind, Callable[[Frame], None]] = {
            Kind.CALL: self._on_call,
            Kind.ANSWER: self._on_answer,
            Kind.OFFER: self._on_offer,
            Kind.PAGE: self._on_page,
            Kind.COUNTERSIGN: self._on_countersign,
            Kind.REFUSE: self._on_refuse,
            Kind.PING: self._on_ping,
        }

    @classmethod
    def dialler(cls, remote_key: bytes, now_ms: int) -> Session:
        """The end that opened the stream.  `remote_key`: the 32-byte device key that was proved."""
        return cls(remote_key, now_ms, dialler=True)

    @classmethod
    def listener(cls, remote_key: bytes, now_ms: int) -> Session:
        """The end that was dialled."""
        return cls(remote_key, now_ms, dialler=False)

    @property
    def state(self) -> StreamState:
        return self._greeting.state

    @property
    def paired(self) -> bool:
        """Whether the session is open and both sides showed a certificate."""
        return self._greeting.paired

    @property
    def calls_free(self) -> int:
        """How many more calls may be made now."""
        return self._calls.free if self.state is StreamState.OPEN else 0

    # --- bytes and time ---------------------------------------------------------------------------

    def receive_data(self, data: Buffer, now_ms: int) -> None:
        """Take bytes from the transport, `b""` when the peer ended the stream.

        Raises LocalProtocolError if the events of what came before were not taken.
        """
        if self.state is StreamState.CLOSED:
            return
        if self._ended or len(self._decoder) > self._decoder.bytes_max + limits.SEND_BYTES:
            raise LocalProtocolError(
                "more bytes are given before the events of the last were taken"
            )
        self._tick(now_ms)
        if data:
            self._patience.heard(self._now_ms)
            self._decoder.feed(data)
        else:
            self._ended = True

    def next_event(self) -> Event | None:
        """The next event, or None until more bytes, an action or a timer."""
        while not self._events and self.state is not StreamState.CLOSED:
            try:
                if not self._read_frame():
                    break
            except LocalProtocolError:
                raise
            except EntrenousError as error:
                self._fault(_blame(error))
        return self._events.popleft() if self._events else None

    def data_to_send(self, now_ms: int) -> bytes:
        """The next bytes to write; call again until they are empty."""
        self._tick(now_ms)
        pong = self._patience.take_pong()
        if pong is not None:
            self._queue.small(ping_frame(pong, reply=True))
        data, marks = self._queue.pop()
        for mark in marks:
            self._left(mark)
        return data

    def next_timer(self) -> int | None:
        """When `handle_timer` is due, in ms, or None."""
        if self.state is StreamState.CLOSED:
            return None
        stream_ms = self._patience.deadline(
            self.state, self._decoder.missing(), self._calls.waiting
        )
        call_ms = self._calls.deadline()
        if stream_ms is None or call_ms is None:
            return call_ms if stream_ms is None else stream_ms
        return min(stream_ms, call_ms)

    def handle_timer(self, now_ms: int) -> None:
        """Act on the times that have passed.  Nothing happens before `next_timer()`."""
        self._tick(now_ms)
        if self.state is StreamState.CLOSED:
            return
        silent = self._patience.silent(self.state, self._decoder.missing(), self._now_ms)
        if silent is not None:
            self._silence(silent)
            return
        for call in self._calls.overdue(self._now_ms):
            if call.state is CallState.WITHDRAWN:
                self._silence("the peer does not acknowledge that a call was withdrawn")
                return
            self._events.append(CallTimedOut(call.number))
            self._refuse(call, Code.BUSY, _TIMED_OUT)
        if self._patience.ping_due(self.state, self._calls.waiting, self._now_ms):
            self.ping()

    # --- actions ----------------------------------------------------------------------------------

    def hello(self, cert: Certificate | None, peer: Did | None, last: bytes | None) -> None:
        """Say hello as the dialler: our certificate, the persona we want, the last receipt's CID.

        Without a certificate the session can open a pairing and nothing else.
        """
        hello = Hello(cert, peer, last)
        self._greeting.say(hello)
        self._queue.small(encode_frame(Kind.HELLO, WHOLE, hello.value()))

    def accept(self, cert: Certificate | None, last: bytes | None) -> None:
        """Answer the dialler's hello.  Our certificate is shown to a paired persona only."""
        hello = self._greeting.accept(cert, last)
        self._queue.small(encode_frame(Kind.HELLO, WHOLE, hello.value()))
        self._open()

    def call(self, inv: bytes, proofs: Sequence[bytes] = (), parts: Sequence[bytes] = ()) -> int:
        """Ask: an invocation, its proofs (root first), the parts of a delivery.

        Returns the number of the call.
        """
        self._greeting.pass_on(StreamEvent.SEND)
        if not self.paired and (proofs or parts or not self._greeting.dialler):
            raise LocalProtocolError("on an unpaired session the dialler opens a pairing, no more")
        check_question(inv, proofs, parts)
        data = call_frame(self._calls.next_number, inv, proofs)
        call = self._calls.ask(cid_of(inv), delivers=bool(parts), now_ms=self._now_ms)
        self._queue.small(data)
        self._queue.parts(call.number, parts)
        return call.number

    def answer(self, number: int, raw: bytes) -> None:
        """End a call of the peer's with a signed answer."""
        self._greeting.pass_on(StreamEvent.SEND)
        call = self._calls.of(number, ours=False)
        data = answer_frame(number, raw)
        self._step(call, CallEvent.ANSWER, by_us=True)
        self._queue.small(data, Mark(number, final=True))

    def refuse(self, number: int, code: Code, sentence: str) -> None:
        """End a call without a signed word: refuse the peer's, or withdraw our own.

        Call 0 is the session: it is refused as a whole, and closed.
        """
        if number == WHOLE:
            data = refuse_frame(WHOLE, code, sentence)
            if self.state is not StreamState.CLOSED:
                self._close(Closed(Ending.CLOSED, sentence, code))
                self._queue.small(data)
            return
        self._greeting.pass_on(StreamEvent.SEND)
        call = self._calls.find(number)
        if call is None:
            raise LocalProtocolError(f"call {number} is not open")
        self._refuse(call, code, sentence)

    def offer(self, number: int, offer: Offer, pages: Sequence[bytes]) -> None:
        """Offer the next window of a call of the peer's, with its pages."""
        self._greeting.pass_on(StreamEvent.SEND)
        call = self._calls.of(number, ours=False)
        if not self.paired:
            raise LocalProtocolError("pages are not offered on an unpaired session")
        check_pages(offer, pages)
        call.check_place(offer, by_us=True)
        data = encode_frame(Kind.OFFER, number, offer.value())
        self._step(call, CallEvent.OFFER if pages else CallEvent.OFFER_EMPTY, by_us=True)
        call.take_window(offer)
        self._queue.small(data)
        if pages:
            self._queue.pages(number, pages)

    def countersign(self, number: int, sig: bytes, keys: int | None = None) -> None:
        """Sign for the window that came, after it was stored; `keys` is our newest keyset's n."""
        self._greeting.pass_on(StreamEvent.SEND)
        call = self._calls.of(number, ours=True)
        data = countersign_frame(number, sig, keys)
        event = CallEvent.COUNTERSIGN_LAST if call.last else CallEvent.COUNTERSIGN
        self._step(call, event, by_us=True)
        self._queue.small(data)

    def ping(self) -> None:
        """Ask for a sign of life.  Anything that comes is one; silence ends the session."""
        self._greeting.pass_on(StreamEvent.SEND)
        n = self._patience.pinged(self._now_ms)
        self._queue.small(ping_frame(n, reply=False))

    def close(self) -> None:
        """Leave.  What was queued is still sent; calls that are open have no answer."""
        if self.state is not StreamState.CLOSED:
            self._close(Closed(Ending.CLOSED, Ending.CLOSED.value))

    # --- what comes -------------------------------------------------------------------------------

    def _read_frame(self) -> bool:
        """Take one frame, or the end of the stream; False when neither is there."""
        frame = self._decoder.next_frame()
        held = len(self._decoder)
        self._patience.frame_read(self._now_ms, whole=frame is not None, held=held)
        if frame is None:
            if not self._ended:
                return False
            if held:
                raise RemoteProtocolError("the stream ended inside a frame")
            self._close(Closed(Ending.LEFT, Ending.LEFT.value))
        elif frame.kind is Kind.HELLO:
            self._on_hello(frame)
        elif frame.kind is Kind.REFUSE and frame.call == WHOLE:
            code, sentence = parse_refuse(frame)
            self._close(Closed(Ending.REFUSED, sentence, code))
        else:
            self._greeting.pass_on(StreamEvent.RECEIVE)
            self._receive[frame.kind](frame)
        return True

    def _on_hello(self, frame: Frame) -> None:
        if frame.call != WHOLE:
            raise WireError("a hello names a call")
        hello = self._greeting.hear(frame.body, self._now_ms)
        self._events.append(HelloReceived(hello.cert, hello.peer, hello.last))
        if self.state is StreamState.OPEN:
            self._open()

    def _on_call(self, frame: Frame) -> None:
        inv, proofs = parse_call(frame)
        if proofs and not self.paired:
            raise RemoteProtocolError("an unpaired peer brings proofs", Code.UNPAIRED)
        self._calls.asked(frame.call, cid_of(inv))
        self._events.append(CallReceived(frame.call, inv, proofs))

    def _on_answer(self, frame: Frame) -> None:
        call = self._named(frame, ours=True)
        if call is None:
            return
        raw = parse_answer(frame)
        withdrawn = call.state is CallState.WITHDRAWN
        self._step(call, CallEvent.ANSWER, by_us=False)
        self._queue.drop(call.number)
        if not withdrawn:
            self._events.append(AnswerReceived(call.number, raw))

    def _on_offer(self, frame: Frame) -> None:
        call = self._named(frame, ours=True)
        if call is None:
            return
        offer, spans = parse_offer(frame.body)
        withdrawn = call.state is CallState.WITHDRAWN
        self._step(call, CallEvent.OFFER if spans else CallEvent.OFFER_EMPTY, by_us=False)
        if withdrawn:
            call.arriving = Arriving(offer, spans)
            return
        call.check_place(offer, by_us=False)
        call.take_window(offer)
        if spans:
            call.arriving = Arriving(offer, spans)
        else:
            self._events.append(WindowReceived(call.number, offer, ()))

    def _on_page(self, frame: Frame) -> None:
        call = self._named(frame, ours=None)
        data = frame.body
        if not isinstance(data, bytes):
            raise WireError("a page frame does not carry bytes")
        if call is None:
            return
        if call.ours:
            self._on_pages(call, data)
        else:
            self._on_part(call, data)

    def _on_part(self, call: Call, data: bytes) -> None:
        self._step(call, CallEvent.PART, by_us=False)
        if not self.paired:
            raise RemoteProtocolError("an unpaired peer delivers", Code.UNPAIRED)
        if not 0 < len(data) <= limits.PART_BYTES_MAX or call.parts >= limits.DELIVERY_PARTS_MAX:
            raise RemoteProtocolError("a delivery passes the limits of its parts", Code.TOO_MUCH)
        self._events.append(PartReceived(call.number, call.parts, data))
        call.parts += 1

    def _on_pages(self, call: Call, data: bytes) -> None:
        if call.arriving is None or call.arriving.whole:
            raise RemoteProtocolError("pages come that were not offered")
        call.arriving.add(data)
        whole = call.arriving.whole
        if call.state is CallState.WITHDRAWN:
            self._step(call, CallEvent.PAGE, by_us=False)
            call.arriving.forget()
            return
        self._step(call, CallEvent.PAGE_LAST if whole else CallEvent.PAGE, by_us=False)
        if not whole:
            return
        offer = call.arriving.offer
        pages, altered = call.arriving.pages()
        call.arriving = None
        if not altered:
            self._events.append(WindowReceived(call.number, offer, pages))
            return
        self._events.append(PagesAltered(call.number, offer, pages, altered))
        sentence = f"{len(altered)} of {len(pages)} pages are not those that were offered"
        self._refuse(call, Code.MALFORMED, sentence)

    def _on_countersign(self, frame: Frame) -> None:
        call = self._named(frame, ours=False)
        sig, keys = parse_countersign(frame)
        if call is None:
            return
        event = CallEvent.COUNTERSIGN_LAST if call.last else CallEvent.COUNTERSIGN
        self._step(call, event, by_us=False)
        self._events.append(CountersignReceived(call.number, call.window - 1, call.last, sig, keys))

    def _on_refuse(self, frame: Frame) -> None:
        call = self._named(frame, ours=None)
        code, sentence = parse_refuse(frame)
        if call is None:
            return
        if not call.ours:
            self._step(call, CallEvent.WITHDRAW, by_us=False)
            self._events.append(RefuseReceived(call.number, code, sentence))
            self._refuse(call, code, "withdrawn")
            return
        withdrawn = call.state is CallState.WITHDRAWN
        self._step(call, CallEvent.REFUSE, by_us=False)
        self._queue.drop(call.number)
        if not withdrawn:
            self._events.append(RefuseReceived(call.number, code, sentence))

    def _on_ping(self, frame: Frame) -> None:
        n, reply = parse_ping(frame)
        self._patience.ping(n, reply=reply, now_ms=self._now_ms)

    # --- inside -----------------------------------------------------------------------------------

    def _tick(self, now_ms: int) -> None:
        # A clock that is set back must not make waits longer than they were.
        self._now_ms = max(self._now_ms, now_ms)

    def _open(self) -> None:
        """Both hellos passed: the limits of an open session hold from the next frame on."""
        self._events.append(Opened())
        if self.paired:
            self._decoder.bytes_max = limits.FRAME_BYTES_MAX
            return
        self._decoder.bytes_max = limits.UNPAIRED_FRAME_BYTES_MAX
        ours, theirs = limits.UNPAIRED_CALLS_OPEN_MAX, 0
        if not self._greeting.dialler:
            ours, theirs = theirs, ours
        self._calls.ours_max, self._calls.theirs_max = ours, theirs

    def _step(self, call: Call, event: CallEvent, *, by_us: bool) -> None:
        self._calls.step(call, event, by_us=by_us, now_ms=self._now_ms)

    def _named(self, frame: Frame, *, ours: bool | None) -> Call | None:
        """The call that a frame names, of the side whose frame it can be; None if it is late."""
        call = self._calls.named(frame.call, frame.kind)
        if call is not None and ours is not None and call.ours is not ours:
            raise RemoteProtocolError(
                f"a {frame.kind.value} frame comes from the wrong end of its call"
            )
        return call

    def _refuse(self, call: Call, code: Code, sentence: str) -> None:
        data = refuse_frame(call.number, code, sentence)
        event = CallEvent.WITHDRAW if call.ours else CallEvent.REFUSE
        self._step(call, event, by_us=True)
        self._queue.drop(call.number)
        self._queue.small(data, None if call.ours else Mark(call.number, final=True))

    def _left(self, mark: Mark) -> None:
        """A marked frame is on its way."""
        if mark.final:
            self._calls.left()
            return
        call = self._calls.find(mark.call)
        if call is None:
            return
        if call.ours:
            self._calls.wait(call, call.state, self._now_ms)
        else:
            self._step(call, CallEvent.PAGE_LAST if mark.last else CallEvent.PAGE, by_us=True)

    def _fault(self, error: RemoteProtocolError) -> None:
        sentence = str(error)
        self._queue.clear()
        self._queue.small(refuse_frame(WHOLE, error.code, one_line(sentence)))
        self._close(Closed(Ending.FAULT, sentence, error.code, error))

    def _silence(self, sentence: str) -> None:
        self._queue.clear()
        self._queue.small(refuse_frame(WHOLE, Code.BUSY, sentence))
        error = RemoteProtocolError(sentence, Code.BUSY)
        self._close(Closed(Ending.SILENT, sentence, Code.BUSY, error))

    def _close(self, closed: Closed) -> None:
        left = closed.ending in (Ending.LEFT, Ending.REFUSED)
        self._greeting.pass_on(StreamEvent.LEFT if left else StreamEvent.LEAVE)
        self._decoder.clear()
        self._events.append(closed)


def _blame(error: EntrenousError) -> RemoteProtocolError:
    """Whatever the peer's bytes broke, said as the peer's fault with a code."""
    if isinstance(error, RemoteProtocolError):
        return error
    code = error.code if isinstance(error, CapabilityError) else Code.MALFORMED
    if isinstance(error, VersionError):
        code = Code.VERSION
    blamed = RemoteProtocolError(str(error), code)
    blamed.__cause__ = error
    return blamed

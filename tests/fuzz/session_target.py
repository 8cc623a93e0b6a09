"""Targets: a session against a peer that keeps no rule, from every place where it can stand.

The bytes of an input are a script: which frames come, well formed or not, in what pieces, how much
time passes, what our own program does meanwhile.  Certificates and receipts are signed, so that
what comes after the greeting is reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from entrenous.crypto.canonical import Value
from entrenous.protocol.errors import Code, LocalProtocolError, WireError
from entrenous.protocol.frame import Kind, encode_frame, encode_page_frame
from entrenous.protocol.hello import Hello, StreamState
from entrenous.protocol.limits import FRAME_BYTES_MAX, SEND_BYTES
from entrenous.protocol.message import (
    answer_frame,
    call_frame,
    countersign_frame,
    ping_frame,
    refuse_frame,
)
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import Closed, Event, HelloReceived
from entrenous.protocol.wire import decode
from entrenous.tests.protocol.session_link import (
    ALICE,
    BANK,
    EVE,
    INV,
    NOW_MS,
    SIG,
    drain,
    fresh_link,
    offer_of,
    open_link,
    sent,
    unpaired_link,
)

from .target import Tape, Target, require, same

_PAGES: Final = (b"one page" * 40, b"another" * 30)
_ANSWER: Final = b"a signed answer"


# --- where a session can stand --------------------------------------------------------------------


def _listening() -> Session:
    return fresh_link().listener


def _greeting() -> Session:
    dialler = fresh_link().dialler
    dialler.hello(ALICE.cert, BANK.did, None)
    return dialler


def _unpaired() -> Session:
    return unpaired_link().listener


def _open_dialler() -> Session:
    return open_link().dialler


def _open_listener() -> Session:
    return open_link().listener


def _reading() -> Session:
    dialler = open_link().dialler
    dialler.call(INV)
    sent(dialler)
    return dialler


def _being_read() -> Session:
    link = open_link()
    number = link.dialler.call(INV)
    link.carry()
    link.listener.offer(number, offer_of(_PAGES, last=False), _PAGES)
    sent(link.listener)
    return link.listener


def _delivering() -> Session:
    dialler = open_link().dialler
    dialler.call(INV, (), _PAGES)
    return dialler


def _taking() -> Session:
    link = open_link()
    link.dialler.call(INV, (), _PAGES)
    link.listener.receive_data(call_frame(1, INV, ()), NOW_MS)
    drain(link.listener)
    return link.listener


_STARTS: Final[Sequence[Callable[[], Session]]] = (
    *(_listening, _greeting, _unpaired, _open_dialler, _open_listener),
    *(_reading, _being_read, _delivering, _taking),
)


# --- what the peer says ---------------------------------------------------------------------------


@cache
def _hellos() -> tuple[Value, ...]:
    shown = (ALICE.cert, BANK.cert, EVE.cert, None)
    return tuple(
        Hello(cert, peer, None).value() for cert in shown for peer in (ALICE.did, BANK.did, None)
    )


def _number(tape: Tape) -> int:
    return (0, 1, 2, 3, 4, 5, 7, 2**53 - 1, 2**53)[tape.upto(8)]


def _offer(tape: Tape) -> Value:
    how = tape.upto(7)
    pages = _PAGES[: how & 3]
    offer = offer_of(pages, window=tape.upto(2), last=bool(how & 4))
    return offer.value()


def _frame(tape: Tape) -> bytes:
    """The bytes of one frame of the peer's."""
    kind, number = tape.upto(11), _number(tape)
    match kind:
        case 0:
            hellos = _hellos()
            return encode_frame(Kind.HELLO, 0, hellos[tape.upto(len(hellos) - 1)])
        case 1:
            return call_frame(min(number, 7), INV, [INV] * tape.upto(2))
        case 2:
            return answer_frame(min(number, 7), _ANSWER)
        case 3:
            return encode_frame(Kind.OFFER, number, _offer(tape))
        case 4:
            return encode_page_frame(number, [_PAGES[tape.upto(1)]])
        case 5:
            return encode_page_frame(number, [b"".join(_PAGES)[tape.upto(255) :]])
        case 6:
            return countersign_frame(min(number, 7), SIG, None if tape.upto(1) else 5)
        case 7:
            code = tuple(Code)[tape.upto(len(Code) - 1)]
            return refuse_frame(min(number, 7), code, "no") if code is not Code.OK else b""
        case 8:
            return ping_frame(tape.upto(2**32 - 1), reply=bool(tape.upto(1)))
        case 9:
            # A frame of any kind with a body of the mutator's own.
            kinds = tuple(Kind)
            return encode_frame(kinds[tape.upto(len(kinds) - 1)], number, _any_value(tape))
        case 10:
            return tape.some()
        case _:
            return tape.upto(2**32 - 1).to_bytes(4, "big") + tape.some()


def _any_value(tape: Tape) -> Value:
    raw = tape.some()
    try:
        return decode(raw)
    except WireError:
        return raw


# --- what our own program does --------------------------------------------------------------------


def _act(session: Session, tape: Tape) -> None:
    number, pages = tape.upto(5), _PAGES[: tape.upto(2)]
    actions: tuple[Callable[[], object], ...] = (
        lambda: session.hello(ALICE.cert, BANK.did, None),
        lambda: session.accept(BANK.cert, None),
        lambda: session.accept(None, None),
        lambda: session.call(INV, (), pages),
        lambda: session.answer(number, _ANSWER),
        lambda: session.refuse(number, Code.BUSY, "not now"),
        lambda: session.offer(number, offer_of(pages), pages),
        lambda: session.countersign(number, SIG),
        session.ping,
        session.close,
    )
    try:
        actions[tape.upto(len(actions) - 1)]()
    except LocalProtocolError:
        return  # our program asked for what is not possible now, and is told so


def _accept(session: Session, events: Sequence[Event]) -> None:
    """Take a hello as a node does: at once."""
    if any(isinstance(event, HelloReceived) for event in events):
        try:
            session.accept(BANK.cert, None)
        except LocalProtocolError:
            return


@dataclass
class _Life:
    """One run of a script.  Whole: bytes are given as they come; else in pieces of `size`."""

    session: Session
    now_ms: int = NOW_MS
    events: list[Event] = field(default_factory=list[Event])
    out: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes, size: int) -> None:
        for at in range(0, len(data), size):
            self.session.receive_data(data[at : at + size], self.now_ms)
            self._drain()

    def _drain(self) -> None:
        found = drain(self.session)
        self.events += found
        _accept(self.session, found)
        self.events += drain(self.session)

    def say(self) -> None:
        while data := self.session.data_to_send(self.now_ms):
            require(len(data) <= SEND_BYTES + FRAME_BYTES_MAX, "more is sent at once than allowed")
            self.out += data

    def wait(self, ms: int) -> None:
        due = self.session.next_timer()
        self.now_ms += ms if due is None else min(ms, max(due - self.now_ms, 0) + 1)
        self.session.handle_timer(self.now_ms)
        self._drain()

    def check(self) -> None:
        ends = [event for event in self.events if isinstance(event, Closed)]
        require(len(ends) <= 1, "a session ends twice")
        closed = self.session.state is StreamState.CLOSED
        require(closed == bool(ends), "the end of a session is told exactly once")
        require(not ends or self.events[-1] is ends[0], "something happens after the end")
        require(not closed or self.session.next_timer() is None, "a closed session has a timer")


def _hostile(data: bytes) -> object:
    tape = Tape(data)
    life = _Life(_STARTS[tape.upto(len(_STARTS) - 1)]())
    while tape:
        match tape.upto(15):
            case 0 | 1:
                life.wait(tape.upto(2**32 - 1) % 200_000)
            case 2 | 3 | 4:
                _act(life.session, tape)
                life.take(b"", 1)
            case 5:
                life.say()
            case 6 if life.session.state is not StreamState.CLOSED and not tape:
                life.session.receive_data(b"", life.now_ms)
            case _:
                frame = _frame(tape)
                life.take(frame, (len(frame) or 1, 1, 3, 64)[tape.upto(3)])
        life._drain()  # pyright: ignore[reportPrivateUsage]  # the same module
    life.say()
    life.check()
    return [repr(event) for event in life.events], bytes(life.out)


def _chunks(data: bytes) -> object:
    """The same frames whole, byte by byte and in pieces: the same events, the same words."""
    tape = Tape(data)
    start, size = _STARTS[tape.upto(len(_STARTS) - 1)], 1 + tape.upto(255)
    frames: list[bytes] = []
    while tape:
        frames.append(_frame(tape))
    found: list[tuple[list[str], bytes]] = []
    for pieces in (64 * 1024, size):
        life = _Life(start())
        rest = deque(frames)
        # Until the stream is open a frame comes after our program has decided on the one before:
        # whether it comes while a hello is being weighed is a matter of time, not of cutting.
        while rest and life.session.state is not StreamState.OPEN:
            life.take(rest.popleft(), pieces)
        life.take(b"".join(rest), pieces)
        life.say()
        life.check()
        found.append(([repr(event) for event in life.events], bytes(life.out)))
    same(found[0], found[1], "how bytes are cut matters")
    return found[0]


def _seeds(head: bytes) -> list[bytes]:
    """Scripts that go the good way from each start."""
    hello = b"\0\0\4"
    pages = b"\4\1\0"
    frames = {
        0: [hello, b"\1\1\0", b"\x08\0\0\0\0\1\0"],
        1: [b"\0\0\3", b"\1\2\0"],
        2: [b"\1\1\0"],
        3: [b"\1\2\1", b"\4\2\0"],
        4: [b"\1\1\2", b"\4\1\0", b"\4\1\1"],
        5: [b"\3\1\6\0", pages, b"\4\1\1", b"\2\1"],
        6: [b"\6\1\0", b"\7\1\2"],
        7: [b"\2\1"],
        8: [b"\4\1\0", b"\4\1\1", b"\x09\1\4\0\0\5\x83\1\2\3\4"],
    }
    return [
        bytes((start,)) + head + b"".join(_step(head, one) for one in steps)
        for start, steps in frames.items()
    ]


def _step(head: bytes, frame: bytes) -> bytes:
    """In a script with actions a frame has its kind of step before it and its cut behind it."""
    return frame if head else b"\x0f" + frame + b"\0"


_COVERS = (
    *("protocol.session", "protocol.session_calls", "protocol.hello", "protocol.message"),
    *("protocol.call", "protocol.patience", "protocol.send_queue"),
)

TARGETS = (
    Target(
        "session",
        _hostile,
        _COVERS,
        lambda: _seeds(b""),
        (),
        bytes_max=2048,
        weight=6,
    ),
    Target(
        "session-chunks",
        _chunks,
        ("protocol.session", "protocol.frame"),
        lambda: _seeds(b"\7"),
        (),
        bytes_max=2048,
        weight=3,
    ),
)

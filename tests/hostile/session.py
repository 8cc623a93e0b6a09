"""Attacks with the protocol: sessions, calls, reads and deliveries that keep no rule.

They need nothing but a network that dials, so they run against a node over TCP and against one in
a simulated world alike.  Each runs until it is cancelled.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import count, cycle

import trio

from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import Cmd, DeliverArgs, RequestArgs
from entrenous.protocol.day import start_ms
from entrenous.protocol.delivery import announce, pack_parts
from entrenous.protocol.errors import Code
from entrenous.protocol.frame import Kind, encode_frame
from entrenous.protocol.grant import Bundle
from entrenous.protocol.hello import Hello
from entrenous.protocol.limits import FRAME_BYTES_MAX, PART_BYTES_MAX
from entrenous.protocol.message import call_frame
from entrenous.protocol.receipt import parse_answer
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.session_event import AnswerReceived, RefuseReceived, WindowReceived
from entrenous.protocol.statement import make_statement
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, encode
from entrenous.tests.hostile.attacker import LET_DOWN, Attacker
from entrenous.tests.hostile.peer import HungUp, Line, Peer

DAY_MS = 86_400_000
OPEN_CALLS = 60


async def _again(at: Attacker, many: int, one: Callable[[], Awaitable[None]]) -> None:
    """`one` again and again, `many` at a time; each end is counted."""

    async def again() -> None:
        while True:
            try:
                await one()
                at.note("done")
            except LET_DOWN as error:
                at.note(error)
                await trio.sleep(0.005)

    async with trio.open_nursery() as nursery:
        for _ in range(many):
            nursery.start_soon(again)


def _all_of(at: Attacker) -> Window:
    return Window(at.target.collection, at.target.first, at.target.last)


async def _to_end(at: Attacker, line: Line) -> None:
    """Take what comes until the node ends the session, which is counted."""
    while True:
        event = await line.event()
        if isinstance(event, RefuseReceived):
            at.note(f"refused: {event.code.value}: {event.sentence}")


def _asked(peer: Peer, bundle: Bundle, window: Window) -> tuple[bytes, list[bytes]]:
    inv, proofs = peer.read_of(bundle, window)
    return inv.raw, proofs


# --- greedy ---------------------------------------------------------------------------------------


async def _read_on(at: Attacker, peer: Peer, line: Line, window: Window) -> None:
    """Keep `OPEN_CALLS` reads under way; sign for everything, look at nothing."""
    bundle = line.bundles[0]
    for _ in range(OPEN_CALLS):
        line.session.call(*_asked(peer, bundle, window))
    while True:
        event = await line.event()
        if isinstance(event, WindowReceived):
            at.tally["windows"] += 1
            at.tally["bytes"] += event.offer.receipt.size
            line.session.countersign(event.call, line.sign_for(event.offer))
            over = event.offer.receipt.last
        else:
            at.note(f"refused: {event.code.value}" if isinstance(event, RefuseReceived) else event)
            over = isinstance(event, AnswerReceived | RefuseReceived)
        if over and line.session.calls_free:
            line.session.call(*_asked(peer, bundle, window))


async def greedy_read(at: Attacker) -> None:
    """The whole grant, sixty times at once, and again as soon as one has come."""
    peer = await at.paired(one=True)
    line = await peer.greet()
    await peer.granted(line, [_all_of(at)])
    await _read_on(at, peer, line, _all_of(at))


async def greedy_days(at: Attacker) -> None:
    """One granted day, sixty times at once, without end: small reads as fast as they are served."""
    peer = await at.paired(one=True)
    line = await peer.greet()
    await peer.granted(line, [_all_of(at)])
    await _read_on(at, peer, line, Window(at.target.collection, at.target.first, at.target.first))


async def many_connections(at: Attacker) -> None:
    """One paired peer on many connections at once, each of which reads all it can."""
    peer = await at.paired()
    line = await peer.greet()
    await peer.granted(line, [_all_of(at)])
    bundle = line.bundles[0]

    async def one() -> None:
        other = await peer.greet()
        other.bundles.append(bundle)
        await _read_on(at, peer, other, _all_of(at))

    await _again(at, 12, one)


def _delivery(at: Attacker, peer: Peer, size: int) -> tuple[DeliverArgs, list[bytes]]:
    """A true delivery of about `size` bytes: transactions with long labels."""
    assert peer.to is not None
    each = 2_000
    days = max(1, size // (each * 110))
    first = at.target.first
    rows = days * each
    batch = Batch(
        TRANSACTION,
        {
            "id": [f"{row:012d}-{at.entropy.random_bytes(2).hex()}" for row in range(rows)],
            "time": [start_ms(first) + row * (DAY_MS // each) for row in range(rows)],
            "offset_min": [60] * rows,
            "amount": [(-(100 + row * 977 % 90_000), 2) for row in range(rows)],
            "currency": ["EUR"] * rows,
            "label": [at.entropy.random_bytes(40).hex() for _ in range(rows)],
            "counterparty": [None] * rows,
            "kind": ["card"] * rows,
        },
    ).check()
    nonce = at.entropy.random_bytes(16)
    statement, sealed = make_statement(
        batch,
        at.entropy,
        key=peer.persona,
        sub=peer.to,
        path="finance/accounts/flood",
        first=first,
        last=first + days - 1,
        nonce=nonce,
    )
    parts = pack_parts(
        statement,
        sealed,
        reader_key=peer.node_reader,
        to=peer.to,
        nonce=nonce,
        entropy=at.entropy,
    )
    announced = tuple((part.digest, part.length) for part in announce(parts))
    return DeliverArgs(peer.to, nonce, statement.cid, announced), parts


async def greedy_deliveries(at: Attacker) -> None:
    """True deliveries of many megabytes, one after the other, for as long as they are taken."""
    peer = await at.paired(one=True)
    line = await peer.greet()
    args, parts = await trio.to_thread.run_sync(_delivery, at, peer, 8 << 20)
    while True:
        answer = await line.say(peer.own(Cmd.DELIVER, args.value()), (), parts)
        at.note(f"a delivery of {sum(map(len, parts)) >> 20} MiB: {answer.code.value}")
        at.tally["bytes"] += sum(map(len, parts))
        args, parts = await trio.to_thread.run_sync(_delivery, at, peer, 8 << 20)


async def rubbish_deliveries(at: Attacker) -> None:
    """Deliveries of 60 MiB that are what they announce and open with no key."""
    peer = await at.paired(one=True)
    assert peer.to is not None
    to = peer.to
    part = at.entropy.random_bytes(PART_BYTES_MAX)
    parts = [part] * 60
    announced = tuple((one.digest, one.length) for one in announce(parts))

    async def one() -> None:
        line = await peer.greet()
        while True:
            args = DeliverArgs(
                to, at.entropy.random_bytes(16), cid_of(at.entropy.random_bytes(8)), announced
            )
            answer = await line.say(peer.own(Cmd.DELIVER, args.value()), (), parts)
            at.note(f"a delivery of 60 MiB: {answer.code.value}")

    await _again(at, 1, one)


async def greedy_calls(at: Attacker) -> None:
    """Small calls in our own name, as many as may be open, without end."""
    peer = await at.paired(one=True)
    assert peer.to is not None
    args = RequestArgs(peer.to, peer.request([_all_of(at)])).value()

    async def one() -> None:
        line = await peer.greet()
        for _ in range(OPEN_CALLS):
            line.session.call(peer.own(Cmd.REQUEST, args).raw)
        while True:
            event = await line.event()
            at.note(
                f"refused: {event.code.value}: {event.sentence}"
                if isinstance(event, RefuseReceived)
                else "answered"
            )
            if line.session.calls_free:
                line.session.call(peer.own(Cmd.REQUEST, args).raw)

    await _again(at, 1, one)


# --- silent and slow ------------------------------------------------------------------------------


async def silent_hellos(at: Attacker) -> None:
    """Streams that are opened and on which no hello comes."""

    async def one() -> None:
        line = await at.peer(one=True).line()
        await _to_end(at, line)

    await _again(at, 40, one)


async def stops_reading(at: Attacker) -> None:
    """Reads of the whole grant whose pages are never taken from the wire."""
    peer = await at.paired()
    line = await peer.greet()
    await peer.granted(line, [_all_of(at)])
    bundle = line.bundles[0]

    async def one() -> None:
        other = await peer.greet()
        for _ in range(OPEN_CALLS):
            other.session.call(*_asked(peer, bundle, _all_of(at)))
        await other.flush()
        await trio.sleep(3)
        await other.stream.reset()

    await _again(at, 3, one)


async def never_countersigns(at: Attacker) -> None:
    """Reads whose windows are taken and never signed for; the stream is left, then again."""
    peer = await at.paired(one=True)
    line = await peer.greet()
    await peer.granted(line, [_all_of(at)])
    bundle = line.bundles[0]

    async def one() -> None:
        other = await peer.greet()
        for _ in range(OPEN_CALLS):
            other.session.call(*_asked(peer, bundle, _all_of(at)))
        with trio.move_on_after(3):
            while True:
                if isinstance(await other.event(), WindowReceived):
                    at.tally["windows"] += 1
        await other.close()

    await _again(at, 1, one)


async def _dripped(line: Line, data: bytes) -> None:
    for byte in data:
        await line.stream.send_all(bytes([byte]))
        await trio.sleep(1)


async def slow_hello(at: Attacker) -> None:
    """A hello of one byte a second."""

    async def one() -> None:
        peer = at.peer(one=True)
        line = await peer.line()
        hello = Hello(peer.certificate(), peer.did, None).value()
        await _dripped(line, encode_frame(Kind.HELLO, 0, hello))

    await _again(at, 40, one)


async def slow_parts(at: Attacker) -> None:
    """A call, then a delivery whose parts come one byte a second."""
    peer = await at.paired(one=True)
    assert peer.to is not None
    announced = ((b"d" * 32, PART_BYTES_MAX),) * 60
    args = DeliverArgs(peer.to, b"n" * 16, cid_of(b"slow"), announced)

    async def one() -> None:
        line = await peer.greet()
        inv = peer.own(Cmd.DELIVER, args.value())
        await line.stream.send_all(call_frame(1, inv.raw, ()))
        await _dripped(line, encode_frame(Kind.PAGE, 1, bytes(PART_BYTES_MAX))[:4_000])

    await _again(at, 4, one)


# --- lying ----------------------------------------------------------------------------------------


async def lying(at: Attacker) -> None:
    """Forged signatures, other subjects, other devices, wrong digests, grants never given."""
    peer = await at.paired(one=True)
    assert peer.to is not None
    to = peer.to
    other = at.peer()
    line = await peer.greet()
    await peer.granted(line, [_all_of(at)])
    bundle = line.bundles[0]
    request = RequestArgs(to, peer.request([_all_of(at)])).value()
    part = bytes(1_000)
    wrong = DeliverArgs(to, b"n" * 16, cid_of(b"lie"), ((b"d" * 32, 1_000),))

    def lies() -> Sequence[tuple[str, bytes, Sequence[bytes], Sequence[bytes]]]:
        true, proofs = peer.read_of(bundle, _all_of(at))
        raw = peer.own(Cmd.REQUEST, request).raw
        forged = raw[:20] + bytes([raw[20] ^ 1]) + raw[21:]
        as_other = peer.invocation(Cmd.REQUEST, request, key=other.persona)
        wider = Window(at.target.collection, 0, 65_000)
        return (
            ("a forged signature", forged, (), ()),
            ("another's name", as_other.raw, (), ()),
            ("another device", peer.invocation(Cmd.REQUEST, request, aud=other.did).raw, (), ()),
            ("in the past", peer.invocation(Cmd.REQUEST, request, exp_s=1_000).raw, (), ()),
            ("no proofs", true.raw, (), ()),
            ("other proofs", true.raw, [proofs[0][:-1] + b"x"], ()),
            ("wider days", peer.read_of(bundle, wider)[0].raw, proofs, ()),
            ("wrong digests", peer.own(Cmd.DELIVER, wrong.value()).raw, (), [part]),
            ("a command of nobody", peer.own(Cmd.PAIR_OPEN, request).raw, (), ()),
        )

    async def one() -> None:
        fresh = await peer.greet()
        for what, raw, proofs, parts in cycle(lies()):
            number = fresh.session.call(raw, proofs, parts)
            while True:
                event = await fresh.event()
                if isinstance(event, AnswerReceived | RefuseReceived) and event.call == number:
                    break
                if isinstance(event, WindowReceived):
                    raise AssertionError(f"{what} was served")
            if isinstance(event, RefuseReceived):
                at.note(f"{what}: {event.code.value}")
            else:
                at.note(f"{what}: {parse_answer(event.raw).code.value}, signed")

    await _again(at, 1, one)


# --- huge -----------------------------------------------------------------------------------------


def _deep() -> bytes:
    return b"\x81" * 60_000 + b"\x00"


def _wide() -> bytes:
    return b"\x9a\x00\x0f\x00\x00" + b"\x00" * 983_040


def _entries() -> bytes:
    """As many values as are allowed, in as small a space."""
    many: list[Value] = [{"a": 0} for _ in range(26_000)]
    return encode(many)


async def huge(at: Attacker) -> None:
    """Lengths up to 2^32, deep and wide CBOR, thousands of proofs, frames at the limit."""
    peer = await at.paired(one=True)
    raw = peer.own(Cmd.REQUEST, {"v": 1}).raw
    proofs: list[Value] = [bytes(100)] * 9_000

    def framed(payload: bytes) -> bytes:
        return len(payload).to_bytes(4, "big") + payload

    pieces = (
        b"\xff\xff\xff\xff" + bytes(60_000),
        (FRAME_BYTES_MAX + 1).to_bytes(4, "big") + bytes(60_000),
        framed(_deep()),
        framed(_wide()),
        framed(_entries()),
        encode_frame(Kind.CALL, 1, {"inv": raw, "proofs": proofs}),
        encode_frame(Kind.CALL, 1, {"inv": bytes(1 << 20), "proofs": []}),
        encode_frame(Kind.PAGE, 1, bytes(PART_BYTES_MAX)),
    )
    turn = cycle(pieces)

    async def one() -> None:
        line = await peer.greet()
        await line.stream.send_all(next(turn))
        await _to_end(at, line)

    await _again(at, 4, one)


# --- pairing --------------------------------------------------------------------------------------


async def pairing_flood(at: Attacker) -> None:
    """/pair/open with secrets that are none, on many streams, each as often as it is heard."""

    async def one() -> None:
        peer = at.peer(one=True)
        for _ in range(3):
            line = await peer.stranger()
            while True:
                inv = peer.pair_open(at.entropy.random_bytes(16))
                answer = await line.say(inv)
                assert isinstance(answer, RefuseReceived), "a wrong secret was answered"
                at.note(f"{answer.code.value}: {answer.sentence}")

    await _again(at, 32, one)


async def reconnecting(at: Attacker) -> None:
    """A paired peer that greets, hangs up, and greets again."""
    peer = await at.paired()

    async def one() -> None:
        line = await peer.greet()
        await line.stream.reset()

    await _again(at, 4, one)


# --- out of order ---------------------------------------------------------------------------------


def _misplaced(peer: Peer) -> Sequence[tuple[str, bytes]]:
    raw = peer.own(Cmd.REQUEST, {"v": 1}).raw
    sig: dict[str, Value] = {"sig": bytes(64), "keys": None}
    refuse: dict[str, Value] = {"code": Code.BUSY.value, "sentence": "no"}
    hello = Hello(peer.certificate(), peer.to, None).value()
    return (
        ("a countersign before an offer", encode_frame(Kind.COUNTERSIGN, 1, sig)),
        ("pages that nobody asked for", encode_frame(Kind.PAGE, 2, bytes(1_000))),
        ("an answer to a call never made", encode_frame(Kind.ANSWER, 2, bytes(100))),
        ("a hello twice", encode_frame(Kind.HELLO, 0, hello)),
        ("a part for another's call", encode_frame(Kind.PAGE, 8, bytes(1_000))),
        ("a call under a number of ours", call_frame(2, raw, ())),
        ("calls that go back", call_frame(9, raw, ()) + call_frame(7, raw, ())),
        ("a refusal of nothing", encode_frame(Kind.REFUSE, 77, refuse)),
        ("a pong to no ping", encode_frame(Kind.PING, 0, {"n": 5, "reply": True})),
        # These two go on for the longest, so they come last.
        ("a call number twice", call_frame(5, raw, ()) + call_frame(5, raw, ())),
        (
            "a countersign in the middle of parts",
            call_frame(1, raw, ())
            + encode_frame(Kind.PAGE, 1, bytes(100))
            + encode_frame(Kind.COUNTERSIGN, 1, sig),
        ),
    )


async def out_of_order(at: Attacker) -> None:
    """Frames of the right form in the wrong place."""
    peer = await at.paired(one=True)
    places = count()

    async def one() -> None:
        tries = _misplaced(peer)
        what, data = tries[next(places) % len(tries)]
        line = await peer.greet()
        await line.stream.send_all(data)
        try:
            await _to_end(at, line)
        except HungUp as end:
            at.note(f"{what}: {end.code.value if end.code else 'no word'}: {end}")

    await _again(at, 2, one)


SESSION = {
    "greedy": greedy_read,
    "greedy-days": greedy_days,
    "many-connections": many_connections,
    "deliveries": greedy_deliveries,
    "rubbish": rubbish_deliveries,
    "calls": greedy_calls,
    "no-hello": silent_hellos,
    "not-reading": stops_reading,
    "unsigned": never_countersigns,
    "slow-hello": slow_hello,
    "slow-parts": slow_parts,
    "lying": lying,
    "huge-cbor": huge,
    "pairings": pairing_flood,
    "reconnecting": reconnecting,
    "out-of-order": out_of_order,
}

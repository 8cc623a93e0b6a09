"""Two sessions joined by a fake link: bytes move only when the test says so, in any pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.crypto.merkle import leaf_hash, tree_hash
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.frame import Kind, encode_frame
from entrenous.protocol.hello import StreamState
from entrenous.protocol.offer import Offer
from entrenous.protocol.persona import Certificate, make_certificate
from entrenous.protocol.receipt import ReceiptBody
from entrenous.protocol.session import Session
from entrenous.protocol.session_event import Closed, Event, HelloReceived
from entrenous.protocol.wire import Value, encode

NOW_MS = 1_790_000_000_000
SIG = bytes(range(64))
INV = b"an invocation"


@dataclass(frozen=True, slots=True)
class Party:
    """A persona, its device, and the certificate between them."""

    persona: PersonaKey
    device: DeviceKey
    cert: Certificate

    @property
    def did(self) -> Did:
        return did_of(self.persona.public)


def party(name: str, *, life_s: int = 86_400) -> Party:
    entropy = SeededEntropy(name.encode())
    persona, device = PersonaKey.generate(entropy), DeviceKey.generate(entropy)
    cert = make_certificate(
        persona, device=device, cmds=["/"], exp_s=NOW_MS // 1000 + life_s, now_ms=NOW_MS
    )
    return Party(persona, device, cert)


ALICE, BANK, EVE = party("alice"), party("bank"), party("eve")


def pieces(data: bytes, size: int | None) -> Iterator[bytes]:
    step = size or max(len(data), 1)
    for at in range(0, len(data), step):
        yield data[at : at + step]


def drain(session: Session) -> list[Event]:
    found: list[Event] = []
    while (event := session.next_event()) is not None:
        found.append(event)
    return found


def sent(session: Session, now_ms: int = NOW_MS) -> bytes:
    found: list[bytes] = []
    while data := session.data_to_send(now_ms):
        found.append(data)
    return b"".join(found)


def give(
    session: Session, data: bytes, now_ms: int = NOW_MS, *, size: int | None = None
) -> list[Event]:
    """Feed `data` in pieces of `size`, as a pump does; the events."""
    found: list[Event] = []
    for piece in pieces(data, size):
        session.receive_data(piece, now_ms)
        found += drain(session)
    return found


@dataclass(slots=True)
class Link:
    """`dialler` and `listener`, their events so far, and the time."""

    dialler: Session
    listener: Session
    now_ms: int = NOW_MS
    size: int | None = None
    seen_by_dialler: list[Event] = field(default_factory=list[Event])
    seen_by_listener: list[Event] = field(default_factory=list[Event])

    def carry(self) -> None:
        """Move bytes both ways until there are none."""
        while True:
            out = sent(self.dialler, self.now_ms)
            self.seen_by_listener += give(self.listener, out, self.now_ms, size=self.size)
            back = sent(self.listener, self.now_ms)
            self.seen_by_dialler += give(self.dialler, back, self.now_ms, size=self.size)
            if not out and not back:
                return

    def to_dialler(self) -> list[Event]:
        """Carry, and take what the dialler has seen since the last time."""
        self.carry()
        found, self.seen_by_dialler = self.seen_by_dialler, []
        return found

    def to_listener(self) -> list[Event]:
        self.carry()
        found, self.seen_by_listener = self.seen_by_listener, []
        return found


def fresh_link(*, size: int | None = None) -> Link:
    """Nothing said yet; Alice dials the bank."""
    return Link(
        Session.dialler(BANK.device.public, NOW_MS),
        Session.listener(ALICE.device.public, NOW_MS),
        size=size,
    )


def open_link(*, size: int | None = None) -> Link:
    """Paired and open, the hellos taken."""
    link = fresh_link(size=size)
    link.dialler.hello(ALICE.cert, BANK.did, None)
    link.carry()
    assert isinstance(link.seen_by_listener[0], HelloReceived)
    link.listener.accept(BANK.cert, None)
    drain(link.listener)
    link.carry()
    assert link.dialler.state is link.listener.state is StreamState.OPEN
    link.seen_by_dialler.clear()
    link.seen_by_listener.clear()
    return link


def unpaired_link() -> Link:
    """Open, without certificates."""
    link = fresh_link()
    link.dialler.hello(None, None, None)
    link.carry()
    link.listener.accept(None, None)
    drain(link.listener)
    link.carry()
    link.seen_by_dialler.clear()
    link.seen_by_listener.clear()
    return link


def entry_of(
    page: bytes, *, path: str = "energy/electricity/load-curve", day: int = 45_000
) -> bytes:
    """`cb(entry)` for a ciphertext."""
    return encode(
        [
            sha256(b"id" + page)[:16],
            sha256(b"salt" + page),
            path,
            day,
            bytes(16),
            bytes(16),
            48,
            len(page),
            sha256(page),
            None,
            "meter-reading/1",
            ALICE.did,
            1,
            1_400,
        ]
    )


def offer_of(
    pages: Sequence[bytes], *, inv: bytes = INV, window: int = 0, last: bool = True
) -> Offer:
    """What the bank offers for `pages`."""
    entries = [entry_of(page) for page in pages]
    receipt = ReceiptBody(
        inv=cid_of(inv),
        dlg=cid_of(b"a delegation"),
        server=did_of(BANK.device.public),
        reader=ALICE.did,
        window=window,
        last=last,
        entries_root=tree_hash([leaf_hash(entry) for entry in entries]),
        first=45_000,
        last_day=45_001,
        pages=len(pages),
        size=sum(len(page) for page in pages),
        t_ms=NOW_MS,
        prev=None,
    )
    return Offer(receipt, SIG, [b"a segment head"], entries, [[0, 1, []]], [], [b"a keyset"])


def frame(kind: Kind, call: int, body: Value) -> bytes:
    return encode_frame(kind, call, body)


def ends(session: Session, now_ms: int = NOW_MS) -> list[Event]:
    """The peer ends the stream; the events."""
    session.receive_data(b"", now_ms)
    return drain(session)


def closed(events: Sequence[Event]) -> Closed:
    """The last event, which must say that the session is over."""
    last = events[-1]
    assert isinstance(last, Closed)
    return last

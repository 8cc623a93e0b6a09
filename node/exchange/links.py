"""The links to peers: which there are, who is let in, and who is dialled.

There is one link for each pair of personas and device of the peer, whoever dialled it.  `link_to`
gives one that is open, or dials the device that greeted last and, if that does not answer, the
others that serve for the peer.  If both sides greet each other at once, the stream that the lower
device key dialled stays; a peer that greets later than that has lost the old stream, and its new
one replaces it.  A link ends with the certificates that were shown on it, and the next one shows
newer ones.  At each
hello both sides say how far they have come in the other's words, and go on from there; a peer that
names a word which this device signed and does not know shows that this node was set back, and
nothing is served to it.

What is said over a link is `exchange.py`, what is read `fetcher.py`, what waits in the outbox
`post.py`, what peers ask `door.py`.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
import trio

from ...crypto.keys import DeviceKey
from ...protocol.did import Did, did_of, public_of
from ...protocol.errors import Code
from ...protocol.hello import stays
from ...protocol.helped import is_lease
from ...protocol.persona import Certificate
from ...protocol.session import Session
from ...protocol.session_event import (
    Ending,
    HelloReceived,
)
from ..clock import Clock
from ..errors import Away, NodeError, Refused
from ..helping.served_by import ServedBy, ServedBys
from ..leave import Leaves
from ..log.receipts import Receipts
from ..network.transport import Network, Stream, TransportError
from ..peers.lines import PersonaLines
from ..peers.outgoing import Outgoing
from ..peers.peer_devices import PeerDevices
from ..peers.peers import OwnPersona, Pair, Peers
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.store import Store
from .door import Door
from .helped_greeting import HelpedGreeting
from .link import Greet, Link
from .turns import Turns

log = structlog.get_logger()

DIAL_S = 15.0
HELLO_S = 15.0
# Two that dialled each other greet within this; whoever greets later has lost the first stream.
AT_ONCE_S = DIAL_S + HELLO_S
# A device that did not answer is tried after the others of its peer for so long.
AWAY_S = 60.0
AWAY_REMEMBERED_MAX = 4_096
# Streams that others opened, at one time: each holds about 100 KB.
INBOUND_MAX = 2_048
# Of these, streams that have not (yet) shown who they are, and how long each may stay.
STRANGERS_MAX = 256
STRANGER_S = 60.0
# Streams that one device may open to greet: a household with many personas behind it, and then one
# every two seconds.  Each greeting costs two units of work.
GREETINGS_MOST, GREETINGS_PER_S = 32.0, 0.5
GREETERS_MAX = 8_192


class Links:
    """Every link of this node."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        clock: Clock,
        network: Network,
        peers: Peers,
        receipts: Receipts,
        outgoing: Outgoing,
        door: Door,
        turns: Turns,
        peer_devices: PeerDevices,
        lines: PersonaLines,
        served_by: ServedBys,
    ) -> None:
        self._store = store
        self._device = device
        self._clock = clock
        self._network = network
        self._peers = peers
        self._receipts = receipts
        self._outgoing = outgoing
        self._door = door
        self._turns = turns
        self._peer_devices = peer_devices
        self._lines = lines
        self._served_by = served_by
        # The link of each pair with each device of the peer, from the moment at which one was
        # chosen: greeting, then open.
        self._links: defaultdict[tuple[str, str], dict[bytes, Link]] = defaultdict(dict)
        # Is told of each link that opens.
        self.linked: Callable[[Pair], None] = _nobody_waits
        # Devices that did not answer lately: others of the same peer are tried before them.
        self._away: dict[bytes, float] = {}
        self._helped = HelpedGreeting(store, receipts, door, turns)
        self._inbound_open: set[Link] = set()
        self._strangers = 0
        self._greetings = Leaves(GREETINGS_MOST, GREETINGS_PER_S, GREETERS_MAX)
        self._dialling: dict[tuple[str, str], trio.Lock] = {}
        self._nursery: trio.Nursery | None = None
        # Pairs whose peer holds a word of ours that we do not know: this node was set back.
        self.contradicted: set[tuple[str, str]] = set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve and say until cancelled.  Started once it can dial."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await self._network.serve(self._inbound)
        finally:
            self._nursery = None

    @property
    def connected(self) -> frozenset[tuple[str, str]]:
        """The pairs (own, their) whose link is open."""
        return frozenset(
            name
            for name, links in self._links.items()
            if any(
                link.pair is not None and not link.ended and not link.leased
                for link in links.values()
            )
        )

    def contradict(self, pair: Pair) -> None:
        """A peer holds a word of ours that this node does not know."""
        self.contradicted.add((pair.own, pair.their))
        log.error("rolled_back")

    # links

    async def _inbound(self, stream: Stream) -> None:
        full = len(self._inbound_open) >= INBOUND_MAX or self._strangers >= STRANGERS_MAX
        if full or not self._greetings.take(stream.remote_key, trio.current_time()):
            await stream.reset()
            return
        session = Session.listener(stream.remote_key, self._clock.now_ms())
        link = Link(stream, session, self._clock)
        self._inbound_open.add(link)
        self._strangers += 1
        try:
            await self._run(link, self._greet)
        finally:
            self._inbound_open.discard(link)
            self._strangers -= not link.known

    async def _run(self, link: Link, greet: Greet) -> None:
        try:
            async with trio.open_nursery() as nursery:
                if not link.dialled:
                    nursery.start_soon(self._hurry_stranger, link)
                await link.run(greet, lambda link, event: self._door.demand(link, event, nursery))
                self._door.forget(link)
                nursery.cancel_scope.deadline = trio.current_time() + 10
        finally:
            self._door.forget(link)
            self._helped.forget(link)
            for name, links in list(self._links.items()):
                if links.get(link.remote_key) is link:
                    del links[link.remote_key]
                if not links:
                    del self._links[name]
        if link.ending is not None and link.ending.ending is Ending.FAULT:
            log.warning("link_fault", reason=link.ending.sentence)
        elif link.ending is not None and link.ending.ending is Ending.SILENT:
            log.info("link_silent", reason=link.ending.sentence)

    async def _run_dialled(self, link: Link, greet: Greet) -> None:
        """As `transport.Network.serve` does for those that others dialled: what goes wrong on one
        link ends that link, and is told."""
        try:
            await self._run(link, greet)
        except Exception as error:
            # Not its text nor its variables: they may hold what a log must not.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            log.error("link_failed", kind=type(error).__name__, at=f"{frame.name}:{frame.lineno}")

    @staticmethod
    async def _hurry_stranger(link: Link) -> None:
        """Who does not say who it is has a minute for what a stranger may do."""
        with trio.move_on_after(STRANGER_S):
            await link.closed.wait()
        if not link.known and not link.closed.is_set():
            link.close("a stranger stayed too long")

    async def _greet(self, link: Link, hello: HelloReceived) -> None:
        """Decide on a dialler's hello: a stranger may open a pairing, a pair goes on."""
        if hello.cert is None:
            link.session.accept(None, None)
            return
        if is_lease(hello.cert):
            # Whoever helps is asked, and asks for nothing.
            link.session.refuse(0, Code.UNPAIRED, "a lease lets a device serve, and not dial")
            return
        async with self._turns.of(link.turn):
            found = await self._store.database.read(lambda tx: self._recognise(tx, hello))
        if found is None and await self._helped.let_in(link, hello):
            self._strangers -= link.known
            return
        if found is None:
            sentence = "the two personas are not paired here, or another has followed one of them"
            link.session.refuse(0, Code.UNPAIRED, sentence)
            return
        pair, persona, last, silent = found
        if silent is not None:
            link.session.refuse(0, Code.SUSPENDED, silent)
            return
        if not self._wins(link, pair):
            link.session.refuse(0, Code.BUSY, "there is a stream between these two already")
            return
        # Chosen before anything is waited for, so that what is dialled meanwhile gives way.
        self._links[pair.own, pair.their][link.remote_key] = link
        link.own_certificate = persona.certificate
        if not await self._resume(link, pair, hello.cert, hello.last, last):
            return
        link.session.accept(persona.certificate, last)
        self._registered(link, pair)

    def _recognise(
        self, tx: Tx, hello: HelloReceived
    ) -> tuple[Pair, OwnPersona, bytes | None, str | None] | None:
        """The pair, our persona, how far we have come, and why it is not let in, if so."""
        if hello.cert is None or hello.peer is None:
            return None
        pair = self._peers.find(tx, hello.peer, hello.cert.persona)
        # Whom another has followed is left behind: the device that speaks as it may be stolen.
        if pair is None or pair.their_now != hello.cert.persona or not self._door.knows(tx, pair):
            return None
        if pair.own_now != hello.peer:
            # It has not heard who we are now; as whom it knows us, it is told that, and no more.
            pair = self._lines.as_known(tx, pair, hello.peer)
        last = self._peers.last_taken(tx, pair, hello.cert.device)
        return pair, self._peers.persona_in(tx, pair), last, self._door.silent(tx, pair)

    def _wins(self, link: Link, pair: Pair) -> bool:
        """Whether an inbound stream replaces what there is: see `protocol.hello.stays`."""
        old = self._links[pair.own, pair.their].get(link.remote_key)
        if old is None or old.ended:
            return True
        at_once = trio.current_time() - old.began_s < AT_ONCE_S
        if old.dialled and at_once and not stays(link.remote_key, self._device.public):
            return False
        old.close("the peer opened a new stream")
        return True

    async def _resume(
        self,
        link: Link,
        pair: Pair,
        certificate: Certificate,
        theirs: bytes | None,
        ours: bytes | None,
    ) -> bool:
        """Go on from the last word that each side has of the other.

        False, and the session refused, if the peer holds a word of ours that we do not know.
        """

        def unit(tx: Tx) -> bool:
            fresh = self._peers.pair(tx, pair.own, pair.their)
            link.farewell = pair.own_now != fresh.own_now
            if link.farewell:
                self._lines.owe(tx, fresh, self._clock.now_ms(), known=pair.own_now)
            if is_lease(certificate):
                # A helper of the peer's: the peer itself is no less away.
                return theirs is None or self._receipts.gave(tx, pair.own, pair.their, theirs)
            if certificate.persona == fresh.their_now:
                self._peer_devices.greeted(tx, fresh, certificate)
            self._store.outbox.hurry(tx, pair.their, self._clock.now_ms())
            return theirs is None or self._receipts.gave(tx, pair.own, pair.their, theirs)

        try:
            known = await self._store.database.write(unit)
        except StoreError as error:
            # A full disk, most likely: this link ends, and the peer tries again later.
            log.error("greeting_store", kind=type(error).__name__)
            link.close("this node could not keep what was said")
            return False
        if not known:
            sentence = (
                "the other side holds a receipt that this node signed and does not know: this "
                "node was set back to an older state and serves nothing to it"
            )
            self.contradict(pair)
            if not link.ended:
                link.session.refuse(0, Code.SUSPENDED, sentence)
            return False
        if link.ended:
            return False
        link.certificate = certificate
        link.chain.given = theirs
        link.chain.taken = ours
        return True

    def _registered(self, link: Link, pair: Pair) -> None:
        if not link.dialled:
            self._strangers -= 1
        link.pair = pair
        self.linked(pair)
        self._outgoing.notify()

    async def link_to(self, pair: Pair, device: Did | None = None) -> Link:
        """The open link to a peer, or to this `device` of it, dialled if need be.  Raises Away,
        Refused."""
        name = (pair.own, pair.their)
        async with self._dialling.setdefault(name, trio.Lock()):
            return await self._present(pair, device) or await self._dial_any(pair, device)

    async def link_for_read(self, pair: Pair) -> Link:
        """The link over which a peer is read: its own or, while it is away, that of a helper under
        a lease.  Raises Away, Refused."""
        try:
            return await self.link_to(pair)
        except Away:
            if (helper := await self.link_to_helper(pair)) is None:
                raise
            return helper

    async def link_to_helper(self, pair: Pair) -> Link | None:
        """A link to a device that serves for a peer under a lease; None if there is none, or none
        lets us in."""
        for one in await self._store.database.read(lambda tx: self._served_by.of(tx, pair)):
            with suppress(Away, Refused):
                return await self._link_to_helper(pair, one)
        return None

    async def _link_to_helper(self, pair: Pair, helper: ServedBy) -> Link:
        name = (pair.own, pair.their)
        async with self._dialling.setdefault(name, trio.Lock()):
            present = await self._present(pair, did_of(helper.device))
            return present or await self._dial(pair, helper.device, helper.addresses)

    async def link_at(self, pair: Pair, device: bytes, addresses: Sequence[str]) -> Link:
        """A link to a peer at a device that is not known to be one of its: it shows there that it
        is, or is not let be.  Raises Away, Refused."""
        name = (pair.own, pair.their)
        async with self._dialling.setdefault(name, trio.Lock()):
            present = await self._present(pair, did_of(device))
            return present or await self._dial(pair, device, addresses)

    async def _present(self, pair: Pair, device: Did | None = None) -> Link | None:
        """The link that there is, once it is open; None if there is none, or it came to nothing."""
        wanted = None if device is None else public_of(device)
        for key, there in list(self._links.get((pair.own, pair.their), {}).items()):
            if wanted is None and there.leased:
                continue  # whoever asks for the peer does not mean its helper
            if wanted in (None, key) and (link := await self._open_one(pair, key)) is not None:
                return link
        return None

    async def _open_one(self, pair: Pair, key: bytes) -> Link | None:
        """The link to the device `key` of a peer, once it is open; None if it comes to nothing."""

        def chosen() -> Link | None:
            return self._links.get((pair.own, pair.their), {}).get(key)

        while (link := chosen()) is not None and not link.ended:
            if link.pair is None:
                with trio.move_on_after(HELLO_S):
                    await link.opened.wait()
                if link.pair is None:
                    return None
            elif link.farewell and pair.own_now != link.pair.own_now:
                raise Away(f"{pair.name} has not heard yet who this node is now")
            elif not _between(link, pair):
                link.close("one of the two personas was followed by another")
            elif link.holds(self._clock.now_ms()):
                return link
            else:
                link.close("the certificates shown on a link have run out")
        return None

    async def _dial_any(self, pair: Pair, device: Did | None) -> Link:
        """Dial the devices that serve for a peer, one after the other, until one lets us in."""
        now_ms = self._clock.now_ms()
        known = await self._store.database.read(lambda tx: self._peer_devices.of(tx, pair, now_ms))
        if device is not None:
            known = [one for one in known if one.certificate.device == device] or known
        known.sort(key=lambda one: self._away.get(one.device, 0.0) > trio.current_time())
        failed: NodeError | None = None
        for one in known:
            try:
                return await self._dial(pair, one.device, one.addresses, device)
            except (Away, Refused) as error:
                self._remember_away(one.device)
                failed = failed or error
        raise failed or Away(f"{pair.name} is away")

    def _remember_away(self, key: bytes) -> None:
        if len(self._away) >= AWAY_REMEMBERED_MAX:
            self._away.clear()
        self._away[key] = trio.current_time() + AWAY_S

    def part(self, pair: Pair, sentence: str) -> None:
        """End the link to a peer, if there is one: the next begins as who the two are now."""
        for link in list(self._links.get((pair.own, pair.their), {}).values()):
            link.close(sentence)

    async def _dial(
        self, pair: Pair, key: bytes, addresses: Sequence[str], wanted: Did | None = None
    ) -> Link:
        """A new link to the device `key`; or another one that came meanwhile, if it is to the
        `wanted` device, or if any will do."""
        nursery = self._nursery
        if nursery is None:
            raise Away("this node is not on the network: start it with `entrenous up`")
        name = (pair.own, pair.their)
        link = await self._open(key, addresses, pair.name)
        device = did_of(key)
        persona, last = await self._store.database.read(
            lambda tx: (self._peers.persona_in(tx, pair), self._peers.last_taken(tx, pair, device))
        )
        # The peer may have dialled meanwhile: what was chosen then stays.
        if (present := await self._present(pair, wanted)) is not None:
            await link.leave()
            return present

        async def greet(link: Link, hello: HelloReceived) -> None:
            if hello.cert is not None and await self._resume(
                link, pair, hello.cert, hello.last, last
            ):
                self._registered(link, pair)

        self._links[name][link.remote_key] = link
        link.own_certificate = persona.certificate
        link.session.hello(persona.certificate, pair.their_now, last)
        nursery.start_soon(self._run_dialled, link, greet)
        try:
            await self.until_open(link, pair.name)
        except Away:
            # Ours gave way to the one that the peer dialled at the same moment.
            if (present := await self._present(pair, wanted)) is None:
                raise
            return present
        self._away.pop(key, None)
        return link

    async def open_stranger(self, device: bytes, addresses: Sequence[str], name: str) -> Link:
        """A link to a device on which neither says who it is; not open yet.  Raises Away."""
        nursery = self._nursery
        if nursery is None:
            raise Away("this node is not on the network: start it with `entrenous up`")
        link = await self._open(device, addresses, name)
        link.session.hello(None, None, None)
        nursery.start_soon(self._run_dialled, link, _no_greeting)
        return link

    async def _open(self, device: bytes, addresses: Sequence[str], name: str) -> Link:
        try:
            stream = await self._network.dial(device, addresses, DIAL_S)
        except TransportError as error:
            raise Away(f"{name} is away: {error}") from error
        session = Session.dialler(stream.remote_key, self._clock.now_ms())
        return Link(stream, session, self._clock, dialled=True)

    @staticmethod
    async def until_open(link: Link, name: str) -> None:
        """Wait until the peer has let a link in.  Raises Away, Refused."""
        with trio.move_on_after(HELLO_S):
            await link.opened.wait()
        if link.closed.is_set() or not link.opened.is_set():
            link.close()
            ending = link.ending
            if ending is not None and ending.code is not None and ending.code is not Code.BUSY:
                raise Refused(f"{name} refuses: {ending.sentence}", ending.code.value)
            raise Away(f"{name} did not answer")


def _between(link: Link, pair: Pair) -> bool:
    """Whether the personas that were shown on `link` are those of `pair`."""
    shown = (link.own_certificate, link.certificate)
    return all(
        one is None or one.persona == did
        for one, did in zip(shown, (pair.own_now, pair.their_now), strict=True)
    )


def _nobody_waits(_pair: Pair) -> None:
    pass


async def _no_greeting(_link: Link, _hello: HelloReceived) -> None:
    """A stranger's hello says nothing that must be decided on."""

"""Greeted by a reader of somebody whom this node helps: let in by a shelf, under a lease.

The reader asks for a persona that is not this node's.  If that persona's owner has left a shelf for
this reader here, and the lease holds, it is shown the lease in place of a certificate, and its
link serves reads and nothing else.  It may hold a word of this device that this device does not
know: then the disk was set back, and nothing is served to it.
"""

from __future__ import annotations

import structlog

from ...protocol.errors import Code
from ...protocol.session_event import HelloReceived
from ..helping.helped import Helped
from ..log.receipts import Receipts
from ..store.database import Tx
from ..store.store import Store
from .door import Door
from .link import Link
from .turns import Turns

log = structlog.get_logger()


class HelpedGreeting:
    """The links of readers whom this node serves for others: one for each owner, reader and device
    of the reader."""

    def __init__(self, store: Store, receipts: Receipts, door: Door, turns: Turns) -> None:
        self._store = store
        self._receipts = receipts
        self._door = door
        self._turns = turns
        self.links: dict[tuple[str, str, str], Link] = {}

    async def let_in(self, link: Link, hello: HelloReceived) -> bool:
        """Let in, or refuse, who may read here what somebody else has left; False if nobody has."""
        certificate, owner = hello.cert, hello.peer
        if certificate is None or owner is None:
            return False
        reader = certificate.persona

        def unit(tx: Tx) -> tuple[Helped | None, bool]:
            known = hello.last is None or self._receipts.gave(tx, owner, reader, hello.last)
            return self._door.helps(tx, owner, reader), known

        async with self._turns.of(link.turn):
            helped, known = await self._store.database.read(unit)
        if helped is None:
            return False
        if not known:
            sentence = (
                "the reader holds a receipt that this device signed and does not know: it was set "
                "back to an older state and serves nothing"
            )
            log.error("helper_rolled_back")
            link.session.refuse(0, Code.SUSPENDED, sentence)
            return True
        # Two links of one device would each go on from the same word.
        name = (helped.owner, helped.reader, certificate.device)
        if (old := self.links.get(name)) is not None:
            old.close("the reader opened a new stream")
        self.links[name] = link
        link.helped = helped
        link.certificate, link.own_certificate = certificate, helped.lease
        link.chain.given = hello.last
        link.session.accept(helped.lease, None)
        return True

    def forget(self, link: Link) -> None:
        """A link is closed."""
        helped, certificate = link.helped, link.certificate
        if helped is None or certificate is None:
            return
        name = (helped.owner, helped.reader, certificate.device)
        if self.links.get(name) is link:
            del self.links[name]

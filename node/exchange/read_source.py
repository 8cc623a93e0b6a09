"""Where what is read over a link comes from, and by whose authority.

There are two: one's own vault, lent under one's own grants (here), and what is kept for somebody
whom this node helps, served under that one's lease (`helping/helped_source.py`).  How a read goes,
window by window, is the same for both (`link_lending.py`).

Every method is a function of a transaction, and looks at what the store says in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...crypto.keys import DeviceKey
from ...protocol.command import Cmd
from ...protocol.errors import GrantRefused
from ...protocol.receipt import Receipt, ReceiptBody, sign_receipt
from ...protocol.trust import Heard, VerifiedRead, authorise_read, check_still
from ..grants.lending import Lending
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..peers.peers import Pair, Peers
from ..reads.serving import ReadPlan, Serving
from ..store.database import Tx
from ..store.store import Store
from .answering import Answering
from .link import Link
from .link_answers import LinkAnswers, Ready


class ReadSource(Protocol):
    """What is served, and who says that it may be."""

    def serving(self, link: Link) -> Serving:
        """The pages that this link may ask for, with their proofs."""
        ...

    def plan(self, tx: Tx, link: Link, heard: Heard, now_ms: int, *, alone: bool) -> ReadPlan:
        """Pass a call through the checks, spend it, and plan its windows.  Raises GrantRefused."""
        ...

    def check_still(
        self, tx: Tx, link: Link, heard: Heard, read: VerifiedRead, now_ms: int
    ) -> None:
        """Accept that a read goes on.  Raises GrantRefused."""
        ...

    def signed(
        self, tx: Tx, link: Link, heard: Heard, read: VerifiedRead, body: ReceiptBody
    ) -> tuple[Receipt, Sequence[bytes]]:
        """Sign a window and log it; and the keysets that go with it."""
        ...

    def countersigned(
        self,
        tx: Tx,
        link: Link,
        heard: Heard,
        receipt: Receipt,
        keys: int | None,
        now_ms: int,
    ) -> None:
        """Keep the reader's signature, and that it holds keyset `keys`."""
        ...

    def refused(self, tx: Tx, link: Link, call: int, heard: Heard, refusal: GrantRefused) -> Ready:
        """Refuse; what is signed is logged."""
        ...

    def kept(self) -> None:
        """What was put into the outbox with the last unit is durable."""
        ...


class OwnSource:
    """One's own vault, under the grants that this node gave."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        peers: Peers,
        receipts: Receipts,
        lending: Lending,
        answering: Answering,
        answers: LinkAnswers,
        serving: Serving,
    ) -> None:
        self._store = store
        self._device = device
        self._peers = peers
        self._receipts = receipts
        self._lending = lending
        self._answering = answering
        self._answers = answers
        self._serving = serving

    def serving(self, link: Link) -> Serving:
        del link
        return self._serving

    def plan(self, tx: Tx, link: Link, heard: Heard, now_ms: int, *, alone: bool) -> ReadPlan:
        statuses = self._lending.statuses(tx, heard.grants, now_ms)
        standing = self._answering.standing(tx, _pair(link), statuses)
        read = authorise_read(heard, standing, now_ms)
        self._store.ledger.first_time(tx, heard.inv.cid, read.spent_until_s)
        return self._serving.plan(tx, read, alone=alone)

    def check_still(
        self, tx: Tx, link: Link, heard: Heard, read: VerifiedRead, now_ms: int
    ) -> None:
        del link
        check_still(read, self._lending.statuses(tx, heard.grants, now_ms), now_ms)

    def signed(
        self, tx: Tx, link: Link, heard: Heard, read: VerifiedRead, body: ReceiptBody
    ) -> tuple[Receipt, Sequence[bytes]]:
        pair = _pair(link)
        grant = self._lending.get(tx, read.grant.cid)
        persona = self._peers.persona(tx, pair.own)
        receipt = sign_receipt(body, self._device)
        self._receipts.add(
            tx,
            Way.GIVEN,
            pair.own,
            pair.their,
            receipt,
            grant.k_grant,
            persona.certificate,
            Subject(Cmd.READ, None, read.window.collection),
            call=heard.inv.raw,
        )
        # Also in the middle of a read: the keys may have been turned since it began.
        own_reader = len(heard.grants) == 1
        return receipt, self._lending.unacknowledged(grant) if own_reader else ()

    def countersigned(
        self,
        tx: Tx,
        link: Link,
        heard: Heard,
        receipt: Receipt,
        keys: int | None,
        now_ms: int,
    ) -> None:
        del link, now_ms
        self._receipts.countersigned(tx, receipt)
        # One who reads under a sub-delegation has its keys from elsewhere.
        if keys is not None and len(heard.grants) == 1:
            self._lending.acknowledged(tx, receipt.body.dlg, keys)

    def refused(self, tx: Tx, link: Link, call: int, heard: Heard, refusal: GrantRefused) -> Ready:
        return self._answers.answer(tx, link, _pair(link), call, heard, refusal)

    def kept(self) -> None:
        """Nothing waits: what was lent is known to both."""


def _pair(link: Link) -> Pair:
    assert link.pair is not None  # only who was recognised comes here
    return link.pair

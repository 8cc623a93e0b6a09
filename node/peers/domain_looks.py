"""Domain looks: whether the domain that a card claims names the persona that signed it.

Looked up in the background: soon after a card came, then weekly; a domain that did not answer is
tried again after an hour, then later each time.  What was found stays in the store.  A domain that
answers and does not name the persona ends its standing at once; one that is silent ends it after a
month, so that a server that is down for a day changes nothing.

A look tells the domain's server, and the name servers on the way, that somebody at this address
looked: `check_domains = false` under `[identity]` switches it off.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
import trio

from ...protocol.did import Did
from ...protocol.errors import WireError
from ...protocol.well_known import parse_well_known
from ...protocol.wire import Body, Value
from ..clock import Clock
from ..network.well_known import DomainSilent, DomainWithout, WellKnown
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.objects import Kind
from ..store.store import Store
from .cards import Cards
from .outgoing import Outgoing
from .peers import Peers

log = structlog.get_logger()

LOOK_EVERY_MS = 7 * 86_400_000
PROOF_KEPT_MS = 30 * 86_400_000
RETRY_FIRST_MS = 3_600_000
RETRY_LAST_MS = 86_400_000
_STORE_AGAIN_S = 600.0
_KEYS = ("proven_ms", "tried_ms", "silent", "why")


@dataclass(frozen=True, slots=True)
class Look:
    """What was last found.  `silent` counts tries in a row without an answer; `why` is a sentence
    unless the last answer was a proof."""

    proven_ms: int | None = None
    tried_ms: int | None = None
    silent: int = 0
    why: str | None = "the domain has not been asked yet"

    def proves(self, now_ms: int) -> bool:
        """Whether the domain has named the persona, and recently enough."""
        return self.proven_ms is not None and abs(now_ms - self.proven_ms) < PROOF_KEPT_MS

    def due_ms(self) -> int:
        """When to look again."""
        if self.tried_ms is None:
            return 0
        if not self.silent:
            return self.tried_ms + LOOK_EVERY_MS
        return self.tried_ms + min(RETRY_FIRST_MS << min(self.silent - 1, 16), RETRY_LAST_MS)

    def is_due(self, now_ms: int) -> bool:
        """Whether to look again now; a look in the future is from a clock that was wrong."""
        return self.due_ms() <= now_ms or (self.tried_ms or 0) > now_ms

    def value(self) -> Value:
        return {name: getattr(self, name) for name in _KEYS}

    @classmethod
    def from_value(cls, value: Value) -> Look:
        body = Body.open(value, "a look at a domain in the store", _KEYS)
        return cls(
            body.maybe_integer("proven_ms"),
            body.maybe_integer("tried_ms"),
            body.integer("silent"),
            body.maybe_text("why", chars_max=1_024),
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """The persona `did` says that it has `domain`."""

    did: Did
    domain: str


class DomainLooks:
    """Looks up the domains that peers claim.  `well_known` is None where none is to be asked."""

    def __init__(
        self,
        *,
        store: Store,
        peers: Peers,
        cards: Cards,
        clock: Clock,
        outgoing: Outgoing,
        well_known: WellKnown | None,
    ) -> None:
        self._store = store
        self._peers = peers
        self._cards = cards
        self._clock = clock
        self._outgoing = outgoing
        self._well_known = well_known
        self._looked = trio.Event()

    @property
    def switched_off(self) -> bool:
        return self._well_known is None

    @property
    def looked(self) -> trio.Event:
        """Set after the next look."""
        return self._looked

    def look(self, tx: Tx, claim: Claim) -> Look:
        """What is known of a claim."""
        name: Value = [claim.did, claim.domain]
        return self._store.objects.read(tx, Kind.DOMAIN_LOOK, name, Look.from_value) or Look()

    def claims(self, tx: Tx) -> dict[Claim, Look]:
        """Every claim that peers' cards make now."""
        found: dict[Claim, Look] = {}
        for pair in self._peers.all(tx):
            card = self._cards.of(tx, pair)
            if card is not None and card.card.domain is not None:
                claim = Claim(pair.their, card.card.domain)
                found[claim] = self.look(tx, claim)
        return found

    async def run(self) -> None:
        """Look whenever a look is due, until cancelled."""
        if self._well_known is None:
            return
        seen, next_ms = -1, 0
        while True:
            changed = self._outgoing.changed
            try:
                count = await self._store.database.read(self._cards.count_shown)
                if count != seen or self._clock.now_ms() >= next_ms:
                    next_ms = await self._look_at_due()
                    seen = count
            except StoreError as error:
                log.error("domains_store", kind=type(error).__name__)
                await trio.sleep(_STORE_AGAIN_S)
                continue
            with trio.move_on_after(max(next_ms - self._clock.now_ms(), 0) / 1000):
                await changed.wait()

    async def _look_at_due(self) -> int:
        """Look at every claim that is due; when the next one is."""
        now_ms = self._clock.now_ms()
        claims = await self._store.database.read(self.claims)
        due = [claim for claim, look in claims.items() if look.is_due(now_ms)]
        for claim in due:
            claims[claim] = await self.look_now(claim)
        return min((look.due_ms() for look in claims.values()), default=now_ms + LOOK_EVERY_MS)

    async def look_now(self, claim: Claim) -> Look:
        """Ask the domain, and keep what it answers.  Raises StoreError, nothing else."""
        answer = await self._ask(claim)

        def unit(tx: Tx) -> Look:
            now_ms, before = self._clock.now_ms(), self.look(tx, claim)
            match answer:
                case None:
                    after = Look(now_ms, now_ms, 0, None)
                case DomainSilent():
                    after = Look(before.proven_ms, now_ms, before.silent + 1, str(answer))
                case _:
                    after = Look(None, now_ms, 0, str(answer))
            self._store.objects.put(tx, Kind.DOMAIN_LOOK, [claim.did, claim.domain], after.value())
            return after

        after = await self._store.database.write(unit)
        self._looked.set()
        self._looked = trio.Event()
        return after

    async def _ask(self, claim: Claim) -> DomainSilent | DomainWithout | None:
        """None if the domain names the persona; else why not."""
        if self._well_known is None:
            return DomainSilent("this node asks no domains: check_domains is false")
        try:
            personas = parse_well_known(await self._well_known.fetch(claim.domain))
        except (DomainSilent, DomainWithout) as error:
            return error
        except WireError as error:
            return DomainSilent(f"what {claim.domain} publishes cannot be used: {error}")
        if claim.did in personas:
            return None
        return DomainWithout(f"{claim.domain} does not name the key of this peer")

"""Standing terms in the store: the rules of this node's owner, and what they did.

A request is judged once, in the unit of work that keeps it: granted by a rule, refused by one, or
left to wait.  Each judgement is kept beside the request with the rule that made it, so that nothing
is decided in silence.  A rule that is written later decides nothing that waits already; `check`
says what it would.

A peer may ask which rules are shown to it, before it drafts a request: it hears those that are
marked `shown` and for it, without names of rules or of other peers, and never the rest.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from ...protocol.command import StandingArgs
from ...protocol.errors import ProtocolError
from ...protocol.limits import STANDING_BYTES_MAX, TEXT_CHARS_MAX
from ...protocol.request import parse_request
from ...protocol.standing_terms import (
    Asking,
    Does,
    Judgement,
    Known,
    StandingTerms,
    judge,
    rules_for,
)
from ...protocol.standing_terms_file import standing_from_mapping, standing_value, told_value
from ...protocol.view_path import whole_periods
from ...protocol.window import opened_until
from ...protocol.wire import Body, Value, encode
from ..errors import UsageError
from ..household.household import Household
from ..peers.peers import Pair, Peers
from ..peers.standing import Standings
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..vault.collection import Collections
from .expansion import expanded
from .inbox import Asked, Inbox, RequestState
from .lending import Lending
from .tying import same_before
from .vocabulary import purposes

OWN = "own"
_JUDGED_KEYS = ("does", "rule", "why", "changes", "t_ms")


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules did with one request, and when."""

    does: Does
    rule: str | None
    why: str
    changes: tuple[str, ...]
    t_ms: int

    def value(self) -> Value:
        return {
            "does": self.does.value,
            "rule": self.rule,
            "why": self.why,
            "changes": list(self.changes),
            "t_ms": self.t_ms,
        }

    @classmethod
    def from_value(cls, value: Value) -> Judged:
        body = Body.open(value, "a judgement in the store", _JUDGED_KEYS)
        changes = body.items("changes", items_max=1_024)
        return cls(
            Does(body.text("does")),
            body.maybe_text("rule"),
            body.text("why", chars_max=2 * TEXT_CHARS_MAX),
            tuple(one for one in changes if isinstance(one, str)),
            body.integer("t_ms"),
        )


class StandingRules:
    """The rules of one node."""

    def __init__(
        self,
        *,
        objects: Objects,
        peers: Peers,
        inbox: Inbox,
        lending: Lending,
        collections: Collections,
        household: Household,
        standings: Standings,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._inbox = inbox
        self._lending = lending
        self._collections = collections
        self._household = household
        self._standings = standings

    # the rules

    def get(self, tx: Tx) -> StandingTerms:
        """The rules in force; none at first."""
        value = self._objects.get(tx, Kind.STANDING_TERMS, OWN)
        if not isinstance(value, Mapping):
            return StandingTerms()
        return standing_from_mapping(cast("Mapping[str, object]", value))

    def set(self, tx: Tx, written: Mapping[str, object]) -> StandingTerms:
        """Put these rules in force, in place of all that were.  Raises UsageError."""
        try:
            standing = standing_from_mapping(written)
        except ProtocolError as error:
            raise UsageError(str(error)) from error
        value = standing_value(standing)
        if len(encode(value)) > STANDING_BYTES_MAX:
            raise UsageError(f"standing terms have at most {STANDING_BYTES_MAX:,} bytes")
        names = {pair.name for pair in self._peers.all(tx)}
        for rule in standing.rules:
            for name in rule.peers:
                if name not in names:
                    raise UsageError(
                        f"the rule {rule.name} is for {name}, and no peer is called so: see "
                        "`entrenous peers`"
                    )
        self._objects.put(tx, Kind.STANDING_TERMS, OWN, value)
        return standing

    # what they do

    def judged(self, tx: Tx, request: bytes) -> Judged | None:
        """What the rules did with a request when it came; None if there were none."""
        return self._objects.read(tx, Kind.JUDGED, request, Judged.from_value)

    def check(self, tx: Tx, request: bytes, now_ms: int) -> Judgement:
        """What the rules in force make of a request that is here.  Raises NotFound."""
        return self._judge(tx, self.get(tx), self._inbox.get(tx, request), now_ms)

    def arrived(self, tx: Tx, request: bytes, now_ms: int) -> None:
        """Do with a request that was just kept what the rules say."""
        standing = self.get(tx)
        if standing == StandingTerms():
            return
        made = self._judge(tx, standing, self._inbox.get(tx, request), now_ms)
        why = made.why[: 2 * TEXT_CHARS_MAX]
        judged = Judged(made.does, made.rule, why, made.changes, now_ms)
        self._objects.put(tx, Kind.JUDGED, request, judged.value())
        match made.does:
            case Does.GRANT:
                assert made.terms is not None
                self._lending.grant(tx, request, made.windows, made.exp_s, now_ms, terms=made.terms)
            case Does.REFUSE:
                self._lending.refuse(tx, request, made.why[:TEXT_CHARS_MAX], now_ms)
            case Does.QUEUE:
                pass

    def decided(self, tx: Tx, request: bytes, asked: Asked, now_ms: int) -> None:
        """Remember when a request was refused, so that asking again is known as that."""
        if asked.state is RequestState.REFUSED:
            self._objects.put(tx, Kind.REFUSED_AT, request, now_ms)

    def _judge(self, tx: Tx, standing: StandingTerms, asked: Asked, now_ms: int) -> Judgement:
        made = judge(standing, self._asking(tx, asked, now_ms), purposes(), now_ms)
        if made.does is Does.GRANT and not opened_until(whole_periods(made.windows), made.exp_s):
            # Of a view, only whole periods are granted, and none of them is whole.
            return Judgement(Does.QUEUE, made.rule, f"the rule {made.rule} leaves no whole period")
        return made

    def _asking(self, tx: Tx, asked: Asked, now_ms: int) -> Asking:
        """A request as the rules see it."""
        request = parse_request(asked.raw)
        pair = self._peers.pair(tx, asked.own, asked.their)
        standing = self._standings.of(tx, pair, now_ms)
        items = expanded(tx, self._collections, self._household, asked.own, request.items)
        return Asking(
            peer=pair.name,
            known=Known(standing.level.value),
            imitates=bool(standing.looks_like),
            items=tuple(items),
            terms=request.terms,
            exp_s=request.exp_s,
            unsure=any(self._household.is_others(tx, asked.own, item.collection) for item in items),
            refused_ms=self._refused_ms(tx, asked),
        )

    def _refused_ms(self, tx: Tx, asked: Asked) -> int | None:
        """When the same was last refused to this peer."""
        everything = {one.raw: cid for cid, one in self._inbox.all(tx)}
        others = [one for _, one in self._inbox.all(tx)]
        found: list[int] = []
        for one in same_before(asked, others):
            if one.state is RequestState.REFUSED:
                at = self._objects.get(tx, Kind.REFUSED_AT, everything[one.raw])
                # One from before this was kept was refused after it was asked.
                found.append(at if isinstance(at, int) else one.t_ms)
        return max(found, default=None)

    # what peers are told

    def told(self, tx: Tx, pair: Pair, args: StandingArgs, now_ms: int) -> Value:
        """What a peer hears that asks which rules are shown to it."""
        standing = self.get(tx)
        known = Known(self._standings.of(tx, pair, now_ms).level.value)
        rules = rules_for(standing, pair.name, known)
        return encode(told_value(rules)) if rules else b""

    def heard(self, tx: Tx, pair: Pair, raw: bytes, now_ms: int) -> None:
        """Keep what a peer told of its own."""
        self._objects.put(tx, Kind.STANDING_TOLD, [pair.own, pair.their], [now_ms, raw])

    def told_by(self, tx: Tx, pair: Pair) -> tuple[int, bytes] | None:
        """When a peer was last asked for its own, and what it told, empty for none."""
        match self._objects.get(tx, Kind.STANDING_TOLD, [pair.own, pair.their]):
            case [int(heard_ms), bytes(raw)]:
                return heard_ms, raw
            case _:
                return None

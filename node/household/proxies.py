"""Proxies: who said that they would act for someone here, and for whom this node's owner would.

A mandate names its proxy as the organisation knows it, and only the proxy knows that name: it says
so itself, before there is a mandate, to the principal and to nobody else.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from ...protocol.command import Cmd, MandateAskArgs
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import MANDATES_OF_ONE_MAX
from ...protocol.mandate import make_proxy, parse_proxy
from ...protocol.wire import Value
from ..errors import NotFound, UsageError
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .mandate_kept import ProxyKept

# How long someone's word that it would act stands.
PROXY_LIFE_S = 90 * 86_400
_IN, _OUT = "in", "out"


class Proxies:
    """Words that somebody would act for another: those that came, and those said here."""

    def __init__(self, objects: Objects, peers: Peers, outgoing: Outgoing) -> None:
        self._objects = objects
        self._peers = peers
        self._outgoing = outgoing

    def all(self, tx: Tx) -> list[ProxyKept]:
        """Those who said that they would act for someone here."""
        return [
            ProxyKept.from_value(value)
            for name, value in self._objects.all(tx, Kind.PROXY)
            if isinstance(name, list) and name[:1] == [_IN]
        ]

    def ask(self, tx: Tx, principal: Pair, at: Pair, now_ms: int) -> bytes:
        """Tell `principal` as whom one would act for them at `at`; the word's CID."""
        if principal.their == at.their:
            raise UsageError("a mandate is between three: the principal is not the organisation")
        proxy = make_proxy(
            self._peers.persona(tx, at.own).key,
            at=at.their_now,
            principal=principal.their_now,
            exp_s=now_ms // 1000 + PROXY_LIFE_S,
        )
        kept = ProxyKept(proxy, principal.own, principal.their, now_ms)
        self._objects.put(tx, Kind.PROXY, [_OUT, at.own, principal.their], kept.value())
        args = MandateAskArgs(principal.their, proxy.signed.raw)
        self._outgoing.put(tx, principal, Cmd.MANDATE_ASK, args.value(), now_ms)
        return proxy.cid

    def asked(self, tx: Tx, pair: Pair, args: MandateAskArgs, now_ms: int) -> Value:
        """A peer says as whom it would act for us.  Raises GrantRefused."""
        proxy = parse_proxy(args.proxy)
        if proxy.principal != pair.own_now:
            raise GrantRefused("this was said to somebody else", Code.AUDIENCE)
        if now_ms >= proxy.exp_s * 1000:
            raise GrantRefused("this ended before it came", Code.EXPIRED)
        name: Value = [_IN, pair.own, pair.their, proxy.at]
        of_pair = sum(one.their == pair.their for one in self.all(tx))
        if of_pair >= MANDATES_OF_ONE_MAX and not self._objects.has(tx, Kind.PROXY, name):
            raise GrantRefused(f"{of_pair} such words wait already", Code.TOO_MUCH)
        self._objects.put(
            tx, Kind.PROXY, name, ProxyKept(proxy, pair.own, pair.their, now_ms).value()
        )
        return "kept"

    def said(self, tx: Tx, own: Did, principal: Did) -> ProxyKept | None:
        """What this node said to `principal`: that there it would act for them as `own`."""
        name: Value = [_OUT, self._peers.first_of(tx, own), principal]
        value = self._objects.get(tx, Kind.PROXY, name)
        return None if value is None else ProxyKept.from_value(value)

    def known_as(self, tx: Tx, to: Pair, at: Pair, now_ms: int) -> Did:
        """As whom the peer `to` said that `at` knows it.  Raises NotFound, UsageError."""
        # The organisation is named as it was known when that was said; the newest word counts.
        names: list[Value] = [[_IN, to.own, to.their, did] for did in at.theirs]
        said = [one for name in names if (one := self._objects.get(tx, Kind.PROXY, name))]
        value = max(said, key=lambda one: ProxyKept.from_value(one).t_ms, default=None)
        if value is None:
            raise NotFound(
                f"{to.name} has not said as whom it would act there: on its node, "
                "`entrenous mandate ask` does"
            )
        kept = ProxyKept.from_value(value)
        if now_ms >= kept.proxy.exp_s * 1000:
            raise UsageError(f"what {to.name} said is too old: it asks again")
        return kept.proxy.did

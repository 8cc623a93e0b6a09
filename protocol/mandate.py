"""Mandates: one person lets another act for them, towards one organisation.

    proxy ──── proxy {did, at, for} ───> principal      "this is how that organisation knows me"
    principal ── mandate ──> proxy, and to the organisation itself
    proxy ── command, iss = proxy, sub = principal, prf = mandate ──> organisation
    organisation ── answer with both names ──> proxy;   notice ──> principal

The **principal** is the one for whom is acted, the **proxy** the one who acts.  Both are named by
the personas under which the organisation knows them, and by no other.  A **mandate** is one UCAN
delegation for each command, each with one exact policy,

    [["==", ".to", organisation]]

so it is worth nothing anywhere else (at the principal's own node, with the limits of
`mandate_limits`); together with what the proxy is to the principal, in one
object that the giver signs.  It always ends.  A proxy may pass it on only if the mandate says so,
and what is passed on names the mandate above it.

Only what can be said in another's name can be given: `ACTABLE` at an organisation, and `AT_HOME` at
the principal's own node, which then does it with its own keys: `to` is the principal, and there is
nobody to pass it on to.  Accepting and sending keys, taking
back and handing over are done by the node whose keys and data they are about, and are not here.
Reading for another is a sub-delegation of the grant (`grant.issue_sub_grant`): its receipts name
the proxy as reader, and by the grant the principal.

Ending: the giver, anyone above, or the proxy signs an **end**, which names the mandate; whoever
hears it first refuses from then on.  What was done before stays done.

Source: ADR 14; formats.md, "Commands" (b).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from ..crypto.entropy import Entropy
from ..crypto.keys import PersonaKey
from ..crypto.labels import Signed
from .capability import Delegation, Invocation, issue_delegation, parse_delegation
from .cid import CID_BYTES, check_cid
from .command import Cmd
from .did import Did, check_did, did_of, public_of
from .errors import CapabilityError, Code, WireError
from .limits import ACTED_BYTES_MAX, MANDATE_S_MAX, TOKEN_BYTES_MAX
from .mandate_limits import Limits, check_limits, parse_limits
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

# What a proxy may say in the principal's name.
ACTABLE = frozenset((Cmd.REQUEST, Cmd.DECIDE))
# What it may say to the principal's own node: what waits there, and what becomes of it.
AT_HOME = frozenset((Cmd.MANDATE_INBOX, Cmd.MANDATE_DECIDE))

_NONCE_BYTES = 16
_KEYS = ("v", "principal", "proxy", "to", "as", "onward", "above", "dlgs")


class Office(StrEnum):
    """What a proxy is to the principal, in the principal's word."""

    PARENT = "parent"
    PROXY = "proxy"
    GUARDIAN = "guardian"


# --- who would act --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proxy:
    """Someone's word that it would act for `principal` at `at`, where it is known as `did`.

    `principal` is the persona to which this is said: shown to anyone else, it says nothing.
    """

    did: Did
    at: Did
    principal: Did
    exp_s: int
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid


def make_proxy(key: PersonaKey, *, at: Did, principal: Did, exp_s: int) -> Proxy:
    """Sign, with the persona that `at` knows, that one would act for `principal` there."""
    body: dict[str, Value] = {
        "v": VERSION,
        "did": did_of(key.public),
        "at": at,
        "for": principal,
        "exp": exp_s,
    }
    return parse_proxy(sign(Signed.PROXY, body, key).raw)


def parse_proxy(raw: bytes) -> Proxy:
    """Read it and verify its signature.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.PROXY)
    body = Body.open(signed.body, "a proxy", ("v", "did", "at", "for", "exp"))
    did = check_did(body.text("did"))
    proxy = Proxy(
        did, check_did(body.text("at")), check_did(body.text("for")), body.integer("exp"), signed
    )
    signed.verify(public_of(did))
    return proxy


# --- the mandate ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mandate:
    """`proxy` may say the commands of `links` to `to` in the name of `principal`, until `exp_s`.

    `office` is what it is to the principal; `onward` whether it may pass this on; `above` the CID
    of the mandate under which it was given, None where the principal gave it.
    """

    principal: Did
    proxy: Did
    to: Did
    office: Office
    onward: bool
    above: bytes | None
    links: tuple[Delegation, ...]
    exp_s: int
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid

    @property
    def giver(self) -> Did:
        return self.links[0].iss

    @property
    def at_home(self) -> bool:
        """Whether it holds at the principal's own node."""
        return self.to == self.principal

    @property
    def limits(self) -> Limits:
        """What of the principal's requests its proxy may decide."""
        for link in self.links:
            if link.cmd == Cmd.MANDATE_DECIDE:
                return parse_limits(link.pol)[1]
        return Limits()

    @property
    def commands(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(link.cmd for link in self.links)

    def link(self, cmd: str) -> Delegation:
        """The delegation for `cmd`.  Raises CapabilityError(command)."""
        for link in self.links:
            if link.cmd == cmd:
                return link
        raise CapabilityError(f"the mandate does not name {cmd[:64]}", Code.COMMAND)


def make_mandate(
    key: PersonaKey,
    *,
    proxy: Did,
    to: Did,
    office: Office,
    commands: Iterable[str],
    exp_s: int,
    entropy: Entropy,
    onward: bool = False,
    above: Mandate | None = None,
    limits: Limits | None = None,
) -> Mandate:
    """Sign a mandate: as the principal, or passing on the mandate `above`; at home, within
    `limits`.

    Raises WireError, CapabilityError for what a reader would refuse.
    """
    giver = did_of(key.public)
    principal = giver if above is None else above.principal
    bounds = check_limits(limits or Limits())
    links = [
        issue_delegation(
            key,
            aud=proxy,
            sub=principal,
            cmd=cmd,
            pol=(bounds if cmd == Cmd.MANDATE_DECIDE else Limits()).policy(to),
            exp=exp_s,
            nonce=entropy.random_bytes(_NONCE_BYTES),
        )
        for cmd in sorted(set(commands))
    ]
    body: dict[str, Value] = {
        "v": VERSION,
        "principal": principal,
        "proxy": proxy,
        "to": to,
        "as": office.value,
        "onward": onward,
        "above": None if above is None else above.cid,
        "dlgs": [link.raw for link in links],
    }
    return parse_mandate(sign(Signed.MANDATE, body, key).raw)


def parse_mandate(raw: bytes) -> Mandate:
    """Read a mandate; verify its signature, its delegations', and that all of it says one thing.

    Whether it holds now, or was ended, is not looked at.
    Raises WireError, CapabilityError, BadSignature.
    """
    signed = parse(raw, Signed.MANDATE)
    body = Body.open(signed.body, "a mandate", _KEYS)
    principal, proxy = check_did(body.text("principal")), check_did(body.text("proxy"))
    to = check_did(body.text("to"))
    above = body.maybe_data("above", length=CID_BYTES)
    links: list[Delegation] = []
    for raw_link in body.items("dlgs", items_max=len(ACTABLE | AT_HOME), items_min=1):
        if not isinstance(raw_link, bytes) or len(raw_link) > TOKEN_BYTES_MAX:
            raise WireError("a mandate: dlgs is not a list of delegations")
        links.append(check_link(parse_delegation(raw_link)))
    first = links[0]
    if [link.cmd for link in links] != sorted({link.cmd for link in links}):
        raise WireError("a mandate: its commands are not sorted, or one stands twice")
    for link in links:
        if (link.iss, link.aud, link.sub) != (first.iss, proxy, principal):
            raise WireError("a mandate: a delegation is by, to or for somebody else")
        if link.exp != first.exp or recipient_of(link) != to:
            raise WireError("a mandate: a delegation ends otherwise, or is for somewhere else")
    onward = body.flag("onward")
    if to == principal:
        if proxy == principal or onward or above is not None:
            raise WireError("a mandate at home is between two, and is not passed on")
    elif len({principal, proxy, to}) != 3 or first.iss in (proxy, to):
        raise WireError("a mandate is between three: principal, proxy and organisation")
    if (above is None) != (first.iss == principal):
        raise WireError("a mandate: who passes one on names the one above it, nobody else does")
    assert first.exp is not None
    mandate = Mandate(
        principal,
        proxy,
        to,
        _office(body.text("as")),
        onward,
        None if above is None else check_cid(above),
        tuple(links),
        first.exp,
        signed,
    )
    signed.verify(public_of(first.iss))
    return mandate


def check_life(mandate: Mandate, now_ms: int) -> None:
    """Accept a mandate that ends in the future, and not too far.  Raises CapabilityError."""
    if now_ms > mandate.exp_s * 1000:
        raise CapabilityError("a mandate has expired", Code.EXPIRED)
    if mandate.exp_s * 1000 > now_ms + MANDATE_S_MAX * 1000:
        raise CapabilityError("a mandate is for longer than twenty years", Code.TOO_MUCH)


def parse_chain(raws: Sequence[bytes], now_ms: int) -> tuple[Mandate, ...]:
    """Read a mandate with those above it, the principal's own first, and hold each to the one
    above.  Raises as `parse_mandate`, `check_life`, `check_passed_on`."""
    chain = tuple(map(parse_mandate, raws))
    if not chain:
        raise CapabilityError("there is no mandate where one is asked for", Code.MALFORMED)
    if chain[0].above is not None:
        raise CapabilityError("a mandate comes without the one above it", Code.UNKNOWN_GRANT)
    for above, mandate in pairwise(chain):
        check_passed_on(mandate, above)
    for mandate in chain:
        check_life(mandate, now_ms)
    return chain


def check_passed_on(mandate: Mandate, above: Mandate) -> None:
    """Accept that `mandate` was given by the proxy of `above`, who might, within what it had.

    Raises CapabilityError (audience, command, expired, unknown-grant).
    """
    if mandate.above != above.cid or mandate.giver != above.proxy:
        raise CapabilityError("a mandate is not passed on by its proxy", Code.AUDIENCE)
    if not above.onward:
        raise CapabilityError("this mandate may not be passed on", Code.COMMAND)
    if (mandate.principal, mandate.to) != (above.principal, above.to):
        raise CapabilityError("a mandate is passed on for somebody else", Code.UNKNOWN_GRANT)
    if not set(mandate.commands) <= set(above.commands):
        raise CapabilityError("a mandate names a command that the one above lacks", Code.COMMAND)
    if mandate.exp_s > above.exp_s:
        raise CapabilityError("a mandate is for longer than the one above", Code.EXPIRED)


def check_link(delegation: Delegation) -> Delegation:
    """Take one delegation as that of a mandate, by its form: it says one command, in one place,
    until a second.  Raises CapabilityError (command, malformed)."""
    if delegation.cmd not in ACTABLE | AT_HOME:
        raise CapabilityError(
            f"the command {delegation.cmd[:64]} cannot be said in another's name", Code.COMMAND
        )
    if delegation.sub is None or delegation.exp is None:
        raise CapabilityError("a mandate names its principal and its end", Code.MALFORMED)
    to, limits = parse_limits(delegation.pol)
    if (to == delegation.sub) != (delegation.cmd in AT_HOME):
        raise CapabilityError(
            f"the command {delegation.cmd[:64]} is not said in that place", Code.COMMAND
        )
    if limits != Limits() and delegation.cmd != Cmd.MANDATE_DECIDE:
        raise CapabilityError("a mandate holds in one place, and says nothing else", Code.MALFORMED)
    return delegation


def recipient_of(delegation: Delegation) -> Did:
    """Where a delegation of a mandate holds.  Raises CapabilityError."""
    return parse_limits(delegation.pol)[0]


def _office(text: str) -> Office:
    try:
        return Office(text)
    except ValueError:
        raise WireError("a mandate: what the proxy is to the principal is not known") from None


# --- its end --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """The mandate `mandate` (CID) holds no longer, said by `by` at `t_ms`."""

    mandate: bytes
    by: Did
    t_ms: int
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid


def make_end(key: PersonaKey, *, mandate: bytes, t_ms: int) -> End:
    """Sign that a mandate holds no longer."""
    body: dict[str, Value] = {
        "v": VERSION,
        "mandate": mandate,
        "by": did_of(key.public),
        "t_ms": t_ms,
    }
    return parse_end(sign(Signed.MANDATE_END, body, key).raw)


def parse_end(raw: bytes) -> End:
    """Read an end and verify the signature of `by`.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.MANDATE_END)
    body = Body.open(signed.body, "the end of a mandate", ("v", "mandate", "by", "t_ms"))
    by = check_did(body.text("by"))
    end = End(check_cid(body.data("mandate", length=CID_BYTES)), by, body.integer("t_ms"), signed)
    signed.verify(public_of(by))
    return end


def check_end(end: End, chain: Sequence[Mandate]) -> None:
    """Accept that `end` ends the last mandate of `chain` (the principal's first).

    Who gave it, or one above it, may take it back; its proxy may lay it down.
    Raises CapabilityError (unknown-grant, audience).
    """
    last = chain[-1]
    if end.mandate != last.cid:
        raise CapabilityError("an end names another mandate", Code.UNKNOWN_GRANT)
    if end.by not in {last.proxy, *(mandate.giver for mandate in chain)}:
        raise CapabilityError("a mandate is ended by one who has no part in it", Code.AUDIENCE)


# --- acting under it ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acted:
    """Both names, as they stand in the answer to what was said under a mandate."""

    principal: Did
    proxy: Did
    mandate: bytes

    def value(self) -> Value:
        return {"principal": self.principal, "proxy": self.proxy, "mandate": self.mandate}


def acted_from_value(value: Value) -> Acted:
    """Raises WireError."""
    body = Body.open(value, "who acted for whom", ("principal", "proxy", "mandate"))
    return Acted(
        check_did(body.text("principal")),
        check_did(body.text("proxy")),
        check_cid(body.data("mandate", length=CID_BYTES)),
    )


@dataclass(frozen=True, slots=True)
class Lodged:
    """What the organisation knows of one delegation of a mandate that was handed to it.

    `ended` whether it was taken back or laid down; `onward` whether its proxy may pass it on.
    """

    mandate: bytes
    onward: bool
    ended: bool


def check_acting(
    inv: Invocation, chain: Sequence[Delegation], lodged: Mapping[bytes, Lodged]
) -> Acted:
    """Who acts for whom in `inv`, whose `chain` was verified; by the mandates that are lodged.

    Raises CapabilityError: `unknown-grant` for a mandate that was never handed in, `revoked`,
    `command` for one that was passed on without leave.
    """
    if len(inv.raw) > ACTED_BYTES_MAX:
        # Its principal could not be told of it.
        raise CapabilityError("what is said under a mandate is too long", Code.TOO_MUCH)
    for place, link in enumerate(chain):
        known = lodged.get(link.cid)
        if known is None:
            raise CapabilityError(
                "this mandate was not handed to this node: its principal does that",
                Code.UNKNOWN_GRANT,
            )
        if known.ended:
            raise CapabilityError("this mandate has been taken back", Code.REVOKED)
        if place < len(chain) - 1 and not known.onward:
            raise CapabilityError("this mandate may not be passed on", Code.COMMAND)
    return Acted(inv.sub, inv.iss, lodged[chain[-1].cid].mandate)

"""Chains: from the subject, delegation by delegation, to the one who asks.

    root.iss = sub   root.aud = next.iss   …   last.aud = inv.iss

Every link must hold now, and every link must hold *on this invocation*: its time, its subject, its
command by whole words, its whole policy on the invocation's own arguments.  So a link can only
narrow: what a delegate adds to a chain can take away from what the subject gave, and nothing in
it can widen that.

An empty chain is the subject speaking in its own name.  A chain names each delegation and each
delegate once; one that returns to someone it has passed gives nothing that a shorter one does
not, and is refused.  Proofs that come with an invocation are the ones it names, no more.

Revocation is not looked at here: it needs what the node knows (`trust`).

Source: UCAN Invocation 1.0.0, "Proof Chains"; UCAN Delegation 1.0.0, "Token Validation".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import limits
from .delegation import Delegation, parse_delegation
from .did import Did
from .envelope import covers
from .errors import CapabilityError, Code
from .invocation import Invocation


@dataclass(frozen=True, slots=True)
class VerifiedInvocation:
    """An invocation that its chain allows, at the time it was checked.  Made by `verify_chain`."""

    inv: Invocation
    # Root first; empty where the subject speaks in its own name.
    chain: tuple[Delegation, ...]


def verify_chain(
    inv: Invocation,
    proofs: Mapping[bytes, bytes] | Sequence[bytes],
    *,
    now_ms: int,
    skew_s: int = 0,
    audience: Did | None = None,
) -> VerifiedInvocation:
    """Check that `inv` is allowed now by the delegations it names.

    `proofs` is either what came with the invocation, a sequence of tokens of which none may be
    missing or left over, or a mapping from CID to token, which may hold others too.  With
    `audience`, the invocation must be meant for it.  `skew_s` widens every time bound.

    Raises CapabilityError: `audience`, `expired`, `not-yet`, `unknown-grant` (a proof is missing,
    or the chain does not start at the subject), `command`, `malformed`, `too-much`, and the codes
    of `Policy.require`.
    """
    if audience is not None and (inv.aud or inv.sub) != audience:
        raise CapabilityError("an invocation is meant for someone else", Code.AUDIENCE)
    _check_time("an invocation", None, inv.exp, now_ms, skew_s)
    chain = _collect(inv, proofs)
    if not chain:
        if inv.iss != inv.sub:
            raise CapabilityError(
                "an invocation on another's data comes without proof", Code.UNKNOWN_GRANT
            )
        return VerifiedInvocation(inv, ())
    verify_delegations(chain, now_ms=now_ms, skew_s=skew_s)
    last = chain[-1]
    if chain[0].sub != inv.sub:
        raise CapabilityError(
            "the subject of an invocation is not the one who delegated", Code.UNKNOWN_GRANT
        )
    if last.aud != inv.iss:
        raise CapabilityError(
            "an invocation is not signed by the one to whom was delegated", Code.AUDIENCE
        )
    if not covers(last.cmd, inv.cmd):
        raise CapabilityError("the command is not one that was delegated", Code.COMMAND)
    for delegation in chain:
        delegation.policy.require(inv.args)
    return VerifiedInvocation(inv, chain)


def verify_delegations(
    chain: Sequence[Delegation], *, now_ms: int, skew_s: int = 0
) -> tuple[Delegation, ...]:
    """Check that `chain`, root first, passes authority from its first subject to its last `aud`.

    Policies are not looked at: they speak of the arguments of an invocation to come.
    Raises CapabilityError.
    """
    if not 1 <= len(chain) <= limits.CHAIN_MAX:
        raise CapabilityError(f"a chain is 1 to {limits.CHAIN_MAX} delegations", Code.TOO_MUCH)
    root = chain[0]
    # A powerline at the root would speak for every subject there is; so null is refused here too.
    if root.sub != root.iss:
        raise CapabilityError(
            "the first delegation of a chain is not by its subject", Code.UNKNOWN_GRANT
        )
    passed = {root.iss}
    wider: Delegation | None = None
    for link in chain:
        _check_time("a delegation", link.nbf, link.exp, now_ms, skew_s)
        if wider is not None:
            _check_link(wider, link, root.iss)
        if link.aud in passed:
            raise CapabilityError(
                "a chain returns to someone it has already passed", Code.MALFORMED
            )
        passed.add(link.aud)
        wider = link
    return tuple(chain)


def _check_link(wider: Delegation, narrower: Delegation, sub: Did) -> None:
    if wider.aud != narrower.iss:
        raise CapabilityError(
            "a delegation is not by the one to whom was delegated before it", Code.AUDIENCE
        )
    if narrower.sub is not None and narrower.sub != sub:
        raise CapabilityError(
            "the delegations of a chain name different subjects", Code.UNKNOWN_GRANT
        )
    if not covers(wider.cmd, narrower.cmd):
        raise CapabilityError("a delegation is for a wider command than its proof", Code.COMMAND)


def _check_time(what: str, nbf: int | None, exp: int | None, now_ms: int, skew_s: int) -> None:
    if nbf is not None and now_ms < (nbf - skew_s) * 1000:
        raise CapabilityError(f"{what} is not valid yet", Code.NOT_YET)
    if exp is not None and now_ms > (exp + skew_s) * 1000:
        raise CapabilityError(f"{what} has expired", Code.EXPIRED)


def _collect(
    inv: Invocation, proofs: Mapping[bytes, bytes] | Sequence[bytes]
) -> tuple[Delegation, ...]:
    """The delegations that `inv` names, in its order."""
    if len(inv.prf) > limits.CHAIN_MAX:
        raise CapabilityError(f"a chain is at most {limits.CHAIN_MAX} delegations", Code.TOO_MUCH)
    if len(set(inv.prf)) != len(inv.prf):
        raise CapabilityError("an invocation names a delegation twice", Code.MALFORMED)
    if isinstance(proofs, Mapping):
        return tuple(_named(cid, proofs.get(cid), inv.version) for cid in inv.prf)
    if len(proofs) > len(inv.prf):
        raise CapabilityError("more proofs came with an invocation than it names", Code.MALFORMED)
    came = {
        link.cid: link for link in (parse_delegation(raw, version=inv.version) for raw in proofs)
    }
    try:
        return tuple([came[cid] for cid in inv.prf])
    except KeyError:
        raise _absent() from None


def _named(cid: bytes, raw: bytes | None, version: str) -> Delegation:
    if raw is None:
        raise _absent()
    delegation = parse_delegation(raw, version=version)
    if delegation.cid != cid:
        raise CapabilityError("a proof is not the one that its CID names", Code.MALFORMED)
    return delegation


def _absent() -> CapabilityError:
    return CapabilityError(
        "a delegation that an invocation names did not come with it", Code.UNKNOWN_GRANT
    )

"""Trust: whether what a peer asks is allowed, now.  The one door.

Every call passes the same checks in the same order, and the first that fails names the refusal:

    decode      strict bytes, good signatures                       malformed, version
    aud         meant for this device                               audience
    exp         neither over nor too far ahead                      expired, not-yet
    chain       each delegation holds, in time and on these args    expired, not-yet, command, days,
                                                                    collection, purpose, terms, …
    pairing     the two personas of this stream                     unpaired, command
    revocation  the grant is known here, and neither taken back     unknown-grant, revoked,
                nor suspended                                       suspended
    replay      this invocation has not been spent                  replay
    args        exactly the arguments of the command                malformed

There are three doors with this one order: a read of another's data (authority: a chain of grants),
a command in one's own name (authority: the pair; or said by a proxy, the pair of its principal and
a mandate), and `/pair/open` (authority: an invite).  Only
the three `Verified…` types open anything, and only these doors make them.

What the node knows comes in as plain data (`standing`).  Nothing here changes anything: to spend
the invocation is the caller's next step, in the unit of work in which that data was fetched.

Source: formats.md, "Session", "Grant", "Commands", "Pairing".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeVar

from ..crypto.errors import CryptoError
from .capability import (
    Invocation,
    VerifiedInvocation,
    parse_invocation,
    verify_chain,
    verify_delegations,
)
from .command import DEVICE, OWN_NAME, Cmd, OwnArgs, PairOpenArgs, PairReadArgs, parse_args
from .counter import check_counter
from .did import Did
from .errors import (
    CapabilityError,
    Code,
    GrantRefused,
    RecordError,
    WireError,
)
from .grant import ReadArgs, ReadGrant, parse_read_args, read_grant
from .grant_status import GrantStatus, check_standing, status_at
from .limits import (
    CHAIN_MAX,
    INVOCATION_AHEAD_S_MAX,
    PARCEL_CLOCK_S_MAX,
    PARCEL_LIFE_S_MAX,
    READ_CALL_BYTES_MAX,
    REPLAY_KEPT_S,
)
from .mandate import ACTABLE, AT_HOME, Acted, check_acting, check_link
from .pairing import Introduction, OpenInvite, introduction, spend
from .receipt import Asked
from .refusal import ABOUT_ARGS, code_of, explain_read
from .standing import Carried, Pair, Standing
from .window import Window, opened_until

__all__ = [
    "MEETING_CHECKS",
    "OWN_CHECKS",
    "READ_CHECKS",
    "Carried",
    "Check",
    "GrantStatus",
    "Heard",
    "Pair",
    "Standing",
    "Step",
    "VerifiedMeeting",
    "VerifiedOwn",
    "VerifiedRead",
    "authorise_meeting",
    "authorise_own",
    "authorise_read",
    "authorise_stranger",
    "check_standing",
    "check_still",
    "hear",
    "status_at",
]

# --- what comes out -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedRead:
    """A read that is allowed: made by `authorise_read` only."""

    verified: VerifiedInvocation
    grant: ReadGrant
    args: ReadArgs
    server: Did
    # Remember the invocation as spent until this second.
    spent_until_s: int

    @property
    def owner(self) -> Did:
        return self.verified.inv.sub

    @property
    def reader(self) -> Did:
        return self.verified.inv.iss

    @property
    def window(self) -> Window:
        """The days that were asked for: all of them lie in the grant."""
        return self.args.window

    def asked(self) -> Asked:
        """What the receipts of this read must add up to."""
        return Asked(
            self.verified.inv.cid,
            self.grant.cid,
            self.server,
            self.reader,
            self.window.first,
            self.window.last,
        )


@dataclass(frozen=True, slots=True)
class VerifiedOwn:
    """A command that its sender may say, in its own name or under a mandate: made by
    `authorise_own` only.

    `pair` is that of the one in whose name it is said, or of the proxy if that is this node itself;
    `acted` both names, if it is another's than the sender's.
    """

    verified: VerifiedInvocation
    pair: Pair
    args: OwnArgs
    spent_until_s: int
    acted: Acted | None = None

    @property
    def sender(self) -> Did:
        return self.verified.inv.iss


@dataclass(frozen=True, slots=True)
class VerifiedMeeting:
    """A stranger that may become a pair: made by `authorise_meeting` only.

    `invite.spent_by` set means that this same scanner asks again: answer as before.
    """

    verified: VerifiedInvocation
    invite: OpenInvite
    args: PairOpenArgs
    scanner: Introduction


# --- the checks -----------------------------------------------------------------------------------


class Step(StrEnum):
    """The checks, in their order."""

    DECODE = "decode"
    AUD = "aud"
    EXP = "exp"
    CHAIN = "chain"
    PAIRING = "pairing"
    REVOCATION = "revocation"
    REPLAY = "replay"
    ARGS = "args"


@dataclass(frozen=True, slots=True)
class Heard:
    """A call whose invocation has the right form and signature; nothing is allowed yet."""

    inv: Invocation
    proofs: tuple[bytes, ...]

    @property
    def grants(self) -> tuple[bytes, ...]:
        """The CIDs whose status `Standing.grants` is to hold, root first."""
        return self.inv.prf


def hear(inv: bytes, proofs: Sequence[bytes]) -> Heard:
    """The first check: decode.  Raises GrantRefused (malformed, version, too-much)."""
    if len(proofs) > CHAIN_MAX:
        raise GrantRefused("a call carries more proofs than a chain may have", Code.TOO_MUCH)
    return Heard(_refusing(lambda: parse_invocation(inv)), tuple(proofs))


def authorise_read(heard: Heard, standing: Standing, now_ms: int) -> VerifiedRead:
    """Whether a read is allowed at `now_ms`.  Raises GrantRefused with the code of the check."""
    case = _Case(heard, standing, now_ms)
    _pass(READ_CHECKS, case)
    verified, grant, args = case.verified, case.grant, case.read_args
    assert verified is not None
    assert grant is not None
    assert args is not None
    return VerifiedRead(verified, grant, args, standing.device, _spent_until(heard.inv))


def authorise_own(heard: Heard, standing: Standing, now_ms: int) -> VerifiedOwn:
    """Whether a command said in one's own name, or in that of one's principal, is allowed at
    `now_ms`.  Raises GrantRefused."""
    case = _Case(heard, standing, now_ms)
    _pass(OWN_CHECKS, case)
    verified, args, acted = case.verified, case.own_args, case.acted
    ours = acted is None or (standing.pair is not None and acted.principal == standing.pair.ours)
    pair = standing.pair if ours else standing.principal
    assert verified is not None
    assert pair is not None
    assert args is not None
    return VerifiedOwn(verified, pair, args, _spent_until(heard.inv), acted)


def authorise_meeting(
    heard: Heard, device: Did, invites: Sequence[OpenInvite], transport: bytes, now_ms: int
) -> VerifiedMeeting:
    """Whether `/pair/open` is allowed: to whoever brings the secret of an invite, once.

    `device` is this device; `transport` the 32-byte key that the stream proved.  There is no
    replay check: the same scanner asking again is meant to get the same answer.
    Raises GrantRefused.
    """
    case = _Case(heard, Standing(device, None, {}, ()), now_ms, invites, transport)
    _pass(MEETING_CHECKS, case)
    verified, invite, args, scanner = case.verified, case.invite, case.meeting_args, case.scanner
    assert verified is not None
    assert invite is not None
    assert args is not None
    assert scanner is not None
    return VerifiedMeeting(verified, invite, args, scanner)


def authorise_stranger(heard: Heard, device: Did, now_ms: int) -> VerifiedInvocation:
    """The checks of what a stranger says, whose authority is a secret that the caller holds it
    against.  Raises GrantRefused."""
    case = _Case(heard, Standing(device, None, {}, ()), now_ms)
    _pass(MEETING_CHECKS[:3], case)
    assert case.verified is not None
    return case.verified


def check_still(read: VerifiedRead, statuses: Mapping[bytes, GrantStatus], now_ms: int) -> None:
    """Accept that a read that was allowed goes on at `now_ms`, by how its chain stands now.

    Raises GrantRefused for what was taken back or has run out meanwhile, at any link.
    """
    for status in statuses.values():
        check_standing(status)
    _refusing(partial(verify_delegations, read.verified.chain, now_ms=now_ms))


@dataclass(slots=True)
class _Case:
    """One call on its way through the checks, with what they established."""

    heard: Heard
    standing: Standing
    now_ms: int
    invites: Sequence[OpenInvite] = ()
    transport: bytes = b""
    verified: VerifiedInvocation | None = None
    grant: ReadGrant | None = None
    read_args: ReadArgs | None = None
    own_args: OwnArgs | None = None
    acted: Acted | None = None
    invite: OpenInvite | None = None
    meeting_args: PairOpenArgs | None = None
    scanner: Introduction | None = None


def _aud(case: _Case) -> None:
    aud = case.heard.inv.aud
    if aud is None:
        raise GrantRefused("an invocation does not name the device it is meant for", Code.AUDIENCE)
    if aud != case.standing.device:
        raise GrantRefused("an invocation is meant for another device", Code.AUDIENCE)


def _exp(case: _Case) -> None:
    exp = case.heard.inv.exp
    if exp is None:
        raise GrantRefused("an invocation without an end is not accepted", Code.MALFORMED)
    if case.now_ms > exp * 1000:
        raise GrantRefused("an invocation has expired", Code.EXPIRED)
    ahead_s = INVOCATION_AHEAD_S_MAX
    if case.standing.carried is not None:
        ahead_s = PARCEL_LIFE_S_MAX + PARCEL_CLOCK_S_MAX
    if exp * 1000 > case.now_ms + ahead_s * 1000:
        raise GrantRefused(
            f"an invocation ends more than {ahead_s} s from now: one of the two clocks is wrong",
            Code.NOT_YET,
        )


def _read_chain(case: _Case) -> None:
    heard = case.heard
    if not heard.inv.prf:
        raise GrantRefused("a read comes without a grant", Code.UNKNOWN_GRANT)
    try:
        case.verified = verify_chain(heard.inv, heard.proofs, now_ms=case.now_ms)
    except CapabilityError as error:
        if error.code in ABOUT_ARGS:
            explain_read(heard.inv, heard.proofs, error)
        raise
    grants = [read_grant(link, place=place) for place, link in enumerate(case.verified.chain)]
    case.grant = grants[0]


def _alone_chain(case: _Case) -> None:
    heard = case.heard
    if heard.inv.prf or heard.proofs:
        raise GrantRefused(
            f"the command {heard.inv.cmd} is said in one's own name, without a grant", Code.COMMAND
        )
    case.verified = verify_chain(heard.inv, (), now_ms=case.now_ms)


def _own_chain(case: _Case) -> None:
    heard = case.heard
    if heard.inv.cmd not in ACTABLE | AT_HOME:
        _alone_chain(case)
        return
    if heard.inv.cmd in AT_HOME and not heard.inv.prf:
        raise GrantRefused(
            "this is said under a mandate, and none came with it", Code.UNKNOWN_GRANT
        )
    try:
        case.verified = verify_chain(heard.inv, heard.proofs, now_ms=case.now_ms)
    except CapabilityError as error:
        at_home = heard.inv.cmd in AT_HOME
        if error.code not in ABOUT_ARGS and not (at_home and error.code is Code.COMMAND):
            raise
        if at_home:
            raise GrantRefused(
                "the mandate does not cover this: it waits for its principal", error.code
            ) from error
        raise GrantRefused("this mandate holds at another organisation", Code.AUDIENCE) from error
    for link in case.verified.chain:
        check_link(link)


def _read_pairing(case: _Case) -> None:
    pair, inv = case.standing.pair, case.heard.inv
    if pair is None or (inv.sub, inv.iss) != (pair.ours, pair.theirs):
        raise GrantRefused("the two personas of this call are not paired here", Code.UNPAIRED)


def _own_pairing(case: _Case) -> None:
    pair, inv = case.standing.pair, case.heard.inv
    if pair is None or inv.iss != pair.theirs:
        raise GrantRefused("the two personas of this call are not paired here", Code.UNPAIRED)
    if "to" in inv.args and inv.args["to"] != pair.ours:
        raise GrantRefused("the two personas of this call are not paired here", Code.UNPAIRED)
    if inv.cmd not in OWN_NAME | DEVICE:
        raise GrantRefused("this command is not one that a pair may say", Code.COMMAND)
    permits = pair.permits
    if inv.sub not in (inv.iss, pair.ours):
        # What the principal may not say here, nobody says for it.
        principal = case.standing.principal
        if principal is None or (principal.ours, principal.theirs) != (pair.ours, inv.sub):
            raise GrantRefused("the principal of this call is not paired here", Code.UNPAIRED)
        permits &= principal.permits
    if inv.cmd in DEVICE and inv.cmd not in permits:
        raise GrantRefused("only a device of the same person may say this", Code.COMMAND)
    if pair.reads_only:
        raise GrantRefused("a processor reads under its chain, and says nothing else", Code.COMMAND)
    if inv.cmd not in permits:
        raise GrantRefused(f"the owner has withdrawn {inv.cmd} from this pair", Code.COMMAND)


def _meeting_pairing(case: _Case) -> None:
    inv = case.heard.inv
    if inv.cmd != Cmd.PAIR_OPEN:
        raise GrantRefused(
            f"a stranger may say {Cmd.PAIR_OPEN.value} or {Cmd.PAIR_READ.value}, and nothing else",
            Code.UNPAIRED,
        )
    args = parse_args(inv.cmd, inv.args)
    assert isinstance(args, PairOpenArgs)
    case.invite = spend(case.invites, args, case.now_ms)
    case.meeting_args = args


def _mandate(case: _Case) -> None:
    verified = case.verified
    assert verified is not None
    if verified.chain:
        case.acted = check_acting(verified.inv, verified.chain, case.standing.mandates)


def _revocation(case: _Case) -> None:
    grants, prf = case.standing.grants, case.heard.inv.prf
    if prf[0] not in grants:
        raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
    pair = case.standing.pair
    # Who is known here by a chain alone reads under the chains that were shown, and no other.
    if pair is not None and pair.reads_only and not all(cid in grants for cid in prf):
        raise GrantRefused("this chain was not shown to the owner of the data", Code.UNKNOWN_GRANT)
    held = [grants[cid] for cid in prf if cid in grants]
    # Taken back by anyone of the chain comes before suspended by another.
    for status in sorted(held, key=lambda status: status is not GrantStatus.REVOKED):
        check_standing(status)


def _replay(case: _Case) -> None:
    if case.heard.inv.cid in case.standing.spent:
        raise GrantRefused("this invocation was already used: sign a new one", Code.REPLAY)
    carried = case.standing.carried
    if carried is not None:
        check_counter(case.heard.inv.meta, carried.n)
        carried.taken.check(carried.n)


def _read_args(case: _Case) -> None:
    if len(case.heard.inv.raw) > READ_CALL_BYTES_MAX:
        raise GrantRefused("the call of a read is longer than it needs to be", Code.TOO_MUCH)
    args = parse_read_args(case.heard.inv.args)
    grant, verified = case.grant, case.verified
    assert grant is not None
    assert verified is not None
    if len(args.under) != len(verified.chain) - 1:
        raise GrantRefused(
            "a read names terms of other sub-delegators than its chain has", Code.TERMS
        )
    # The policy has said so already; a second, simpler way to say it costs nothing.
    if not any(args.window in window for window in grant.windows):
        raise GrantRefused(f"the grant does not open {args.window}", Code.DAYS)
    # Pages that no key of the grant opens would look damaged to the one who reads them.
    if not any(args.window in window for window in opened_until(grant.windows, grant.exp_s)):
        raise GrantRefused("these days go beyond the one on which the grant ends", Code.DAYS)
    case.read_args = args


def _own_args(case: _Case) -> None:
    args = parse_args(case.heard.inv.cmd, case.heard.inv.args)
    assert not isinstance(args, PairOpenArgs | PairReadArgs)
    case.own_args = args


def _meeting_args(case: _Case) -> None:
    args = case.meeting_args
    assert args is not None
    case.scanner = introduction(
        args, device=case.transport, now_ms=case.now_ms, iss=case.heard.inv.iss
    )


Check = tuple[Step, Callable[[_Case], None]]

# DECODE is `hear`: a call that has not passed it has no type to stand here with.
READ_CHECKS: tuple[Check, ...] = (
    (Step.AUD, _aud),
    (Step.EXP, _exp),
    (Step.CHAIN, _read_chain),
    (Step.PAIRING, _read_pairing),
    (Step.REVOCATION, _revocation),
    (Step.REPLAY, _replay),
    (Step.ARGS, _read_args),
)
OWN_CHECKS: tuple[Check, ...] = (
    (Step.AUD, _aud),
    (Step.EXP, _exp),
    (Step.CHAIN, _own_chain),
    (Step.PAIRING, _own_pairing),
    (Step.REVOCATION, _mandate),
    (Step.REPLAY, _replay),
    (Step.ARGS, _own_args),
)
# An invite stands for the pairing; no replay check, see `authorise_meeting`.
MEETING_CHECKS: tuple[Check, ...] = (
    (Step.AUD, _aud),
    (Step.EXP, _exp),
    (Step.CHAIN, _alone_chain),
    (Step.PAIRING, _meeting_pairing),
    (Step.ARGS, _meeting_args),
)


def _pass(checks: Sequence[Check], case: _Case) -> None:
    for _, check in checks:
        _refusing(partial(check, case))


# --- passing the checks ---------------------------------------------------------------------------

_T = TypeVar("_T")


def _refusing(act: Callable[[], _T]) -> _T:
    """Do `act`, turning what it raises about the input into one GrantRefused."""
    try:
        return act()
    except (CapabilityError, WireError, RecordError, CryptoError) as error:
        raise GrantRefused(str(error), code_of(error)) from error


def _spent_until(inv: Invocation) -> int:
    assert inv.exp is not None
    return inv.exp + REPLAY_KEPT_S

"""Showing a chain: a processor makes itself known to the owner of the data that it was lent on.

    organisation ─ /grant/lend ─> processor            the chain; the owner's persona, and where
    processor ─ /pair/read {chain, inception, cert, k} ─> owner      said as a stranger
              <─ {inception, cert, k} ──────────────────             the persona at the chain's root
    both: a key, and a pair that reads under the chain and says nothing else

The processor learns of the owner the one persona that the organisation knows.  The owner's node
answers for that persona because the chain is unbroken: a grant that this persona gave and that
holds, lent on, by the one to whom it was given and by nobody else, to the persona that is now at
the other end, which the terms of the grant name (`processor.py`).  Anything less is refused
without a word that is signed, and the cheapest checks come first: whether the root is known here
is one look, before any signature of the chain is verified.

Source: formats.md, "Session", "Pairing"; ADR 28.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..crypto.digest import kdf
from ..crypto.errors import CryptoError
from ..crypto.keys import PairKey
from ..crypto.labels import Derive, Signed
from .chain import verify_delegations
from .cid import cid_of
from .command import Cmd, PairReadArgs, PairReadOut, parse_args
from .did import Did
from .errors import CapabilityError, Code, GrantRefused, RecordError, WireError
from .grant import Bundle, parse_bundle
from .grant_status import GrantStatus, check_standing
from .invocation import Invocation
from .limits import SIGNED_BYTES_MAX
from .persona import Certificate, Inception, parse_certificate, parse_inception
from .processor import may_process
from .refusal import code_of
from .signed import parse
from .terms import Terms
from .terms_narrowing import binds_no_looser
from .trust import Heard, authorise_stranger
from .window import within

# A grant, and what its reader lends on of it; nobody lends on what was lent on.
LINKS = 2


@dataclass(frozen=True, slots=True)
class VerifiedShowing:
    """A chain that holds, shown by the one at its end: made by `authorise_showing` only."""

    inv: Invocation
    bundle: Bundle
    inception: Inception
    certificate: Certificate
    args: PairReadArgs


def links_claimed(heard: Heard) -> tuple[bytes, ...]:
    """The CIDs of the chain that a call shows, root first; nothing of it is verified.

    Raises GrantRefused for a call that shows none.
    """
    if heard.inv.cmd != Cmd.PAIR_READ:
        raise GrantRefused("this call does not show a chain", Code.COMMAND)
    try:
        args = parse_args(heard.inv.cmd, heard.inv.args)
        assert isinstance(args, PairReadArgs)
        body = parse(args.bundle, Signed.BUNDLE, bytes_max=SIGNED_BYTES_MAX).body
    except (WireError, CapabilityError, CryptoError) as error:
        raise GrantRefused(str(error), code_of(error)) from error
    match body:
        case {"chain": [bytes(root)], "dlg": bytes(last)}:
            return cid_of(root), cid_of(last)
        case _:
            raise GrantRefused("a chain is a grant and what was lent on of it", Code.COMMAND)


def authorise_showing(
    heard: Heard,
    device: Did,
    transport: bytes,
    statuses: Mapping[bytes, GrantStatus],
    now_ms: int,
) -> VerifiedShowing:
    """Whether whoever dialled with the device key `transport` may read under the chain it shows.

    `statuses` are those of `links_claimed` that are known here.  Whether the terms of the root
    name the one who shows it is for `check_processor`, since the owner holds the terms.
    Raises GrantRefused: unknown-grant for a root that this node did not give, revoked, suspended,
    expired, days, audience, malformed, …
    """
    authorise_stranger(heard, device, now_ms)
    links = links_claimed(heard)
    if links[0] not in statuses:
        raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
    for status in sorted(statuses.values(), key=lambda one: one is not GrantStatus.REVOKED):
        check_standing(status)
    args = parse_args(heard.inv.cmd, heard.inv.args)
    assert isinstance(args, PairReadArgs)
    try:
        bundle = parse_bundle(args.bundle)
        verify_delegations([link.delegation for link in bundle.links], now_ms=now_ms)
        check_within(bundle)
        inception, certificate = _introduced(args, heard.inv.iss, transport, now_ms)
    except (CapabilityError, WireError, RecordError, CryptoError) as error:
        raise GrantRefused(str(error), code_of(error)) from error
    if bundle.grant.delegation.aud != heard.inv.iss:
        raise GrantRefused("this was lent on to somebody else", Code.AUDIENCE)
    return VerifiedShowing(heard.inv, bundle, inception, certificate, args)


def check_processor(bundle: Bundle, terms: Terms) -> str:
    """Accept that `bundle` is lent on to one whom `terms`, those of the grant at its root, name;
    the name.  Raises GrantRefused."""
    found = may_process(terms, bundle.grant.delegation.aud)
    if found is None:
        raise GrantRefused("the terms of this grant do not name the one who would read", Code.TERMS)
    if not binds_no_looser(terms, bundle.terms):
        raise GrantRefused("this is lent on under terms that bind less", Code.TERMS)
    return found.name


def check_within(bundle: Bundle) -> None:
    """Accept a sub-delegation that opens no more than the one above.  Raises GrantRefused."""
    above = bundle.chain[-1]
    if not within(bundle.grant.windows, above.windows):
        raise GrantRefused("more days are lent on than were granted", Code.DAYS)
    if bundle.grant.exp_s > above.exp_s:
        raise GrantRefused("this is lent on for longer than it was granted", Code.EXPIRED)


def owner_shown(
    out: PairReadOut, root: Did, device: bytes, now_ms: int
) -> tuple[Inception, Certificate]:
    """Who answered a chain that was shown: the persona `root`, served by `device` (32-byte key).

    Raises WireError, BadSignature, CapabilityError.
    """
    return _introduced(out, root, device, now_ms)


def _introduced(
    said: PairReadArgs | PairReadOut, did: Did, device: bytes, now_ms: int
) -> tuple[Inception, Certificate]:
    inception, certificate = parse_inception(said.inception), parse_certificate(said.cert)
    if inception.did != did or certificate.persona != did:
        raise CapabilityError(
            "another persona is introduced than the one of the chain", Code.AUDIENCE
        )
    certificate.check(now_ms, device)
    return inception, certificate


def reading_key(
    *, k_reader: bytes, k_owner: bytes, reader: Inception, owner: Inception, dlg: bytes
) -> PairKey:
    """`KDF(k_reader, "pair-read", k_owner, CID(inception_reader), CID(inception_owner), dlg)`."""
    cids = (reader.signed.cid, owner.signed.cid)
    return PairKey(kdf(k_reader, Derive.PAIR_READ, k_owner, *cids, dlg))

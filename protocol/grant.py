"""Grants: some days of some collections, for a purpose, under terms, until a second.

A grant is a UCAN delegation whose policy has one exact form:

    [["==", ".purpose", P], ["==", ".terms", T],
     ["or", [["and", [["==", ".collection", p], [">=", ".from", a], ["<=", ".to", b]]], …]]]

so that what a person was shown is all that there is: a policy of any other form is not a grant of
ours, however it would evaluate.  Undated records are a clause of their own, from = to = 65 535.

A reader may lend on what it was lent.  The sub-delegation keeps purpose and terms, narrows days
and time, and adds one statement, `["==", ".under[i]", U]` with U the CID of its own terms; every
read below it repeats all of them, so nobody reads under terms that they did not name.  It cannot
narrow fields: pages hold whole records.

The **bundle** is how a grant travels: delegation, chain, terms, and the reader key to which keys
will be sealed, signed by the one who delegates.

Source: formats.md, "Grant".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..crypto.errors import BadSignature
from ..crypto.keys import KEY_BYTES, PersonaKey, SigningKey
from ..crypto.labels import Signed
from .capability import Delegation, issue_delegation, parse_delegation, verify_delegations
from .cid import cid_from_text, cid_text
from .collection import is_kept_as
from .command import Cmd
from .did import Did, did_of, public_of
from .errors import CapabilityError, Code, GrantRefused, RecordError, WireError
from .keyset import Sealing
from .limits import (
    CHAIN_MAX,
    LINE_CHARS_MAX,
    SIGNED_BYTES_MAX,
    TERMS_BYTES_MAX,
    TOKEN_BYTES_MAX,
    WINDOWS_MAX,
)
from .request import Request
from .signed import SignedObject, parse, sign
from .terms import Terms, parse_terms
from .terms_narrowing import binds_no_looser
from .view_path import is_view_of
from .window import Window, check_window, within
from .wire import VERSION, Body, Value

_READ_KEYS = ("v", "collection", "from", "to", "purpose", "terms", "under")


# --- policy ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Under:
    """A sub-delegator's statement: at place `index` of `under` stands the CID of its own terms."""

    index: int
    terms: bytes


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """The policy of a grant, understood.  `terms` is T, the CID of the root grant's terms."""

    purpose: str
    terms: bytes
    windows: tuple[Window, ...]
    under: Under | None = None


def read_policy(
    windows: Iterable[Window], purpose: str, terms: bytes, under: Under | None = None
) -> list[Value]:
    """The `pol` of a grant on `windows`.  Raises WireError, RecordError if one is impossible."""
    found = [check_window(window, "a grant") for window in windows]
    if not 1 <= len(found) <= WINDOWS_MAX:
        raise WireError(f"a grant names 1 to {WINDOWS_MAX} windows")
    clauses: list[Value] = [
        [
            "and",
            [
                ["==", ".collection", window.collection],
                [">=", ".from", window.first],
                ["<=", ".to", window.last],
            ],
        ]
        for window in found
    ]
    pol: list[Value] = [
        ["==", ".purpose", purpose],
        ["==", ".terms", cid_text(terms)],
        ["or", clauses],
    ]
    if under is not None:
        pol.append(["==", f".under[{under.index}]", cid_text(under.terms)])
    return pol


def parse_read_policy(pol: Sequence[Value], *, place: int = 0) -> ReadPolicy:
    """Read back what `read_policy` gave for the delegation at `place` of a chain (0: the root).

    Raises CapabilityError(malformed) for any other policy.
    """
    try:
        policy = _policy(pol, place)
        # One form only: what was read, written again, is the same, to the last element.
        same = read_policy(policy.windows, policy.purpose, policy.terms, policy.under) == list(pol)
    except (WireError, RecordError) as error:
        raise CapabilityError(f"not the policy of a grant: {error}", Code.MALFORMED) from error
    if not same:
        raise CapabilityError(f"not the policy of a grant: {_OTHER_FORM}", Code.MALFORMED)
    return policy


_OTHER_FORM = "it has another form than purpose, terms, windows"


def _policy(pol: Sequence[Value], place: int) -> ReadPolicy:
    match list(pol):
        case [
            ["==", ".purpose", str(purpose)],
            ["==", ".terms", str(terms)],
            ["or", list(clauses)],
            *rest,
        ] if len(rest) == (place > 0) and 1 <= len(purpose) <= LINE_CHARS_MAX:
            windows = tuple(_window(clause) for clause in clauses)
            under = _under(rest[0], place - 1) if rest else None
            return ReadPolicy(purpose, cid_from_text(terms), windows, under)
        case _:
            raise WireError(_OTHER_FORM)


def _window(clause: Value) -> Window:
    match clause:
        case [
            "and",
            [
                ["==", ".collection", str(collection)],
                [">=", ".from", int(first)],
                ["<=", ".to", int(last)],
            ],
        ] if type(first) is int and type(last) is int:
            return Window(collection, first, last)
        case _:
            raise WireError("a clause is not one collection, from and to")


def _under(statement: Value, index: int) -> Under:
    match statement:
        case ["==", str(selector), str(terms)] if selector == f".under[{index}]":
            return Under(index, cid_from_text(terms))
        case _:
            raise WireError("a sub-delegation does not name its own terms in its place")


# --- arguments of a read --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadArgs:
    """What one `/record/read` asks, and what for.

    `terms` is T; `under` the CIDs of the terms of each sub-delegator, in the order of the chain.
    """

    window: Window
    purpose: str
    terms: bytes
    under: tuple[bytes, ...] = ()

    def value(self) -> dict[str, Value]:
        """The `args` of the invocation."""
        return {
            "v": VERSION,
            "collection": self.window.collection,
            "from": self.window.first,
            "to": self.window.last,
            "purpose": self.purpose,
            "terms": cid_text(self.terms),
            "under": [cid_text(cid) for cid in self.under],
        }


def parse_read_args(args: Mapping[str, Value]) -> ReadArgs:
    """Read the `args` of a `/record/read`.  Raises WireError, VersionError, RecordError."""
    body = Body.open(args, "the args of a read", _READ_KEYS)
    window = Window(body.text("collection"), body.integer("from"), body.integer("to"))
    under: list[bytes] = []
    for cid in body.items("under", items_max=CHAIN_MAX):
        if not isinstance(cid, str):
            raise WireError(f"{body.what}: under is not a list of CIDs")
        under.append(cid_from_text(cid))
    return ReadArgs(
        check_window(window, body.what),
        body.text("purpose", chars_min=1),
        cid_from_text(body.text("terms")),
        tuple(under),
    )


# --- delegations ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadGrant:
    """A delegation that is a grant: its form checked, not yet whether it holds now."""

    delegation: Delegation
    policy: ReadPolicy
    exp_s: int

    @property
    def cid(self) -> bytes:
        return self.delegation.cid

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.policy.windows

    @property
    def paths(self) -> tuple[str, ...]:
        """The collections it names, sorted: what a revocation of it names."""
        return tuple(sorted({window.collection for window in self.windows}))


@lru_cache(maxsize=1024)
def read_grant(delegation: Delegation, *, place: int = 0) -> ReadGrant:
    """Take `delegation`, at `place` of its chain (0: the root), as a grant.

    A pure function, remembered: the same few grants stand behind thousands of reads.
    Raises CapabilityError (malformed, command, unknown-grant) for a delegation that is not one.
    """
    if delegation.cmd != Cmd.READ:
        raise CapabilityError(f"a grant is for {Cmd.READ.value} and nothing else", Code.COMMAND)
    if place == 0 and delegation.sub != delegation.iss:
        raise CapabilityError("a grant is not given by the owner of the data", Code.UNKNOWN_GRANT)
    if delegation.sub is None:
        raise CapabilityError("a grant does not say whose data it is about", Code.MALFORMED)
    if delegation.exp is None:
        raise CapabilityError("a grant without an end is not accepted", Code.MALFORMED)
    policy = parse_read_policy(delegation.pol, place=place)
    return ReadGrant(delegation, policy, delegation.exp)


def issue_grant(
    key: PersonaKey,
    *,
    aud: Did,
    windows: Iterable[Window],
    terms: Terms,
    exp_s: int,
    nonce: bytes,
    nbf_s: int | None = None,
) -> ReadGrant:
    """Sign, as the owner, a grant to the persona `aud`.  Raises WireError, RecordError."""
    policy = ReadPolicy(terms.purpose, terms.cid, tuple(windows))
    delegation = issue_delegation(
        key,
        aud=aud,
        sub=did_of(key.public),
        cmd=Cmd.READ,
        pol=read_policy(policy.windows, policy.purpose, policy.terms),
        exp=exp_s,
        nonce=nonce,
        nbf=nbf_s,
        formed=True,
    )
    if not 1 <= len(policy.purpose) <= LINE_CHARS_MAX:
        raise CapabilityError(f"not the policy of a grant: {_OTHER_FORM}", Code.MALFORMED)
    # What `read_grant` would give: `parse_read_policy` reads back what `read_policy` wrote.
    return ReadGrant(delegation, policy, exp_s)


def issue_sub_grant(
    key: SigningKey,
    chain: Sequence[ReadGrant],
    *,
    aud: Did,
    windows: Iterable[Window],
    terms: Terms,
    exp_s: int,
    nonce: bytes,
) -> ReadGrant:
    """Sign a sub-delegation of `chain` (root first) under one's own `terms`.

    Nothing here keeps it narrower than its root, because nothing here could: whoever holds a key
    signs what it likes.  Each link is held against every read instead.
    """
    root = chain[0]
    place = len(chain)
    under = Under(place - 1, terms.cid)
    delegation = issue_delegation(
        key,
        aud=aud,
        sub=root.delegation.iss,
        cmd=Cmd.READ,
        pol=read_policy(windows, root.policy.purpose, root.policy.terms, under),
        exp=exp_s,
        nonce=nonce,
    )
    return read_grant(delegation, place=place)


# --- bundle ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bundle:
    """A grant as it travels: `chain` holds the grants above it, root first; empty for an owner's.

    `terms` are those of its giver; `reader_key` the X25519 key to which keysets will be sealed.
    """

    grant: ReadGrant
    chain: tuple[ReadGrant, ...]
    terms: Terms
    reader_key: bytes
    signed: SignedObject

    @property
    def root(self) -> ReadGrant:
        return self.chain[0] if self.chain else self.grant

    @property
    def links(self) -> tuple[ReadGrant, ...]:
        """The whole chain, root first: the `prf` of a read is the CIDs of these."""
        return (*self.chain, self.grant)

    def sealing(self) -> Sealing:
        """What the keysets of this grant are bound to."""
        delegation = self.grant.delegation
        return Sealing(
            delegation.cid, self.terms.cid, delegation.iss, delegation.aud, self.reader_key
        )

    def args(self, window: Window) -> ReadArgs:
        """The arguments of a read of `window` under this grant."""
        # The root has none: it is under the owner's terms.
        under = tuple(link.policy.under.terms for link in self.links if link.policy.under)
        root = self.root.policy
        return ReadArgs(window, root.purpose, root.terms, under)


def make_bundle(
    key: PersonaKey,
    grant: ReadGrant,
    *,
    terms: Terms,
    reader_key: bytes,
    chain: Sequence[ReadGrant] = (),
) -> Bundle:
    """Sign a bundle as the issuer of `grant`.  Raises as `parse_bundle`, for a key not its own."""
    body: dict[str, Value] = {
        "v": VERSION,
        "dlg": grant.delegation.raw,
        "chain": [link.delegation.raw for link in chain],
        "terms": _terms_bytes(terms),
        "reader_key": reader_key,
    }
    if did_of(key.public) != grant.delegation.iss:
        raise BadSignature("a bundle is signed by the one who grants, and by nobody else")
    _check_terms(grant, chain, terms)
    signed = sign(Signed.BUNDLE, body, key)
    # Not read back: each part was checked when it was made, so what is left is what passes a limit.
    if (
        len(chain) >= CHAIN_MAX
        or len(reader_key) != KEY_BYTES
        or len(signed.raw) > SIGNED_BYTES_MAX
    ):
        raise WireError("a bundle would pass a limit of its form")
    return Bundle(grant, tuple(chain), terms, reader_key, signed)


@lru_cache(maxsize=1024)
def _terms_bytes(terms: Terms) -> bytes:
    """The bytes of terms that can be read back.  Raises WireError."""
    raw = terms.encode()
    parse_terms(raw)
    return raw


def parse_bundle(raw: bytes) -> Bundle:
    """Read a bundle; verify its signature, its grants' signatures, and that the terms are theirs.

    Whether it holds now, and is what was asked, is `check_bundle`.
    Raises WireError, CapabilityError, BadSignature, RecordError.
    """
    signed = parse(raw, Signed.BUNDLE)
    body = Body.open(signed.body, "a bundle", ("v", "dlg", "chain", "terms", "reader_key"))
    chain: list[ReadGrant] = []
    for place, link in enumerate(body.items("chain", items_max=CHAIN_MAX - 1)):
        if not isinstance(link, bytes):
            raise WireError("a bundle: chain is not a list of delegations")
        chain.append(read_grant(parse_delegation(link), place=place))
    delegation = parse_delegation(body.data("dlg", bytes_max=TOKEN_BYTES_MAX))
    grant = read_grant(delegation, place=len(chain))
    terms = parse_terms(body.data("terms", bytes_max=TERMS_BYTES_MAX))
    _check_terms(grant, chain, terms)
    bundle = Bundle(grant, tuple(chain), terms, body.data("reader_key", length=KEY_BYTES), signed)
    signed.verify(public_of(delegation.iss))
    return bundle


def _check_terms(grant: ReadGrant, chain: Sequence[ReadGrant], terms: Terms) -> None:
    """The terms of a bundle are those that its grant names.  Raises CapabilityError."""
    own = grant.policy.terms if grant.policy.under is None else grant.policy.under.terms
    if terms.cid != own:
        raise CapabilityError("a bundle carries other terms than its grant names", Code.TERMS)
    if not chain and terms.purpose != grant.policy.purpose:
        raise CapabilityError("a grant names another purpose than its terms", Code.PURPOSE)


def check_bundle(bundle: Bundle, request: Request, *, reader_key: bytes, now_ms: int) -> None:
    """Take a bundle as an answer to `request`.

    It is one if its days are not wider than asked, and its terms those that were asked for or
    bind the reader harder (`terms_narrowing.py`); on paid terms, if it ends no later.  Unchanged
    terms a reader's node takes by itself; others need its operator.  Raises CapabilityError, and
    GrantRefused (audience, terms, days, expired).
    """
    links = [link.delegation for link in bundle.links]
    # A grant that begins later is a good answer now; one that has ended is not.
    begins_ms = max((link.nbf or 0) * 1000 for link in links)
    verify_delegations(links, now_ms=max(now_ms, begins_ms))
    if bundle.grant.delegation.aud != request.from_did:
        raise GrantRefused("a bundle grants to another persona than the one asking", Code.AUDIENCE)
    if bundle.reader_key != reader_key:
        raise GrantRefused("a bundle is for another reader key than the present one", Code.AUDIENCE)
    if not binds_no_looser(request.terms, bundle.terms):
        raise GrantRefused("a bundle carries other terms than were asked for", Code.TERMS)
    if not was_asked(bundle.grant.windows, request.items):
        raise GrantRefused("a bundle grants days that were not asked for", Code.DAYS)
    # Where each month costs, longer is more than was asked for.
    if bundle.terms.paid and bundle.grant.exp_s > request.exp_s:
        raise GrantRefused(
            "a bundle on paid terms holds for longer than was asked for", Code.EXPIRED
        )


def was_asked(granted: Sequence[Window], items: Sequence[Window]) -> bool:
    """Whether every day of `granted` was asked for: in `items`, in a category of them, or as a
    view of one of them, which tells less."""
    return within(granted, _asked(granted, items))


def _asked(granted: Iterable[Window], items: Sequence[Window]) -> list[Window]:
    """The items asked for, written out for each collection that was granted of a category, or of
    people of the house (who asks for `finance/accounts/transactions` need not know whose), and for
    each view that was granted in place of its collection."""
    asked = list(items)
    for item in items:
        category = "/" not in item.collection
        asked += [
            Window(path, item.first, item.last)
            for path in {window.collection for window in granted}
            if (category and path.startswith(item.collection + "/"))
            or is_kept_as(path, item.collection)
            or is_view_of(path, item.collection)
        ]
    return asked

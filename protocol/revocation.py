"""Taking back: revocations, rotations, and the generation that follows from the set of them.

A **revocation** ends one delegation and may be signed by any issuer in its chain; a **rotation**
changes the keys of paths without ending a grant and is for the owner's own devices.  Both name
paths, and what they do to keys is a function of a *set*: the generation of a path is a digest of
the CIDs naming it, so devices that revoked apart agree once they have heard of the same things,
in any order.  An expired delegation enters the set by its own CID, without a message.

A revocation that has been parsed is signed by `by`; whether `by` had a say is
`check_revocation`'s question.  Taking back does not unread: what was fetched stays fetched.

Source: formats.md, "Where keys come from", "Revocation".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..crypto.entropy import Entropy
from ..crypto.key_tree import generation
from ..crypto.keys import PersonaKey
from ..crypto.labels import Signed
from .capability import Delegation
from .cid import CID_BYTES, check_cid
from .collection import check_path
from .did import Did, check_did, did_of, public_of
from .errors import CapabilityError, Code, LocalProtocolError, WireError
from .limits import WINDOWS_MAX
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

ROTATION_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Revocation:
    """The delegation `dlg` (CID) gives nothing any more on `paths`, said by `by` at `t_ms`."""

    dlg: bytes
    paths: tuple[str, ...]
    by: Did
    t_ms: int
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid


@dataclass(frozen=True, slots=True)
class Rotation:
    """`paths` go on under new keys, said by the owner's persona `by` to its own devices."""

    paths: tuple[str, ...]
    by: Did
    nonce: bytes
    t_ms: int
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid


@dataclass(frozen=True, slots=True)
class Expiry:
    """The delegation `cid`, which named `paths`, has expired.  Never sent: every device sees it."""

    cid: bytes
    paths: tuple[str, ...]


def make_revocation(key: PersonaKey, *, dlg: bytes, paths: Iterable[str], t_ms: int) -> Revocation:
    """Sign, as an issuer in its chain, that the delegation with CID `dlg` ends."""
    body: dict[str, Value] = {
        "v": VERSION,
        "dlg": dlg,
        "paths": _sorted(paths),
        "by": did_of(key.public),
        "t_ms": t_ms,
    }
    return parse_revocation(sign(Signed.REVOCATION, body, key).raw)


def parse_revocation(raw: bytes) -> Revocation:
    """Read a revocation and verify the signature of `by`.

    Raises WireError, RecordError, BadSignature.
    """
    signed = parse(raw, Signed.REVOCATION)
    body = Body.open(signed.body, "a revocation", ("v", "dlg", "paths", "by", "t_ms"))
    by = check_did(body.text("by"))
    revocation = Revocation(
        check_cid(body.data("dlg", length=CID_BYTES)),
        _paths(body),
        by,
        body.integer("t_ms"),
        signed,
    )
    signed.verify(public_of(by))
    return revocation


def check_revocation(
    revocation: Revocation, chain: Sequence[Delegation], root_paths: Iterable[str]
) -> None:
    """Accept that `revocation` ends a delegation of `chain` (root first).

    `by` must have issued that delegation or one before it, and `root_paths`, the paths of the
    root grant, must include the paths named: else a reader of one path could turn the keys of
    another.  Raises CapabilityError (unknown-grant, audience, collection).
    """
    for place, delegation in enumerate(chain):
        if delegation.cid == revocation.dlg:
            issuers = {link.iss for link in chain[: place + 1]}
            break
    else:
        raise CapabilityError(
            "a revocation names a delegation that is not in the chain", Code.UNKNOWN_GRANT
        )
    if revocation.by not in issuers:
        raise CapabilityError(
            "a revocation is signed by one who did not give the grant", Code.AUDIENCE
        )
    if not set(revocation.paths) <= set(root_paths):
        raise CapabilityError(
            "a revocation names a collection that its grant does not", Code.COLLECTION
        )


def make_rotation(
    key: PersonaKey, *, paths: Iterable[str], t_ms: int, entropy: Entropy
) -> Rotation:
    """Sign, as the owner, that `paths` go on under new keys."""
    body: dict[str, Value] = {
        "v": VERSION,
        "paths": _sorted(paths),
        "by": did_of(key.public),
        "nonce": entropy.random_bytes(ROTATION_NONCE_BYTES),
        "t_ms": t_ms,
    }
    return parse_rotation(sign(Signed.ROTATION, body, key).raw)


def parse_rotation(raw: bytes) -> Rotation:
    """Read a rotation and verify the signature of `by`.

    Raises WireError, RecordError, BadSignature.
    """
    signed = parse(raw, Signed.ROTATION)
    body = Body.open(signed.body, "a rotation", ("v", "paths", "by", "nonce", "t_ms"))
    by = check_did(body.text("by"))
    rotation = Rotation(
        _paths(body),
        by,
        body.data("nonce", length=ROTATION_NONCE_BYTES),
        body.integer("t_ms"),
        signed,
    )
    signed.verify(public_of(by))
    return rotation


def generation_of(path: str, taken_back: Iterable[Revocation | Rotation | Expiry]) -> bytes:
    """The 16-byte generation of `path` after everything in `taken_back` that names it.

    A function of the set: order and repetition do not matter; zeros when nothing names the path.
    """
    return generation({event.cid for event in taken_back if path in event.paths})


def _sorted(paths: Iterable[str]) -> list[Value]:
    found = sorted(set(paths))
    if not found:
        raise LocalProtocolError("taking back names at least one collection")
    return list(found)


def _paths(body: Body) -> tuple[str, ...]:
    paths: list[str] = []
    for path in body.items("paths", items_max=WINDOWS_MAX, items_min=1):
        if not isinstance(path, str):
            raise WireError(f"{body.what}: a path is not text")
        paths.append(check_path(path))
    if paths != sorted(set(paths)):
        raise WireError(f"{body.what}: paths are not sorted, or one stands twice")
    return tuple(paths)

"""Delegations: one principal lets another use a command on a subject, within a policy and a time.

    iss  who delegates (and signs)       aud  to whom
    sub  whose data; null is "whatever I am given" (a powerline), never allowed at the root
    cmd  the command, by whole words     pol  what the arguments must satisfy (`policy`)
    exp  last second, null = none        nbf  first second, optional
    nonce, meta                          no meaning here

A delegation that `parse_delegation` returns has a good signature, a policy that was understood
whole, and nothing in it that is unknown.  It may be too early or expired: only `chain` says what
holds now.

Source: UCAN Delegation 1.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..crypto.keys import SigningKey
from . import limits
from .cid import cid_of
from .did import Did, did_of
from .envelope import VERSION, Payload, check_signature, open_envelope, seal
from .errors import CapabilityError, Code, WireError
from .policy import Policy, parse_policy
from .wire import Value

_REQUIRED = ("iss", "aud", "sub", "cmd", "pol", "nonce", "exp")
_OPTIONAL = ("nbf", "meta")


@dataclass(frozen=True, slots=True)
class Delegation:
    """A delegation whose signature was checked.  Shared by all who parse it: do not alter `pol`."""

    iss: Did
    aud: Did
    sub: Did | None
    cmd: str
    # As it travels; `policy` is the same, understood.
    pol: Sequence[Value] = field(compare=False)
    # Whole seconds since 1970.
    exp: int | None
    nbf: int | None
    nonce: bytes
    meta: Mapping[str, Value] | None = field(compare=False)
    policy: Policy = field(repr=False, compare=False)
    version: str = field(repr=False)
    raw: bytes = field(repr=False)
    cid: bytes = field(repr=False)


class _Remembered:
    """Delegations already verified, by their bytes, up to a total of bytes.

    A pure function's memory: what it holds never changes an outcome, only its cost.  Two
    generations instead of a list in order of use: when the young one is full, the old one is
    forgotten.  Each step is one dictionary operation, so threads need no lock.
    """

    def __init__(self, bytes_max: int) -> None:
        self._half = bytes_max // 2
        self._young: dict[bytes, Delegation] = {}
        self._old: dict[bytes, Delegation] = {}
        self._bytes = 0

    def get(self, raw: bytes) -> Delegation | None:
        found = self._young.get(raw)
        if found is None and (found := self._old.get(raw)) is not None:
            self.put(found)
        return found

    def put(self, delegation: Delegation) -> None:
        size = len(delegation.raw)
        if self._bytes + size > self._half:
            self._old, self._young, self._bytes = self._young, {}, 0
        if size <= self._half:
            self._young[delegation.raw] = delegation
            self._bytes += size

    def clear(self) -> None:
        self._young, self._old, self._bytes = {}, {}, 0


_remembered = _Remembered(limits.DELEGATIONS_REMEMBERED_BYTES_MAX)


def forget_delegations() -> None:
    """Empty the memory of verified delegations: for measuring a cold start."""
    _remembered.clear()


def parse_delegation(raw: bytes, *, version: str = VERSION) -> Delegation:
    """Read a delegation and check its signature.

    Raises CapabilityError with code `malformed` or `version`.  Only tokens of `version` are read.
    """
    found = _remembered.get(raw)
    if found is not None and found.version == version:
        return found
    delegation = _read(raw, version)
    check_signature(raw, delegation.iss)
    _remembered.put(delegation)
    return delegation


def _read(raw: bytes, version: str) -> Delegation:
    try:
        payload = open_envelope(raw, "dlg", _REQUIRED, _OPTIONAL, version)
    except WireError as error:
        raise CapabilityError(str(error), Code.MALFORMED) from error
    return _understood(payload, raw, version)


def _understood(payload: Payload, raw: bytes, version: str) -> Delegation:
    try:
        pol = payload.claims["pol"]
        policy = parse_policy(pol)
        return Delegation(
            iss=payload.did("iss"),
            aud=payload.did("aud"),
            sub=payload.maybe_did("sub"),
            cmd=payload.command(),
            pol=pol if isinstance(pol, list) else (),
            exp=payload.maybe_time("exp"),
            nbf=payload.optional_time("nbf"),
            nonce=payload.nonce(),
            meta=payload.mapping("meta") if "meta" in payload.claims else None,
            policy=policy,
            version=version,
            raw=bytes(raw),
            cid=cid_of(raw),
        )
    except WireError as error:
        raise CapabilityError(str(error), Code.MALFORMED) from error


def issue_delegation(
    key: SigningKey,
    *,
    aud: Did,
    sub: Did | None,
    cmd: str,
    pol: Sequence[Value],
    exp: int | None,
    nonce: bytes,
    nbf: int | None = None,
    meta: Mapping[str, Value] | None = None,
    formed: bool = False,
) -> Delegation:
    """Sign a delegation by `key`.  `exp`, `nbf`: whole seconds since 1970, both ends included.

    `formed`: `pol` was put together by a function of ours, out of lists, texts and integers that
    it has checked.  Then the claims are held to what a reader requires as they are; else the token
    is read back as its reader will, since its bytes may not say what was meant.

    Raises CapabilityError if what is asked would be refused by a reader.
    """
    claims: dict[str, Value] = {
        "iss": did_of(key.public),
        "aud": aud,
        "sub": sub,
        "cmd": cmd,
        "pol": list(pol),
        "nonce": nonce,
        "exp": exp,
    }
    if nbf is not None:
        claims["nbf"] = nbf
    if meta is not None:
        claims["meta"] = meta
    raw = seal("dlg", claims, key)
    if formed and meta is None and len(raw) <= limits.TOKEN_BYTES_MAX:
        delegation = _understood(Payload("a delegation", claims), raw, VERSION)
    else:
        delegation = _read(raw, VERSION)
    _remembered.put(delegation)
    return delegation

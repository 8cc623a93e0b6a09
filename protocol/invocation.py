"""Invocations: one principal uses a command on a subject, now, and proves that it may.

    iss  who asks (and signs)            sub  whose data
    aud  who is to execute it; absent = the subject
    cmd, args                            what is asked
    prf  links to the delegations, from the subject's own to the one whose `aud` is `iss`
    exp  last second, null = none        iat, cause, nonce, meta: no authority

Parsing checks form and signature.  Whether it is *allowed* is the chain's question (`chain`), and
only its answer, a `VerifiedInvocation`, opens data.

Source: UCAN Invocation 1.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..crypto.keys import SigningKey
from . import limits
from .cid import check_cid, cid_of
from .did import Did, did_of
from .envelope import VERSION, check_signature, open_envelope, seal
from .errors import CapabilityError, Code, WireError
from .wire import Link, Value

_REQUIRED = ("iss", "sub", "cmd", "args", "prf", "nonce", "exp")
_OPTIONAL = ("aud", "meta", "iat", "cause")


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation whose signature was checked; what it asks has not been allowed yet."""

    iss: Did
    aud: Did | None
    sub: Did
    cmd: str
    args: Mapping[str, Value] = field(compare=False)
    prf: tuple[bytes, ...]
    # Whole seconds since 1970.
    exp: int | None
    nonce: bytes
    iat: int | None
    cause: bytes | None
    meta: Mapping[str, Value] | None = field(compare=False)
    version: str = field(repr=False)
    raw: bytes = field(repr=False)
    cid: bytes = field(repr=False)


def parse_invocation(raw: bytes, *, version: str = VERSION) -> Invocation:
    """Read an invocation and check its signature.

    Raises CapabilityError with code `malformed`, `version`, or `too-much` for a chain that is too
    long.  Only tokens of `version` are read.
    """
    invocation = _read(raw, version)
    check_signature(raw, invocation.iss)
    return invocation


def _read(raw: bytes, version: str) -> Invocation:
    try:
        payload = open_envelope(raw, "inv", _REQUIRED, _OPTIONAL, version)
        claims = payload.claims
        prf = claims["prf"]
        if not isinstance(prf, list):
            raise WireError("an invocation: prf is not a list of links")
        if len(prf) > limits.CHAIN_MAX:
            raise CapabilityError(
                f"an invocation names more than {limits.CHAIN_MAX} delegations", Code.TOO_MUCH
            )
        return Invocation(
            iss=payload.did("iss"),
            aud=payload.did("aud") if "aud" in claims else None,
            sub=payload.did("sub"),
            cmd=payload.command(),
            args=payload.mapping("args"),
            prf=tuple(check_cid(payload.link(link)) for link in prf),
            exp=payload.maybe_time("exp"),
            nonce=payload.nonce(),
            iat=payload.optional_time("iat"),
            cause=payload.link(claims["cause"]) if "cause" in claims else None,
            meta=payload.mapping("meta") if "meta" in claims else None,
            version=version,
            raw=bytes(raw),
            cid=cid_of(raw),
        )
    except WireError as error:
        raise CapabilityError(str(error), Code.MALFORMED) from error


def issue_invocation(
    key: SigningKey,
    *,
    sub: Did,
    cmd: str,
    args: Mapping[str, Value],
    prf: Sequence[bytes],
    exp: int | None,
    nonce: bytes,
    aud: Did | None = None,
    iat: int | None = None,
    cause: bytes | None = None,
    meta: Mapping[str, Value] | None = None,
) -> Invocation:
    """Sign an invocation by `key`.  `prf`: CIDs, root first.  `exp`, `iat`: whole seconds.

    Raises CapabilityError if what is asked would be refused by a reader.
    """
    claims: dict[str, Value] = {
        "iss": did_of(key.public),
        "sub": sub,
        "cmd": cmd,
        "args": args,
        "prf": [Link(cid) for cid in prf],
        "nonce": nonce,
        "exp": exp,
    }
    if aud is not None:
        claims["aud"] = aud
    if iat is not None:
        claims["iat"] = iat
    if cause is not None:
        claims["cause"] = Link(cause)
    if meta is not None:
        claims["meta"] = meta
    return _read(seal("inv", claims, key), VERSION)

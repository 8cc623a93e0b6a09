"""A third reading of UCAN: what the specification says, and by name where two programs depart.

`judge` reads a token with PyPI's `dag_cbor`, checks its signature with `cryptography`, and follows
the specification, as plainly as it can be written.  Each departure of `divergences.json` is a name
in `departures`; with none of them the judgement is ours, with all of them that of iso-ucan.  So a
disagreement between the two programs is explained when each of them agrees with this one, and by
the departures that change its mind here; and if one of them disagrees, that is a finding.

Nothing of the project is used but its limits, which are part of what it says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import cast

import dag_cbor
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dag_cbor.decoding import CBORDecodingError
from multiformats import CID, multibase
from multiformats.multicodec.err import MulticodecKeyError
from multiformats.multihash.err import MultihashKeyError

from entrenous.protocol import limits
from entrenous.tests.interop.model_policy import holds, is_policy

VARSIG = bytes.fromhex("3401ed01ed011371")
DELEGATION = ("iss", "aud", "sub", "cmd", "pol", "nonce", "exp")
INVOCATION = ("iss", "sub", "cmd", "args", "prf", "nonce", "exp")
OPTIONAL = {"dlg": ("nbf", "meta"), "inv": ("aud", "meta", "iat", "cause")}
TAGS = {"dlg": "delegation", "inv": "invocation"}
# Up to the tag of a payload, and what follows its first word: they write that word anew before they
# check the signature.
_TAG_WORD = re.compile(rb"\A([\x82\x83]X@.{64}\xa2ahH.{8}[\x60-\x77])[^/]{4}(/)", re.DOTALL)
SMALL_ORDER_SIGNATURE = b"\x01" + bytes(63)


class Unjudged(Exception):
    """`dag_cbor` does not read links of a codec or a hash that its table does not name."""


Claims = Mapping[str, object]


class Refused(Exception):
    """A token is refused; the message says why."""


def judge(
    departures: Collection[str], kind: str, token: bytes, proofs: Mapping[str, bytes], now_s: int
) -> str | None:
    """None if the token is good at `now_s`; else why not.  `proofs` by the text of their CIDs."""
    try:
        if kind == "delegation":
            _times(_read(departures, token, "dlg", now_s), now_s)
        else:
            _chain(departures, _read(departures, token, "inv", now_s), proofs, now_s)
    except Refused as refused:
        return str(refused)
    return None


def _require(met: object, why: str) -> None:
    if not met:
        raise Refused(why)


# --- one token ------------------------------------------------------------------------------------


def _read(departures: Collection[str], raw: bytes, kind: str, now_s: int) -> Claims:
    if "first word of the tag" in departures:
        raw = _TAG_WORD.sub(rb"\1ucan\2", raw)
    envelope = decoded(raw)
    _require(isinstance(envelope, list), "no list")
    parts = cast("list[object]", envelope)
    count = len(parts)
    _require(count == 2 or ("three elements" in departures and count > 2), "not two elements")
    signature, signed = parts[0], parts[1]
    _require(isinstance(signature, bytes) and len(signature) == 64, "no signature")
    _require(isinstance(signed, dict), "no payload")
    payload = cast("dict[str, object]", signed)
    _numbers(departures, parts)
    header = payload.get("h")
    raw_header = "raw bytes announced" in departures and header == VARSIG[:-1] + b"\x5f"
    _require(len(payload) == 2 and (header == VARSIG or raw_header), "another header")
    tag = next(name for name in payload if name != "h")
    any_version = "unknown version" in departures and re.fullmatch(f"ucan/{kind}@[^@/]*", tag)
    _require(tag == f"ucan/{kind}@1.0.0" or any_version, "another tag")
    _require(isinstance(payload[tag], dict), "claims are no map")
    claims = cast("dict[str, object]", payload[tag])
    _claims(departures, kind, claims, now_s)
    # What was read is canonical, so that of two elements the second is all that follows the first.
    tail = raw[67:] if count == 2 else dag_cbor.encode(cast("dag_cbor.IPLDKind", payload))
    _verify(departures, claims, cast("bytes", signature), tail)
    return claims


@lru_cache(maxsize=256)
def decoded(raw: bytes) -> object:
    """The value of `raw`, by PyPI's `dag_cbor`.  Raises Refused, Unjudged."""
    try:
        return dag_cbor.decode(raw)
    except (MulticodecKeyError, MultihashKeyError) as error:
        raise Unjudged from error
    except (CBORDecodingError, ValueError, IndexError, OverflowError) as error:
        # The last two: how it stumbles over a link of no bytes, and over a length of 64 bits.
        raise Refused("not DAG-CBOR") from error


def _numbers(departures: Collection[str], values: list[object]) -> None:
    for value in everything(values):
        if isinstance(value, float):
            # They write a whole number as an integer again, and then miss the signature.
            met = "floats" in departures and not value.is_integer()
            _require(met, "a float")
        if type(value) is int and not -(2**63) <= value < 2**63:
            _require("integers beyond 63 bits" in departures, "a huge integer")


def everything(value: object) -> Iterator[object]:
    """`value` and all that is in it."""
    yield value
    if isinstance(value, dict):
        for inner in cast("dict[str, object]", value).values():
            yield from everything(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from everything(inner)


def _claims(departures: Collection[str], kind: str, claims: Claims, now_s: int) -> None:
    names = DELEGATION if kind == "dlg" else INVOCATION
    for name in names:
        may_lack = (name == "pol" and "missing policy" in departures) or (
            name == "prf"
            and "unused proofs of the subject" in departures
            and claims.get("iss") == claims.get("sub")
        )
        _require(name in claims or may_lack, f"lacks {name}")
    if unknown := claims.keys() - set(names) - set(OPTIONAL[kind]):
        known_to_them = "unknown claim" in departures and (
            kind == "dlg" or "nbf" not in unknown or "nbf in an invocation" in departures
        )
        _require(known_to_them, "an unknown claim")
    _require(_ed25519(claims["iss"]), "iss")
    principals = ["sub", *(["aud"] if "aud" in claims else [])]
    for name in principals:
        value = claims[name]
        null = (name == "sub" and kind == "dlg") or (
            name == "aud" and kind == "inv" and "audience null" in departures
        )
        other = "another kind of DID" in departures and _is_did(value)
        _require((value is None and null) or _ed25519(value) or other, name)
    _require(_is_command(departures, claims["cmd"]), "cmd")
    _require(_is_time(claims["exp"], null=True), "exp")
    if kind == "inv":
        _require(_is_expired(claims, now_s) is False, "expired")
    for name in ("nbf", "iat"):
        if name in claims and name in OPTIONAL[kind]:
            odd = f"odd {name}" in departures
            late = name == "nbf" and type(claims[name]) is int and cast("int", claims[name]) > now_s
            _require(_is_time(claims[name]) or (odd and not late), name)
    nonce = claims["nonce"]
    _require(isinstance(nonce, bytes), "nonce")
    small = len(cast("bytes", nonce)) <= limits.TOKEN_NONCE_BYTES_MAX
    _require(small or "huge nonce" in departures, "nonce")
    if "meta" in claims:
        _require(_no_links(departures, claims["meta"]), "a link in meta")
        falsy = claims["meta"] in (None, False, 0, "")
        nothing = "meta that is nothing" in departures and falsy
        _require(isinstance(claims["meta"], dict) or nothing, "meta")
    if kind == "dlg":
        checked = "pol" in claims and "policy not looked at" not in departures
        _require(not checked or is_policy(claims["pol"]), "pol")
        return
    _require(isinstance(claims["args"], dict), "args")
    _require(_no_links(departures, claims["args"]), "a link in args")
    if "cause" in claims:
        _require(isinstance(claims["cause"], CID) or "odd cause" in departures, "cause")


def _no_links(departures: Collection[str], value: object) -> bool:
    return "links in values" not in departures or not any(
        isinstance(inner, CID) for inner in everything(value)
    )


def _ed25519(value: object) -> bytes | None:
    return _key(value) if isinstance(value, str) else None


@cache
def _key(value: str) -> bytes | None:
    """The key of a did:key of Ed25519, in its one spelling."""
    if not re.fullmatch("did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}", value):
        return None
    raw = multibase.decode(value.removeprefix("did:key:"))
    if (
        raw[:2] != b"\xed\x01"
        or len(raw) != 34
        or "did:key:" + multibase.encode(raw, "base58btc") != value
    ):
        return None
    return raw[2:]


def _is_did(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"did:[a-z0-9]+:[\w.:%-]+", value) is not None


def _is_command(departures: Collection[str], value: object) -> bool:
    if not isinstance(value, str) or value != value.lower() or not value.startswith("/"):
        return False
    if value != "/" and "" in value[1:].split("/"):
        return False
    plain = value.isprintable() and " " not in value and len(value) <= limits.COMMAND_CHARS_MAX
    return plain or "any character in a command" in departures


def _is_time(value: object, *, null: bool = False) -> bool:
    return (value is None and null) or (type(value) is int and 0 <= value < 2**53)


def _is_expired(claims: Claims, now_s: int) -> bool:
    return claims["exp"] is not None and now_s > cast("int", claims["exp"])


def _times(claims: Claims, now_s: int) -> None:
    _require(not _is_expired(claims, now_s), "expired")
    nbf = claims.get("nbf")
    _require(type(nbf) is not int or nbf <= now_s, "too early")


def _verify(departures: Collection[str], claims: Claims, signature: bytes, signed: bytes) -> None:
    key = _ed25519(claims["iss"])
    assert key is not None
    if key == b"\x01" + bytes(31) and signature == SMALL_ORDER_SIGNATURE:
        _require("key of small order" in departures, "a key of small order")
        return
    _require(_verifies(key, signature, signed), "the signature")


@lru_cache(maxsize=256)
def _verifies(key: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except InvalidSignature:
        return False
    return True


# --- the chain ------------------------------------------------------------------------------------


def _chain(
    departures: Collection[str], asked: Claims, proofs: Mapping[str, bytes], now_s: int
) -> None:
    own = asked["iss"] == asked["sub"]
    if own and "unused proofs of the subject" in departures:
        return
    _require(isinstance(asked["prf"], list), "prf")
    named = cast("list[object]", asked["prf"])
    _require(all(isinstance(link, CID) for link in named), "prf")
    _require(len(named) <= limits.CHAIN_MAX or "long chain" in departures, "long")
    if not named:
        _require(own, "no proof")
        return
    chain: list[Claims] = []
    for link in named:
        raw = proofs.get(_text(cast("CID", link)))
        _require(raw is not None, "a proof is missing")
        chain.append(_read(departures, cast("bytes", raw), "dlg", now_s))
        _times(chain[-1], now_s)
    _require(chain[0]["iss"] == chain[0]["sub"], "the root")
    if "chain that returns" not in departures:
        passed = [chain[0]["iss"], *(link["aud"] for link in chain)]
        _require(len(set(cast("list[str]", passed))) == len(passed), "returns")
    steps: Sequence[Claims] = [*chain, asked]
    for wider, narrower in pairwise(steps):
        _require(wider["aud"] == narrower["iss"], "principals")
        subjects = [wider["sub"] or asked["sub"], narrower["sub"] or asked["sub"]]
        _require(subjects[0] == subjects[1], "subjects")
        _require(_covers(departures, wider["cmd"], narrower["cmd"]), "command")
        _require(holds(departures, wider.get("pol"), asked["args"]), "policy")


@lru_cache(maxsize=256)
def _text(link: CID) -> str:
    return link.encode("base32")


def _covers(departures: Collection[str], wider: object, narrower: object) -> bool:
    a, b = cast("str", wider), cast("str", narrower)
    if "command by characters" in departures:
        return b.startswith(a)
    return b.split("/")[1:][: len(a.split("/")) - 1] == a.split("/")[1:] or a == "/"

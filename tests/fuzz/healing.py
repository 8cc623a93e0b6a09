"""Signs again what a mutator changed, as an attacker with keys of their own would.

A reader that verifies first would refuse nearly every changed object at its signature, and nothing
behind it would be reached.  The keys are those of the worked examples, which seeds are signed with.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import permutations
from typing import Final

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.errors import EntrenousError
from entrenous.crypto.keys import SIGNATURE_BYTES, PersonaKey, SigningKey
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import WireError
from entrenous.protocol.wire import Link, decode
from entrenous.tests.protocol import card_samples, forge, session_link, spec_helped
from entrenous.tests.protocol.spec_world import cast, random

from .target import Run

_NESTED_MAX: Final = 3
_SIGNERS_MAX: Final = 3
_BYTES_MAX: Final = 1024 * 1024
# The names under which a body says who signs it.
_SIGNERS: Final = ("did", "by", "iss", "src", "dev", "device", "new", "server", "reader")


@cache
def keys() -> dict[str, SigningKey]:
    """Every key of the examples by its DID."""
    who = cast()
    found: list[SigningKey] = [who.person, who.person_device, who.supplier, who.supplier_device]
    found += [
        spec_helped.helper_device(),
        PersonaKey(random("agency", 32)),
        card_samples.KEY,
        *forge.KEYS.values(),
    ]
    for party in (session_link.ALICE, session_link.BANK, session_link.EVE):
        found += [party.persona, party.device]
    return {did_of(key.public): key for key in found}


def healed(raw: bytes) -> Iterator[bytes]:
    """`raw`, a token or signed object, under good signatures; one for each order of who signs."""
    try:
        value = decode(raw, bytes_max=_BYTES_MAX)
    except WireError:
        return
    yield from _forms(_inside(value, _NESTED_MAX))


def heal(raw: bytes) -> bytes:
    """`raw` if its signatures are good, else the first of them; `raw` where there is none."""
    try:
        if raw in _forms(decode(raw, bytes_max=_BYTES_MAX)):
            return raw
    except WireError:
        return raw
    return next(healed(raw), raw)


def healing(parse: Run) -> Run:
    """A target that reads the bytes, and if they are refused, the same under good signatures."""

    def run(data: bytes) -> object:
        try:
            return parse(data)
        except EntrenousError as error:
            refused = error
        for other in healed(data):
            try:
                return parse(other)
            except EntrenousError as error:
                refused = error
        raise refused

    return run


def relinked(raw: bytes, chain: list[bytes]) -> bytes:
    """An invocation whose proofs are `chain`."""
    match decode(raw, bytes_max=_BYTES_MAX):
        case [bytes(), dict(signed)]:
            for name, claims in signed.items():
                if isinstance(claims, dict) and "prf" in claims:
                    links: list[Value] = [Link(cid_of(proof)) for proof in chain]
                    changed = {**signed, name: {**claims, "prf": links}}
                    return heal(encode([bytes(SIGNATURE_BYTES), changed]))
        case _:
            pass
    return raw


def _forms(value: Value) -> Iterator[bytes]:
    match value:
        case [bytes(), dict(signed)]:
            claims = [one for one in signed.values() if isinstance(one, dict)]
            key = keys().get(str(claims[0].get("iss"))) if claims else None
            if key is not None:
                yield encode([key.sign(encode(signed)), signed])
        case [str(), dict(body), *signatures] if signatures:
            message = encode(value[:2])
            said = [one for _, one in sorted(body.items(), key=_signs_before)]
            named = [one for one in said if isinstance(one, str) and one in keys()]
            named = [*_issuers(body), *named]
            for order in permutations(named[:_SIGNERS_MAX], min(len(signatures), len(named))):
                if len(order) == len(signatures):
                    yield encode([*value[:2], *(keys()[did].sign(message) for did in order)])
        case _:
            pass


def _issuers(body: dict[str, Value]) -> Iterator[str]:
    """Who issued the tokens in a body: it may be signed by nobody else."""
    tokens = [raw for item in body.values() for raw in (item if isinstance(item, list) else [item])]
    for raw in tokens:
        if isinstance(raw, bytes):
            try:
                inner = decode(raw, bytes_max=_BYTES_MAX)
            except WireError:
                continue
            match inner:
                case [bytes(), {"h": bytes(), **claims}]:
                    issuers = [one.get("iss") for one in claims.values() if isinstance(one, dict)]
                    yield from (str(one) for one in issuers[:1] if str(one) in keys())
                case [str(), dict(named), *_]:  # a certificate, which names a device
                    yield from (
                        one for one in named.values() if isinstance(one, str) and one in keys()
                    )
                case _:
                    pass


def _signs_before(field: tuple[str, Value]) -> int:
    name = field[0]
    return _SIGNERS.index(name) if name in _SIGNERS else len(_SIGNERS)


def _inside(value: Value, depth: int) -> Value:
    """Heals what stands inside byte strings, innermost first."""
    if depth == 0:
        return value
    match value:
        case bytes() if len(value) > SIGNATURE_BYTES:
            try:
                inner = decode(value, bytes_max=_BYTES_MAX)
            except WireError:
                return value
            return next(_forms(_inside(inner, depth - 1)), value)
        case list():
            return [_inside(item, depth) for item in value]
        case dict():
            return {key: _inside(item, depth) for key, item in value.items()}
        case _:
            return value

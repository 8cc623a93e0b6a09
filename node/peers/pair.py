"""Pairs: one relationship, and the persona of ours that is known in it, as they lie in the store.

In the store a relationship keeps its first name: a row is found under the DIDs by which the two
met, whoever they are by now (`peers.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...crypto.keys import PairKey, PersonaKey, ReaderSecret
from ...protocol.did import Did, check_did, public_of
from ...protocol.persona import (
    Certificate,
    Inception,
    parse_certificate,
    parse_inception,
)
from ...protocol.wire import Body, Value
from ..errors import NodeError

# What this node itself stored was verified when it came; a second look costs a lookup only.
_inception = lru_cache(maxsize=4096)(parse_inception)
_certificate = lru_cache(maxsize=4096)(parse_certificate)

ADDRESSES_KEPT_MAX = 16
# Personas of one line: a device is lost every few years.
LINE_MAX = 256


@dataclass(frozen=True, slots=True)
class OwnPersona:
    """A persona of ours.  `readers` are its X25519 keys, the one in force last."""

    key: PersonaKey
    readers: tuple[ReaderSecret, ...]
    inception: Inception
    certificate: Certificate

    @property
    def did(self) -> Did:
        return self.inception.did

    @property
    def reader(self) -> ReaderSecret:
        """The reader key that others are told to seal to."""
        return self.readers[-1]

    def reader_of(self, public: bytes) -> ReaderSecret:
        """The reader key, present or past, whose public half is `public`; the present one if none
        is, which then opens nothing."""
        return next((one for one in self.readers if one.public == public), self.reader)

    def value(self) -> Value:
        return {
            "seed": self.key.secret_bytes(),
            "readers": [reader.secret_bytes() for reader in self.readers],
            "inception": self.inception.signed.raw,
            "certificate": self.certificate.signed.raw,
        }

    @classmethod
    def from_value(cls, value: Value) -> OwnPersona:
        body = Body.open(value, "a persona", ("seed", "readers", "inception", "certificate"))
        return cls(
            PersonaKey(body.data("seed")),
            tuple(ReaderSecret(_data(item)) for item in body.items("readers", items_max=1024)),
            _inception(body.data("inception")),
            _certificate(body.data("certificate")),
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """One relationship.  `device` is the other side's 32-byte device key.

    `own` and `their` are the personas by which the two met: its name in the store.  `own_after` are
    those that have followed `own`, the present one last; `their_before` those that the present one
    of the peer has followed, the first one first.

    `reads_only`: one of the two is a processor, and all that is said is reads under a chain that it
    has shown.  Such a pair is nobody's peer: it stands apart in the store, and `Peers.all` leaves
    it out.
    """

    name: str
    own: Did
    inception: Inception
    certificate: Certificate
    key: PairKey
    addresses: tuple[str, ...]
    withdrawn: frozenset[str]
    paired_ms: int
    own_after: tuple[Did, ...] = ()
    their_before: tuple[Did, ...] = ()
    reads_only: bool = False

    @property
    def their(self) -> Did:
        return self.their_before[0] if self.their_before else self.inception.did

    @property
    def own_now(self) -> Did:
        """Our persona as the peer is to know it: what `iss`, `sub` and `to` say."""
        return self.own_after[-1] if self.own_after else self.own

    @property
    def their_now(self) -> Did:
        """The peer's persona as it is now."""
        return self.inception.did

    @property
    def theirs(self) -> tuple[Did, ...]:
        """Every persona that the peer has been, the present one last."""
        return (*self.their_before, self.inception.did)

    @property
    def ours(self) -> tuple[Did, ...]:
        """Every persona that we have been to the peer, the present one last."""
        return (self.own, *self.own_after)

    @property
    def device(self) -> bytes:
        return public_of(self.certificate.device)

    def value(self) -> Value:
        value: dict[str, Value] = {
            "name": self.name,
            "own": self.own,
            "inception": self.inception.signed.raw,
            "certificate": self.certificate.signed.raw,
            "key": self.key.secret_bytes(),
            "addresses": list(self.addresses),
            "withdrawn": sorted(self.withdrawn),
            "paired_ms": self.paired_ms,
        }
        if self.own_after or self.their_before:
            value["own_after"] = list(self.own_after)
            value["their_before"] = list(self.their_before)
        return value

    @classmethod
    def from_value(cls, value: Value) -> Pair:
        lines = ("own_after", "their_before")
        followed = isinstance(value, Mapping) and lines[0] in value
        body = Body.open(value, "a pair", (*_PAIR_KEYS, *(lines if followed else ())))
        after, before = (_dids(body, one) if followed else () for one in lines)
        return cls(
            body.text("name"),
            check_did(body.text("own")),
            _inception(body.data("inception")),
            _certificate(body.data("certificate")),
            PairKey(body.data("key")),
            _texts(body.items("addresses", items_max=ADDRESSES_KEPT_MAX)),
            frozenset(_texts(body.items("withdrawn", items_max=256))),
            body.integer("paired_ms"),
            after,
            before,
        )


_PAIR_KEYS = (
    "name",
    "own",
    "inception",
    "certificate",
    "key",
    "addresses",
    "withdrawn",
    "paired_ms",
)


def _data(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise NodeError("a key in the store is not bytes")
    return value


def _dids(body: Body, name: str) -> tuple[Did, ...]:
    return tuple(check_did(one) for one in _texts(body.items(name, items_max=LINE_MAX)))


def _texts(values: Iterable[Value] | Sequence[Value]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))

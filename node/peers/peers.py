"""Peers: with whom this node is paired, and as whom it is known to each.

A person is known to each peer by another persona; an organisation is known to the world by one.
A **pair** is our persona and theirs with what the two agreed when they met: the pair key, the
other's inception, the device that serves for it, and addresses to try.  `withdrawn` names the
commands that the owner no longer takes from this peer.

Everything here is a function of a transaction: persona, pair and spent invite are one unit of
work, so a pairing that is interrupted has either happened or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ...crypto.entropy import Entropy
from ...crypto.keys import PairKey, PersonaKey, ReaderSecret
from ...protocol.did import Did, check_did, did_of, public_of
from ...protocol.persona import (
    Certificate,
    Inception,
    make_certificate,
    make_inception,
    parse_certificate,
    parse_inception,
)
from ...protocol.wire import Body, Value
from ..errors import NodeError, NotFound, UsageError
from ..keystore import Keystore
from ..store.database import Tx
from ..store.objects import Kind, Objects

# What this node itself stored was verified when it came; a second look costs a lookup only.
_inception = lru_cache(maxsize=4096)(parse_inception)
_certificate = lru_cache(maxsize=4096)(parse_certificate)

# A certificate is renewed at each start and when less than half of its life is left.
CERTIFICATE_LIFE_S = 30 * 86_400
NAME_CHARS_MAX = 64
ADDRESSES_KEPT_MAX = 16


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
    """One relationship.  `device` is the other side's 32-byte device key."""

    name: str
    own: Did
    inception: Inception
    certificate: Certificate
    key: PairKey
    addresses: tuple[str, ...]
    withdrawn: frozenset[str]
    paired_ms: int

    @property
    def their(self) -> Did:
        return self.inception.did

    @property
    def device(self) -> bytes:
        return public_of(self.certificate.device)

    def value(self) -> Value:
        return {
            "name": self.name,
            "own": self.own,
            "inception": self.inception.signed.raw,
            "certificate": self.certificate.signed.raw,
            "key": self.key.secret_bytes(),
            "addresses": list(self.addresses),
            "withdrawn": sorted(self.withdrawn),
            "paired_ms": self.paired_ms,
        }

    @classmethod
    def from_value(cls, value: Value) -> Pair:
        body = Body.open(value, "a pair", _PAIR_KEYS)
        return cls(
            body.text("name"),
            check_did(body.text("own")),
            _inception(body.data("inception")),
            _certificate(body.data("certificate")),
            PairKey(body.data("key")),
            _texts(body.items("addresses", items_max=ADDRESSES_KEPT_MAX)),
            frozenset(_texts(body.items("withdrawn", items_max=256))),
            body.integer("paired_ms"),
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


class Peers:
    """Personas and pairs in the store."""

    def __init__(self, objects: Objects, keystore: Keystore, entropy: Entropy) -> None:
        self._objects = objects
        self._keystore = keystore
        self._entropy = entropy

    # personas

    def new_persona(self, tx: Tx, now_ms: int) -> OwnPersona:
        """Make a persona; it takes the next unused digest of its successor.

        Raises NodeError when the digests that the recovery words gave are used up.
        """
        used = self._objects.get(tx, Kind.NEXT_KEYS, "used")
        index = used if isinstance(used, int) else 0
        if index >= len(self._keystore.next_digests):
            raise NodeError("this node can make no more personas: it needs the recovery words")
        key = PersonaKey.generate(self._entropy)
        reader = ReaderSecret.generate(self._entropy)
        persona = OwnPersona(
            key,
            (reader,),
            make_inception(
                key, reader_key=reader.public, next_digest=self._keystore.next_digests[index]
            ),
            self._certificate(key, now_ms),
        )
        self._objects.put(tx, Kind.NEXT_KEYS, "used", index + 1)
        self._objects.add(tx, Kind.PERSONA, persona.did, persona.value())
        return persona

    def persona(self, tx: Tx, did: Did) -> OwnPersona:
        """The persona `did` of ours.  Raises NotFound."""
        persona = self._objects.read(tx, Kind.PERSONA, did, OwnPersona.from_value)
        if persona is None:
            raise NotFound("this node has no such persona")
        return persona

    def personas(self, tx: Tx) -> list[OwnPersona]:
        """Every persona of ours."""
        return [OwnPersona.from_value(value) for _, value in self._objects.all(tx, Kind.PERSONA)]

    def public_persona(self, tx: Tx, now_ms: int) -> OwnPersona:
        """The one persona by which the world knows an organisation; made when first asked for."""
        did = self._objects.get(tx, Kind.SETTING, "public-persona")
        if isinstance(did, str):
            return self.persona(tx, Did(did))
        persona = self.new_persona(tx, now_ms)
        self._objects.put(tx, Kind.SETTING, "public-persona", persona.did)
        return persona

    def renew_certificates(self, tx: Tx, now_ms: int) -> int:
        """Sign anew the certificates with less than half of their life left, and those of another
        device than this (a restore); how many."""
        device = did_of(self._keystore.device.public)
        renewed = 0
        for _, value in self._objects.all(tx, Kind.PERSONA):
            persona = OwnPersona.from_value(value)
            certificate = persona.certificate
            left_ms = certificate.exp_s * 1000 - now_ms
            if left_ms < CERTIFICATE_LIFE_S * 500 or certificate.device != device:
                fresh = replace(persona, certificate=self._certificate(persona.key, now_ms))
                self._objects.put(tx, Kind.PERSONA, persona.did, fresh.value())
                renewed += 1
        return renewed

    def _certificate(self, key: PersonaKey, now_ms: int) -> Certificate:
        return make_certificate(
            key,
            device=did_of(self._keystore.device.public),
            cmds=("/",),
            exp_s=now_ms // 1000 + CERTIFICATE_LIFE_S,
            now_ms=now_ms,
        )

    # pairs

    def add(self, tx: Tx, pair: Pair) -> Pair:
        """Keep a new pair, under its name or, where that is taken, the name and a number."""
        name, number = clean_name(pair.name), 1
        while not self._objects.add_if_new(
            tx, Kind.SETTING, ["peer-name", name], [pair.own, pair.their]
        ):
            number += 1
            name = f"{clean_name(pair.name)[: NAME_CHARS_MAX - 6]}-{number}"
        named = replace(pair, name=name)
        self._objects.add(tx, Kind.PAIR, [pair.own, pair.their], named.value())
        return named

    def save(self, tx: Tx, pair: Pair) -> None:
        self._objects.put(tx, Kind.PAIR, [pair.own, pair.their], pair.value())

    def find(self, tx: Tx, own: str, their: str) -> Pair | None:
        """The pair of these two personas, or None."""
        return self._objects.read(tx, Kind.PAIR, [own, their], Pair.from_value)

    def pair(self, tx: Tx, own: str, their: str) -> Pair:
        """The pair of these two personas.  Raises NotFound."""
        if (pair := self.find(tx, own, their)) is None:
            raise NotFound("these two are not paired")
        return pair

    def named(self, tx: Tx, name: str) -> Pair:
        """The pair that the owner calls `name`.  Raises NotFound."""
        dids = self._objects.get(tx, Kind.SETTING, ["peer-name", name])
        match dids:
            case [str(own), str(their)]:
                return self.pair(tx, own, their)
            case _:
                raise NotFound(
                    f"no peer is called {clean_name(name)}; `entrenous peers` lists them"
                )

    # how far the two have come

    def last_taken(self, tx: Tx, pair: Pair, device: Did | None = None) -> bytes | None:
        """The CID of the last word that the peer signed and this node kept, or None.

        A word is signed by a device: of one that is new (`device`; the pair's, if None) nothing
        was taken yet.
        """
        match self._objects.get(tx, Kind.CURSOR, [pair.own, pair.their]):
            case [str(signer), bytes(cid)] if signer == (device or pair.certificate.device):
                return cid
            case _:
                return None

    def took(self, tx: Tx, pair: Pair, cid: bytes) -> None:
        """Keep `cid` as the last word that was taken from the peer's device."""
        device = self.pair(tx, pair.own, pair.their).certificate.device
        self._objects.put(tx, Kind.CURSOR, [pair.own, pair.their], [device, cid])

    def name_of(self, tx: Tx, their: str) -> str:
        """What the owner calls a peer's persona; the persona itself if they have no name for it."""
        return next((pair.name for pair in self.all(tx) if pair.their == their), their)

    def all(self, tx: Tx) -> list[Pair]:
        return [Pair.from_value(value) for _, value in self._objects.all(tx, Kind.PAIR)]


def clean_name(name: str) -> str:
    """A name fit for one line and for the command line; raises UsageError if nothing is left."""
    shown = "".join(c if c.isprintable() else "" for c in name).strip()[:NAME_CHARS_MAX]
    if not shown:
        raise UsageError("a name is at least one character that can be seen")
    return shown


def fit_name(name: str) -> str:
    """What another calls itself, as a name; `peer` if nothing of it can be seen."""
    try:
        return clean_name(name)
    except UsageError:
        return "peer"


def _data(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise NodeError("a key in the store is not bytes")
    return value


def _texts(values: Iterable[Value] | Sequence[Value]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))

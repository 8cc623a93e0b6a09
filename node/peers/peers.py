"""Peers: with whom this node is paired, and as whom it is known to each.

A person is known to each peer by another persona; an organisation is known to the world by one.
A **pair** is our persona and theirs with what the two agreed when they met: the pair key, the
other's inception, the device that serves for it, and addresses to try.  `withdrawn` names the
commands that the owner no longer takes from this peer.

A persona may be followed by another (a device was lost), ours or the peer's.  In the store a
relationship keeps its first name: a row is found under the DIDs by which the two met, whoever they
are by now, so what was signed, lent and owed between them stays theirs.  On the wire each is its
present persona: `Pair.own_now`, `Pair.their_now`, and `Peers.persona`.  A later DID leads to the
first by `Kind.FOLLOWS`.

Everything here is a function of a transaction: persona, pair and spent invite are one unit of
work, so a pairing that is interrupted has either happened or not.
"""

from __future__ import annotations

from dataclasses import replace

from ...crypto.entropy import Entropy
from ...crypto.keys import PersonaKey, ReaderSecret
from ...crypto.recovery import reader_of_next
from ...protocol.did import Did, check_did, did_of
from ...protocol.persona import (
    Certificate,
    make_certificate,
    make_inception,
)
from ...protocol.wire import Value
from ..errors import NodeError, NotFound, UsageError
from ..keystore import Keystore
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .pair import OwnPersona, Pair

__all__ = ["OwnPersona", "Pair", "Peers", "clean_name", "fit_name"]

# A certificate is renewed at each start and when less than half of its life is left.
CERTIFICATE_LIFE_S = 30 * 86_400
NAME_CHARS_MAX = 64
# Where the persona stands by which this device is known to the person's others.
DEVICE_PERSONA = "device-persona"


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
        key = PersonaKey.generate(self._entropy)
        reader = ReaderSecret.generate(self._entropy)
        persona = OwnPersona(
            key,
            (reader,),
            make_inception(key, reader_key=reader.public, next_digest=self._next_digest(tx)),
            self._certificate(key, now_ms),
        )
        self._objects.add(tx, Kind.PERSONA, persona.did, persona.value())
        return persona

    def _next_digest(self, tx: Tx) -> bytes:
        """The next digest that no persona has named yet.  Raises NodeError."""
        match self._objects.get(tx, Kind.NEXT_KEYS, "used"):
            case [int(number), int(used)]:
                # Of an older list: those of the present one are all unused.
                index = used if number == self._keystore.next_list else 0
            case int(used):
                index = used
            case _:
                index = 0
        if index >= self._next_end(tx):
            raise NodeError("this node can make no more personas: it needs the recovery words")
        value: Value = [self._keystore.next_list, index + 1]
        self._objects.put(tx, Kind.NEXT_KEYS, "used", value)
        return self._keystore.next_digests[index]

    def _next_end(self, tx: Tx) -> int:
        """Where the digests of this device end: another device was given those above."""
        match self._objects.get(tx, Kind.NEXT_KEYS, "end"):
            case [int(number), int(end)] if number == self._keystore.next_list:
                return min(end, len(self._keystore.next_digests))
            case _:
                return len(self._keystore.next_digests)

    def give_half(self, tx: Tx) -> tuple[int, int]:
        """Give the upper half of the unused digests away, for good: (first, end) of what is given.

        Raises NodeError if there are not two left.
        """
        match self._objects.get(tx, Kind.NEXT_KEYS, "used"):
            case [int(number), int(index)] if number == self._keystore.next_list:
                used = index
            case int(index):
                used = index
            case _:
                used = 0
        end = self._next_end(tx)
        if end - used < 2:
            raise NodeError("this node has no personas left to share: it needs the recovery words")
        middle = used + (end - used + 1) // 2
        self._objects.put(tx, Kind.NEXT_KEYS, "end", [self._keystore.next_list, middle])
        return middle, end

    def take_half(self, tx: Tx, first: int, end: int) -> None:
        """This device makes personas of the digests from `first` to below `end`."""
        number = self._keystore.next_list
        self._objects.put(tx, Kind.NEXT_KEYS, "used", [number, first])
        self._objects.put(tx, Kind.NEXT_KEYS, "end", [number, end])

    def persona(self, tx: Tx, did: Did) -> OwnPersona:
        """The persona `did` of ours, or the one that has followed it.  Raises NotFound."""
        persona = self._objects.read(tx, Kind.PERSONA, did, OwnPersona.from_value)
        if persona is None and (first := self.first_of(tx, did)) != did:
            persona = self._objects.read(tx, Kind.PERSONA, first, OwnPersona.from_value)
        if persona is None:
            raise NotFound("this node has no such persona")
        return persona

    def persona_in(self, tx: Tx, pair: Pair) -> OwnPersona:
        """Our persona as which `pair` is spoken with: the present one, but where the peer is still
        to be told of it.  Raises NotFound."""
        return self.persona_as(tx, pair.own_now)

    def persona_as(self, tx: Tx, did: Did) -> OwnPersona:
        """The persona `did` itself, also when another has followed it.  Raises NotFound."""
        present = self.persona(tx, did)
        if present.did == did:
            return present
        left = self._objects.read(tx, Kind.PERSONA_LEFT, did, OwnPersona.from_value)
        if left is None:
            raise NotFound("this node has no such persona")
        return left

    def first_of(self, tx: Tx, did: str) -> Did:
        """The persona with which the line began that `did` is in: how rows are named."""
        first = self._objects.get(tx, Kind.FOLLOWS, did)
        return Did(first if isinstance(first, str) else did)

    def succeed(
        self, tx: Tx, first: Did, key: PersonaKey, next_digest: bytes, now_ms: int
    ) -> tuple[OwnPersona, OwnPersona]:
        """Let the persona of `key` follow our present one of the line that began with `first`, and
        promise `next_digest`; the old and the new."""
        old = self.persona(tx, first)
        reader = reader_of_next(key)
        new = OwnPersona(
            key,
            (*old.readers, reader),
            make_inception(key, reader_key=reader.public, next_digest=next_digest),
            self._certificate(key, now_ms),
        )
        self._objects.add(tx, Kind.PERSONA_LEFT, old.did, old.value())
        self._objects.put(tx, Kind.PERSONA, first, new.value())
        self.followed(tx, first, new.did)
        return old, new

    def followed(self, tx: Tx, first: Did, new: Did) -> None:
        """Keep that `new` is of the line that began with `first`, one of ours or a peer's."""
        self._objects.add_if_new(tx, Kind.FOLLOWS, new, first)

    def lines(self, tx: Tx) -> list[tuple[Did, OwnPersona]]:
        """Every persona of ours that is present, by the one with which its line began."""
        return [
            (check_did(name if isinstance(name, str) else ""), OwnPersona.from_value(value))
            for name, value in self._objects.all(tx, Kind.PERSONA)
        ]

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
        # Also of those that were left behind: as them a peer is told by whom they were followed.
        for kind in (Kind.PERSONA, Kind.PERSONA_LEFT):
            for name, value in self._objects.all(tx, kind):
                persona = OwnPersona.from_value(value)
                certificate = persona.certificate
                left_ms = certificate.exp_s * 1000 - now_ms
                if left_ms < CERTIFICATE_LIFE_S * 500 or certificate.device != device:
                    fresh = replace(persona, certificate=self._certificate(persona.key, now_ms))
                    self._objects.put(tx, kind, name, fresh.value())
                    renewed += 1
        return renewed

    def certify(self, key: PersonaKey, now_ms: int) -> Certificate:
        """The word of the persona `key` that this device serves for it."""
        return self._certificate(key, now_ms)

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
        if not pair.reads_only:
            self._forget_reading(tx, pair.own, pair.their)
        self._objects.add(tx, _kind(pair), [pair.own, pair.their], named.value())
        return named

    def save(self, tx: Tx, pair: Pair) -> None:
        self._objects.put(tx, _kind(pair), [pair.own, pair.their], pair.value())

    def _forget_reading(self, tx: Tx, own: Did, their: Did) -> None:
        """Who were known to each other by a chain alone are paired now."""
        before = self._objects.read(tx, Kind.READING_PAIR, [own, their], _reading_pair)
        if before is not None:
            self._objects.delete(tx, Kind.READING_PAIR, [own, their])
            self._objects.delete(tx, Kind.SETTING, ["peer-name", before.name])

    def find(self, tx: Tx, own: str, their: str) -> Pair | None:
        """The pair of these two personas, by whichever they are or were known, or None."""
        found = self._found(tx, own, their)
        if found is None:
            firsts = (self.first_of(tx, own), self.first_of(tx, their))
            if firsts != (own, their):
                found = self._found(tx, *firsts)
        return found

    def _found(self, tx: Tx, own: str, their: str) -> Pair | None:
        found = self._objects.read(tx, Kind.PAIR, [own, their], Pair.from_value)
        if found is None:
            found = self._objects.read(tx, Kind.READING_PAIR, [own, their], _reading_pair)
        return found

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

        A word is signed by a device, and each has its own chain of them: `device`, or the pair's.
        """
        signer = device or pair.certificate.device
        match self._objects.get(tx, Kind.CURSOR, [pair.own, pair.their, signer]):
            case bytes(cid):
                return cid
            case _:
                pass
        # As it was kept while a peer had one device.
        match self._objects.get(tx, Kind.CURSOR, [pair.own, pair.their]):
            case [str(last), bytes(cid)] if last == signer:
                return cid
            case _:
                return None

    def took(self, tx: Tx, pair: Pair, cid: bytes, device: Did | None = None) -> None:
        """Keep `cid` as the last word that was taken from the peer's device, or the pair's."""
        signer = device or self.pair(tx, pair.own, pair.their).certificate.device
        self._objects.put(tx, Kind.CURSOR, [pair.own, pair.their, signer], cid)

    def name_of(self, tx: Tx, their: str) -> str:
        """What the owner calls a peer's persona; the persona itself if they have no name for it."""
        known = (*self.all(tx), *self.reading(tx))
        return next((pair.name for pair in known if their in pair.theirs), their)

    def all(self, tx: Tx) -> list[Pair]:
        """Every peer, in the order in which they were met; not this person's other devices."""
        own = self.device_persona(tx)
        return [pair for pair in self._pairs(tx) if pair.own != own]

    def reading(self, tx: Tx) -> list[Pair]:
        """The pairs that only read: processors that were let in here, and, at a processor, the
        owners of what it reads."""
        found = self._objects.read_all(tx, Kind.READING_PAIR, _reading_pair)
        return [pair for _, pair in found]

    def siblings(self, tx: Tx) -> list[Pair]:
        """The pairs with this person's other devices."""
        own = self.device_persona(tx)
        return [] if own is None else [pair for pair in self._pairs(tx) if pair.own == own]

    def is_sibling(self, tx: Tx, pair: Pair) -> bool:
        """Whether a pair is with another device of this person."""
        return pair.own == self.device_persona(tx)

    def device_persona(self, tx: Tx) -> Did | None:
        """The persona by which this device is known to this person's others, and to nobody else;
        None while there are none."""
        did = self._objects.get(tx, Kind.SETTING, DEVICE_PERSONA)
        return Did(did) if isinstance(did, str) else None

    def _pairs(self, tx: Tx) -> list[Pair]:
        return [pair for _, pair in self._objects.read_all(tx, Kind.PAIR, Pair.from_value)]


def _kind(pair: Pair) -> Kind:
    return Kind.READING_PAIR if pair.reads_only else Kind.PAIR


def _reading_pair(value: Value) -> Pair:
    return replace(Pair.from_value(value), reads_only=True)


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

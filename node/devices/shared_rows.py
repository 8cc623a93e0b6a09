"""Which kinds of rows the devices of one person share, and what each brings with it.

In the order in which they are fetched: who is known, what was asked and given, what was taken back,
and then what it is about.  A grant comes before R, so that no survivor is ever given keys as long
as it is not known who is none.

    family · devices · personas-left · personas · follows   who this person is, on which devices
    epochs · pairs · inceptions-left · steps-said, -heard   who is known, and as whom
    requests · keysets-sent · revoked · grants-given · R    what was lent, and taken back
    grants-held · keysets-held · grant-lines                what was borrowed; what became of it
    erased · rows-gone                                      what was erased
    statements · delivered · imports                        what pages came with
    standing                                                standing terms
    … then the rest, each kind in its module: cards and vouches (`acquaintance_rows`), people of the
    house, mandates, money, views, shared records

Not shared: one's own log and outbox, and pages that were fetched from peers.  Those are fetched
again: who has them has signed for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from ...crypto.keys import PersonaKey, ReaderSecret
from ...protocol.did import check_did
from ...protocol.errors import WireError
from ...protocol.persona import parse_inception
from ...protocol.revocation import parse_revocation
from ...protocol.wire import Body, Value
from ..exchange.deliveries import Received
from ..grants.borrowing import Borrowing
from ..grants.grant_given import GrantGiven
from ..grants.grant_lines import GrantLine, line_from_row
from ..grants.inbox import Asked
from ..grants.lending import Lending
from ..grants.standing_terms import OWN
from ..peers.lines import PersonaLines
from ..peers.peers import OwnPersona, Pair, Peers
from ..reads.serving import kept_statement
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..vault.collection import Collections
from ..vault.journal import Import
from . import joins
from .chosen_space import ChosenSpace, standing_terms
from .epoch_space import Epochs, EpochSpace
from .erased_rows import DELIVERED, IMPORTS, STATEMENTS, is_gone
from .held_rows import held_rows, keyset_rows
from .line_rows import FamilySpace, check_promised, line_spaces
from .own_device import OwnDevice, later
from .own_devices import OwnDevices
from .row_spaces import Rows, RowSpace, as_kept, named, plain, same
from .space import Space, Taking

DEVICES: Final = "devices"
PAIRS: Final = "pairs"
GRANTS: Final = "grants-given"
REVOKED: Final = "revoked"
TAKEN_BACK: Final = "R"
_READERS_MAX = 1_024
_REKEY: Value = "own-devices-rekey"


class SharedRows:
    """The spaces of rows, in the order in which they are fetched."""

    def __init__(
        self,
        *,
        objects: Objects,
        peers: Peers,
        lines: PersonaLines,
        lending: Lending,
        borrowing: Borrowing,
        collections: Collections,
        devices: OwnDevices,
        epochs: Epochs,
        introduce: Callable[[Tx, Pair, int], None],
        replaced: Callable[[Tx, Pair, Pair], None],
        erased: Iterable[Space] = (),
        more: Iterable[Space] = (),
    ) -> None:
        """`introduce` is done in the unit of work that brings a pair, `replaced` in one that brings
        another device of a peer, with the pair before; `erased` are fetched before what pages came
        with, `more` last."""
        self._objects = objects
        self._peers = peers
        self._lines = lines
        self._epochs = epochs
        self._lending = lending
        self._borrowing = borrowing
        self._collections = collections
        self._devices = devices
        self._introduce = introduce
        self._replaced = replaced
        self._erased = tuple(erased)
        standing = ChosenSpace(
            "standing",
            objects,
            Kind.STANDING_TERMS,
            OWN,
            "standing-terms-set",
            standing_terms,
        )
        every = (*self._all(), standing, *more)
        self.spaces: Mapping[str, Space] = {space.name: space for space in every}
        self._chosen = [space for space in every if isinstance(space, ChosenSpace)]

    def note(self, tx: Tx, now_ms: int) -> None:
        """Note when the person chose what they have chosen since this was last done."""
        for space in self._chosen:
            space.note(tx, now_ms)

    def _all(self) -> Iterable[Space]:
        objects = self._objects

        def space(name: str, kind: Kind, how: Rows[Value]) -> Space:
            return RowSpace(name, kind, objects, how)

        yield FamilySpace(self._devices)
        yield RowSpace(DEVICES, Kind.OWN_DEVICE, objects, self._own_devices())
        yield RowSpace("personas-left", Kind.PERSONA_LEFT, objects, self._personas())
        yield RowSpace("personas", Kind.PERSONA, objects, self._present())
        yield space("follows", Kind.FOLLOWS, plain(_persona, joins.greater))
        yield EpochSpace(self._epochs, self._epoch_began)
        yield RowSpace(PAIRS, Kind.PAIR, objects, self._pairs())
        yield from line_spaces(objects, self._peers, self._lines)
        yield RowSpace("requests", Kind.REQUEST, objects, _requests())
        yield space("keysets-sent", Kind.KEYSET_SENT, plain(_list, joins.greater))
        yield space(REVOKED, Kind.REVOCATION, plain(_revocation, joins.lesser))
        yield RowSpace(GRANTS, Kind.GRANT_GIVEN, objects, self._given())
        yield space(TAKEN_BACK, Kind.GENERATION, self._taken_back())
        yield RowSpace("grants-held", Kind.GRANT_HELD, objects, held_rows(self._borrowing))
        yield RowSpace("keysets-held", Kind.KEYSET_HELD, objects, keyset_rows(self._borrowing))
        yield RowSpace("grant-lines", Kind.GRANT_LINE, objects, _lines())
        yield from self._erased
        gone = (Kind.ROW_GONE,)
        yield RowSpace(STATEMENTS, Kind.STATEMENT, objects, _statements(objects), gone)
        yield RowSpace(DELIVERED, Kind.DELIVERY, objects, _delivered(objects), gone)
        yield RowSpace(IMPORTS, Kind.IMPORT, objects, _imports(objects), gone)

    # who is known

    def _own_devices(self) -> Rows[OwnDevice]:
        def keep(
            tx: Tx, _name: Value, _before: OwnDevice | None, row: OwnDevice, taking: Taking
        ) -> None:
            self._devices.take(tx, row, taking.now_ms)

        read = named("a device", OwnDevice.from_value, lambda row: row.device)
        return Rows(read, as_kept, later, keep=keep)

    def _personas(self) -> Rows[OwnPersona]:
        def travels(row: OwnPersona) -> Value:
            return {
                "seed": row.key.secret_bytes(),
                "readers": [reader.secret_bytes() for reader in row.readers],
                "inception": row.inception.signed.raw,
            }

        def arrived(_name: Value, value: Value, taking: Taking) -> OwnPersona:
            body = Body.open(value, "a persona", ("seed", "readers", "inception"))
            key = PersonaKey(body.data("seed"))
            readers: list[ReaderSecret] = []
            for item in body.items("readers", items_max=_READERS_MAX, items_min=1):
                readers.append(ReaderSecret(_bytes(item)))
            inception = parse_inception(body.data("inception"))
            certificate = self._peers.certify(key, taking.now_ms)
            if inception.did != certificate.persona:
                raise WireError("the key of a persona is not its own")
            return OwnPersona(key, tuple(readers), inception, certificate)

        def shared(tx: Tx, _name: Value, row: OwnPersona) -> bool:
            return row.did != self._peers.device_persona(tx)

        def join(one: OwnPersona, other: OwnPersona) -> OwnPersona:
            held = joins.persona(one, other)
            return one if held.inception == one.inception else held

        return Rows(
            lambda _name, value: OwnPersona.from_value(value),
            as_kept,
            join,
            travels=travels,
            arrived=arrived,
            shared=shared,
        )

    def _present(self) -> Rows[OwnPersona]:
        """As `_personas`, each the last of its line: it follows only where that was promised."""

        def keep(
            tx: Tx, name: Value, before: OwnPersona | None, row: OwnPersona, _taking: Taking
        ) -> None:
            if before is not None:
                check_promised(self._objects, tx, before, row)
            self._objects.put(tx, Kind.PERSONA, name, row.value())

        return replace(self._personas(), keep=keep)

    def _epoch_began(self, tx: Tx) -> None:
        """What is written from now on comes under another epoch; what was since the devices were
        last in step is encrypted again."""
        self.rekey_later(tx, (one.path for one in self._collections.all(tx)))

    def _pairs(self) -> Rows[Pair]:
        def shared(tx: Tx, _name: Value, row: Pair) -> bool:
            return row.own != self._peers.device_persona(tx)

        def keep(tx: Tx, _name: Value, before: Pair | None, row: Pair, taking: Taking) -> None:
            if before is not None:
                self._replaced(tx, before, row)
                self._peers.save(tx, row)
                return
            self._introduce(tx, self._peers.add(tx, row), taking.now_ms)

        return Rows(
            named("a pair", Pair.from_value, lambda row: [row.own, row.their]),
            as_kept,
            joins.pair,
            # A name is each device's own: two may have met others of one name.
            says=lambda row: replace(row, name="").value(),
            shared=shared,
            keep=keep,
        )

    # what was lent, and taken back

    def _given(self) -> Rows[GrantGiven]:
        def keep(
            tx: Tx, _name: Value, before: GrantGiven | None, row: GrantGiven, _taking: Taking
        ) -> None:
            self._lending.adopt(tx, row, before)
            self.rekey_later(tx, row.bundle.grant.paths)

        read = named("a grant", GrantGiven.from_value, lambda row: row.cid)
        return Rows(read, as_kept, joins.given, keep=keep)

    def _taken_back(self) -> Rows[Value]:
        def keep(tx: Tx, name: Value, before: Value | None, row: Value, _taking: Taking) -> None:
            self._objects.put(tx, Kind.GENERATION, name, row)
            if isinstance(name, str):
                self.rekey_later(tx, [name])

        return Rows(lambda _name, value: joins.union(value, []), same, joins.union, keep=keep)

    def rekey_later(self, tx: Tx, paths: Iterable[str]) -> None:
        """Readers of these paths need new keys, once all of what was taken back is known."""
        waiting = {*self.to_rekey(tx), *paths}
        self._objects.put(tx, Kind.SETTING, _REKEY, [*sorted(waiting)])

    def to_rekey(self, tx: Tx) -> list[str]:
        value = self._objects.get(tx, Kind.SETTING, _REKEY)
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

    def rekeyed(self, tx: Tx) -> None:
        self._objects.delete(tx, Kind.SETTING, _REKEY)


def _requests() -> Rows[Asked]:
    return Rows(lambda _name, value: Asked.from_value(value), as_kept, joins.asked)


def _lines() -> Rows[GrantLine]:
    def read(name: Value, value: Value) -> GrantLine:
        row = line_from_row(name, value)
        return replace(row, events=joins.in_order(row.events))

    return Rows(read, as_kept, joins.line)


def _imports(objects: Objects) -> Rows[Import]:
    def shared(tx: Tx, name: Value, row: Import) -> bool:
        """Not one that went with its collection; what was imported again since then is another."""
        gone = objects.get(tx, Kind.ROW_GONE, [IMPORTS, name])
        return not isinstance(gone, int) or row.changed_ms > gone

    return Rows(
        lambda _name, value: Import.from_value(value), as_kept, joins.imported, shared=shared
    )


def _statements(objects: Objects) -> Rows[Value]:
    """Those of this vault; of what was borrowed, others stand beside them."""
    gone = is_gone(objects, STATEMENTS)

    def read(_name: Value, value: Value) -> Value:
        kept_statement(value)
        return value

    return Rows(
        read,
        same,
        joins.statement,
        shared=lambda tx, name, row: isinstance(name, bytes) and not gone(tx, name, row),
    )


def _delivered(objects: Objects) -> Rows[Value]:
    """What was taken in; not what was handed out."""
    gone = is_gone(objects, DELIVERED)

    def shared(tx: Tx, name: Value, row: Value) -> bool:
        return isinstance(name, list) and name[:1] == ["in"] and not gone(tx, name, row)

    def read(_name: Value, value: Value) -> Value:
        Received.from_value(value)
        return value

    return Rows(read, same, joins.greater, shared=shared)


def _revocation(value: Value) -> Value:
    parse_revocation(_bytes(value))
    return value


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise WireError("a row from another device is not bytes")
    return value


def _list(value: Value) -> Value:
    if not isinstance(value, list):
        raise WireError("a row from another device is not a list")
    return value


def _persona(value: Value) -> Value:
    if not isinstance(value, str):
        raise WireError("a row from another device is not text")
    return check_did(value)

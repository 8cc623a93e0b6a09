"""Reads under grants on paid terms: by which receipts they are counted, whichever device made them.

Each device logs what it read or served itself.  Where a person has several, the receipts of the
others under grants on paid terms lie beside the log, each once: two-sided where any device has the
reader's signature, else one-sided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ...crypto.digest import tag128
from ...crypto.labels import Tag
from ...protocol.did import Did, check_did
from ...protocol.errors import WireError
from ...protocol.limits import SIGNED_BYTES_MAX
from ...protocol.receipt import Receipt, parse_receipt
from ...protocol.wire import Value
from ..grants.borrowing import Borrowing
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.lending import Lending
from ..log.mentioned import Mentioned, MentionedRows
from ..log.receipts import Way
from ..store.database import Tx
from ..store.objects import Kind, Objects

_receipt = lru_cache(maxsize=4096)(parse_receipt)


@dataclass(frozen=True, slots=True)
class PaidRead:
    """A window that was read: `given` if this person served it.  `own`, `their`: the pair."""

    given: bool
    own: Did
    their: Did
    word: Receipt

    @property
    def id(self) -> bytes:
        """What it is called between devices; another once it was countersigned."""
        return tag128(
            b"", Tag.DEVICE_ROWS, "paid-reads", self.given, self.word.cid, self.word.one_sided
        )

    def value(self) -> Value:
        return [self.given, self.own, self.their, self.word.signed.raw]

    @classmethod
    def from_value(cls, value: Value) -> PaidRead:
        """Raises WireError, BadSignature."""
        match value:
            case [bool(given), str(own), str(their), bytes(raw)] if len(raw) <= SIGNED_BYTES_MAX:
                return cls(given, check_did(own), check_did(their), _receipt(raw))
            case _:
                raise WireError("a read has not the form of a pair and a receipt")


class PaidReads:
    """The receipts by which what is owed is counted."""

    def __init__(
        self, objects: Objects, rows: MentionedRows, lending: Lending, borrowing: Borrowing
    ) -> None:
        self._objects = objects
        self._rows = rows
        self._lending = lending
        self._borrowing = borrowing

    def brought(self, tx: Tx) -> list[PaidRead]:
        """Those of other devices."""
        found = self._objects.read_all(tx, Kind.PAID_READ, PaidRead.from_value)
        return [one for _, one in found]

    def all(self, tx: Tx) -> list[PaidRead]:
        """Each once: of this device's log, as far as `MentionedRows` has looked, and brought."""
        found: dict[tuple[bool, bytes], PaidRead] = {}
        for one in (*self._logged(tx), *self.brought(tx)):
            name = (one.given, one.word.cid)
            if name not in found or found[name].word.one_sided:
                found[name] = one
        return list(found.values())

    def of_grants(self, tx: Tx, grants: Collection[bytes]) -> Iterator[PaidRead]:
        """Those under `grants`, of this home's logs and brought, to the newest row; a read that two
        devices know may come twice."""
        for rows in self._rows.of_grants(tx, grants).values():
            yield from _reads_in(rows)
        for one in (*_reads_in(self._rows.latest(tx)), *self.brought(tx)):
            if one.word.body.dlg in grants:
                yield one

    def bring(self, tx: Tx, one: PaidRead) -> bool:
        """Keep a read of another device; whether it is news."""
        name: Value = [one.given, one.word.cid]
        known = self._objects.read(tx, Kind.PAID_READ, name, PaidRead.from_value)
        if known is not None and (one.word.one_sided or not known.word.one_sided):
            return False
        self._objects.put(tx, Kind.PAID_READ, name, one.value())
        return True

    def _logged(self, tx: Tx) -> Iterable[PaidRead]:
        grants: list[GrantGiven | GrantHeld] = [*self._lending.all(tx), *self._borrowing.all(tx)]
        paid = [one.cid for one in grants if one.bundle.terms.paid_by_read]
        for rows in self._rows.of_grants(tx, paid).values():
            yield from _reads_in(rows)


def _reads_in(rows: Iterable[Mentioned]) -> Iterator[PaidRead]:
    for row in (one.row for one in rows):
        if isinstance(row.word, Receipt):
            given = row.way in (Way.GIVEN, Way.HELPER)
            yield PaidRead(given, row.own, row.their, row.word)

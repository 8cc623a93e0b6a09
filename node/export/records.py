"""Records of one collection on their way into an export, a month at a time.

Every telling is one line, page by page in the order in which pages were written, so that a node
that takes the export in writes the same pages again.  `_source` says who told it, `_page` which
page it was on, and `_again` that the same fact is shown as somebody else told it.  CSV has each
fact once, as `read` shows it.

The salts of signed days come from inside the pages; with them and the records anyone can hold a
day against what its source signed.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...crypto.errors import CryptoError
from ...protocol.day import UNDATED
from ...protocol.errors import ProtocolError
from ...protocol.page import open_page
from ...protocol.record import Batch
from ...protocol.record_text import field_names, record_texts
from ...protocol.schema import Schema
from ..store.database import Tx
from ..vault.facts import TellerKey, facts_on, key_of, shown_first
from ..vault.recognition import MARGIN_DAYS, matched_by_content
from ..vault.stored import Damaged, Stored, entry_of
from ..vault.tellers import Teller
from ..vault.vault import Vault

SourceOf = Mapping[TellerKey, int]


@dataclass(frozen=True, slots=True)
class SignedDay:
    """A day of a statement as its page holds it: what opens the source's word on it."""

    day: int
    page: int
    count: int
    salt: bytes


@dataclass(frozen=True, slots=True)
class Gathered:
    """The pages of one month of a collection, and of a few days around by which facts are
    recognised; `days` are those of the month that are exported."""

    schema: Schema
    days: tuple[int, int]
    found: Sequence[tuple[Stored, bytes | None]]
    tellers: Mapping[TellerKey, Teller]


@dataclass(slots=True)
class Lines:
    """What one month comes to: bytes of the two files, and what belongs to statements."""

    jsonl: bytes = b""
    csv: bytes = b""
    records: int = 0
    facts: int = 0
    pages: int = 0
    signed: dict[bytes, list[SignedDay]] = field(
        default_factory=lambda: dict[bytes, list[SignedDay]]()
    )
    damaged: list[str] = field(default_factory=lambda: list[str]())


def gather(vault: Vault, tx: Tx, path: str, month: int, first: int, last: int) -> Gathered | None:
    """The pages of `path` in `month` that lie on days `first … last`, or None."""
    collection = vault.collections.get(tx, path)
    days = [one.day for one in vault.stored_of_month(tx, path, month) if first <= one.day <= last]
    if not days:
        return None
    low, high = min(days), max(days)
    margin = MARGIN_DAYS if matched_by_content(collection.schema) else 0
    around = vault.stored(tx, path, max(low - margin, 0), min(high + margin, UNDATED))
    tellers = {key: vault.tellers.of(tx, *key) for key in set(map(key_of, around))}
    return Gathered(collection.schema, (low, high), vault.ciphertexts(tx, around), tellers)


def lines_of(vault: Vault, gathered: Gathered, sources: SourceOf, *, as_csv: bool) -> Lines:
    """The lines of one month."""
    lines = Lines()
    schema, (first, last) = gathered.schema, gathered.days
    opened: list[tuple[Stored, Batch]] = []
    for stored, ciphertext in shown_first(schema, gathered.found):
        within = first <= stored.day <= last
        page = _opened(vault, stored, ciphertext)
        if isinstance(page, Damaged):
            if within:
                lines.damaged.append(page.sentence())
            continue
        batch, salt = page
        opened.append((stored, batch))
        if within and stored.statement is not None and salt is not None:
            day = SignedDay(stored.day, stored.seq, len(batch), salt)
            lines.signed.setdefault(stored.statement, []).append(day)
    chosen = facts_on(schema, opened, gathered.tellers, gathered.days)
    shown: defaultdict[int, set[int]] = defaultdict(set)
    starts: dict[int, int] = {}
    at = 0
    for stored, batch in opened:
        starts[stored.seq] = at
        at += len(batch)
    for rows in chosen.rows:
        seq = chosen.pages_of[rows[0]].seq
        shown[seq].add(rows[0] - starts[seq])
    pages = [one for one in opened if first <= one[0].day <= last]
    pages.sort(key=lambda one: one[0].seq)
    lines.pages = len(pages)
    lines.records = sum(len(batch) for _, batch in pages)
    lines.facts = len(chosen.rows)
    lines.jsonl = "".join(_json_lines(pages, shown, sources)).encode()
    if as_csv:
        lines.csv = _csv_lines(chosen.whole, [rows[0] for rows in chosen.rows])
    return lines


def csv_head(schema: Schema) -> bytes:
    """The first line of the table."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(field_names(schema))
    return out.getvalue().encode()


def _opened(
    vault: Vault, stored: Stored, ciphertext: bytes | None
) -> tuple[Batch, bytes | None] | Damaged:
    """The records of a page, and the day's salt if it has one; or why there are none."""
    entry = entry_of(stored.raw)
    if ciphertext is None:
        return Damaged(entry.path, entry.day, entry.page_id, "its bytes are gone")
    try:
        page = open_page(entry, ciphertext, vault.keys_of(entry).key(entry.day))
    except (CryptoError, ProtocolError) as error:
        return Damaged(entry.path, entry.day, entry.page_id, str(error))
    return page.batch, page.salt_d


def _json_lines(
    pages: Sequence[tuple[Stored, Batch]],
    shown: Mapping[int, set[int]],
    sources: SourceOf,
) -> Iterator[str]:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    nothing: set[int] = set()
    for stored, batch in pages:
        names = field_names(batch.schema)
        told = shown.get(stored.seq, nothing)
        place = f'"_source":{sources[key_of(stored)]},"_page":{stored.seq}'
        for row, cells in enumerate(record_texts(batch)):
            record = encode(dict(zip(names, cells, strict=True)))
            again = "" if row in told else ',"_again":true'
            yield f"{record[:-1]},{place}{again}}}\n"


def _csv_lines(whole: Batch, rows: Sequence[int]) -> bytes:
    out = io.StringIO(newline="")
    # What quotes is decided by the line's end: a bare return in a label must not make a row.
    writer = csv.writer(out, lineterminator="\r\n")
    columns = {name: [column[row] for row in rows] for name, column in whole.columns.items()}
    batch = Batch(whole.schema, columns, whole.checked)
    for cells in record_texts(batch):
        writer.writerow([_guarded(cell) for cell in cells])
    return out.getvalue().encode()


def _guarded(cell: object) -> object:
    """A text that a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(cell, str) and cell[:1] in ("=", "@", "\t", "\r"):
        return "'" + cell
    if isinstance(cell, str) and cell[:1] in ("+", "-") and not _is_number(cell):
        return "'" + cell
    return cell


def _is_number(cell: str) -> bool:
    return cell[1:].replace(".", "", 1).isdecimal()

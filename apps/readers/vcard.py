"""vCard 2.1, 3.0 and 4.0: the people and organisations of an address book.

Each card is one record of `contact/1`:

- `id` is the card's UID.  A card without one is named by its name (and, where several have the same
  one, by what else tells them apart), so that the contact whose number changed between two exports
  is told as differing, and is not there twice.
- `name` is FN; a card that has none (2.1 need not) is named by N, else by what it has.
- What there may be several of, with their labels, is a list (`protocol/contact.py`): TEL, EMAIL,
  ADR, URL, IMPP and the old X-AIM … X-SKYPE, NICKNAME, ORG with its units, CATEGORIES.  A label is
  a TYPE in lower case, `pref`, or the word that a person gave (X-ABLabel, a custom type).
- `birthday` and `anniversary` keep what of a date is known; 1604 is how one vendor says no year.

Photographs, logos, sounds and keys are left out, and so is what has no field; the notes count each,
so that nobody believes it kept.  A card that does not end is refused: the file was cut.

Why not a library: ADR 11.  Source: versit's vCard 2.1; RFC 2426; RFC 6350, RFC 6474, RFC 6715.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...protocol.collection import check_path
from ...protocol.contact import ADDRESS_PARTS, LISTS, Labelled, write_values
from ...protocol.errors import RecordError
from ...protocol.limits import (
    CONTACT_TEXT_BYTES_MAX,
    RECORD_ID_BYTES_MAX,
    RECORD_TEXT_BYTES_MAX,
)
from ...protocol.reading import (
    Extract,
    ExtractItem,
    check_rows,
    check_size,
    record_id,
    refusal,
    shown,
    source_name,
)
from ...protocol.record import Batch
from ...protocol.schema import CONTACT
from ...protocol.wire import Value
from ..content_lines import Line, NoLine, content_lines
from ..markup import decoded
from ..vcard_values import (
    bare,
    date_of,
    joined,
    label_of,
    labels_of,
    revision_of,
    split_at,
    text_of,
)

_NAME: Final = "vcard"
PATH: Final = check_path("identity/contacts")

_VERSIONS: Final = frozenset({"2.1", "3.0", "4.0"})
_BEGIN = re.compile(rb"\s*BEGIN[ \t]*:[ \t]*VCARD\s*(?:\r|\n|$)", re.IGNORECASE)
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# What is large, and no word: passed over as it is read.
_BINARY: Final = frozenset({"PHOTO", "LOGO", "SOUND", "KEY"})
# What says how the file is made, and nothing of a person.
_FRAME: Final = frozenset({"BEGIN", "END", "VERSION", "PRODID", "SORT-STRING", "CLIENTPIDMAP"})
_MESSENGERS: Final = {
    f"X-{name}": name.lower().replace("google-talk", "gtalk")
    for name in (
        *("AIM", "ICQ", "JABBER", "MSN", "YAHOO", "SKYPE", "QQ", "GADUGADU", "GTALK"),
        *("SKYPE-USERNAME", "GOOGLE-TALK", "TWITTER", "SIP"),
    )
}
_ANNIVERSARIES: Final = frozenset(
    {"ANNIVERSARY", "X-ANNIVERSARY", "X-EVOLUTION-ANNIVERSARY", "X-KADDRESSBOOK-X-ANNIVERSARY"}
)
_KINDS: Final = frozenset({"individual", "group", "org", "location", "application", "device"})
_ANDROID_EVENTS: Final = {"1": "anniversary", "3": "birthday"}
# Values of one kind in one card: people have a few.
_VALUES_MAX: Final = 256


@dataclass(slots=True)
class _Card:
    """A card that is being read.  `lists` are values, `texts` what a card has one of."""

    line: int
    version: str = "3.0"
    texts: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    lists: defaultdict[str, list[Labelled]] = field(
        default_factory=lambda: defaultdict[str, list[Labelled]](list)
    )
    lines: list[Line] = field(default_factory=lambda: list[Line]())


class _AddressBook:
    """Cards of one file, as they come."""

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._left_out: Counter[str] = Counter()
        self._cut: Counter[str] = Counter()
        self._empty = self._no_lines = self._first_no_line = self._agents = 0
        self._cards: list[_Card] = []

    def read(self, lines: Iterable[Line | NoLine]) -> None:
        """Every card of `lines`.  Raises ReaderError."""
        card: _Card | None = None
        inner = 0  # cards inside a card: vCard 2.1's AGENT
        for line in lines:
            if isinstance(line, NoLine):
                self._no_lines += 1
                self._first_no_line = self._first_no_line or line.number
            elif line.name == "BEGIN" and line.value.strip().upper() == "VCARD":
                if card is None:
                    card = _Card(line.number)
                elif inner or (card.lines and card.lines[-1].name == "AGENT"):
                    inner += 1
                else:
                    raise self._unended(card)
            elif card is None:
                self._left_out[line.name] += 1
            elif line.name == "END" and line.value.strip().upper() == "VCARD":
                if inner:
                    inner -= 1
                    self._agents += not inner
                    continue
                self._end(card)
                card = None
            elif not inner:
                card.lines.append(line)
        if card is not None:
            raise self._unended(card)

    def extract(self) -> Extract:
        """The records.  Raises ReaderError."""
        if not self._cards:
            raise refusal(self._filename, "the file holds no card with anything in it")
        rows = self._named()
        try:
            batch = Batch.from_rows(CONTACT, rows).sorted()
        except RecordError as error:
            raise refusal(self._filename, f"a card is not within limits: {error}") from None
        return Extract(
            _NAME, (ExtractItem(PATH, batch, source_name("contacts")),), tuple(self._notes(rows))
        )

    def _unended(self, card: _Card) -> Exception:
        return refusal(self._filename, "the card that begins here does not end", card.line)

    # one card

    def _end(self, card: _Card) -> None:
        for line in card.lines:
            if line.name == "VERSION":
                card.version = line.value.strip()
                if card.version not in _VERSIONS:
                    sentence = f"vCard {shown(card.version)!r} is not read here"
                    raise refusal(self._filename, sentence, line.number)
        labels = {
            line.group.upper(): label_of(text_of(line.value, card.version))
            for line in card.lines
            if line.name == "X-ABLABEL" and line.group
        }
        for line in card.lines:
            self._property(card, line, labels.get(line.group.upper(), ""))
        if not card.texts.get("name"):
            card.texts["name"] = _named_by(card)
        if not card.texts["name"] and not any(card.lists.values()):
            self._empty += 1
            return
        self._cards.append(card)
        check_rows(len(self._cards), self._filename)

    def _property(self, card: _Card, line: Line, label: str) -> None:
        name, value = line.name, line.value
        if name in _LISTED:
            self._value(card, _LISTED[name], line, label)
        elif name in _MESSENGERS or name == "IMPP":
            self._value(card, "messaging", line, label or _MESSENGERS.get(name, ""))
        elif name in _ONE:
            self._one(card, _ONE[name], text_of(value, card.version))
        elif name == "N":
            parts = [joined(part, card.version) for part in split_at(value, ";")]
            for key, part in zip(_N_PARTS, parts, strict=False):
                self._one(card, key, part)
        elif name == "BDAY":
            self._one(card, "birthday", date_of(text_of(value, card.version), line))
        elif name in _ANNIVERSARIES or (name == "X-ABDATE" and label.lower() == "anniversary"):
            self._one(card, "anniversary", date_of(text_of(value, card.version), line))
        elif name == "REV":
            self._one(card, "rev", revision_of(value.strip()))
        elif name == "KIND" or name == "X-ADDRESSBOOKSERVER-KIND":
            card.texts["kind"] = value.strip().lower()
        elif name == "X-ABSHOWAS":
            if value.strip().upper() == "COMPANY":
                card.texts.setdefault("kind", "org")
        elif name == "X-ANDROID-CUSTOM":
            self._android(card, line)
        elif name not in _FRAME and name not in ("X-ABLABEL", "AGENT"):
            self._left_out[name] += 1

    def _one(self, card: _Card, key: str, text: str) -> None:
        """A field that there is one of: what is said first stands, a note grows."""
        if not text:
            return
        if key in card.texts and key == "note":
            if len(card.texts[key]) <= _BYTES_MAX[key]:  # beyond it, it is cut: nothing is copied
                card.texts[key] += "\n\n" + text
        elif key in card.texts:
            if card.texts[key] != text:
                self._left_out[f"a second {key}"] += 1
        else:
            card.texts[key] = text

    def _value(self, card: _Card, key: str, line: Line, label: str) -> None:
        if key in ("addresses", "organisation"):
            parts = tuple(joined(part, card.version) for part in split_at(line.value, ";"))
            if key == "addresses":
                parts = (*parts, *("",) * len(ADDRESS_PARTS))[: max(len(parts), len(ADDRESS_PARTS))]
            values = [Labelled(parts)] if any(parts) else []
        elif key in ("nickname", "categories"):
            texts = (text_of(part, card.version) for part in split_at(line.value, ","))
            values = [Labelled((text,)) for text in texts if text]
        else:
            text = bare(line.name, text_of(line.value, card.version))
            values = [Labelled((text,))] if text else []
        if key == "organisation" and card.lists[key]:
            self._left_out["a second ORG"] += 1
            return
        words = () if key in ("nickname", "categories", "organisation") else labels_of(line, label)
        for value in values:
            one = Labelled(value.parts, words)
            if len(card.lists[key]) == _VALUES_MAX:
                self._cut["Values left out because there are too many"] += 1
            elif one not in card.lists[key]:
                card.lists[key].append(one)

    def _android(self, card: _Card, line: Line) -> None:
        """What Android has no property for: `vnd.android.cursor.item/nickname;Bob;1;…`."""
        what, *cells = (text_of(part, card.version) for part in split_at(line.value, ";"))
        kind = what.rpartition("/")[2]
        said = cells[0] if cells else ""
        if kind == "nickname" and said:
            card.lists["nickname"].append(Labelled((said,)))
        elif kind == "contact_event" and len(cells) > 1 and cells[1] in _ANDROID_EVENTS:
            self._one(card, _ANDROID_EVENTS[cells[1]], date_of(said, line))
        else:
            self._left_out[line.name] += 1

    # all cards

    def _named(self) -> list[dict[str, Value]]:
        """The records with their ids."""
        rows = [self._row(card) for card in self._cards]
        found: dict[str, dict[str, Value]] = {}
        several: defaultdict[tuple[str, str], list[dict[str, Value]]] = defaultdict(list)
        for card, row in zip(self._cards, rows, strict=True):
            uid = card.texts.get("uid", "")
            if uid and len(uid.encode()) <= RECORD_ID_BYTES_MAX:
                self._add(found, uid, row)
            else:
                key = uid or " ".join(str(row["name"]).casefold().split())
                several["uid" if uid else "", key].append(row)
        for (by, key), some in several.items():
            some.sort(key=lambda row: [str(row[name] or "") for name in _TELLING])
            for copy, row in enumerate(some):
                more = () if not copy else tuple(str(row[name] or "") for name in _TELLING)
                self._add(found, record_id("vcard", by, key, *more), row)
        return list(found.values())

    def _add(self, found: dict[str, dict[str, Value]], id: str, row: dict[str, Value]) -> None:
        row["id"] = id
        before = found.get(id)
        if before is None:
            found[id] = row
        elif before == row:
            self._cut["Cards said twice in the file and kept once"] += 1
        else:
            # Named by all that it says: the same again in the next export.
            self._cut["Different cards under one UID, each kept"] += 1
            name = record_id("vcard", "differing", id, *(str(row[f.name]) for f in _FIELDS))
            row["id"] = name
            found[name] = row

    def _row(self, card: _Card) -> dict[str, Value]:
        row: dict[str, Value] = {f.name: None for f in _FIELDS}
        for key, text in card.texts.items():
            if key in row:
                row[key] = self._fitting(text, _BYTES_MAX[key])
        for key, values in card.lists.items():
            row[key] = self._fitting_list(values, _BYTES_MAX[key])
        kind = str(row["kind"] or "")
        row["kind"] = kind if kind in _KINDS else "individual"
        row["name"] = row["name"] or ""
        return row

    def _fitting(self, text: str, bytes_max: int) -> str:
        data = text.encode()
        if len(data) <= bytes_max:
            return text
        self._cut["Texts that were too long and are cut"] += 1
        return data[: bytes_max - 3].decode("utf-8", "ignore") + "…"

    def _fitting_list(self, values: Sequence[Labelled], bytes_max: int) -> str | None:
        kept = list(values)
        while (text := write_values(kept)) is not None and len(text.encode()) > bytes_max:
            kept = kept[: len(kept) // 2]
        if len(kept) < len(values):
            self._cut["Values left out because there are too many"] += len(values) - len(kept)
        return text

    def _notes(self, rows: Sequence[object]) -> list[str]:
        notes = [f"{what}: {count}." for what, count in sorted(self._cut.items())]
        if self._left_out:
            said = ", ".join(
                f"{shown(name)} ({count})" for name, count in sorted(self._left_out.items())[:20]
            )
            more = len(self._left_out) - 20
            said += f" and {more} others" if more > 0 else ""
            notes.append(f"Left out, because no field of a contact holds them: {said}.")
        if self._agents:
            notes.append(f"Left out: cards inside another card ({self._agents}).")
        if self._empty:
            notes.append(f"Left out: cards with nothing in them ({self._empty}).")
        if self._no_lines:
            notes.append(
                f"Left out: lines that are no property ({self._no_lines}, "
                f"the first is line {self._first_no_line})."
            )
        return notes


_LISTED: Final = {
    "TEL": "phones",
    "EMAIL": "emails",
    "ADR": "addresses",
    "URL": "urls",
    "NICKNAME": "nickname",
    "ORG": "organisation",
    "CATEGORIES": "categories",
}
_ONE: Final = {"FN": "name", "TITLE": "title", "ROLE": "role", "NOTE": "note", "UID": "uid"}
_N_PARTS: Final = ("family", "given", "additional", "prefix", "suffix")
# What tells two contacts of one name apart.
_TELLING: Final = ("organisation", "emails", "phones", "addresses")
_FIELDS: Final = CONTACT.fields
_BYTES_MAX: Final = {f.name: f.high for f in _FIELDS}
assert set(_BYTES_MAX) >= LISTS
assert _BYTES_MAX["note"] == CONTACT_TEXT_BYTES_MAX
assert _BYTES_MAX["name"] == RECORD_TEXT_BYTES_MAX


def _named_by(card: _Card) -> str:
    """What a card without FN is called: its N, else what it has."""
    order = ("prefix", "given", "additional", "family", "suffix")
    if name := " ".join(card.texts[part] for part in order if part in card.texts):
        return name
    for key in ("organisation", "nickname", "emails", "phones"):
        if card.lists[key]:
            return card.lists[key][0].text
    return ""


class _VcardReader:
    """The reader that the entry point names."""

    name = _NAME

    def sniff(self, head: bytes, filename: str) -> bool:
        if head.startswith(_MARKS[1:]):
            head = head.decode("utf-16", "ignore").encode()
        return _BEGIN.match(head.removeprefix(_MARKS[0])) is not None

    def read(self, data: bytes, filename: str) -> Extract:
        """The contacts of the file.  Raises ReaderError."""
        check_size(data, filename)
        if data.startswith(_MARKS):
            data = decoded(data, filename, "utf-8").encode()
        nul = data.find(b"\0")
        if nul >= 0:
            line = data.count(b"\n", 0, nul) + 1
            raise refusal(filename, "the file holds NUL characters: it is damaged or no text", line)
        book = _AddressBook(filename)
        book.read(content_lines(data, _BINARY))
        return book.extract()


reader = _VcardReader()

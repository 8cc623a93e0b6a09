"""Address books as vCards: 2.1 as old telephones write it, 3.0, and 4.0.

2.1 gives text beyond ASCII as quoted-printable with a charset and knows no escapes but `\\;`; 3.0
and 4.0 are UTF-8, escape `\\`, `;`, `,` and newlines, and are folded at 75 bytes.

Source: vCard 2.1 (versit, 1996), RFC 2426, RFC 6350.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_LINE_BYTES: Final = 75


@dataclass(frozen=True, slots=True)
class Card:
    """One person or firm.  `street`, `code`, `town` may be empty; `phone` is in E.164."""

    uid: str
    given: str
    family: str
    phone: str
    home: bool = False
    mail: str = ""
    firm: str = ""
    street: str = ""
    code: str = ""
    town: str = ""
    born: datetime.date | None = None
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}".strip() or self.firm


def vcard_file(cards: Iterable[Card], version: str) -> Iterator[bytes]:
    """The cards of `version` 2.1, 3.0 or 4.0, one after the other."""
    form = {"2.1": _old, "3.0": _three, "4.0": _four}[version]
    for card in cards:
        lines = ["BEGIN:VCARD", f"VERSION:{version}", *form(card), "END:VCARD"]
        fold = _whole if version == "2.1" else _folded
        yield b"".join(fold(line) for line in lines)


def _old(card: Card) -> Iterator[str]:
    yield _quoted("N", f"{card.family};{card.given};;;")
    yield _quoted("FN", card.name)
    yield f"TEL;{'HOME' if card.home else 'CELL'}:{_national(card.phone)}"
    if card.mail:
        yield f"EMAIL;INTERNET:{card.mail}"
    if card.firm:
        yield _quoted("ORG", card.firm)
    if card.street:
        yield _quoted("ADR;HOME", f";;{card.street};{card.town};;{card.code};France")
    if card.note:
        yield _quoted("NOTE", card.note)


def _three(card: Card) -> Iterator[str]:
    yield f"N:{_safe(card.family)};{_safe(card.given)};;;"
    yield f"FN:{_safe(card.name)}"
    yield f"TEL;TYPE={'HOME' if card.home else 'CELL'}:{card.phone}"
    if card.mail:
        yield f"EMAIL;TYPE=INTERNET:{card.mail}"
    if card.firm:
        yield f"ORG:{_safe(card.firm)}"
    if card.street:
        yield f"ADR;TYPE=HOME:;;{_safe(card.street)};{_safe(card.town)};;{card.code};France"
    if card.born:
        yield f"BDAY:{card.born}"
    if card.note:
        yield f"NOTE:{_safe(card.note)}"


def _four(card: Card) -> Iterator[str]:
    yield f"UID:urn:uuid:{card.uid}"
    yield f"KIND:{'individual' if card.family else 'org'}"
    yield f"N:{_safe(card.family)};{_safe(card.given)};;;"
    yield f"FN:{_safe(card.name)}"
    yield f"TEL;VALUE=uri;TYPE={'home' if card.home else 'cell'}:tel:{card.phone}"
    if card.mail:
        yield f"EMAIL;TYPE=home:{card.mail}"
    if card.firm:
        yield f"ORG:{_safe(card.firm)}"
    if card.street:
        yield f"ADR;TYPE=home:;;{_safe(card.street)};{_safe(card.town)};;{card.code};France"
    if card.born:
        yield f"BDAY:{card.born:%Y%m%d}"
    if card.note:
        yield f"NOTE:{_safe(card.note)}"


def _national(phone: str) -> str:
    """`06 39 98 12 34`, as people type their neighbours' numbers."""
    digits = "0" + phone.removeprefix("+33")
    return " ".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def _safe(text: str) -> str:
    for character, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(character, written)
    return text


def _quoted(name: str, text: str) -> str:
    """A property of 2.1: as it is where it is ASCII, else quoted-printable."""
    if text.isascii() and "\n" not in text:
        return f"{name}:{text}"
    head = f"{name};CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:"
    lines, room = [head], _LINE_BYTES - len(head)
    for byte in text.replace("\n", "\r\n").encode():
        plain = 32 <= byte < 127 and byte != ord("=")
        piece = chr(byte) if plain else f"={byte:02X}"
        if len(piece) >= room:
            lines[-1] += "="  # a soft break: the line goes on
            lines.append("")
            room = _LINE_BYTES
        lines[-1] += piece
        room -= len(piece)
    return "\r\n".join(lines)


def _whole(line: str) -> bytes:
    return f"{line}\r\n".encode()


def _folded(line: str) -> bytes:
    """Cut at 75 bytes, never within a character; what follows begins with a space."""
    pieces, size = [""], 0
    for character in line:
        width = len(character.encode())
        if size + width > _LINE_BYTES:
            pieces.append(" ")
            size = 1
        pieces[-1] += character
        size += width
    return "".join(f"{piece}\r\n" for piece in pieces).encode()

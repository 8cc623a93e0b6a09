"""Content lines: `group.NAME;PARAM=value:value`, as vCard and iCalendar files hold them.

    bytes ── line ends, folding, soft breaks ──> whole lines ── name, parameters, value ──> Line

A long line is folded: the rest of it follows on lines that begin with a blank.  vCard 3 and 4 (and
iCalendar) drop that blank; vCard 2.1 folds where a blank was, and keeps it.  Folding may part the
bytes of one letter, so lines are joined as bytes and become text afterwards.

vCard 2.1 brings two more: a QUOTED-PRINTABLE value goes on while a line ends with `=`, and BASE64
goes on to the next empty line, with or without blanks in front.  Its parameters may stand bare
(`TEL;CELL;VOICE:`), its texts in any charset that CHARSET names.

What telephones write beyond that is read where it has one meaning: a soft break with nothing after
it, a custom label as `X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=48=69)`, bytes that are not
UTF-8 and no charset (then they are cp1252).

It does not say what a property means, and it keeps no value of a property that `skip` names: a
photograph is passed over as it is read.

Source: RFC 6350, 3; RFC 2426, 2; versit's vCard 2.1, 2.1; RFC 6868 for `^` in parameters.
"""

from __future__ import annotations

import codecs
import quopri
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ..protocol.limits import FILE_ATTRIBUTES_MAX, FILE_TEXT_CHARS_MAX

_NAME = re.compile(r"(?:([A-Za-z0-9_-]{1,64})\.)?([A-Za-z0-9_-]{1,64})")
# A parameter may hold `;`, `,` and `:` in quotes, and in the brackets of a custom label.
_PARAM = re.compile(r';((?:"[^"]*"|\([^)]*\)|[^;"(]|["(])*)')
_CUSTOM = re.compile(r"X-CUSTOM\((.*)\)", re.IGNORECASE)
_ITEM = re.compile(r'"([^"]*)"|([^,]+)')
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
# Lines over which name and parameters may be folded.
_HEAD_PIECES_MAX: Final = 8
_ENCODINGS: Final = {
    "QUOTED-PRINTABLE": "QUOTED-PRINTABLE",
    "BASE64": "BASE64",
    "B": "BASE64",
    "8BIT": "8BIT",
    "7BIT": "7BIT",
}
_PLACES: Final = frozenset({"INLINE", "URL", "CID", "CONTENT-ID"})
_CARETS: Final = {"^n": "\n", "^^": "^", "^'": '"'}
# Charsets that address books are written in, by the names that Python knows them under.
_CHARSETS: Final = frozenset(
    {"utf-8", "ascii", "big5", "gb2312", "gbk", "gb18030", "shift_jis"}
    | {"euc_jp", "euc_kr", "iso2022_jp", "koi8-r", "koi8-u", "mac-roman"}
    | {f"iso8859-{part}" for part in range(1, 17)}
    | {f"cp{page}" for page in (437, 850, 852, 866, 932, 949, 950, *range(1250, 1259))}
)


@dataclass(frozen=True, slots=True)
class Line:
    """One property.  `name` and the names of `params` are upper case; `number` is where it begins.

    `value` is text with its escapes as they stand, but for QUOTED-PRINTABLE, which is undone.
    """

    number: int
    group: str
    name: str
    params: Mapping[str, tuple[str, ...]]
    value: str

    def first(self, param: str) -> str:
        """The first value of a parameter, or an empty text."""
        return next(iter(self.params.get(param, ())), "")


@dataclass(frozen=True, slots=True)
class NoLine:
    """What stands where a property should: text without a name and a colon."""

    number: int


def content_lines(data: bytes, skip: Collection[str] = ()) -> Iterator[Line | NoLine]:
    """The properties of a file, in order.  Those named in `skip` come without their value."""
    physical = data.splitlines()
    keeps_blank = False
    at, end = 0, len(physical)
    while at < end:
        first = at
        pieces = [physical[at]]
        at += 1
        if not pieces[0].strip():
            continue
        head = _head_of(pieces[0])
        encoding = "" if head is None else _encoding(head)
        while at < end:
            piece = physical[at]
            if encoding == "QUOTED-PRINTABLE" and pieces[-1].endswith(b"="):
                pieces[-1] = pieces[-1][:-1]
                if not piece or _begins_card(piece):  # a soft break before nothing
                    break
                pieces.append(piece)
            elif piece[:1] in (b" ", b"\t") and piece:
                kept = keeps_blank and encoding != "BASE64"
                pieces.append(piece if kept else piece[1:])
                if head is None and len(pieces) <= _HEAD_PIECES_MAX:  # folded in its parameters
                    head = _head_of(b"".join(pieces))
                    encoding = "" if head is None else _encoding(head)
            elif encoding == "BASE64" and _BASE64.fullmatch(piece) is not None:
                pieces.append(piece)
            else:
                break
            at += 1
        else:
            if encoding == "QUOTED-PRINTABLE" and pieces[-1].endswith(b"="):
                pieces[-1] = pieces[-1][:-1]
        line = _line(first + 1, pieces, skip)
        if isinstance(line, Line) and line.name in ("VERSION", "BEGIN"):
            keeps_blank = line.value.strip() == "2.1"
        yield line


def _begins_card(piece: bytes) -> bool:
    return piece[:4].upper() == b"END:" or piece[:6].upper() == b"BEGIN:"


def _colon(text: bytes) -> int:
    """Where the value begins: the first colon outside quotes and brackets; -1 if there is none."""
    at = text.find(b":")
    if at < 0 or (b'"' not in text[:at] and b"(" not in text[:at]):
        return at
    quoted = depth = False
    for place, byte in enumerate(text):
        if byte == 0x22:
            quoted = not quoted
        elif not quoted and byte in b"()":
            depth = byte == 0x28
        elif byte == 0x3A and not quoted and not depth:
            return place
    return at  # quotes that do not close are letters


def _head_of(text: bytes) -> bytes | None:
    at = _colon(text)
    return None if at < 0 else text[:at]


@lru_cache(maxsize=512)
def _encoding(head: bytes) -> str:
    """How the value is written, by the head of its line."""
    parsed = _head(head.decode("utf-8", "replace"))
    return "" if parsed is None else parsed[2].get("ENCODING", ("",))[0]


@lru_cache(maxsize=512)
def _head(text: str) -> tuple[str, str, Mapping[str, tuple[str, ...]]] | None:
    """(group, name, parameters); None if it is no head of a property."""
    match = _NAME.match(text) if len(text) <= FILE_TEXT_CHARS_MAX else None
    if match is None or text[match.end() : match.end() + 1] not in ("", ";"):
        return None
    params: dict[str, tuple[str, ...]] = {}
    for number, found in enumerate(_PARAM.finditer(text, match.end())):
        if number == FILE_ATTRIBUTES_MAX:
            return None
        name, values = _param(found[1].strip())
        if name:
            params[name] = params.get(name, ()) + values
    return match[1] or "", match[2].upper(), params


def _param(text: str) -> tuple[str, tuple[str, ...]]:
    custom = _CUSTOM.fullmatch(text)
    if custom is not None:
        return "TYPE", (_custom_label(custom[1]),)
    name, equals, value = text.partition("=")
    if not equals:
        word = text.upper()
        if word in _ENCODINGS:
            return "ENCODING", (_ENCODINGS[word],)
        return ("VALUE" if word in _PLACES else "TYPE", (text,)) if text else ("", ())
    name = name.strip().upper()
    if name == "ENCODING":
        return name, (_ENCODINGS.get(value.strip().upper(), value.upper()),)
    values = (found[1] if found[2] is None else found[2] for found in _ITEM.finditer(value))
    plain = tuple(_CARET.sub(lambda found: _CARETS[found[0]], one.strip()) for one in values)
    # TYPE="work,voice" is one quoted value in the RFC's own example, and means two.
    if name == "TYPE":
        plain = tuple(word.strip() for one in plain for word in one.split(","))
    return name, plain


_CARET = re.compile(r"\^[n^']")


def _custom_label(text: str) -> str:
    """`CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=48=69` as the word that a person wrote."""
    *settings, word = text.split(",")
    said = {name.upper(): value for name, _, value in (s.partition("=") for s in settings)}
    if said.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":
        return _decoded(quopri.decodestring(word.encode()), said.get("CHARSET", ""))
    return word


def _line(number: int, pieces: list[bytes], skip: Collection[str]) -> Line | NoLine:
    joined = b"".join(pieces)
    at = _colon(joined)
    head = None if at < 0 else _head(joined[:at].decode("utf-8", "replace").strip())
    if head is None:
        return NoLine(number)
    group, name, params = head
    if name in skip:
        return Line(number, group, name, params, "")
    value = joined[at + 1 :]
    if params.get("ENCODING", ("",))[0] == "QUOTED-PRINTABLE":
        value = quopri.decodestring(value)
    return Line(number, group, name, params, _decoded(value, params.get("CHARSET", ("",))[0]))


def _decoded(value: bytes, charset: str) -> str:
    """`value` in the charset that it says, else UTF-8, else cp1252."""
    for encoding in (_known(charset), "utf-8"):
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value.decode("cp1252", "replace")


@lru_cache(maxsize=64)
def _known(charset: str) -> str:
    """Python's name of a charset; UTF-8 for one that is not read here."""
    try:
        found = codecs.lookup(charset).name if charset.isascii() and charset else ""
    except LookupError:
        return "utf-8"
    return found if found in _CHARSETS else "utf-8"

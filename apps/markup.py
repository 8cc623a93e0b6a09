"""Markup from outside: elements, one at a time, or one sentence.

Exports come as one tree with a million leaves.  Holding it would cost fifty times the file, so a
reader names the elements that it wants *cut*: each of these is handed over complete as it closes,
and is gone from the tree.  What is left at any moment is the frame around them, and that has a
limit too.

Two sources drive the same builder: XML through defusedxml, in which a DTD, an entity or an external
reference ends the reading; and the scanner of OFX 1 (`readers/ofx.py`), whose fields may stay
open.  The whole file is given to expat in one call: in small pieces an older expat reads a huge
attribute again for each piece, which takes quadratic time.

Names are local names; `space` keeps the namespace for whoever cares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, cast
from xml.parsers import expat

from defusedxml import (  # type: ignore[import-untyped]  # the package ships no types
    DefusedXmlException,
)
from defusedxml.ElementTree import (  # type: ignore[import-untyped]  # the package ships no types
    DefusedXMLParser,
    ParseError,
)

from ..protocol.limits import (
    FILE_ATTRIBUTES_MAX,
    FILE_DEPTH_MAX,
    FILE_ELEMENTS_HELD_MAX,
    FILE_ELEMENTS_MAX,
    FILE_TEXT_CHARS_MAX,
)
from ..protocol.reading import check_size, refusal, shown

# Encodings that exports are written in.  Python knows a hundred more; a file that asks for one of
# them is not one of these exports.
_ENCODINGS = {
    "": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-16": "utf-16",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Element:
    """One element: its local name, the line it starts on, its text, what is still inside it."""

    name: str
    line: int
    space: str = ""
    attributes: Mapping[str, str] = field(default_factory=lambda: _NONE)
    text: str = ""
    children: list[Element] = field(default_factory=list["Element"])

    def child(self, name: str) -> Element | None:
        """The first child called `name`."""
        for child in self.children:
            if child.name == name:
                return child
        return None

    def value(self, name: str) -> str:
        """The text of the first child called `name`, without the blanks around it; or nothing."""
        child = self.child(name)
        return "" if child is None else child.text.strip()

    def values(self, name: str) -> list[str]:
        return [child.text.strip() for child in self.children if child.name == name]


class Builder:
    """Elements as they close.  Raises ReaderError past a limit.

    `cut` names the elements to hand over, each to its function; a name not in it stays in the
    tree, inside the nearest cut element around it.
    """

    def __init__(self, filename: str, cut: Mapping[str, Callable[[Element], None]]) -> None:
        self._filename = filename
        self._cut = cut
        self._open: list[Element] = []
        self._held: list[int] = []
        self._held_now = 0
        self._elements = 0

    @property
    def top(self) -> Element | None:
        """The innermost open element."""
        return self._open[-1] if self._open else None

    def is_open(self, name: str) -> bool:
        return any(element.name == name for element in self._open)

    def start(
        self, name: str, line: int, space: str = "", attributes: Mapping[str, str] | None = None
    ) -> None:
        if len(self._open) >= FILE_DEPTH_MAX:
            raise refusal(self._filename, f"elements are nested over {FILE_DEPTH_MAX} deep", line)
        self._held.append(self._held_now)
        self._held_now += 1
        self._elements += 1
        if self._elements > FILE_ELEMENTS_MAX or self._held_now > FILE_ELEMENTS_HELD_MAX:
            raise refusal(self._filename, "the file has too many elements to be an export", line)
        if attributes is None:
            attributes = _NONE
        elif len(attributes) > FILE_ATTRIBUTES_MAX:
            raise refusal(self._filename, f"<{shown(name)}> has too many attributes", line)
        elif max(map(len, attributes.values())) > FILE_TEXT_CHARS_MAX:
            raise self._too_long(name, line)
        if len(name) > FILE_TEXT_CHARS_MAX:
            raise self._too_long(name, line)
        self._open.append(Element(name, line, space, attributes))

    def data(self, text: str) -> None:
        if not self._open or text.isspace():
            return
        element = self._open[-1]
        element.text += text
        if len(element.text) > FILE_TEXT_CHARS_MAX:
            raise self._too_long(element.name, element.line)

    def end(self) -> None:
        element = self._open.pop()
        held = self._held.pop()
        take = self._cut.get(element.name)
        if take is not None:
            self._held_now = held
            take(element)
        elif self._open:
            self._open[-1].children.append(element)

    def end_unsaid(self) -> None:
        """Close an element that the file leaves open: a field, so what followed stands beside it.

        Raises ReaderError for one to be cut that has no text: it is no field but holds others.
        """
        element = self._open[-1]
        if (element.name in self._cut and not element.text) or len(self._open) == 1:
            raise refusal(self._filename, f"<{shown(element.name)}> is never closed", element.line)
        inner, element.children = element.children, []
        self.end()
        self._open[-1].children.extend(inner)

    def _too_long(self, name: str, line: int) -> Exception:
        return refusal(
            self._filename,
            f"<{shown(name)}> holds over {FILE_TEXT_CHARS_MAX:,} characters",
            line,
        )


class _Expat(Protocol):
    """What is used of expat's parser, which has no types of its own here."""

    StartElementHandler: Callable[[str, list[str]], None]
    EndElementHandler: Callable[[str], None]

    @property
    def CurrentLineNumber(self) -> int: ...


class _XmlParser(Protocol):
    parser: _Expat

    def feed(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class _Target:
    """Receives expat's events and passes them on.

    ElementTree's parser would fix names and make a map for each element before its target sees
    it; a year of readings is read in half the time when expat calls us itself.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self.data = builder.data
        self._names: dict[str, tuple[str, str]] = {}

    def attach(self, parser: _Expat) -> None:
        self.parser = parser
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end

    def _start(self, tag: str, attributes: list[str]) -> None:
        """`tag` is `namespace}local`; `attributes` are names and values in turn."""
        names = self._names.get(tag)
        if names is None:
            space, _, name = tag.rpartition("}")
            names = self._names[tag] = (name, space)
        given = None
        if attributes:
            given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self._builder.start(names[0], self.parser.CurrentLineNumber, names[1], given)

    def _end(self, tag: str) -> None:
        self._builder.end()

    def close(self) -> None:
        """Nothing is built."""


def read_xml(data: bytes, filename: str, cut: Mapping[str, Callable[[Element], None]]) -> None:
    """Hand over each element of the XML file `data` that `cut` names, as it closes.

    Raises ReaderError: not XML, cut short, a wrong encoding, a DTD or entity, a limit passed.
    """
    check_size(data, filename)
    text = decoded(data, filename, _declared(data))
    target = _Target(Builder(filename, cut))
    # Decoded above, once and strictly; what the declaration says is spent.
    parser = cast(_XmlParser, DefusedXMLParser(target=target, encoding="utf-8", forbid_dtd=True))
    target.attach(parser.parser)
    try:
        parser.feed(text.encode("utf-8"))
        parser.close()
    except DefusedXmlException:
        line = target.parser.CurrentLineNumber
        raise refusal(
            filename, "the file declares a DTD or entities, which no export needs", line
        ) from None
    except ParseError as error:
        line, _ = error.position
        reason = expat.errors.messages.get(error.code, "malformed")
        raise refusal(filename, f"the XML is not sound: {reason}", line) from None


def decoded(data: bytes, filename: str, encoding: str) -> str:
    """`data` as text, by the byte order mark if there is one, else by the name `encoding`.

    Raises ReaderError naming the line of the first byte that does not fit, and for NUL characters.
    """
    if data.startswith(_UTF16_MARKS):
        encoding = "utf-16"
    elif data.startswith(_UTF8_MARK):
        data, encoding = data[len(_UTF8_MARK) :], "utf-8"
    codec = _ENCODINGS.get(encoding.lower())
    if codec is None:
        raise refusal(filename, f"the encoding {shown(encoding)!r} is not read here")
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        name = encoding or codec
        raise refusal(
            filename, f"byte {error.start} does not fit the encoding {name}", line
        ) from None
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise refusal(filename, "the file holds NUL characters: it is damaged or no text", line)
    return text


def _declared(data: bytes) -> str:
    """The encoding that the XML declaration names; nothing when there is none."""
    head = data[:256].removeprefix(_UTF8_MARK)
    if not head.startswith(b"<?xml"):
        return ""
    declaration = head[: head.find(b"?>")].replace(b"'", b'"')
    _, _, rest = declaration.partition(b"encoding")
    name = rest.lstrip(b" \t\r\n=").partition(b'"')[2].partition(b'"')[0]
    return name.decode("ascii", "replace").strip()


def first_tag(head: bytes) -> bytes:
    """The first start tag in `head`, past declarations and comments; nothing when none is there.

    For `sniff`: linear in `head`, decodes nothing.
    """
    at = len(_UTF8_MARK) if head.startswith(_UTF8_MARK) else 0
    while True:
        while head[at : at + 1].isspace():
            at += 1
        # A DTD is passed over so that the reader whose file it is can refuse it by name.
        subset = b"[" in head[at : head.find(b">", at)]
        for opening, closing in (
            (b"<?", b"?>"),
            (b"<!--", b"-->"),
            (b"<!", b"]>" if subset else b">"),
        ):
            if head.startswith(opening, at):
                end = head.find(closing, at)
                break
        else:
            return head[at : head.find(b">", at) + 1] if head.startswith(b"<", at) else b""
        if end < 0:
            return b""
        at = end + len(closing)

"""The markup of OFX 1: SGML behind a header of `NAME:value` lines.

Containers are closed, fields need not be.  The scanner knows no entities beyond the five that the
specification names and character numbers, so there is nothing in it to explode, and it drives the
same builder as XML does (`markup.py`).

Source: OFX 1.6, chapter 2.
"""

from __future__ import annotations

import re
from typing import Final

from ..protocol.limits import FILE_HEAD_BYTES
from ..protocol.reading import refusal, shown
from .markup import Builder, decoded

_ROOT = re.compile("<OFX>", re.IGNORECASE)
_HEADER_LINE = re.compile(r"([A-Z]{1,16})[ \t]*:[ \t]*([^\s<]{0,64})")
_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9._]{0,63})[ \t]{0,16}>"
    r"|<!\[CDATA\[(?P<cdata>[^\]]{0,4096})\]\]>"
    r"|(?P<markup><[!?])"
)
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([a-z]{2,4}));")
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " "}


def text_of(data: bytes, filename: str, notes: list[str]) -> str:
    """OFX 1 as text.  Its header names the encoding, often wrongly.

    Text beyond ASCII that is sound UTF-8 is UTF-8, whatever the header says: letters of cp1252
    that happen to spell it do not occur in words; `notes` then says so.  Raises ReaderError.
    """
    head, _, _ = data[:FILE_HEAD_BYTES].partition(b"<")
    header = dict(_HEADER_LINE.findall(head.decode("ascii", "replace").upper()))
    encoding, charset = header.get("ENCODING", ""), header.get("CHARSET", "")
    if encoding in ("UNICODE", "UTF-8", "UTF8") or charset in ("UTF-8", "UTF8"):
        return decoded(data, filename, "utf-8")
    if not data.isascii():
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        else:
            notes.append("The header names another encoding; the text is UTF-8.")
            return decoded(text.encode(), filename, "utf-8")
    names = {"8859-1": "iso-8859-1", "ISO-8859-1": "iso-8859-1", "ISO-8859-15": "iso-8859-15"}
    return decoded(data, filename, names.get(charset, "cp1252"))


def scan(text: str, builder: Builder, filename: str) -> None:
    """Drive `builder` by OFX 1's markup.  Raises ReaderError.

    A field that is not closed ends where the next tag begins (if it has text) or where the
    container around it closes.  A `<` that begins no tag is text: banks do not escape names.
    """
    root = _ROOT.search(text)
    at = counted = 0 if root is None else root.start()
    line = text.count("\n", 0, at) + 1
    for match in _TAG.finditer(text, at):
        if match.start() > at:
            builder.data(_plain(text[at : match.start()], filename, line))
        line += text.count("\n", counted, match.start())
        counted = match.start()
        at = match.end()
        if match["markup"]:
            raise refusal(filename, "declarations have no place in an OFX file", line)
        if match["cdata"] is not None:
            builder.data(match["cdata"])
            continue
        name = match["name"].upper()
        top = builder.top
        if match["close"]:
            if not builder.is_open(name):
                raise refusal(filename, f"</{shown(name)}> closes nothing", line)
            while (top := builder.top) is not None and top.name != name:
                builder.end_unsaid()
            builder.end()
            if builder.top is None:
                return
        else:
            if top is not None and top.text:
                builder.end_unsaid()
            builder.start(name, line)
    opened = builder.top
    where = "before <OFX>" if opened is None else f"inside <{shown(opened.name)}>"
    raise refusal(filename, f"the file ends {where}: it is cut short", line)


def _plain(text: str, filename: str, line: int) -> str:
    """Text with its character references replaced; an `&` that begins none is itself."""
    if "&" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        if match[3]:
            return _ENTITIES.get(match[3], match[0])
        code = int(match[1]) if match[1] else int(match[2], 16)
        if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise refusal(filename, f"{match[0]} is no character", line)
        return chr(code)

    return _ENTITY.sub(character, text)

"""Atom entries, and the links by which they name each other.

Source: RFC 4287; how ESPI uses it: NAESB REQ.21.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from ..protocol.reading import refusal
from .markup import Element


@dataclass(frozen=True, slots=True)
class Entry:
    """What of an Atom entry tells where it belongs."""

    kind: str
    line: int
    content: Element
    itself: str
    up: str
    related: tuple[str, ...]


def entry_of(element: Element, space: str) -> Entry | None:
    """An Atom `entry` whose content is of the namespace `space`; None if it has other content."""
    content = element.child("content")
    inside = [] if content is None else [c for c in content.children if c.space == space]
    if not inside:
        return None
    links = [c.attributes for c in element.children if c.name == "link"]
    by_rel = {link.get("rel", ""): link.get("href", "").strip() for link in links}
    related = tuple(x.get("href", "").strip() for x in links if x.get("rel") == "related")
    return Entry(
        inside[0].name,
        element.line,
        inside[0],
        by_rel.get("self", ""),
        by_rel.get("up", ""),
        related,
    )


def seconds_of(text: str) -> float:
    """An Atom date as seconds since 1970; 0 when it is none."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()


class Links:
    """The entries of one kind, found by the links that others have to them.

    `below` names the collection under such an entry, which other entries give as their `up`.
    """

    def __init__(self, filename: str, entries: list[Entry], below: str = "") -> None:
        self._filename = filename
        self._entries = entries
        self._by_link: dict[str, list[Entry]] = {}
        self._guessed: set[tuple[str, ...]] = set()
        self._matched = False
        for entry in entries:
            links = {entry.itself}
            if below:
                links |= {f"{entry.itself}/{below}", *entry.related}
            for link in links - {""}:
                self._by_link.setdefault(link, []).append(entry)

    def only(self) -> Entry | None:
        """The entry of this kind, if there is one and no other."""
        return self._entries[0] if len(self._entries) == 1 else None

    def find(self, links: tuple[str, ...], source: Entry) -> Entry | None:
        """The one entry that `links` name; None if the file has none of this kind at all.

        Raises ReaderError when several are meant, or none of several.  The only entry there is
        serves for links that lead nowhere, as long as all of them lead to the same nowhere.
        """
        found = {id(e): e for link in links for e in self._by_link.get(link, ())}
        if len(found) == 1:
            self._matched = True
            return next(iter(found.values()))
        if not self._entries:
            return None
        only = self.only()
        if only is not None and not found:
            self._guessed.add(links)
            if len(self._guessed) == 1 and not self._matched:
                return only
        raise refusal(
            self._filename,
            f"the links of this {source.kind} do not say which {self._entries[0].kind} it has",
            source.line,
        )

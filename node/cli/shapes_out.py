"""What `--json` prints of data that is given out of hand or destroyed: export, erase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

OUT: Final[Mapping[str, Shape]] = {
    "export": one(
        folder="where it is",
        digest="SHA-256 of its manifest, hexadecimal: what names it",
        collections="collections in it",
        records="records as they were told",
        facts="of these, each fact once",
        statements="statements of sources",
        files="files",
        bytes="their size in all",
        resumed="collections that an earlier run had written",
        damaged="a sentence for each page that could not be opened and is missing",
    ),
    "erase": one(
        path="the collection",
        records="records erased, each once however often it was told",
        tellings="how often they were told",
        pages="encrypted pages overwritten",
        told="names of the readers whose terms bind them to delete what they read; they are asked",
        free="names of the readers whose terms do not",
        grants="the grants under which they read it",
        files="files that were read back without a trace of it",
    ),
    "erase --everything": one(
        folder="the home that is gone",
        files="files overwritten",
        grants="grants taken back",
        told="names of those who know it: readers, and who shares a record or is owed a deletion",
        untold="names of those who could not be told",
        left="names of files that are not ours and still there",
    ),
    "erased": lines(
        path="the collection",
        records="how many were erased of it, and may not come again",
        first="the first day of which",
        last="the last",
        last_ms="when the last was erased",
    ),
    "erased lift": one(path="the collection", records="how many may come again"),
}

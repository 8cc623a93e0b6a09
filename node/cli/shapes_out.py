"""What `--json` prints of data that is given out of hand or destroyed: export, erase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, one

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
}

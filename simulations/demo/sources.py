"""What the two organisations of the demo hand back: files given, or those of a generated household.

The household's are its bank's last statement and its meter's last two months; what is right for
them stands in its answers, which the story is held against.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from ...node.errors import UsageError
from ...node.imports.plan import installed_readers
from ...protocol.errors import ReaderError
from ...protocol.reading import reader_for
from ..household import SEED_MAX, generate
from ..household.generate import ANSWERS
from ..household.people import CURRENCY
from .story import Known, Source


def sources_of(
    folder: Path, bank: Path | None, energy: Path | None, seed: int
) -> tuple[Source, Source]:
    """What the bank and the energy supplier hand back: the files given, else a household's.

    A household is made in `folder` where it is needed.  Raises UsageError, ReaderError.
    """
    made: dict[str, Path] = {}
    known: dict[str, Known] = {}
    if bank is None or energy is None:
        made, known = _household(folder / "household", seed)
    return (
        _source(bank or made["bank"], "transaction/1", None if bank else known["bank"]),
        _source(energy or made["energy"], "meter-reading/1", None if energy else known["energy"]),
    )


def _household(folder: Path, seed: int) -> tuple[dict[str, Path], dict[str, Known]]:
    """The last statement and the last load curve of a household, and its answers to both."""
    if not 0 <= seed <= SEED_MAX:
        raise UsageError(f"--seed is a whole number from 0 to {SEED_MAX}")
    generate(seed, folder, sources=("banks", "meters"))
    files = json.loads((folder / ANSWERS).read_text())["files"]
    bank = max(path for path in files if path.startswith("bank-a/") and path.endswith(".ofx"))
    energy = max(path for path in files if path.startswith("green-button/"))
    spent, used = files[bank], files[energy]
    return {"bank": folder / bank, "energy": folder / energy}, {
        "bank": Known(
            spent["records"], Decimal(spent["received"]) - Decimal(spent["paid"]), CURRENCY
        ),
        "energy": Known(used["records"], Decimal(used["energy_wh"]), "Wh"),
    }


def _source(file: Path, schema: str, known: Known | None) -> Source:
    """What a file holds for one collection, and what is known of it."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    extract = reader_for(installed_readers(), data, file.name).read(data, file.name)
    fitting = [item for item in extract.items if item.batch.schema.name == schema]
    if not fitting:
        raise ReaderError(f"{file.name} holds no {schema.partition('/')[0]} records")
    if len(fitting) > 1 or not len(fitting[0].batch):
        raise ReaderError(f"{file.name} holds several series; the demo takes a file with one")
    return Source(file.absolute(), fitting[0], known)

"""README.txt of an export: what each file is, for somebody who has only the folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...protocol.export_manifest import ExportedCollection
from ...protocol.record_text import field_names, time_text

_TEXT: Final = """\
An export of the vault "{name}", written by {program} on {made}.

Everything in this folder is in clear.  Whoever has it can read it.

manifest.json           what lies here, with the length and SHA-256 of every file.
                        It was written last: a folder without it is not whole.
collections/            the records, one folder a collection
  .../records.jsonl     every record as it was told, one JSON object a line
  .../records.csv       each fact once, for a spreadsheet (if it was asked for)
statements/             what an organisation signed when it handed data over,
                        with the salts of the days, so that anybody can verify it
sources.jsonl           who told the records: the number that stands as `_source`
imports.jsonl           the files that were imported
left-out.jsonl          what several files said word for word: a digest for each
people.json             the people of the household, and whose each collection is
peers.jsonl             with whom the node is paired, as which persona
requests.jsonl          who asked for what, and what was decided
grants.jsonl            what was lent to whom, as signed, and what was taken back
held.jsonl              what others lent to this node
terms.jsonl             the terms of requests and grants
receipts.jsonl          what was read, as both sides signed it
certificates.jsonl      which device signed for whom at the time
cards.jsonl             what organisations said of themselves, as signed
shared.jsonl            records that you and a peer both kept, and
shared-versions.jsonl   what each of the two said of them, as signed

Records.  Decimals are text and keep every place ("-12.50").  A time is ISO 8601
with the offset that the source wrote.  What is absent is null; in CSV an empty
cell.  `_source` is a line of sources.jsonl, `_page` the encrypted page that held
the record, `_again` says that the same fact is shown as another source told it.
In CSV a text that a spreadsheet would take for a formula begins with an
apostrophe; JSON Lines is exact.

Collections:
{collections}

To take it into another node of entrenous:  entrenous import THIS-FOLDER
To verify a statement without entrenous:     docs/export.md, "Verifying a statement"

Not here: data that others lent to this node (it is theirs), keys, and what was
erased.  The names of peers are what the owner calls them.
"""


def readme(name: str, program: str, made_ms: int, collections: Sequence[ExportedCollection]) -> str:
    """The text.  Names come from outside: what cannot be seen is left out of it."""
    shown = "".join(c for c in name if c.isprintable())
    lines = [
        f"  {one.path}  {one.schema.name}, {one.records} told, {one.facts} facts\n"
        f"    fields: {', '.join(field_names(one.schema))}"
        for one in collections
    ]
    made = time_text(made_ms - made_ms % 1000, None)
    return _TEXT.format(
        name=shown, program=program, made=made, collections="\n".join(lines) or "  none"
    )

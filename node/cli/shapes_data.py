"""What `--json` prints of data: brought in, added, allowed to programs, read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

_ALLOWANCE = {
    "name": "what the program is called here",
    "id": "its delegation",
    "path": "the collection that it adds to",
    "schema": "what its records look like",
    "program": "its DID",
    "node": "the DID of the device that allowed it",
    "exp_s": "until when",
    "per_minute": "records that it may add in a minute",
    "status": "`live`, `expired`, `disallowed` or `another device` (after a restore)",
    "connections": "connections open now",
    "made_ms": "when it was allowed",
    "ended_ms": "when it was disallowed, or null",
    "last_ms": "its last push, or null",
    "records": "records it added",
    "socket": "where it pushes, or null while no node runs",
    "delegation": "what the owner signed (base64)",
}

DATA: Final[Mapping[str, Shape]] = {
    "import": one(
        imported="for each file and path: `id`, `file`, `reader`, `path`, `new`, `records`, "
        "`duplicates`, `differing`, `same`, `ambiguous`, `same_as`, `already`, `notes`",
        skipped="files left out: `file`, `reason`",
    ),
    "import --preview": lines(
        file="the file",
        reader="the reader that knows it",
        items="for each path: `path`, `sources`, `new`, `duplicates`, `differing`, `same`, "
        "`ambiguous`, `same_as`, `state`, `refused`",
        notes="what the reader has to say",
    ),
    "imports": lines(
        id="the import, 32 hexadecimal digits or a few",
        file="where it came from",
        reader="the reader",
        path="the collection",
        state="`pending`, `running`, `done`, `undone` or as docs name it",
        records="records it brought",
        duplicates="records that were there already, word for word",
        differing="records that were there under the same name with other content",
        same="records whose fact another source had told under another name",
        ambiguous="records that might be the same as others and stand apart",
        same_as="who had told the duplicates and the same, and how many",
        days_done="days committed",
        days_total="days in all",
        changed_ms="when it last moved",
        last_success_ms="when it was last done, or null",
        next_step="what can be done now, in words",
    ),
    "imports undo": one(
        id="the import", path="the collection", pages="pages removed", records="records removed"
    ),
    "add": lines(
        path="the collection",
        id="the record's id, or null if it has none or was refused",
        time="its time, or null if it was refused",
        state="`added`, `there` (it was there already) or `refused`",
        line="its line in the file, or null",
        reason="why it was refused, or null",
    ),
    "remove": one(path="the collection", id="the record, or null", time="its time, or null"),
    "allow": one(**_ALLOWANCE, token="the file that was written for the program, or null"),
    "allowed": lines(**_ALLOWANCE),
    "disallow": one(**_ALLOWANCE),
    "push": one(
        path="the collection",
        new="records that were added",
        there="records that were there already",
        refused="lines left out: `line`, `reason`",
    ),
    "collections": lines(
        path="the collection",
        schema="what its records look like",
        records="how many",
        pages="encrypted pages",
        first="the first day with records, or null",
        last="the last day with records, or null",
        whose="the people of the house to whom it belongs; empty: the home",
        same="of the records, how many came as a second telling of a fact",
        differing="of the records, how many came as another telling with other content",
    ),
    "read": one(
        path="the collection",
        schema="what the records look like",
        records="the records, a key for each field; decimals as text, times in UTC",
        pages="pages opened",
        conflicts="records of which not everybody told the same amount or value",
        damaged="a sentence for each page that did not open",
    ),
    "read --sources": one(
        path="the collection",
        schema="what the records look like",
        records="the records as `read` has them, each with `sources`: `how`, `who`, `import`, "
        "`statement`, `differs` (fields) of everybody who told it, what is shown first",
        pages="pages opened",
        conflicts="records of which not everybody told the same amount or value",
        ambiguous="records that might be the same as others and stand apart",
        damaged="a sentence for each page that did not open",
    ),
}

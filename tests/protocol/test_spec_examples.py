"""docs/spec.md shows what the code does: its examples and tables are made from it again here.

Run as a script, this file writes them: `python -m entrenous.tests.protocol.test_spec_examples`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from entrenous.crypto.canonical import Link, Value
from entrenous.crypto.digest import sha256
from entrenous.crypto.labels import Derive, Signed, Tag, label
from entrenous.protocol import limits
from entrenous.protocol.collection import DOMAINS
from entrenous.protocol.command import TABLE, Cmd
from entrenous.protocol.errors import Code
from entrenous.protocol.schema import INTEGERS, SCHEMAS, VIEW_SCHEMAS
from entrenous.protocol.wire import decode
from entrenous.tests.protocol import spec_card, spec_log, spec_parcel, spec_words, spec_world
from entrenous.tests.protocol.spec_world import Cbor, Example
from entrenous.tests.vectors import open_vectors

DOCS = Path(__file__).resolve().parents[2] / "docs"
SPEC = DOCS / "spec.md"
VECTORS = DOCS / "spec-vectors.json"

EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "cast": spec_world.the_cast,
    "encoding": spec_world.encoding,
    "identity": spec_world.identity,
    "keys": spec_world.keys,
    "columns": spec_world.columns,
    "statement-by-day": spec_world.statement_by_day,
    "statement-by-record": spec_world.statement_by_record,
    "page": spec_world.page,
    "segment": spec_world.segment,
    "meeting": spec_words.meeting,
    "delivery": spec_words.delivery,
    "granting": spec_words.granting,
    "lending-on": spec_words.lending_on,
    "keyset": spec_words.keys_of_the_grant,
    "reading": spec_words.reading,
    "log": spec_words.log,
    "checkpoint": spec_log.checkpoints,
    "log-proof": spec_log.proven,
    "taking-back": spec_words.taking_back,
    "frames": spec_words.frames,
    "parcel": spec_parcel.parcel,
    "card": spec_card.card,
    "vouch": spec_card.vouch,
}

# Longer byte strings are cut short in spec.md, never in the vectors.
SHOWN_BYTES_MAX = 64
COLUMNS = 96

# Limits that both sides hold: one that takes less breaks with a peer that is right.
SHARED_LIMITS = (
    "FRAME_BYTES_MAX",
    "DEPTH_MAX",
    "ITEMS_MAX",
    "LINE_CHARS_MAX",
    "TEXT_CHARS_MAX",
    "SIGNED_BYTES_MAX",
    "CERTIFICATE_S_MAX",
    "COMMANDS_MAX",
    "INVOCATION_AHEAD_S_MAX",
    "REPLAY_KEPT_S",
    "WINDOWS_MAX",
    "MANDATE_S_MAX",
    "MANDATE_CHAIN_MAX",
    "ACTED_BYTES_MAX",
    "CLAUSES_MAX",
    "RECIPIENTS_MAX",
    "STANDING_RULES_MAX",
    "STANDING_ITEMS_MAX",
    "STANDING_BYTES_MAX",
    "CARD_BYTES_MAX",
    "CARD_ITEMS_MAX",
    "WELL_KNOWN_BYTES_MAX",
    "WELL_KNOWN_PERSONAS_MAX",
    "TERMS_BYTES_MAX",
    "REQUEST_BYTES_MAX",
    "KEYSET_SETS_MAX",
    "KEYSET_NODES_MAX",
    "DELIVERY_PARTS_MAX",
    "PART_BYTES_MAX",
    "DELIVERY_BYTES_MAX",
    "WINDOW_BYTES_MAX",
    "WINDOW_PAGES_MAX",
    "LINK_CHARS_MAX",
    "ADDRESSES_MAX",
    "ADDRESS_CHARS_MAX",
    "INVITE_S_MAX",
    "TOKEN_BYTES_MAX",
    "CHAIN_MAX",
    "TOKEN_NONCE_BYTES_MAX",
    "POLICY_STATEMENTS_MAX",
    "POLICY_DEPTH_MAX",
    "PAGE_PLAIN_BYTES_MAX",
    "PAGE_ROWS_MAX",
    "SCALE_MAX",
    "STATEMENT_DAYS_MAX",
    "PROOF_HASHES_MAX",
    "SEGMENT_ENTRIES_MAX",
    "ENTRY_BYTES_MAX",
    "OFFER_KEYSETS_MAX",
    "PARCEL_LIFE_S_MAX",
    "PARCEL_CLOCK_S_MAX",
    "PARCEL_CALLS_MAX",
    "PARCEL_WORDS_MAX",
    "PARCEL_HEAD_BYTES_MAX",
    "PARCEL_BYTES_MAX",
    "COUNTER_WINDOW",
    "COUNTER_LEAP_MAX",
)


# --- diagnostic notation (RFC 8949, 8) ------------------------------------------------------------


def diagnostic(value: Value, indent: str = "") -> str:
    """`value` on one line where it fits, else an element a line."""
    flat = _flat(value)
    if len(indent) + len(flat) <= COLUMNS or not isinstance(value, (list, dict)):
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {diagnostic(item, inner)}" for key, item in value.items()]
    else:
        lines = [diagnostic(item, inner) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    body = ",\n".join(inner + line for line in lines)
    return f"{opening}\n{body}\n{indent}{closing}"


def _flat(value: Value) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case bytes():
            return _bytes(value)
        case Link():
            return f"42(h'00{value.cid.hex()}')"
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)}: {_flat(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flat, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _bytes(data: bytes) -> str:
    if len(data) <= SHOWN_BYTES_MAX:
        return f"h'{data.hex()}'"
    return f"h'{data[:16].hex()}…' / {len(data)} bytes, SHA-256 {sha256(data).hex()[:16]}… /"


# --- examples -------------------------------------------------------------------------------------


def shown(example: Example) -> str:
    lines: list[str] = []
    for caption, part in example:
        if isinstance(part, Cbor):
            lines += [f"{caption}", f"  {diagnostic(decode(part.raw), '  ')}"]
            lines += [f"  = {_bytes(part.raw)[2:].replace(chr(39), '')}"]
        elif isinstance(part, bytes):
            lines += [f"{caption}", f"  {_bytes(part)[2:].replace(chr(39), '')}"]
        else:
            lines += [f"{caption}", f"  {part}"]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def vectors() -> str:
    """Every part of every example, whole."""
    found: dict[str, dict[str, str | int]] = {}
    for name, make in EXAMPLES.items():
        found[name] = {
            caption.strip(): part.raw.hex()
            if isinstance(part, Cbor)
            else part.hex()
            if isinstance(part, bytes)
            else part
            for caption, part in make()
        }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


# --- tables ---------------------------------------------------------------------------------------


def labels_table() -> str:
    uses = ((Derive, "derives a key (KDF)"), (Tag, "inside a digest, HPKE info or associated data"))
    rows = [f"| `{label(name)}` | {use} |" for names, use in uses for name in names]
    rows += [f"| `{label(name)}` | type of a signed object |" for name in Signed]
    return "| label | use |\n|---|---|\n" + "\n".join(rows) + "\n"


def commands_table() -> str:
    rows = [f"| `{Cmd.READ}` | see “Reading” |"]
    rows += [f"| `{cmd}` | {', '.join(row.keys)} |" for cmd, row in TABLE.items()]
    return "| command | keys of `args`, exactly |\n|---|---|\n" + "\n".join(rows) + "\n"


def codes_list() -> str:
    return " ".join(f"`{code}`" for code in Code) + "\n"


def domains_list() -> str:
    return " ".join(f"`{domain}`" for domain in DOMAINS) + "\n"


def schemas_table() -> str:
    lines = ["| schema | field | dtype | bounds |", "|---|---|---|---|"]
    for schema in (*SCHEMAS.values(), *VIEW_SCHEMAS.values()):
        for f in schema.fields:
            if f.dtype == "dec":
                bounds = f"mantissa i64, scale 0 to {limits.SCALE_MAX}"
            elif f.dtype in INTEGERS or f.dtype == "d64":
                bounds = f"{f.low} to {f.high}"
            else:
                bounds = f"{f.low} to {f.high} bytes of UTF-8"
            lines.append(f"| `{schema.name}` | {f.name} | `{f.code}` | {bounds} |")
    return "\n".join(lines) + "\n"


def limits_table() -> str:
    rows = [f"| `{name}` | {getattr(limits, name):,} |" for name in SHARED_LIMITS]
    return "| limit | value |\n|---|---:|\n" + "\n".join(rows) + "\n"


TABLES: Mapping[str, Callable[[], str]] = {
    "labels": labels_table,
    "commands": commands_table,
    "codes": codes_list,
    "domains": domains_list,
    "schemas": schemas_table,
    "limits": limits_table,
    "vectors": open_vectors.files_table,
    "kinds": open_vectors.kinds_table,
    "refusals": open_vectors.classes_table,
}

_BLOCK = re.compile(r"(<!-- begin ([a-z-]+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def generated(name: str) -> str:
    return shown(EXAMPLES[name]()) if name in EXAMPLES else TABLES[name]()


def written(text: str) -> str:
    """`text` with every block made again."""
    return _BLOCK.sub(lambda found: found[1] + generated(found[2]) + found[3], text)


def blocks(text: str) -> Iterator[str]:
    return (found[2] for found in _BLOCK.finditer(text))


# --- tests ----------------------------------------------------------------------------------------


def test_every_example_and_table_stands_in_the_specification_once() -> None:
    assert sorted(blocks(SPEC.read_text())) == sorted((*EXAMPLES, *TABLES))


def test_the_specification_is_what_the_code_does() -> None:
    text = SPEC.read_text()
    assert written(text) == text, "the code has moved: `make docs`, then look at what changed"


def test_the_vectors_are_what_the_code_does() -> None:
    assert VECTORS.read_text() == vectors()


def test_every_kind_of_signed_object_is_described() -> None:
    text = SPEC.read_text()
    for name in Signed:
        assert re.search(rf"`{name.value}[` ]", text), name


if __name__ == "__main__":
    SPEC.write_text(written(SPEC.read_text()))
    VECTORS.write_text(vectors())

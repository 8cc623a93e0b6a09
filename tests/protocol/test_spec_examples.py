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
from entrenous.crypto.labels import PREFIX, Derive, Signed, Tag, label
from entrenous.protocol import limits
from entrenous.protocol.collection import DOMAINS
from entrenous.protocol.command import TABLE, Cmd, parse_args
from entrenous.protocol.diagram import state_diagram
from entrenous.protocol.errors import Code
from entrenous.protocol.schema import INTEGERS, SCHEMAS, VIEW_SCHEMAS
from entrenous.protocol.shared_copy import TABLE as TABLE_OF_COPY
from entrenous.protocol.shared_copy import CopyState
from entrenous.protocol.wire import decode
from entrenous.tests.protocol import (
    spec_acting,
    spec_after,
    spec_card,
    spec_devices,
    spec_helped,
    spec_log,
    spec_parcel,
    spec_processor,
    spec_shared,
    spec_views,
    spec_words,
    spec_world,
)
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
    "views": spec_views.views,
    "statement-by-day": spec_world.statement_by_day,
    "statement-by-record": spec_world.statement_by_record,
    "page": spec_world.page,
    "segment": spec_world.segment,
    "meeting": spec_words.meeting,
    "succeeding": spec_devices.succeeding,
    "several-devices": spec_devices.several,
    "acting": spec_acting.acting,
    "acting-at-home": spec_acting.acting_at_home,
    "reading-for-her": spec_acting.reading_for_her,
    "delivery": spec_words.delivery,
    "granting": spec_words.granting,
    "declining": spec_after.declining,
    "lending-on": spec_words.lending_on,
    "processing": spec_processor.processing,
    "keyset": spec_words.keys_of_the_grant,
    "reading": spec_words.reading,
    "log": spec_words.log,
    "checkpoint": spec_log.checkpoints,
    "witnessing": spec_log.witnessing,
    "log-proof": spec_log.proven,
    "taking-back": spec_words.taking_back,
    "helping": spec_helped.helping,
    "renewal": spec_after.renewal,
    "deletion": spec_after.deletion,
    "accounts": spec_after.accounts,
    "shared": spec_shared.shared,
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
    "DID_CHARS_MAX",
    "TIME_S_MAX",
    "CLOCK_SKEW_S_MAX",
    "CERTIFICATE_S_MAX",
    "SUCCESSION_BYTES_MAX",
    "SUCCESSIONS_MAX",
    "DEVICES_MAX",
    "DEVICE_SPACES_MAX",
    "DEVICE_IDS_MAX",
    "DEVICE_CHUNK_BYTES_MAX",
    "DEVICE_ITEM_BYTES_MAX",
    "COMMANDS_MAX",
    "COMMAND_CHARS_MAX",
    "INVOCATION_AHEAD_S_MAX",
    "WINDOW_CLOCK_S_MAX",
    "REPLAY_KEPT_S",
    "WINDOWS_MAX",
    "MANDATE_S_MAX",
    "MANDATE_CHAIN_MAX",
    "MANDATES_OF_ONE_MAX",
    "MANDATE_LIMITS_MAX",
    "MANDATE_INBOX_BYTES_MAX",
    "LENT_ON_MAX",
    "READING_CHAINS_MAX",
    "LENT_ON_HERE_MAX",
    "READ_CALL_BYTES_MAX",
    "ACTED_BYTES_MAX",
    "CLAUSES_MAX",
    "RECIPIENTS_MAX",
    "RETENTION_DAYS_MAX",
    "AMOUNT_MINOR_MAX",
    "PAYMENT_NOTE_CHARS_MAX",
    "CREDITOR_CHARS_MAX",
    "PAYMENT_BYTES_MAX",
    "ACCOUNT_GRANTS_MAX",
    "ACCOUNT_BYTES_MAX",
    "STANDING_RULES_MAX",
    "STANDING_ITEMS_MAX",
    "STANDING_BYTES_MAX",
    "CARD_BYTES_MAX",
    "CARD_ITEMS_MAX",
    "WELL_KNOWN_BYTES_MAX",
    "WELL_KNOWN_PERSONAS_MAX",
    "VOUCH_BYTES_MAX",
    "CHECKPOINT_BYTES_MAX",
    "NOTE_SIGNATURES_MAX",
    "LOG_SUCCESSION_BYTES_MAX",
    "LOG_SUCCESSIONS_MAX",
    "LOG_PROOF_BYTES_MAX",
    "SHARED_RECORD_BYTES_MAX",
    "SHARED_VERSION_BYTES_MAX",
    "SHARED_TOLD_BYTES_MAX",
    "SHARED_REASON_CHARS_MAX",
    "SHARED_VERSIONS_MAX",
    "SHARED_PROOF_BYTES_MAX",
    "TERMS_BYTES_MAX",
    "REQUEST_BYTES_MAX",
    "KEYSET_SETS_MAX",
    "KEYSET_NODES_MAX",
    "KEYSET_BYTES_MAX",
    "DELIVERY_PARTS_MAX",
    "PART_BYTES_MAX",
    "DELIVERY_BYTES_MAX",
    "WINDOW_BYTES_MAX",
    "WINDOW_PAGES_MAX",
    "WINDOW_NUMBER_MAX",
    "LINK_CHARS_MAX",
    "ADDRESSES_MAX",
    "ADDRESS_CHARS_MAX",
    "INVITE_S_MAX",
    "TOKEN_BYTES_MAX",
    "CHAIN_MAX",
    "TOKEN_NONCE_BYTES_MAX",
    "POLICY_STATEMENTS_MAX",
    "POLICY_DEPTH_MAX",
    "POLICY_STEPS_MAX",
    "SELECTOR_CHARS_MAX",
    "SELECTOR_STEPS_MAX",
    "PATTERN_CHARS_MAX",
    "PAGE_PLAIN_BYTES_MAX",
    "PAGE_ROWS_MAX",
    "SCALE_MAX",
    "INTERVAL_S_MAX",
    "STATEMENT_DAYS_MAX",
    "STATEMENT_BYTES_MAX",
    "PROOF_HASHES_MAX",
    "SEGMENT_ENTRIES_MAX",
    "SEGMENT_BYTES_MAX",
    "SUPERSEDES_MAX",
    "ENTRY_BYTES_MAX",
    "OFFER_KEYSETS_MAX",
    "HELLO_BYTES_MAX",
    "UNPAIRED_FRAME_BYTES_MAX",
    "UNPAIRED_CALLS_OPEN_MAX",
    "CALLS_OPEN_MAX",
    "CALL_ID_MAX",
    "PINGS_MAX",
    "PINGS_WINDOW_MS",
    "PARCEL_LIFE_S_MAX",
    "PARCEL_CLOCK_S_MAX",
    "PARCEL_CALLS_MAX",
    "PARCEL_WORDS_MAX",
    "PARCEL_OFFERS_MAX",
    "PARCEL_SIGNATURES_MAX",
    "OFFER_BYTES_MAX",
    "PARCEL_HEAD_BYTES_MAX",
    "PARCEL_BYTES_MAX",
    "COUNTER_WINDOW",
    "COUNTER_LEAP_MAX",
    "LEASE_S_MAX",
    "HELP_BYTES_MAX",
    "HELP_ITEMS_MAX",
    "HELP_GRANTS_MAX",
    "HELP_SHELVES_MAX",
    "HELP_IDS_MAX",
)

# The others: what one side decides alone, or what stands in the text or in another table.
_OF_THE_TEXT = {"INTEGER_MIN", "INTEGER_MAX"}
_OF_SCHEMAS = {
    *("RECORD_ID_BYTES_MAX", "RECORD_UNIT_BYTES_MAX", "RECORD_TEXT_BYTES_MAX"),
    *("CONTACT_TEXT_BYTES_MAX", "IBAN_BYTES_MAX", "ACCOUNT_NUMBER_BYTES_MAX"),
}
_OF_ONE_SIDE = {
    *("INVOCATION_LIFE_S", "HOSTILE_BYTES_MAX", "DELEGATIONS_REMEMBERED_BYTES_MAX"),
    *("LATE_CALLS_MAX", "PAGE_SLICE_BYTES", "SEND_BYTES", "HELLO_MS", "FRAME_MS"),
    *("FRAME_RATE_BYTES", "CALL_MS", "WINDOW_MS", "HELPERS_MAX"),
    *("PING_WAITING_MS", "PING_IDLE_MS", "PING_REPLY_MS"),
}
# Of files that a person brings, and of programs of one's own.
_OF_FILES = ("FILE_", "FILES_", "ARCHIVE_", "PROFILE_", "PUSH_")


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


def shared_copy_diagram() -> str:
    drawn = state_diagram(TABLE_OF_COPY, CopyState.HELD)
    return f"```mermaid\n{drawn}\n```\n"


TABLES: Mapping[str, Callable[[], str]] = {
    "shared-copy": shared_copy_diagram,
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


# Reserved: the specification says so under "Labels".
RESERVED = {Signed.TERMS, Signed.OWNER}


def test_every_kind_of_signed_object_has_an_example() -> None:
    found = {kind for make in EXAMPLES.values() for _, part in make() for kind in _kinds(part)}
    assert {label(name) for name in Signed} - found == {label(name) for name in RESERVED}


def _kinds(part: bytes | str | int | Cbor) -> Iterator[str]:
    """The kinds of signed objects that stand whole in a part, or in byte strings inside it."""
    if isinstance(part, Cbor):
        yield from _kinds_in(decode(part.raw))


def _kinds_in(value: Value) -> Iterator[str]:
    match value:
        case [str(kind), dict(), *_] if kind.startswith(PREFIX):
            yield kind
        case _:
            pass
    if isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _kinds_in(item)


def test_every_command_has_an_example_of_its_args() -> None:
    """In the form that the table reads; and its types and answer stand in a table of the text."""
    shown_args = {
        caption.removeprefix("args of ").partition(",")[0]: part
        for make in EXAMPLES.values()
        for caption, part in make()
        if caption.startswith("args of /")
    }
    assert set(shown_args) == set(TABLE)
    text = SPEC.read_text()
    for cmd, part in shown_args.items():
        assert isinstance(part, Cbor)
        args = parse_args(cmd, decode(part.raw))
        assert decode(part.raw) == args.value()
        assert len(re.findall(rf"^\| `{cmd}` \|", text, re.MULTILINE)) == 2, cmd


def test_every_limit_is_told_or_is_of_one_side() -> None:
    names = {name for name in vars(limits) if name.isupper()}
    told = [*SHARED_LIMITS, *_OF_THE_TEXT, *_OF_SCHEMAS, *_OF_ONE_SIDE]
    told += [name for name in names if name.startswith(_OF_FILES)]
    assert len(set(told)) == len(told)
    untold = sorted(names - set(told))
    assert not untold, "say above whether the other side has to know of it"
    assert not sorted(set(told) - names)


if __name__ == "__main__":
    SPEC.write_text(written(SPEC.read_text()))
    VECTORS.write_text(vectors())

"""`tests/vectors/open`: what another implementation of docs/spec.md must give, open and refuse.

Run as a script, this file writes the folder: `python -m entrenous.tests.vectors.open_vectors`.
Each file holds cases (what goes in, what comes out) and faults (a case with one thing changed, and
the class under which it is refused); `index.json` counts them.  `tests/interop/verifier`, in
another language and from the specification alone, judges them all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from entrenous.tests.vectors import (
    open_after,
    open_grants,
    open_keys,
    open_lines,
    open_log,
    open_pages,
    open_people,
    open_proofs,
    open_reads,
    open_segments,
    open_shared,
    open_sources,
    open_tokens,
)
from entrenous.tests.vectors.open_form import Json, Subject

FOLDER = Path(__file__).resolve().parent / "open"
INDEX = "index.json"

_MAKERS: Sequence[Callable[[], Subject]] = (
    open_people.encoding,
    open_people.identity,
    open_people.pairing,
    open_lines.lines,
    open_keys.keys,
    open_keys.generations,
    open_tokens.tokens,
    open_grants.grants,
    open_grants.keysets,
    open_pages.page_vectors,
    open_pages.vault_vectors,
    open_segments.segments,
    open_sources.statements,
    open_sources.deliveries,
    open_reads.receipts,
    open_reads.readings,
    open_log.log,
    open_proofs.proofs,
    open_after.after,
    open_shared.shared_records,
)

# Under which class a fault is refused, and what that means.
CLASSES: Mapping[str, str] = {
    "encoding": "not strict DAG-CBOR",
    "form": "another form than described: type, keys, length, range, order, number of signatures",
    "version": "`v` is not 1",
    "key": "not a `did:key` of Ed25519 in its one spelling, no point of the curve, of small order",
    "signature": "a signature does not hold",
    "persona": "a reader key is of another persona, or two have one number",
    "succession": "not the successor that was named, or no succession leads there",
    "certificate": "no certificate of this persona for this device and command at this moment",
    "link": "not a link of a pairing, or another secret than in it",
    "audience": "meant for another device or persona",
    "expired": "over",
    "not-yet": "not begun",
    "lifetime": "runs for longer than may be",
    "chain": "the links do not lead from the one whom it is about to the one who says it",
    "command": "a link, or the call, is for another command",
    "policy": "a link does not allow these args",
    "grant": "not of the one form of a grant, wider than asked, or for another reader key",
    "terms": "not the terms, or not the purpose, that are named",
    "revocation": "not by who may, of another grant or path, or not over yet",
    "keyset": "of another grant, its nodes not ascending and apart, a generation of a path twice, "
    "or it contradicts one before it",
    "replay": "a number that was taken before",
    "sealed": "HPKE does not open it",
    "no-key": "no set with this path, epoch and generation has a node above the day",
    "page": "the page does not open under its key and associated data",
    "padding": "buckets, `plain_len`, the end of the stream, or the zeros are not as they must be",
    "columns": "the columns are not the one spelling of records",
    "day": "a row stands on another day",
    "digest": "not the bytes that were announced",
    "segment": "not of this segment, or its entries do not ascend",
    "writer": "written by another device than the one that vouches",
    "subject": "about another persona, or of another statement, grant or record",
    "shared": "a version of a shared record does not follow from those before it",
    "proof": "a proof does not lead to its root, or has a hash too many or too few",
    "note": "not a signed note of a checkpoint in its one spelling, a key id, a witness twice",
    "log-proof": "the parts of a proof file are not of one log, device and persona",
    "receipt": "not of this call, grant, days, pages or bytes",
}


# What each kind asks.
KINDS: Mapping[str, str] = {
    "encoding": "decode `bytes`; the value, its CID, its SHA-256 as text",
    "secret": (
        "from S: the public half of next key `i` of `list`, its digest; the public backup key"
    ),
    "persona": "verify an inception and later reader keys; the one in force",
    "succession": "verify that the one persona succeeds the other",
    "line": (
        "the args (`cb`) of `/persona/succeed`, said to `to` by one of whom the inception `held` "
        "and `k_pair` are held; who it is then, what it promises, the key of the pair"
    ),
    "logs": "which of the `known` logs `successions` lead from to `log`",
    "certificate": "whether it holds for persona, device and command at `t_ms`",
    "pairing": (
        "the link, the invocation of `/pair/open` by a scanner whose device is `device`, and "
        "its answer; k_pair"
    ),
    "keys": "from `V_e`: C, the root of its tree, the cover of `first` … `last`",
    "generation": (
        "verify what was taken back (`chain`: the delegations, root first) or has ended by "
        "`now_ms`; `gen` of `path` after all of it; the CIDs in the order given"
    ),
    "chain": "an invocation and its proofs, at `device` and `now_ms`",
    "read": "the same, and its args as those of a read",
    "request": "`cb` of the args of `/grant/request`, said to `to`",
    "bundle": (
        "verify a bundle for `reader_key`; against the request (`cb`), where one is given, as "
        "a reader's node does before it accepts"
    ),
    "keyset": (
        "open the keysets of a bundle, after those whose numbers were `seen`; the newest "
        "number, what they add up to"
    ),
    "page": "open a page with these sets; SHA-256 of `cb(cols)`, `salt_d`, every record",
    "opens": (
        "of a vault (`heads`: segments with `size` pages each, and their padding), what opens "
        "with the keysets: page_id and SHA-256 of `cb([salt_d, cols])`"
    ),
    "segment": (
        "a segment with all entries and its padding; a certificate of `persona` for its device"
    ),
    "run": "a run of entries, `run` its `cb`",
    "statement": (
        "days as in a delivery (`cb([d, salt_d, columns])`), the range proof of `first` … "
        "`last`; about `persona`"
    ),
    "record": "one record alone (`cb`), `proof` its `cb`",
    "delivery": "the invocation and parts of a delivery, opened and verified",
    "shared-version": "a version of a shared record, its signature and its record",
    "told": "`told`: the statement, the record and its proof",
    "shared-proof": (
        "a proof file: both sides (by the first persona of each), every persona of those that "
        "have a line, how each copy stands and `cb` of what it holds, whether they agree"
    ),
    "receipt": "a receipt with one signature or two, against its call and the entries sent",
    "answer": "an answer, against its call, by `device` for `persona`",
    "reading": (
        "a window as it arrives (`offer`: `cb` of its body): all checks, its keysets opened, "
        "its pages opened, its statements held against them"
    ),
    "leaf": (
        "a receipt (`secret`: k_grant) or an answer by `device` (`secret`: k_pair) as leaf "
        "`index` of a log of this size and root"
    ),
    "checkpoint": "a checkpoint as a signed note; its log, its head, who cosigned it and when",
    "log-proof": (
        "a proof file; the word, whose log, whether its owner served, whether its reader's call "
        "and the grant of the read are in it, the checkpoint"
    ),
    "account": (
        "what its reader owes for a grant by these receipts (of both sides or one), accepted at "
        "`accepted_ms`, over at `end_ms`: `events` `[[t_ms, count, minor units]…]` until `now_ms`"
    ),
    "word": "a payment, a word on one, an invoice or a waiver, as `by` says it to `to`",
    "deletion": "that the reader of the bundle's grant has deleted what it read under it",
    "growth": "that the tree of `first` leaves is the beginning of that of `second`",
}


@cache
def subjects() -> tuple[Subject, ...]:
    """All of it: made once, signatures take their time."""
    return tuple(make() for make in _MAKERS)


def _shown(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lines(subject: Subject) -> str:
    """One case, fault or shared page a line: a change is seen where it is."""
    parts = [f'"about":{_shown(subject.about)}']
    shared = [f"{_shown(name)}:[\n{_joined(value)}\n]" for name, value in subject.shared.items()]
    parts.append('"shared":{' + ",\n".join(shared) + "}")
    found = subject.value()
    parts += [f'"{name}":[\n{_joined(found[name])}\n]' for name in ("cases", "refused")]
    return "{" + ",\n".join(parts) + "}\n"


def _joined(items: Json) -> str:
    assert isinstance(items, list)
    return ",\n".join(map(_shown, items))


def rendered() -> dict[str, str]:
    """Every file by its name."""
    found = {subject.name: _lines(subject) for subject in subjects()}
    classes = Counter(fault.why for subject in subjects() for fault in subject.refused)
    index: dict[str, Json] = {
        "spec": "entrenous, version 1",
        "files": {s.name: {"cases": len(s.cases), "refused": len(s.refused)} for s in subjects()},
        "classes": dict(sorted(classes.items())),
    }
    return {INDEX: json.dumps(index, indent=1) + "\n", **found}


def classes_table() -> str:
    """The classes of the faults, for the specification."""
    counted = Counter(fault.why for subject in subjects() for fault in subject.refused)
    rows = [f"| `{name}` | {meaning} | {counted[name]} |" for name, meaning in CLASSES.items()]
    return "| class | refused because | vectors |\n|---|---|---:|\n" + "\n".join(rows) + "\n"


def kinds_table() -> str:
    """What each kind of case asks, for the specification."""
    asked = {case.kind for subject in subjects() for case in subject.cases}
    assert asked == set(KINDS)
    rows = [f"| `{kind}` | {meaning} |" for kind, meaning in KINDS.items()]
    return "| kind | input, output |\n|---|---|\n" + "\n".join(rows) + "\n"


def files_table() -> str:
    """The files of the folder, for the specification."""
    rows: list[str] = []
    for s in subjects():
        kinds = ", ".join(f"`{kind}`" for kind in sorted({case.kind for case in s.cases}))
        rows.append(f"| `{s.name}` | {s.about} | {kinds} | {len(s.cases)} | {len(s.refused)} |")
    head = "| file | about | kinds | cases | refused |\n|---|---|---|---:|---:|\n"
    return head + "\n".join(rows) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    found = rendered()
    for old in FOLDER.glob("*.json"):
        if old.name not in found:
            old.unlink()
    for name, text in found.items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""What `--json` prints: the keys of each command, in one place.

A program may rely on these: keys are added, never renamed or taken away.  What is printed is held
to this table when it is printed, and `docs/cli.md` to it by a test.

Ids are CIDs in full (base32 text), days are UTC days as `YYYY-MM-DD`, `…_ms` are milliseconds and
`…_s` seconds since 1970, what is not known is null.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from ...protocol.cid import check_cid, cid_text
from ...protocol.day import date_of
from ...protocol.errors import WireError
from ...protocol.window import Window

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of output: `lines` if each line is one such object, else one object in all."""

    lines: bool
    keys: Mapping[str, str]

    def of(self, thing: object) -> dict[str, Json]:
        """`thing`, a dataclass or a map with exactly these keys, as JSON."""
        found = plain(thing)
        assert isinstance(found, dict), "what is printed as JSON is an object"
        assert found.keys() == self.keys.keys(), sorted(found.keys() ^ self.keys.keys())
        return {key: found[key] for key in self.keys}


def _one(**keys: str) -> Shape:
    return Shape(False, MappingProxyType(keys))


def _lines(**keys: str) -> Shape:
    return Shape(True, MappingProxyType(keys))


_REQUEST = {
    "id": "the request",
    "short": "as much of its id as is needed to name it",
    "peer": "who asks, or is asked",
    "items": "what is asked for: `collection`, `first`, `last`",
    "purpose": "what for, a DPV term",
    "terms": "`purpose`, `retention_days`, `recipients`, `remuneration`, `clauses`",
    "exp_s": "until when it is asked for",
    "state": "`waiting`, `granted`, `refused`; asked for another, `ended` with its mandate; "
    "decided for another, `sent`, or `failed` and why",
    "t_ms": "when it was asked",
    "refusal": "what follows from a no, in the asker's words",
    "grant": "the grant that came of it, or null",
    "reason": "why it was refused, or null",
    "standing": "of the peer, as in `peers`",
    "people": "for whom of the house this peer knows this node; empty: the home",
    "principal": "for whom this node asked, or decides; null if for itself",
    "decided_by": "who decided it for the owner of this node, null if the owner did",
}

_STANDING = (
    "how the peer is known: `level` (`domain`, `vouched` or `unknown`), `domain` (that names its "
    "key, or null), `vouchers` (your peers that vouch for it), `why` (it is not known by domain, "
    "or null), `looks_like` (your peers whose names its own may be taken for)"
)

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

_PERSON = {
    "name": "what they are called here",
    "number": "the number that stands in paths: `…/p2`",
    "born": "their day of birth, or null",
    "collections": "what is theirs",
    "peers": "the peers who know them",
}
_MANDATE = {
    "id": "the mandate",
    "short": "as much of its id as is needed to name it",
    "side": "`given`, `held`, or `lodged` with this node",
    "principal": "for whom is acted",
    "proxy": "who acts",
    "at": "towards whom",
    "office": "`parent`, `proxy` or `guardian`",
    "commands": "what the proxy may say",
    "onward": "whether the proxy may pass it on",
    "passed_on": "how many mandates stand above it",
    "exp_s": "until when",
    "status": "`live`, `expired` or `revoked`",
    "t_ms": "when it came here",
    "ended_ms": "when it was taken back, or null",
    "peers": "whose requests it is for; empty: anyone's",
    "purposes": "for which purposes; empty: any",
    "collections": "on which collections, and what is below them; empty: any",
    "until_s": "until when what is granted under it may last, or null",
}

SHAPES: Final[Mapping[str, Shape]] = {
    "init": _one(
        home="the folder of the new home",
        name="its name",
        role="`person` or `organisation`",
        words="the recovery words; they are shown this once and kept nowhere",
    ),
    "up": _one(
        home="the folder",
        device="the DID of this device",
        addresses="multiaddrs under which it can be dialled",
    ),
    "doctor": _lines(
        check="what was looked at",
        state="`ok`, `note` or `wrong`",
        sentence="what was found",
        remedy="what to do, empty if nothing",
    ),
    "status": _one(
        name="the name of this node",
        role="`person` or `organisation`",
        device="the DID of this device",
        home="the folder",
        running="whether a node runs on this home",
        addresses="multiaddrs under which it can be dialled",
        connected="peers with an open connection",
        peers="peers it is paired with",
        collections="collections in the vault",
        grants_given="grants given that hold now",
        grants_held="grants held that hold now",
        suspended="grants suspended until their owner confirms them",
        outbox="messages still to be handed over",
        log_size="words in the log",
        log_number="the number of the log",
        rollback="what this node can know about having been set back, in words",
        version="the version of this program",
    ),
    "invite": _one(link="for one use; whoever reads it can use it", exp_s="until when it works"),
    "pair": _one(name="what the peer is called here", did="the peer's persona", standing=_STANDING),
    "peers": _lines(
        name="what the peer is called here",
        people="for whom of the house it knows this node; empty: the home",
        own="the persona by which it knows this node",
        their="its persona",
        addresses="multiaddrs to try",
        paired_ms="when the two met",
        connected="whether a connection is open",
        outbox="messages still to be handed over",
        standing=_STANDING,
        stored_bytes="what it has filled of this node's disk",
        quota_bytes="what it may fill",
    ),
    "quota": _one(
        peer="what the peer is called here",
        used_bytes="what it has filled of this node's disk",
        most_bytes="what it may fill",
        own="whether that was set for this peer",
    ),
    "card": _one(
        peer="whose card, null for your own",
        cid="the card as signed",
        did="the persona that signed it",
        n="its number; a higher one replaces it",
        t_ms="when it was signed, by its signer's clock",
        name="what it calls itself",
        domain="the domain that it claims, or null",
        who="`legal_name`, `registration`, `address`, `contact`, `data_protection`",
        earns="how it earns",
        holds="what it holds: `collection`, `what`, `purpose`, `retention`, `legal_basis`",
        keeps_back="what it does not hand back: `what`, `why`",
        processors="who works for it: `name`, `country`, `purpose`",
        incidents="what went wrong: `date`, `what`, `people` (null if not counted), `done`",
        standing="how it is known, as in `peers`; null for your own",
        versions="each version that came, the newest last: `n`, `heard_ms`, `changes` (`field`, "
        "`before`, `after`; null where there was or is none)",
    ),
    "card check": _one(
        name="what the card calls you",
        domain="the domain that it claims, or null",
        bytes="its size",
    ),
    "card well-known": _one(
        domain="the domain that your card claims, or null", document="what it has to publish"
    ),
    "vouch": _one(
        peer="for whom",
        about="its persona",
        t_ms="since when",
        told="the peers that are told if they ask",
    ),
    "vouch --withdraw": _one(peer="for whom no more"),
    "vouch (list)": _lines(
        peer="for whom",
        about="its persona",
        t_ms="since when",
        told="the peers that are told if they ask",
    ),
    "people": _lines(**_PERSON),
    "people add": _one(**_PERSON),
    "people remove": _one(name="who is not of the house any more"),
    "people assign": _one(path="the collection", people="whose it is, as was said"),
    "mandates": _lines(**_MANDATE),
    "mandate ask": _one(peer="for whom one would act", at="where"),
    "mandate give": _one(**_MANDATE),
    "mandate give --may read": _one(
        grant="what was lent on; `revoke` takes it back",
        peer="who reads",
        at="whose data",
        windows="the days: `collection`, `first`, `last`",
        exp_s="until when",
        left_out="hours of your own days that whole UTC days leave out, in words",
    ),
    "mandate revoke": _one(mandate="the mandate that holds no longer"),
    "import": _one(
        imported="for each file and path: `id`, `file`, `reader`, `path`, `new`, `records`, "
        "`duplicates`, `differing`, `same`, `ambiguous`, `same_as`, `already`, `notes`",
        skipped="files left out: `file`, `reason`",
    ),
    "import --preview": _lines(
        file="the file",
        reader="the reader that knows it",
        items="for each path: `path`, `sources`, `new`, `duplicates`, `differing`, `same`, "
        "`ambiguous`, `same_as`, `state`, `refused`",
        notes="what the reader has to say",
    ),
    "imports": _lines(
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
    "imports undo": _one(
        id="the import", path="the collection", pages="pages removed", records="records removed"
    ),
    "add": _lines(
        path="the collection",
        id="the record's id, or null if it has none or was refused",
        time="its time, or null if it was refused",
        state="`added`, `there` (it was there already) or `refused`",
        line="its line in the file, or null",
        reason="why it was refused, or null",
    ),
    "remove": _one(path="the collection", id="the record, or null", time="its time, or null"),
    "allow": _one(**_ALLOWANCE, token="the file that was written for the program, or null"),
    "allowed": _lines(**_ALLOWANCE),
    "disallow": _one(**_ALLOWANCE),
    "push": _one(
        path="the collection",
        new="records that were added",
        there="records that were there already",
        refused="lines left out: `line`, `reason`",
    ),
    "collections": _lines(
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
    "read": _one(
        path="the collection",
        schema="what the records look like",
        records="the records, a key for each field; decimals as text, times in UTC",
        pages="pages opened",
        conflicts="records of which not everybody told the same amount or value",
        damaged="a sentence for each page that did not open",
    ),
    "read --sources": _one(
        path="the collection",
        schema="what the records look like",
        records="the records as `read` has them, each with `sources`: `how`, `who`, `import`, "
        "`statement`, `differs` (fields) of everybody who told it, what is shown first",
        pages="pages opened",
        conflicts="records of which not everybody told the same amount or value",
        ambiguous="records that might be the same as others and stand apart",
        damaged="a sentence for each page that did not open",
    ),
    "deliver": _lines(
        statement="what this node signed over the records",
        path="the collection",
        peer="to whom",
        records="how many",
        first="first day",
        last="last day",
        parts="sealed parts",
        state="`queued`, `stored` or `refused`",
        reason="why it was refused, or null",
    ),
    "deliveries": _lines(
        statement="what its source signed",
        way="`in` or `out`",
        peer="from or to whom",
        path="the collection",
        first="first day",
        last="last day",
        records="how many",
        t_ms="when",
        state="`queued`, `stored` or `refused`",
        new="taken in: records that nobody had told before; null if not counted",
        same="taken in: records that others had told; null if not counted",
        differing="taken in: records that others had told with other content; null if not counted",
        ambiguous="taken in: records that might be the same as others; null if not counted",
        same_as="who had told those that are the same, and how many",
    ),
    "ask": _one(
        request="the request",
        peer="who is asked",
        items="what is asked for: `collection`, `first`, `last`",
        exp_s="until when",
        left_out="hours of your own days that whole UTC days leave out, in words",
    ),
    "inbox": _lines(**_REQUEST),
    "asked": _lines(**_REQUEST),
    "decide": _one(
        request="the request",
        decision="`granted` or `refused`",
        grant="the grant, or null",
        windows="what was given: `collection`, `first`, `last`",
        exp_s="until when, or null",
        left_out="hours of your own days that whole UTC days leave out, in words",
    ),
    "fetch": _one(
        peer="who lends",
        path="the collection",
        schema="what the records look like, null if nothing came",
        records="the records, as in `read`",
        pages="pages that came",
        bytes="their size, encrypted",
        windows="windows they came in, each with its receipt",
        provenance="for each statement of a source: `statement`, `src`, `first`, `last`, "
        "`verified`, `reason`",
        damaged="a sentence for each page that did not open",
    ),
    "fetch --by-file": _one(
        peer="who lends",
        path="the collection",
        windows="the days: `collection`, `first`, `last`",
        reads="reads that wait for the next file and did not wait before: one a year of days",
    ),
    "grants": _lines(
        id="the grant",
        short="as much of its id as is needed to name it",
        side="`given`, `held`, or `lent-on`: read by a proxy for whom it was granted to",
        peer="who reads, or who lends",
        windows="the days: `collection`, `first`, `last`",
        purpose="what for",
        terms="as in `inbox`",
        exp_s="until when",
        status="`live`, `not-yet`, `expired`, `revoked` or `suspended`",
        issued_ms="when it was given, null if not known",
        ended_ms="when it ended, or null",
        reads="reads in the log",
        acknowledged="whether the reader holds the keys that are current",
        chain="its delegations as signed (base64), root first",
        decided_by="who gave it for the owner of this node, null if the owner did",
        principal="for whom its reader reads, null if for itself",
    ),
    "keep": _one(grant="the grant that holds again"),
    "revoke": _one(
        revocations="what was signed, one for each grant",
        survivors="other grants that got new keys",
        still="grants under which the same reader goes on reading some of the same days",
    ),
    "log": _lines(
        index="its place in the log",
        kind="`receipt` or `answer`",
        peer="with whom",
        way="`given` (this node served) or `taken`",
        grant="the grant that was read under, or null",
        collections="collections that were read",
        window="the number of the window, or null",
        first="first day, or null",
        last="last day, or null",
        pages="pages",
        bytes="bytes, encrypted",
        two_sided="whether both have signed",
        t_ms="when",
        code="how it was answered, or null",
        principal="for whom was acted, null if nobody acted for another",
        proxy="who acted for them, or null",
    ),
    "log verify": _one(
        number="how often this node was restored",
        size="words in the log",
        root="the root of its tree, hexadecimal",
        receipts="receipts that both have signed",
        one_sided="receipts that the reader has not signed",
        answers="answers",
        gaps="words of a peer that follow one which is not here",
    ),
    "outbox": _lines(
        peer="for whom it waits",
        cmd="the command that waits, or null for answers",
        answers="answers to what they said by file",
        windows="windows of pages that they read by file",
        signatures="signatures for windows that they lent by file",
        bytes="of the parts of a delivery",
        tries="how often it was tried over the network",
        due_ms="when it is tried next, or null",
        given_up="whether it is said over the network no more: what came in answer was none",
    ),
    "outbox --to-file": _one(
        path="the file",
        peer="who can open it",
        number="which file for this peer it is",
        calls="commands in it",
        answers="answers in it",
        left="commands that had no room",
        until_s="until when it can be taken",
        bytes="its size",
        windows="windows of pages in it",
        signatures="signatures for windows in it",
        notes="a sentence for each read by file that was given up",
    ),
    "take": _one(
        peer="who wrote it",
        number="which of their files it is",
        made_ms="when it was written",
        before="true: it was taken before, and nothing was changed",
        items="what was in it: `cmd`, `answer`, `fate` (`done`, `before`, `refused`, `later`), "
        "`reason`, `window` (null, or `path`, `first`, `last`, `number`, `final`, `pages`: with "
        "`answer` one that came, else one of ours that was signed for)",
    ),
    "backup": _one(path="the file", bytes="its size"),
    "restore": _one(
        home="the folder",
        made_ms="when the backup was made",
        peers="peers that came back",
        collections="collections that came back",
        pages="pages that came back",
        suspended="grants that wait for `keep`",
    ),
    "delegate": _one(token="the delegation as signed (base64)", id="its CID"),
    "invoke": _one(
        code="how the peer answered",
        out="what it answered",
        token="the invocation as signed (base64)",
    ),
    "stop": _one(stopped="true"),
}

ERROR_KEYS: Final[Mapping[str, str]] = {
    "exit": "the exit code",
    "code": "the code of a refusal on the wire, or null",
    "sentence": "what went wrong, and what can be done",
}


def plain(thing: object) -> Json:
    """Dataclasses, windows, days and CIDs as JSON has them."""
    match thing:
        case None | bool() | int() | str() if not isinstance(thing, Enum):
            return thing
        case Enum():
            return str(thing.value)
        case Window():
            days = {"first": date_of(thing.first), "last": date_of(thing.last)}
            return {"collection": thing.collection, **days}
        case bytes():
            return bytes_text(thing)
        case Mapping():
            pairs = cast("Mapping[str, object]", thing).items()
            return {key: plain(value) for key, value in pairs}
        case list() | tuple() | set():
            return [plain(item) for item in cast("Iterable[object]", thing)]
        case _ if is_dataclass(thing) and not isinstance(thing, type):
            return {
                field.name: _field(field.name, getattr(thing, field.name))
                for field in fields(thing)
            }
        case _:
            raise TypeError(f"{type(thing).__name__} has no form in JSON")


def bytes_text(data: bytes) -> str:
    """A CID as its text, other bytes as base64."""
    try:
        return cid_text(check_cid(data))
    except WireError:
        return base64.b64encode(data).decode()


def _field(name: str, value: object) -> Json:
    """A field of a dataclass: days go by the names `first` and `last`."""
    if name in ("first", "last") and isinstance(value, int):
        return date_of(value)
    return plain(value)


def as_markdown() -> str:
    """The tables of docs/cli.md."""
    parts: list[str] = []
    for name, shape in SHAPES.items():
        form = "JSON Lines, one object each" if shape.lines else "one object"
        rows = "\n".join(f"| `{key}` | {meaning} |" for key, meaning in shape.keys.items())
        parts.append(f"#### `{name}`\n\n{form}\n\n| key | |\n|---|---|\n{rows}\n")
    rows = "\n".join(f"| `{key}` | {meaning} |" for key, meaning in ERROR_KEYS.items())
    parts.append(f"#### errors\n\none object, on stderr\n\n| key | |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(as_markdown())

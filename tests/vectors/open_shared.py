"""Vectors of shared records: versions of two copies, what was told, and proof files of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.did import Did
from entrenous.protocol.persona import make_inception, make_succession
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.shared_copy import Copies
from entrenous.protocol.shared_proof import SharedProof, make_proof
from entrenous.protocol.shared_record import (
    Record,
    SharedName,
    SharedVersion,
    SharedWord,
    Told,
    make_version,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.statement import make_statement, prove_record
from entrenous.protocol.wire import decode
from entrenous.tests.protocol.persona_lines import dids_of, keys_of, line_of
from entrenous.tests.protocol.spec_shared import CONTACTS, NEW, UNDATED, contacts
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, plain
from entrenous.tests.vectors.open_world import T_MS

ADA, BANK, STRANGER = keys_of(1, 4), keys_of(2, 2), keys_of(3, 2)
ADAS, BANKS, STRANGERS = dids_of(ADA), dids_of(BANK), dids_of(STRANGER)
OLD: Record = contacts().row(0)
CORRECTED: Record = {**OLD, "addresses": NEW}
NAME = SharedName(CONTACTS, contacts().schema, "c1")
FOLLOWED = {**dict.fromkeys(ADAS[1:], ADAS[0]), BANKS[1]: BANKS[0]}
READING: Record = {
    "time": 1_760_000_400_000, "offset_min": 120, "duration_s": 1_800, "value": [1_234, 3],
    "unit": "kWh", "quality": None,
}  # fmt: skip  # one thing


def told(*, sub: Did = ADAS[0], row: int = 0) -> Told:
    """What the bank had delivered."""
    statement, days = make_statement(
        contacts(), {UNDATED: bytes(32)}, key=BANK[0], sub=sub, path=CONTACTS,
        first=UNDATED, last=UNDATED, nonce=bytes(16),
    )  # fmt: skip  # one thing
    return Told(
        statement, contacts().row(row), prove_record(statement, [days[0].leaf], days[0], row)
    )


def version(
    key: PersonaKey,
    to: Did,
    word: SharedWord,
    record: Record | None,
    *,
    before: SharedVersion | None = None,
    seen: bytes | None = None,
    n: int | None = None,
    name: SharedName = NAME,
    reason: str = "",
) -> SharedVersion:
    rising = 0 if before is None else before.n + 1
    return make_version(
        key, to=to, name=name, n=rising if n is None else n,
        prev=None if before is None else before.cid, seen=seen, word=word, record=record,
        reason=reason, t_ms=T_MS,
    )  # fmt: skip  # one thing


# One persona of each: Ada asks, the bank disputes, then accepts.
ASKED = version(
    ADA[0], BANKS[0], SharedWord.PROPOSED, CORRECTED, seen=told().statement.cid, reason="moved"
)
NO = version(BANK[0], ADAS[0], SharedWord.DISPUTED, OLD, seen=ASKED.cid, reason="a bill, please")
YES = version(BANK[0], ADAS[0], SharedWord.ACCEPTED, CORRECTED, before=NO, seen=ASKED.cid)
BACK = version(ADA[0], BANKS[0], SharedWord.WITHDRAWN, None, before=ASKED, seen=NO.cid)
GONE = version(BANK[0], ADAS[0], SharedWord.PROPOSED, None, before=YES, seen=ASKED.cid, n=9)
METERED = version(
    ADA[0], BANKS[0], SharedWord.PROPOSED, READING,
    name=SharedName("energy/electricity/load-curve", METER_READING, 1_760_000_400_000),
)  # fmt: skip  # one thing
# Several of each: Ada is followed before she asks again, the bank before it accepts.
AGAIN = version(ADA[1], BANKS[0], SharedWord.PROPOSED, CORRECTED, before=ASKED, seen=NO.cid)
LATER = version(BANK[1], ADAS[2], SharedWord.ACCEPTED, CORRECTED, before=NO, seen=AGAIN.cid)
LINES = (line_of(ADA), line_of(BANK))


def _copies(*versions: SharedVersion, of: Told | None = None) -> Copies:
    return Copies(NAME, ADAS[0], BANKS[0], of, versions, FOLLOWED)


PROOFS: Mapping[str, tuple[Copies, bool]] = {
    "newest versions, agreed": (_copies(ASKED, NO, YES, of=told()), False),
    "both histories, agreed": (_copies(ASKED, NO, YES, of=told()), True),
    "both histories, disputed": (_copies(ASKED, NO, of=told()), True),
    "both histories, withdrawn": (_copies(ASKED, NO, BACK, of=told()), True),
    "both histories, proposed to be none": (_copies(ASKED, NO, YES, GONE, of=told()), True),
    "one side alone": (_copies(ASKED, of=told()), False),
    "histories across successions": (_copies(ASKED, NO, AGAIN, LATER, of=told()), True),
    "newest versions across successions": (_copies(ASKED, NO, AGAIN, LATER, of=told()), False),
}


def _version_case(name: str, one: SharedVersion) -> Case:
    return Case(
        f"shared version: {name}",
        "shared-version",
        {"version": one.raw.hex()},
        {
            "cid": cid_text(one.cid), "by": one.by, "to": one.to, "path": one.name.path,
            "id": plain(one.name.id), "n": one.n, "word": one.word.value,
            "record": None if one.record is None else plain(dict(one.record)),
        },
    )  # fmt: skip  # one thing


def _proof_case(name: str, copies: Copies, *, whole: bool) -> Case:
    proof = make_proof(copies, whole=whole, lines=LINES)
    found = proof.copies
    first = found.versions[0]
    both = (found.side(first.by), found.side(first.to))
    held = [found.copy(side) for side in both]
    records: list[Json] = [
        None if one.record is None else encode(dict(one.record)).hex() for one in held
    ]
    return Case(
        f"shared proof: {name}",
        "shared-proof",
        {"proof": proof.raw.hex()},
        {
            "sides": list(both),
            "personas": [list(line.dids) for line in proof.lines],
            "whole": whole,
            "agree": found.agree,
            "versions": [cid_text(one.cid) for one in found.versions],
            "told": None if found.told is None else cid_text(found.told.statement.cid),
            "states": [one.state.value for one in held],
            "records": records,
        },
    )


# --- faults ---------------------------------------------------------------------------------------


def _body(**changed: Value) -> str:
    """Ada's first version with other values, signed again."""
    body = dict(ASKED.signed.body)
    for key, value in changed.items():
        body[key] = value
    return sign(Signed.SHARED_VERSION, body, ADA[0]).raw.hex()


def _flipped(raw: bytes) -> str:
    return (raw[:-1] + bytes([raw[-1] ^ 1])).hex()


def _record(**changed: Value) -> str:
    return _body(record={**CORRECTED, **changed})


_VERSION_FAULTS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "another signature": ("signature", lambda: _flipped(ASKED.raw)),
    "signed by the other side": (
        "signature",
        lambda: sign(Signed.SHARED_VERSION, dict(ASKED.signed.body), BANK[0]).raw.hex(),
    ),
    "another type": (
        "form",
        lambda: sign(Signed.STATEMENT, dict(ASKED.signed.body), ADA[0]).raw.hex(),
    ),
    "another version": ("version", lambda: _body(v=2)),
    "a key too many": ("form", lambda: _body(more=1)),
    "said to oneself": ("form", lambda: _body(to=ADAS[0])),
    "no such word": ("form", lambda: _body(word="believed")),
    "a number out of bounds": ("form", lambda: _body(n=128)),
    "a predecessor that is no CID": ("form", lambda: _body(prev=bytes(32))),
    "a reason that is too long": ("form", lambda: _body(reason="x" * 1_001)),
    "another name than its record": ("form", lambda: _body(id="c2")),
    "no name": ("form", lambda: _body(id="")),
    "a view": ("form", lambda: _body(path=f"{CONTACTS}/view-undated-names")),
    "a schema that nobody knows": ("form", lambda: _body(schema="contact/9")),
    "a record of another schema": ("form", lambda: _body(record=READING)),
    "a field that may not be absent": ("form", lambda: _record(name=None)),
    "a field of another type": ("form", lambda: _record(name=7)),
    "a field too many": ("form", lambda: _record(colour="red")),
    "a field that is too long": ("form", lambda: _record(family="x" * 1_025)),
    "a record that is too large": (
        "form",
        lambda: _record(note="x" * 9_000, urls="x" * 9_000),
    ),
}


def _forged(copies: Copies, *, whole: bool, lines: Sequence[int] = ()) -> str:
    needed = make_proof(PROOFS["histories across successions"][0], whole=True, lines=LINES).lines
    return SharedProof(copies, whole, tuple(needed[one] for one in lines)).raw.hex()


def _with(change: Callable[[dict[str, Value]], Value], name: str = "both histories, agreed") -> str:
    copies, whole = PROOFS[name]
    match decode(make_proof(copies, whole=whole, lines=LINES).raw):
        case [kind, dict(body)]:
            change(body)
            return encode([kind, body]).hex()
        case _:
            raise AssertionError


def _lines_with(change: Callable[[list[Value]], Value]) -> str:
    """The proof across successions, with another line of Ada."""

    def put(body: dict[str, Value]) -> None:
        match body["lines"]:
            case [[first, list(steps)], bank]:
                body["lines"] = [[first, change(steps)], bank]
            case _:
                raise AssertionError

    return _with(put, "histories across successions")


def _never_promised(steps: list[Value]) -> Value:
    new = make_inception(STRANGER[0], reader_key=bytes([7]) * 32, next_digest=bytes(32))
    succession = make_succession(ADAS[1], STRANGER[0])
    return [steps[0], [succession.signed.raw, new.signed.raw]]


def _more_than_needed(body: dict[str, Value]) -> None:
    body["lines"] = [line.value() for line in LINES]


def _thief() -> str:
    """Ada's first key signs after the one that follows it, as a thief who has it would."""
    thief = version(ADA[0], BANKS[0], SharedWord.PROPOSED, CORRECTED, before=AGAIN, seen=NO.cid)
    short = LINES[0].between(ADAS[:2])
    assert short is not None
    return SharedProof(_copies(ASKED, NO, AGAIN, thief, of=told()), True, (short,)).raw.hex()


_LIE = version(BANK[0], ADAS[0], SharedWord.ACCEPTED, OLD, before=NO, seen=ASKED.cid)
_SMUGGLED = version(
    BANK[0], ADAS[0], SharedWord.DISPUTED, {**OLD, "note": "smuggled"}, before=NO, seen=ASKED.cid
)
_TWICE = version(BANK[0], ADAS[0], SharedWord.DISPUTED, CORRECTED, before=YES, seen=ASKED.cid)
_FORK = version(BANK[0], ADAS[0], SharedWord.PROPOSED, None, before=NO, seen=ASKED.cid, n=2)
_LOW = version(BANK[0], ADAS[0], SharedWord.ACCEPTED, CORRECTED, before=NO, seen=ASKED.cid, n=0)
_BLIND = version(BANK[0], ADAS[0], SharedWord.PROPOSED, OLD, before=NO, seen=cid_of(b"nothing"))
_ALONE = version(BANK[0], ADAS[0], SharedWord.ACCEPTED, CORRECTED, before=NO)
_BETTER = version(ADA[0], BANKS[0], SharedWord.WITHDRAWN, OLD, before=ASKED, seen=NO.cid)
_UNASKED = version(BANK[0], ADAS[0], SharedWord.WITHDRAWN, OLD, before=NO, seen=ASKED.cid)
_STRANGER = version(STRANGER[0], BANKS[0], SharedWord.PROPOSED, CORRECTED)
_ELSE = version(
    BANK[0], ADAS[0], SharedWord.PROPOSED, contacts().row(1),
    name=replace(NAME, id="c2"),
)  # fmt: skip  # one thing

_PROOF_FAULTS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "another type": ("form", lambda: encode(["entrenous/1/log-proof", {}]).hex()),
    "no versions": ("form", lambda: _with(lambda body: body.update(versions=[]))),
    "a flag that is none": ("form", lambda: _with(lambda body: body.update(whole=1))),
    "lines without need": ("form", lambda: _with(_more_than_needed)),
    "lines that are empty": ("form", lambda: _with(lambda body: body.update(lines=[]))),
    "a version of a stranger": ("subject", lambda: _forged(_copies(ASKED, _STRANGER), whole=True)),
    "a version of another record": ("subject", lambda: _forged(_copies(ASKED, _ELSE), whole=True)),
    "another record was told": (
        "subject",
        lambda: _forged(_copies(ASKED, NO, of=told(row=1)), whole=False),
    ),
    "told to somebody else": (
        "subject",
        lambda: _forged(_copies(ASKED, NO, of=told(sub=STRANGERS[0])), whole=False),
    ),
    "told otherwise than it was signed": (
        "proof",
        lambda: _forged(
            _copies(ASKED, NO, of=Told(told().statement, CORRECTED, told().proof)), whole=False
        ),
    ),
    "two versions of a side, and nothing between": (
        "shared", lambda: _forged(_copies(NO, YES), whole=False),
    ),
    "a newest version that accepts something else": (
        "shared", lambda: _forged(_copies(ASKED, _LIE), whole=False),
    ),
    "a history without its beginning": ("shared", lambda: _forged(_copies(YES), whole=True)),
    "an acceptance of another record": (
        "shared", lambda: _forged(_copies(ASKED, NO, _LIE, of=told()), whole=True),
    ),
    "a dispute that changes its own copy": (
        "shared", lambda: _forged(_copies(ASKED, NO, _SMUGGLED, of=told()), whole=True),
    ),
    "an answer after the acceptance": (
        "replay", lambda: _forged(_copies(ASKED, NO, YES, _TWICE, of=told()), whole=True),
    ),
    "a second end": (
        "replay", lambda: _forged(_copies(ASKED, NO, YES, _FORK, of=told()), whole=True),
    ),
    "a number that does not rise": (
        "replay", lambda: _forged(_copies(ASKED, NO, _LOW, of=told()), whole=True),
    ),
    "it has seen what is not there": (
        "shared", lambda: _forged(_copies(ASKED, NO, _BLIND, of=told()), whole=True),
    ),
    "what began it was not told": ("shared", lambda: _forged(_copies(ASKED, NO), whole=True)),
    "an answer to nothing": (
        "shared", lambda: _forged(_copies(ASKED, NO, _ALONE, of=told()), whole=True),
    ),
    "a withdrawal that brings back something else": (
        "shared", lambda: _forged(_copies(ASKED, NO, _BETTER, of=told()), whole=True),
    ),
    "a withdrawal of nothing": (
        "replay", lambda: _forged(_copies(ASKED, NO, _UNASKED, of=told()), whole=True),
    ),
    "several personas and no line": (
        "subject", lambda: _forged(_copies(ASKED, NO, AGAIN, LATER, of=told()), whole=True),
    ),
    "the line of one side only": (
        "subject",
        lambda: _forged(_copies(ASKED, NO, AGAIN, LATER, of=told()), whole=True, lines=(0,)),
    ),
    "one line twice": (
        "form",
        lambda: _forged(_copies(ASKED, NO, AGAIN, LATER, of=told()), whole=True, lines=(0, 0)),
    ),
    "a step that is left out": ("succession", lambda: _lines_with(lambda steps: steps[1:])),
    "a key that was never promised": ("succession", lambda: _lines_with(_never_promised)),
    "a key that was left behind signs later": ("succession", _thief),
}  # fmt: skip  # a table


def _told_faults() -> list[Fault]:
    wrong = Told(told().statement, CORRECTED, told().proof)
    other = Told(told().statement, OLD, told(row=1).proof)
    changed = encode([_flip(told().statement.raw), dict(OLD), told().proof.value()])
    found = {
        "another record": ("proof", wrong.raw),
        "the proof of another record": ("proof", other.raw),
        "another signature": ("signature", changed),
        "not three things": ("form", encode([told().statement.raw, dict(OLD)])),
    }
    return [
        Fault(f"told: {name}", "told: a contact", why, {"told": raw.hex()})
        for name, (why, raw) in found.items()
    ]


def _flip(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def shared_records() -> Subject:
    named = {
        "proposed": ASKED, "disputed": NO, "accepted": YES, "withdrawn": BACK, "none": GONE,
        "named by its time": METERED,
    }  # fmt: skip  # one thing
    cases = [
        *(_version_case(name, one) for name, one in named.items()),
        Case(
            "told: a contact",
            "told",
            {"told": told().raw.hex()},
            {
                "statement": cid_text(told().statement.cid), "src": BANKS[0], "sub": ADAS[0],
                "record": plain(dict(OLD)),
            },
        ),
        *(_proof_case(name, copies, whole=whole) for name, (copies, whole) in PROOFS.items()),
    ]  # fmt: skip  # one thing
    refused = [
        *(
            Fault(f"shared version: {name}", "shared version: proposed", why, {"version": made()})
            for name, (why, made) in _VERSION_FAULTS.items()
        ),
        *_told_faults(),
        *(
            Fault(
                f"shared proof: {name}", "shared proof: both histories, agreed", why,
                {"proof": made()},
            )
            for name, (why, made) in _PROOF_FAULTS.items()
        ),
    ]  # fmt: skip  # one thing
    return Subject(
        "shared.json", "shared records: versions, what was told, proof files", cases, refused
    )

"""The worked examples of docs/spec.md, first half: keys, identities, records, statements, pages.

A person is paired with a supplier, gets a delivery, grants two days of it, is read, takes back; all
of it from one seed.  An example is a list of named parts: they stand in docs/spec.md (long ones cut
short) and in docs/spec-vectors.json (whole), where a second implementation finds what goes in and
what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.key_tree import (
    FIRST_GENERATION,
    collection_key,
    cover,
    day_key,
    generation,
    tree_root,
)
from entrenous.crypto.keys import (
    DeviceKey,
    GrantKey,
    LogKey,
    PersonaKey,
    ReaderSecret,
    RecoverySecret,
    VaultSecret,
)
from entrenous.crypto.page import page_key
from entrenous.crypto.recovery import backup_secret, next_digest, next_key
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.columns import write_columns
from entrenous.protocol.command import digest_text
from entrenous.protocol.day import day_of
from entrenous.protocol.did import did_of
from entrenous.protocol.page import PageEntry, seal_page
from entrenous.protocol.persona import (
    Certificate,
    Inception,
    make_certificate,
    make_inception,
    make_reader_key,
    make_succession,
)
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION
from entrenous.protocol.segment import Segment, make_segment, runs
from entrenous.protocol.signed import SignedObject
from entrenous.protocol.statement import (
    Statement,
    StatementDay,
    make_statement,
    prove_days,
    prove_record,
)

SEED = SeededEntropy(b"entrenous/spec")
T_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
T_S = T_MS // 1000
HOUR_MS = 3_600_000
DAY_S = 86_400
DAY = day_of(T_MS)
PATH = "energy/electricity/load-curve"
MONEY = "finance/accounts/transactions"


@dataclass(frozen=True, slots=True)
class Cbor:
    """Bytes that are one CBOR value: shown in diagnostic notation and in hex."""

    raw: bytes


Part: TypeAlias = "tuple[str, bytes | str | int | Cbor]"
Example: TypeAlias = Sequence[Part]


def random(name: str, n: int) -> bytes:
    """Random bytes of one name: adding an example changes no other."""
    return SEED.fork(name).random_bytes(n)


def signed(caption: str, found: SignedObject) -> list[Part]:
    return [(caption, Cbor(found.raw)), (f"{caption}: CID", found.cid)]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part, and their secrets."""

    recovery: RecoverySecret
    person: PersonaKey
    person_device: DeviceKey
    person_reader: ReaderSecret
    supplier: PersonaKey
    supplier_device: DeviceKey
    supplier_reader: ReaderSecret
    vault: VaultSecret
    epoch: bytes
    k_grant: GrantKey
    k_log: LogKey


@cache
def cast() -> Cast:
    return Cast(
        RecoverySecret(random("recovery secret", 32)),
        PersonaKey(random("person", 32)),
        DeviceKey(random("device of the person", 32)),
        ReaderSecret(random("reader key of the person", 32)),
        PersonaKey(random("supplier", 32)),
        DeviceKey(random("device of the supplier", 32)),
        ReaderSecret(random("reader key of the supplier", 32)),
        VaultSecret(random("vault secret", 32)),
        random("epoch", 16),
        GrantKey(random("k_grant", 32)),
        LogKey(random("k_log", 32)),
    )


def the_cast() -> Example:
    who = cast()
    return [
        ("S, the recovery secret", who.recovery.secret_bytes()),
        ("person: seed of the persona key", who.person.secret_bytes()),
        ("person: DID", did_of(who.person.public)),
        ("person: seed of the device key", who.person_device.secret_bytes()),
        ("person: device DID", did_of(who.person_device.public)),
        ("person: reader secret (X25519)", who.person_reader.secret_bytes()),
        ("person: reader key", who.person_reader.public),
        ("supplier: seed of the persona key", who.supplier.secret_bytes()),
        ("supplier: DID", did_of(who.supplier.public)),
        ("supplier: seed of the device key", who.supplier_device.secret_bytes()),
        ("supplier: device DID", did_of(who.supplier_device.public)),
        ("supplier: reader secret (X25519)", who.supplier_reader.secret_bytes()),
        ("supplier: reader key", who.supplier_reader.public),
        ("V_e", who.vault.secret_bytes()),
        ("e", who.epoch),
        ("k_grant", who.k_grant.secret_bytes()),
        ("K_log", who.k_log.secret_bytes()),
    ]


def encoding() -> Example:
    cid = cid_of(encode({"v": 1}))
    value: Value = {"v": 1, "to": None, "cid": cid, "link": Link(cid), "ids": ["a", -1, True]}
    return [
        ("a value", Cbor(encode(value))),
        ("CID of {v: 1}", cid),
        ("the same in text", cid_text(cid)),
        ("its SHA-256 in args", digest_text(cid[4:])),
    ]


def identity() -> Example:
    who = cast()
    supplier_inception, supplier_certificate = introduced_supplier()
    old, successor = introduced_person()[0], next_key(who.recovery, 0, 0)
    return [
        ("next_0: seed", successor.secret_bytes()),
        ("backup key (X25519 secret)", backup_secret(who.recovery).secret_bytes()),
        *signed("inception of the person", old.signed),
        *signed("inception of the supplier", supplier_inception.signed),
        *signed("certificate of the supplier's device", supplier_certificate.signed),
        *signed(
            "a later reader key of the supplier",
            make_reader_key(
                who.supplier, key=ReaderSecret(random("later reader key", 32)).public, n=1
            ).signed,
        ),
        *signed("succession of the person", make_succession(old.did, successor).signed),
    ]


@cache
def introduced_person() -> tuple[Inception, Certificate]:
    who = cast()
    return _introduced(who.person, who.person_device, who.person_reader, 0)


@cache
def introduced_supplier() -> tuple[Inception, Certificate]:
    who = cast()
    return _introduced(who.supplier, who.supplier_device, who.supplier_reader, 1)


def _introduced(
    key: PersonaKey, device: DeviceKey, reader: ReaderSecret, i: int
) -> tuple[Inception, Certificate]:
    digest = next_digest(cast().recovery, 0, i)
    inception = make_inception(key, reader_key=reader.public, next_digest=digest)
    certificate = make_certificate(
        key, device=device, cmds=("/",), exp_s=T_S + 30 * DAY_S, now_ms=T_MS
    )
    return inception, certificate


# --- keys -----------------------------------------------------------------------------------------


def keys() -> Example:
    who = cast()
    c = collection_key(who.vault, PATH, FIRST_GENERATION)
    root = tree_root(c)
    one, two = cid_of(encode([1])), cid_of(encode([2]))
    return [
        ("path", PATH),
        ("gen", FIRST_GENERATION),
        ("C", c.secret_bytes()),
        ("root of the tree", root.key.secret_bytes()),
        ("day of 2026-01-01", DAY),
        (f"key of day {DAY}", day_key([root], DAY).secret_bytes()),
        ("key of the undated records, 65535", day_key([root], 65_535).secret_bytes()),
        ("cover of days 46021 to 46050", str(list(cover(46_021, 46_050)))),
        ("generation of two CIDs, given in either order", generation([two, one])),
        ("  the one", one),
        ("  the other", two),
    ]


# --- records --------------------------------------------------------------------------------------


@cache
def readings() -> Batch:
    """Four readings on the first day, none on the second, one on the third."""
    rows: list[Mapping[str, Value]] = [
        {
            "time": T_MS + hour * HOUR_MS,
            "offset_min": 60,
            "duration_s": 21_600,
            "value": [1_000 + hour, 0],
            "unit": "Wh",
            "quality": "estimated" if hour == 12 else None,
        }
        for hour in (0, 6, 12, 18, 48)
    ]
    return Batch.from_rows(METER_READING, rows)


@cache
def payments() -> Batch:
    said = (("Market", None, -1250), ("Café", "Café du Nord", -420), ("Rail", None, -9900))
    rows: list[Mapping[str, Value]] = [
        {
            "id": f"p{number}",
            "time": T_MS + number * HOUR_MS,
            "offset_min": 60,
            "amount": [mantissa, 2],
            "currency": "EUR",
            "label": label,
            "counterparty": counterparty,
            "kind": "debit",
        }
        for number, (label, counterparty, mantissa) in enumerate(said)
    ]
    return Batch.from_rows(TRANSACTION, rows)


def columns() -> Example:
    return [
        ("three payments", Cbor(write_columns(payments()))),
        ("payment 1 as a record", Cbor(encode(payments().row(1)))),
        ("four readings", Cbor(write_columns(readings().slice(0, 4)))),
        ("no reading", Cbor(write_columns(readings().slice(0, 0)))),
    ]


# --- statements -----------------------------------------------------------------------------------


@cache
def delivered() -> tuple[Statement, Sequence[StatementDay]]:
    """What the supplier says of three days of readings."""
    who = cast()
    return make_statement(
        readings(),
        {DAY + i: random(f"salt of day {i}", 32) for i in range(3)},
        key=who.supplier,
        sub=did_of(who.person.public),
        path=PATH,
        first=DAY,
        last=DAY + 2,
        nonce=random("nonce of the statement", 16),
    )


def statement_by_day() -> Example:
    statement, days = delivered()
    leaves = [day.leaf for day in days]
    parts: list[Part] = []
    for day in days:
        parts += [
            (f"day {day.day}: salt_d", day.salt),
            (f"day {day.day}: count", len(day.batch)),
            (f"day {day.day}: columns", Cbor(write_columns(day.batch))),
            (f"day {day.day}: leaf", day.leaf),
        ]
    proof = prove_days(leaves, statement, DAY, DAY + 1)
    return [
        *parts,
        *signed("statement", statement.signed),
        (f"range proof of days {DAY} to {DAY + 1}", Cbor(encode(list(proof)))),
    ]


def statement_by_record() -> Example:
    who = cast()
    statement, days = make_statement(
        payments(),
        {DAY: random("salt of the payments", 32)},
        key=who.supplier,
        sub=did_of(who.person.public),
        path=MONEY,
        first=DAY,
        last=DAY,
        nonce=random("nonce of the payments", 16),
    )
    proof = prove_record(statement, [days[0].leaf], days[0], 1)
    return [
        ("salt_d", days[0].salt),
        *signed("statement", statement.signed),
        ("record 1", Cbor(encode(payments().row(1)))),
        ("proof of record 1 alone", Cbor(encode(proof.value()))),
    ]


# --- pages ----------------------------------------------------------------------------------------


@cache
def sealed_pages() -> Sequence[tuple[PageEntry, bytes]]:
    """The three days as the person's device encrypts them."""
    who = cast()
    statement, days = delivered()
    root = tree_root(collection_key(who.vault, PATH, FIRST_GENERATION))
    return [
        seal_page(
            day.batch,
            day_key=day_key([root], day.day),
            path=PATH,
            day=day.day,
            epoch=who.epoch,
            gen=FIRST_GENERATION,
            statement=statement.cid,
            salt_d=day.salt,
            writer=did_of(who.person_device.public),
            entropy=SEED.fork(f"page of day {day.day}"),
        )
        for day in days
    ]


def page() -> Example:
    entry, ciphertext = sealed_pages()[0]
    root = tree_root(collection_key(cast().vault, PATH, FIRST_GENERATION))
    key = page_key(day_key([root], DAY), entry.page_id, entry.page_salt)
    day = delivered()[1][0]
    plaintext = (
        b"\xa2" + encode("cols") + write_columns(day.batch) + encode("salt_d") + encode(day.salt)
    )
    assert len(plaintext) == entry.plain_len
    return [
        (f"D, key of day {DAY}", day_key([root], DAY).secret_bytes()),
        ("page_id", entry.page_id),
        ("page_salt", entry.page_salt),
        ("page key", key.secret_bytes()),
        ("plaintext, before padding", Cbor(plaintext)),
        ("associated data", Cbor(entry.header().associated_data())),
        ("page: nonce and ciphertext", ciphertext),
        ("entry", Cbor(entry.encoded())),
        ("entry: leaf", entry.leaf()),
    ]


@cache
def vouched() -> Segment:
    return make_segment(
        [entry for entry, _ in sealed_pages()],
        device=cast().person_device,
        seq=0,
        prev=None,
        entropy=SEED.fork("padding of the segment"),
    )


def segment() -> Example:
    found = vouched()
    return [
        *[(f"leaf {place}", leaf) for place, leaf in enumerate(found.leaves)],
        *signed("segment", found.head.signed),
        ("run of entries 0 and 1", Cbor(encode(runs(found, (0, 1))[0].value()))),
    ]

"""The small world of `tests/vectors/open`: who lives in it, and what its vault holds.

A person is paired with a supplier, which delivered a year of readings, and with a bank.  Sixty of
the days stand in the vault: forty-five under the first generation, fifteen under the one after an
older grant was taken back; six of the days stand there once more under the epoch before, from the
person's tablet, with no source behind them.  Beside them are ten days of payments and one page
without a day.  The supplier reads thirty days, its processor three of these, the bank two days of
payments and the undated page.

Everything comes from one seed: the same bytes at every run.

Source: docs/spec.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from entrenous.crypto.canonical import Value
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.key_tree import (
    FIRST_GENERATION,
    UNDATED,
)
from entrenous.crypto.keys import (
    DeviceKey,
    GrantKey,
    LogKey,
    PairKey,
    PersonaKey,
    ReaderSecret,
    RecoverySecret,
    VaultSecret,
)
from entrenous.crypto.recovery import next_digest
from entrenous.protocol.day import day_of
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.grant import Bundle, ReadGrant, issue_grant, issue_sub_grant, make_bundle
from entrenous.protocol.keyset import Keyset, make_keyset, path_keys
from entrenous.protocol.persona import (
    Certificate,
    Inception,
    make_certificate,
    make_inception,
)
from entrenous.protocol.record import Batch
from entrenous.protocol.request import Request
from entrenous.protocol.revocation import Revocation, generation_of, make_revocation
from entrenous.protocol.schema import CONTACT, METER_READING, TRANSACTION
from entrenous.protocol.statement import Statement, StatementDay, make_statement
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window

SEED = SeededEntropy(b"entrenous/vectors/open")
T_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
T_S = T_MS // 1000
DAY_MS = 86_400_000
DAY_S = 86_400
HOUR_MS = 3_600_000
TODAY = day_of(T_MS)
READINGS = "energy/electricity/load-curve"
MONEY = "finance/accounts/transactions"
CONTACTS = "communication/contacts"

# The year of the statement, and the days of it that stand in the vault.
YEAR = (TODAY - 364, TODAY)
FIRST = TODAY - 59
ROTATED = FIRST + 45
GRANTED = (FIRST + 30, FIRST + 59)
AGAIN = (FIRST + 28, FIRST + 33)
LENT_ON = (FIRST + 44, FIRST + 46)
PAID = (TODAY - 9, TODAY)
BANK_READS = (TODAY - 5, TODAY - 4)
# Days on which the meter said nothing.
SILENT = {FIRST + 31, FIRST + 46, FIRST + 50}


def random(name: str, n: int) -> bytes:
    """Random bytes of one name: adding a vector changes no other."""
    return SEED.fork(name).random_bytes(n)


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody, with the secrets that a reader of the vectors is given too."""

    key: PersonaKey
    device: DeviceKey
    reader: ReaderSecret
    inception: Inception
    certificate: Certificate

    @property
    def did(self) -> Did:
        return did_of(self.key.public)

    @property
    def device_did(self) -> Did:
        return did_of(self.device.public)


RECOVERY = RecoverySecret(random("recovery secret", 32))
K_LOG = LogKey(random("log key", 32))
K_PAIR = PairKey(random("pair key", 32))
INDEX: Mapping[str, int] = {"person": 0, "supplier": 1, "bank": 2, "processor": 3, "stranger": 4}


@cache
def party(name: str) -> Party:
    key = PersonaKey(random(f"{name}: persona", 32))
    device = DeviceKey(random(f"{name}: device", 32))
    reader = ReaderSecret(random(f"{name}: reader", 32))
    begun = make_inception(
        key, reader_key=reader.public, next_digest=next_digest(RECOVERY, 0, INDEX[name])
    )
    return Party(key, device, reader, begun, certify(key, device))


def certify(
    key: PersonaKey, device: DeviceKey, *, cmds: Sequence[str] = ("/",), days: int = 30
) -> Certificate:
    end = T_S + days * DAY_S
    return make_certificate(key, device=device, cmds=cmds, exp_s=end, now_ms=T_MS)


PERSON, SUPPLIER, BANK, PROCESSOR, STRANGER = map(party, INDEX)
TABLET = DeviceKey(random("tablet", 32))
TABLET_CERTIFICATE = certify(PERSON.key, TABLET)


# --- what was recorded ----------------------------------------------------------------------------


@cache
def readings() -> Batch:
    """Four readings a day for a year, but for the silent days."""
    rows: list[Mapping[str, Value]] = [
        {
            "time": (day - TODAY) * DAY_MS + T_MS + quarter * 6 * HOUR_MS,
            "offset_min": 60,
            "duration_s": 21_600,
            "value": [1_000 + (day * 7 + quarter * 131) % 977, 0],
            "unit": "Wh",
            "quality": "estimated" if (day + quarter) % 11 == 0 else None,
        }
        for day in range(YEAR[0], YEAR[1] + 1)
        for quarter in range(4)
        if day not in SILENT
    ]
    return Batch.from_rows(METER_READING, rows)


@cache
def payments() -> Batch:
    """None to three payments a day."""
    rows: list[Mapping[str, Value]] = [
        {
            "id": f"p{day - PAID[0]}-{number}",
            "time": (day - TODAY) * DAY_MS + T_MS + number * HOUR_MS,
            "offset_min": 60,
            "amount": [-(1_250 + day * 31 + number), 2],
            "currency": "EUR",
            "label": ("Marché", "Bäckerei", "駅")[number],
            "counterparty": None if number == 0 else f"shop {day % 5}",
            "kind": "debit",
        }
        for day in range(PAID[0], PAID[1] + 1)
        for number in range(day % 4)
    ]
    return Batch.from_rows(TRANSACTION, rows)


@cache
def contacts() -> Batch:
    empty: dict[str, Value] = {field.name: None for field in CONTACT.fields}
    rows: list[Mapping[str, Value]] = [
        {
            **empty,
            "id": f"c{n}",
            "kind": "individual",
            "name": name,
            "emails": f"{name}@example.org\thome",
        }
        for n, name in enumerate(("Ana", "Bo"))
    ]
    return Batch.from_rows(CONTACT, rows)


@dataclass(frozen=True, slots=True)
class Said:
    """A statement, with what is under it."""

    statement: Statement
    days: Mapping[int, StatementDay]

    @property
    def leaves(self) -> list[bytes]:
        return [day.leaf for day in self.days.values()]


def _said(batch: Batch, by: Party, path: str, days: tuple[int, int], name: str) -> Said:
    statement, found = make_statement(
        batch,
        {day: random(f"{name}: salt of day {day}", 32) for day in range(days[0], days[1] + 1)},
        key=by.key,
        sub=PERSON.did,
        path=path,
        first=days[0],
        last=days[1],
        nonce=random(f"{name}: nonce", 16),
    )
    return Said(statement, {day.day: day for day in found})


@cache
def year() -> Said:
    return _said(readings(), SUPPLIER, READINGS, YEAR, "readings")


@cache
def paid() -> Said:
    return _said(payments(), BANK, MONEY, PAID, "payments")


# --- grants ---------------------------------------------------------------------------------------


@cache
def terms() -> Terms:
    return Terms(
        "dpv:ServiceProvision",
        30,
        ("the supplier",),
        None,
        (
            Clause("only the days of this grant", Force.ENFORCED),
            Clause("deleted after 30 days", Force.PROMISED),
        ),
    )


@cache
def processor_terms() -> Terms:
    return Terms(terms().purpose, 10, (), None, ())


@cache
def request() -> Request:
    return Request(
        SUPPLIER.did,
        (Window(READINGS, *YEAR),),
        terms().purpose,
        terms(),
        T_S + 30 * DAY_S,
        "nothing follows",
    )


def granted(
    to: Party, windows: Iterable[Window], name: str, *, days: int = 20, by: Party = PERSON
) -> ReadGrant:
    return issue_grant(
        by.key,
        aud=to.did,
        windows=windows,
        terms=terms(),
        exp_s=T_S + days * DAY_S,
        nonce=random(f"nonce of {name}", 16),
    )


@cache
def older() -> ReadGrant:
    """A grant that was taken back: it makes the second generation of the readings."""
    return granted(STRANGER, [Window(READINGS, FIRST, FIRST + 9)], "the older grant")


@cache
def taken_back() -> Revocation:
    day = (ROTATED - TODAY) * DAY_MS + T_MS
    return make_revocation(PERSON.key, dlg=older().cid, paths=[READINGS], t_ms=day)


@cache
def second_generation() -> bytes:
    return generation_of(READINGS, [taken_back()])


@cache
def supplier_bundle() -> Bundle:
    grant = granted(SUPPLIER, [Window(READINGS, *GRANTED)], "the supplier's grant")
    return make_bundle(PERSON.key, grant, terms=terms(), reader_key=SUPPLIER.reader.public)


@cache
def bank_bundle() -> Bundle:
    windows = [Window(MONEY, *BANK_READS), Window(CONTACTS, UNDATED, UNDATED)]
    grant = granted(BANK, windows, "the bank's grant")
    return make_bundle(PERSON.key, grant, terms=terms(), reader_key=BANK.reader.public)


@cache
def processor_bundle() -> Bundle:
    """The supplier lends three of its days on, under terms of its own."""
    above = supplier_bundle().grant
    sub = issue_sub_grant(
        SUPPLIER.key,
        [above],
        aud=PROCESSOR.did,
        windows=[Window(READINGS, *LENT_ON)],
        terms=processor_terms(),
        exp_s=T_S + 10 * DAY_S,
        nonce=random("nonce of the processor's grant", 16),
    )
    return make_bundle(
        SUPPLIER.key,
        sub,
        terms=processor_terms(),
        reader_key=PROCESSOR.reader.public,
        chain=[above],
    )


# --- keys -----------------------------------------------------------------------------------------

EPOCH, EPOCH_BEFORE = random("epoch", 16), random("epoch before", 16)
VAULTS: Mapping[bytes, VaultSecret] = {
    EPOCH: VaultSecret(random("vault secret", 32)),
    EPOCH_BEFORE: VaultSecret(random("vault secret before", 32)),
}
GRANT_KEYS: Mapping[str, GrantKey] = {
    name: GrantKey(random(f"k_grant of the {name}", 32)) for name in ("supplier", "bank")
}
FIRST_N = T_MS


def keyset_of(
    bundle: Bundle,
    by: Party,
    places: Iterable[tuple[bytes, str, bytes]],
    *,
    n: int,
    k_grant: GrantKey,
) -> Keyset:
    """The keys of the bundle's days, for each (epoch, path, generation)."""
    sets = [
        path_keys(
            VAULTS[epoch],
            epoch=epoch,
            path=path,
            gen=gen,
            windows=bundle.grant.windows,
            exp_s=bundle.grant.exp_s,
        )
        for epoch, path, gen in places
    ]
    return make_keyset(
        by.key,
        bundle.sealing(),
        n=n,
        k_grant=k_grant,
        sets=[one for one in sets if one is not None],
        entropy=SEED.fork(f"keyset {n} for {bundle.grant.delegation.aud}"),
    )


@cache
def supplier_keysets() -> tuple[Keyset, Keyset]:
    """Before the older grant was taken back, and after."""
    places = [(EPOCH, READINGS, FIRST_GENERATION), (EPOCH_BEFORE, READINGS, FIRST_GENERATION)]
    all_places = [*places, (EPOCH, READINGS, second_generation())]
    key = GRANT_KEYS["supplier"]
    return (
        keyset_of(supplier_bundle(), PERSON, places, n=FIRST_N, k_grant=key),
        keyset_of(supplier_bundle(), PERSON, all_places, n=FIRST_N + 1, k_grant=key),
    )


@cache
def processor_keyset() -> Keyset:
    places = [
        (EPOCH, READINGS, FIRST_GENERATION),
        (EPOCH_BEFORE, READINGS, FIRST_GENERATION),
        (EPOCH, READINGS, second_generation()),
    ]
    return keyset_of(
        processor_bundle(), SUPPLIER, places, n=FIRST_N, k_grant=GRANT_KEYS["supplier"]
    )


@cache
def bank_keyset() -> Keyset:
    places = [(EPOCH, MONEY, FIRST_GENERATION), (EPOCH, CONTACTS, FIRST_GENERATION)]
    return keyset_of(bank_bundle(), PERSON, places, n=FIRST_N, k_grant=GRANT_KEYS["bank"])

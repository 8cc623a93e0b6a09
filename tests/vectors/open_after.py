"""Vectors of what follows a grant: what is owed, what is said of paying, what was deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.accrual import SignedWindow, accrued
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.command import Cmd
from entrenous.protocol.delegation import issue_delegation
from entrenous.protocol.deletion import make_deletion
from entrenous.protocol.grant import Bundle, issue_grant, make_bundle, read_policy
from entrenous.protocol.payment import (
    Counted,
    PaymentWord,
    make_acknowledgement,
    make_invoice,
    make_payment,
    make_waiver,
)
from entrenous.protocol.receipt import (
    Receipt,
    ReceiptBody,
    countersign,
    countersigned,
    sign_receipt,
)
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.signed import SignedObject, sign
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes
from entrenous.tests.vectors.open_world import (
    BANK,
    DAY_MS,
    DAY_S,
    PERSON,
    READINGS,
    SEED,
    STRANGER,
    SUPPLIER,
    T_MS,
    T_S,
    TODAY,
    random,
    terms,
)

# Days long before the reads, and one that had not begun.
FIRST, LAST = TODAY - 3, TODAY + 1
LONG_MS = 400 * DAY_MS
IBAN = "FR1420041010050500013M02606"

LICENCES: Mapping[str, Remuneration] = {
    "once": Remuneration(500, "EUR", Per.ONCE),
    "month": Remuneration(100, "EUR", Per.MONTH, 1_000),
    "read": Remuneration(250, "JPY", Per.READ, 400),
    "window-day": Remuneration(5, "EUR", Per.WINDOW_DAY, 100),
}


@cache
def paid(per: str) -> Bundle:
    given = replace(terms(), remuneration=LICENCES[per])
    return _bundle(given, per)


def _bundle(given: Terms, name: str) -> Bundle:
    grant = issue_grant(
        PERSON.key,
        aud=SUPPLIER.did,
        windows=[Window(READINGS, FIRST, LAST)],
        terms=given,
        exp_s=T_S + 500 * DAY_S,
        nonce=random(f"nonce of the licence {name}", 16),
    )
    return make_bundle(PERSON.key, grant, terms=given, reader_key=SUPPLIER.reader.public)


def _receipt(bundle: Bundle, read: int, number: int, days: tuple[int, int]) -> Receipt:
    body = ReceiptBody(
        inv=cid_of(f"read {read}".encode()),
        dlg=bundle.grant.cid,
        server=PERSON.device_did,
        reader=SUPPLIER.did,
        window=number,
        last=bool(number),
        entries_root=random(f"pages of {read} {number}", 32),
        first=days[0],
        last_day=days[1],
        pages=2,
        size=2048,
        t_ms=T_MS + 1000 * (2 * read + number),
        prev=None,
    )
    return sign_receipt(body, PERSON.device)


@cache
def receipts(per: str) -> tuple[tuple[Receipt, ...], tuple[Receipt, ...]]:
    """Those that count, and those that do not: unsigned, of another grant, of no page."""
    bundle, other = paid(per), paid("once" if per != "once" else "month")
    counted = (
        _receipt(bundle, 0, 0, (FIRST, FIRST + 1)),
        _receipt(bundle, 0, 1, (FIRST + 1, FIRST + 2)),
        _receipt(bundle, 1, 0, (FIRST, LAST)),
    )
    elsewhere = _receipt(other, 2, 0, (FIRST, LAST))
    empty = replace(_receipt(bundle, 3, 0, (FIRST, LAST)).body, pages=0, size=0, last=True)
    others = (elsewhere, sign_receipt(empty, PERSON.device))
    both = [countersigned(one, countersign(one, SUPPLIER.key)) for one in (*counted, *others)]
    alone = _receipt(bundle, 4, 0, (FIRST, LAST))
    return tuple(both[:3]), (*both[3:], alone)


def _account(per: str) -> Case:
    counted, others = receipts(per)
    windows = [
        SignedWindow(one.cid, one.body.inv, one.body.t_ms, one.body.first, one.body.last_day)
        for one in counted
    ]
    end_ms, now_ms = T_MS + LONG_MS, T_MS + LONG_MS + DAY_MS
    entries = accrued(LICENCES[per], windows, accepted_ms=T_MS, end_ms=end_ms, now_ms=now_ms)
    # Newest first: the order is for the reader of the vectors to find.
    given = [one.signed.raw for one in (*counted, *others)][::-1]
    return Case(
        f"account: {per}",
        "account",
        {
            "bundle": paid(per).signed.raw.hex(),
            "receipts": hexes(given),
            "accepted_ms": T_MS,
            "end_ms": end_ms,
            "now_ms": now_ms,
        },
        {
            "currency": LICENCES[per].currency,
            "events": [[one.t_ms, one.count, one.amount_minor] for one in entries],
            "owed": sum(one.amount_minor for one in entries),
        },
    )


def _broken_terms() -> Mapping[str, Mapping[str, Value]]:
    good: dict[str, Value] = {"amount": [5, 2], "currency": "EUR", "per": "read", "cap": None}
    return {
        "an amount with another scale than its currency": {**good, "amount": [5, 3]},
        "nothing": {**good, "amount": [0, 2]},
        "a currency that is none": {**good, "currency": "XXE"},
        "another event": {**good, "per": "record"},
        "a cap below one amount": {**good, "cap": [4, 2]},
        "a cap of what is paid once": {**good, "per": "once", "cap": [9, 2]},
        "a key more": {**good, "tax": 1},
    }


def _account_faults() -> list[Fault]:
    counted, _ = receipts("window-day")
    first = counted[0].signed
    forged = sign(Signed.RECEIPT, first.body, PERSON.device, STRANGER.key).raw
    places = len(receipts("window-day")[1]) + len(counted) - 1
    faults = [
        Fault(
            "account: a signature that is not its reader's",
            "account: window-day",
            "signature",
            {f"receipts.{places}": forged.hex()},
        )
    ]
    for name, written in _broken_terms().items():
        raw = _signed_with(written, name)
        faults.append(
            Fault(f"account: {name}", "account: window-day", "form", {"bundle": raw.hex()})
        )
    return faults


def _signed_with(remuneration: Mapping[str, Value], name: str) -> bytes:
    """A bundle whose terms say this, in all else as it should be."""
    base = terms().value()
    assert isinstance(base, dict)
    raw = encode({**base, "remuneration": dict(remuneration)})
    delegation = issue_delegation(
        PERSON.key,
        aud=SUPPLIER.did,
        sub=PERSON.did,
        cmd=Cmd.READ,
        pol=read_policy([Window(READINGS, FIRST, LAST)], terms().purpose, cid_of(raw)),
        exp=T_S + 500 * DAY_S,
        nonce=random(f"nonce of {name}", 16),
    )
    body: dict[str, Value] = {
        "v": 1,
        "dlg": delegation.raw,
        "chain": [],
        "terms": raw,
        "reader_key": SUPPLIER.reader.public,
    }
    return sign(Signed.BUNDLE, body, PERSON.key).raw


# --- words about paying ---------------------------------------------------------------------------


@cache
def words() -> Mapping[str, tuple[SignedObject, PersonaKey, str]]:
    """Each word, who signs it, and to whom."""
    grants = [paid("read").grant.cid, paid("month").grant.cid]
    payment = make_payment(
        SUPPLIER.key,
        to=PERSON.did,
        amount_minor=1_250,
        currency="EUR",
        note="été",
        t_ms=T_MS,
        entropy=SEED.fork("a payment"),
    )
    word = make_acknowledgement(
        PERSON.key, payment, word=PaymentWord.DISPUTED, reason="not here yet", t_ms=T_MS
    )
    invoice = make_invoice(
        PERSON.key,
        to=SUPPLIER.did,
        currency="EUR",
        counted=[Counted(one, 3, 75) for one in grants],
        paid_minor=50,
        name="Camille Durand",
        iban=IBAN,
        t_ms=T_MS,
    )
    waiver = make_waiver(PERSON.key, to=SUPPLIER.did, grants=grants, t_ms=T_MS)
    return {
        "payment": (payment.signed, SUPPLIER.key, PERSON.did),
        "payment-word": (word.signed, PERSON.key, SUPPLIER.did),
        "invoice": (invoice.signed, PERSON.key, SUPPLIER.did),
        "waiver": (waiver.signed, PERSON.key, SUPPLIER.did),
    }


def _word_cases() -> list[Case]:
    found: list[Case] = []
    for kind, (signed, _, to) in words().items():
        by = signed.body["by"]
        assert isinstance(by, str)
        given: dict[str, Json] = {"type": kind, "word": signed.raw.hex(), "by": by, "to": to}
        found.append(Case(f"word: {kind}", "word", given, {"cid": cid_text(signed.cid)}))
    return found


def _word_faults() -> list[Fault]:
    grants = words()["waiver"][0].body["grants"]
    counted = words()["invoice"][0].body["counted"]
    assert isinstance(grants, list)
    assert isinstance(counted, list)
    changes: Sequence[tuple[str, str, str, Mapping[str, Value]]] = (
        ("payment", "of nothing", "form", {"amount": [0, 2]}),
        ("payment", "with another scale", "form", {"amount": [1, 0]}),
        ("payment", "with a note that is too long", "form", {"note": "x" * 141}),
        ("payment", "with a short nonce", "form", {"nonce": bytes(15)}),
        ("payment", "of another version", "version", {"v": 2}),
        ("payment-word", "that says neither", "form", {"word": "kept"}),
        ("payment-word", "on what is no payment", "form", {"payment": b"it"}),
        ("invoice", "with a name and no IBAN", "form", {"iban": None}),
        ("invoice", "with an IBAN that does not check", "form", {"iban": IBAN[:-1] + "7"}),
        ("invoice", "with a name of two lines", "form", {"name": "Camille\nDurand"}),
        ("invoice", "that counts a grant twice", "form", {"counted": [counted[0], counted[0]]}),
        ("invoice", "below nothing", "form", {"paid": -1}),
        ("waiver", "of grants out of order", "form", {"grants": grants[::-1]}),
        ("waiver", "of nothing", "form", {"grants": []}),
        ("waiver", "with a key more", "form", {"also": 1}),
    )
    faults: list[Fault] = []
    for kind, name, why, change in changes:
        signed, key, _ = words()[kind]
        raw = sign(Signed(kind), {**signed.body, **change}, key).raw
        faults.append(Fault(f"word: a {kind} {name}", f"word: {kind}", why, {"word": raw.hex()}))
    for kind, (signed, _, _) in words().items():
        forged = sign(Signed(kind), dict(signed.body), STRANGER.key).raw
        of = f"word: {kind}"
        faults.append(Fault(f"{of}, forged", of, "signature", {"word": forged.hex()}))
        faults.append(Fault(f"{of}, by another", of, "audience", {"by": BANK.did}))
        faults.append(Fault(f"{of}, to another", of, "audience", {"to": BANK.did}))
    return faults


# --- deletions ------------------------------------------------------------------------------------


def _deleted() -> tuple[list[Case], list[Fault]]:
    bundle = paid("read")
    made = make_deletion(SUPPLIER.key, dlg=bundle.grant.cid, pages=7, left=2, t_ms=T_MS)
    case = Case(
        "deletion",
        "deletion",
        {"deletion": made.signed.raw.hex(), "bundle": bundle.signed.raw.hex()},
        {"cid": cid_text(made.cid), "pages": 7, "left": 2},
    )

    def fault(name: str, why: str, key: PersonaKey, **change: Value) -> Fault:
        raw = sign(Signed.DELETION, {**made.signed.body, **change}, key).raw
        return Fault(f"deletion: {name}", "deletion", why, {"deletion": raw.hex()})

    return [case], [
        fault("forged", "signature", STRANGER.key),
        fault("by another than its reader", "audience", BANK.key, by=BANK.did),
        fault("of another grant", "subject", SUPPLIER.key, dlg=paid("once").grant.cid),
        fault("of fewer pages than none", "form", SUPPLIER.key, pages=-1),
        fault("of another version", "version", SUPPLIER.key, v=2),
        fault("without what is left", "form", SUPPLIER.key, left=None),
    ]


def after() -> Subject:
    cases, faults = _deleted()
    return Subject(
        "after.json",
        "What is owed for reads under paid terms, what is said of paying, what was deleted.",
        [*map(_account, LICENCES), *_word_cases(), *cases],
        [*_account_faults(), *_word_faults(), *faults],
    )

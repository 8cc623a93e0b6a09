"""Payments, words on them, invoices, waivers: signed, in one form, and what else is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, WireError
from entrenous.protocol.limits import AMOUNT_MINOR_MAX
from entrenous.protocol.payment import (
    Counted,
    PaymentWord,
    check_between,
    make_acknowledgement,
    make_invoice,
    make_payment,
    make_waiver,
    parse_acknowledgement,
    parse_invoice,
    parse_payment,
    parse_waiver,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import Value

DEBTOR, CREDITOR = PersonaKey(bytes([1]) * 32), PersonaKey(bytes([2]) * 32)
BY, TO = did_of(DEBTOR.public), did_of(CREDITOR.public)
GRANT = cid_of(b"grant")
PAYMENT = make_payment(
    DEBTOR, to=TO, amount_minor=1250, currency="EUR", note="for March", t_ms=5,
    entropy=SeededEntropy(b"payment"),
)  # fmt: skip  # a table
WORD = make_acknowledgement(CREDITOR, PAYMENT, word=PaymentWord.DISPUTED, reason="no", t_ms=6)
INVOICE = make_invoice(
    CREDITOR, to=BY, currency="EUR", counted=[Counted(GRANT, 2, 500)], paid_minor=250,
    name="Ann Example", iban="FR7630006000011234567890189", t_ms=7,
)  # fmt: skip  # a table
WAIVER = make_waiver(CREDITOR, to=BY, grants=[GRANT, cid_of(b"other")], t_ms=8)

Case = tuple[Signed, Callable[[bytes], object], dict[str, Value], PersonaKey]
CASES: dict[str, Case] = {
    "payment": (Signed.PAYMENT, parse_payment, dict(PAYMENT.signed.body), DEBTOR),
    "word": (Signed.PAYMENT_WORD, parse_acknowledgement, dict(WORD.signed.body), CREDITOR),
    "invoice": (Signed.INVOICE, parse_invoice, dict(INVOICE.signed.body), CREDITOR),
    "waiver": (Signed.WAIVER, parse_waiver, dict(WAIVER.signed.body), CREDITOR),
}
CHANGES: list[tuple[str, dict[str, Value]]] = [
    ("payment", {"amount": [0, 2]}), ("payment", {"amount": [1250, 3]}),
    ("payment", {"amount": [AMOUNT_MINOR_MAX + 1, 2]}), ("payment", {"currency": "XXX"}),
    ("payment", {"currency": "eur"}), ("payment", {"note": "x" * 141}),
    ("payment", {"nonce": bytes(15)}), ("payment", {"to": "did:key:z6Mk"}),
    ("payment", {"t_ms": -1}), ("word", {"word": "paid"}), ("word", {"payment": b"x"}),
    ("word", {"reason": "x" * 141}), ("word", {"payment": bytes(36)}),
    ("invoice", {"name": None}), ("invoice", {"iban": None}), ("invoice", {"name": ""}),
    ("invoice", {"iban": "FR7630006000011234567890188"}), ("invoice", {"name": "Ann\nBCD"}),
    ("invoice", {"iban": "FR76 3000 6000 0112 3456 7890 189"}), ("invoice", {"name": "x" * 71}),
    ("invoice", {"paid": -1}), ("invoice", {"counted": [[GRANT, -1, 5]]}),
    ("invoice", {"counted": [[GRANT, 1, 5], [GRANT, 2, 5]]}), ("invoice", {"counted": GRANT}),
    ("invoice", {"counted": [[GRANT, 1, 5]] * 513}), ("waiver", {"grants": []}),
    ("waiver", {"grants": [GRANT, GRANT]}), ("waiver", {"grants": [b"x"]}),
    ("waiver", {"grants": sorted([GRANT, cid_of(b"other")], reverse=True)}),
]  # fmt: skip  # a table


@pytest.mark.parametrize("name", CASES)
def test_each_comes_back_from_its_bytes_and_under_its_own_label_only(name: str) -> None:
    kind, parse, body, key = CASES[name]
    signed = sign(kind, body, key)
    assert parse(signed.raw) is not None
    for other, _, _, _ in CASES.values():
        if other is not kind:
            with pytest.raises(WireError):
                parse(sign(other, body, key).raw)
    with pytest.raises(BadSignature):
        parse(sign(kind, body, PersonaKey(bytes([3]) * 32)).raw)
    for missing in body:
        with pytest.raises(WireError):
            parse(sign(kind, {k: v for k, v in body.items() if k != missing}, key).raw)


@pytest.mark.parametrize(("name", "changed"), CHANGES)
def test_another_form_is_refused_though_it_is_signed(name: str, changed: dict[str, Value]) -> None:
    kind, parse, body, key = CASES[name]
    with pytest.raises(WireError):
        parse(sign(kind, {**body, **changed}, key).raw)


@given(st.integers(1, AMOUNT_MINOR_MAX), st.text(max_size=140), st.integers(0, 2**53))
def test_a_payment_says_what_was_meant(amount: int, note: str, t_ms: int) -> None:
    made = make_payment(
        DEBTOR, to=TO, amount_minor=amount, currency="EUR", note=note, t_ms=t_ms,
        entropy=SeededEntropy(b"x"),
    )  # fmt: skip  # a table
    assert parse_payment(made.signed.raw) == made
    assert (made.amount_minor, made.note, made.by, made.to) == (amount, note, BY, TO)


def test_a_word_is_for_whom_it_names() -> None:
    check_between(PAYMENT, by=BY, to=TO)
    check_between(WORD, by=TO, to=BY)
    for word in (WORD, INVOICE, WAIVER):
        with pytest.raises(CapabilityError):
            check_between(word, by=BY, to=TO)


def test_what_is_open_is_what_was_counted_less_what_was_paid() -> None:
    assert INVOICE.open_minor == 250
    assert INVOICE.creditor is not None
    assert "FR763" not in repr(INVOICE) + repr(INVOICE.creditor)

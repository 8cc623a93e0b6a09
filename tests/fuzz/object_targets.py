"""Targets: signed objects, by the label that they begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Final

from entrenous.crypto.canonical import encode
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature
from entrenous.protocol.card import SignedCard, card_from_mapping, parse_card
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, RecordError, WireError
from entrenous.protocol.keyset import parse_keyset
from entrenous.protocol.mandate import make_end, make_proxy, parse_end, parse_mandate, parse_proxy
from entrenous.protocol.parcel_head import parse_head
from entrenous.protocol.payment import (
    Counted,
    Payment,
    PaymentWord,
    make_acknowledgement,
    make_invoice,
    make_payment,
    make_waiver,
    parse_acknowledgement,
    parse_invoice,
    parse_payment,
    parse_waiver,
)
from entrenous.protocol.persona import (
    parse_certificate,
    parse_inception,
    parse_reader_key,
    parse_succession,
)
from entrenous.protocol.receipt import parse_answer, parse_receipt
from entrenous.protocol.revocation import parse_revocation, parse_rotation
from entrenous.protocol.segment import parse_segment_head
from entrenous.protocol.signed import SignedObject
from entrenous.protocol.statement import parse_statement
from entrenous.protocol.vouch import make_vouch, parse_vouch
from entrenous.tests.protocol import spec_words
from entrenous.tests.protocol.spec_world import T_MS, cast

from .examples import example
from .healing import healing
from .target import Form, Run, Target, same

_ERRORS: Final = (WireError, BadSignature)
_LISTED: Final = (*_ERRORS, RecordError)


def _signed_of(found: object) -> SignedObject | None:
    if not is_dataclass(found):
        return None
    for field in fields(found):
        value = getattr(found, field.name)
        if isinstance(value, SignedObject):
            return value
    return None


def _reads(parse: Callable[[bytes], object]) -> Run:
    """Reads it; what was accepted is in its one form and comes back whole."""

    def run(data: bytes) -> object:
        found = parse(data)
        signed = _signed_of(found)
        if signed is not None:
            same(signed.raw, data, "a signed object is not its bytes")
            body = [*signed.signatures]
            same(encode([_label(data), signed.body, *body]), data, "it has two forms")
        return found

    return healing(run)


def _label(data: bytes) -> str:
    from entrenous.protocol.wire import decode

    value = decode(data)
    assert isinstance(value, list)
    assert isinstance(value[0], str)
    return value[0]


def _card(data: bytes) -> SignedCard:
    found = parse_card(data)
    card = found.card
    value = card.value()
    written = {
        key: value[key]
        for key in ("domain", "who", "earns", "holds", "keeps_back", "processors", "incidents")
    }
    again = card_from_mapping(written, did=card.did, n=card.n, t_ms=card.t_ms, name=card.name)
    same(again, card, "a card does not come back from what is written in a file")
    return found


def _keyset(data: bytes) -> object:
    return parse_keyset(data, did_of(cast().person.public))


def _proxies() -> list[bytes]:
    who = cast()
    supplier, person = did_of(who.supplier.public), did_of(who.person.public)
    made = make_proxy(who.person, at=supplier, principal=person, exp_s=T_MS // 1000 + 86_400)
    return [made.signed.raw]


def _vouches() -> list[bytes]:
    who = cast()
    supplier, person = did_of(who.supplier.public), did_of(who.person.public)
    return [make_vouch(who.person, about=supplier, to=person, t_ms=T_MS).signed.raw]


def _payment() -> Payment:
    who = cast()
    return make_payment(
        who.supplier,
        to=did_of(who.person.public),
        amount_minor=1250,
        currency="EUR",
        note="for March",
        t_ms=T_MS,
        entropy=SeededEntropy(b"fuzz payments"),
    )


def _account_words() -> list[bytes]:
    """A word on a payment, an invoice, a waiver."""
    who, grant = cast(), example("granting", "delegation: CID")
    to = did_of(who.supplier.public)
    word = make_acknowledgement(
        who.person, _payment(), word=PaymentWord.DISPUTED, reason="nothing came", t_ms=T_MS
    )
    invoice = make_invoice(
        who.person,
        to=to,
        currency="EUR",
        counted=[Counted(grant, 2, 500)],
        paid_minor=250,
        name="Ann Example",
        iban="FR7630006000011234567890189",
        t_ms=T_MS,
    )
    waiver = make_waiver(who.person, to=to, grants=[grant], t_ms=T_MS)
    return [word.signed.raw, invoice.signed.raw, waiver.signed.raw]


def _ends() -> list[bytes]:
    cid = example("granting", "delegation: CID")
    return [make_end(cast().person, mandate=cid, t_ms=T_MS).signed.raw]


def _row(
    name: str,
    parse: Callable[[bytes], object],
    module: str,
    *seeds: tuple[str, str],
    errors: tuple[type[Exception], ...] = _ERRORS,
    made: Callable[[], list[bytes]] = list,
    weight: int = 1,
) -> Target:
    return Target(
        name,
        _reads(parse),
        (f"protocol.{module}", "protocol.signed"),
        lambda: [*(example(*seed) for seed in seeds), *made()],
        errors,
        form=Form.VALUE,
        weight=weight,
    )


TARGETS = (
    _row(
        "inception",
        parse_inception,
        "persona",
        ("identity", "inception of the person"),
        ("identity", "inception of the supplier"),
    ),
    _row(
        "reader-key",
        parse_reader_key,
        "persona",
        ("identity", "a later reader key of the supplier"),
    ),
    _row("succession", parse_succession, "persona", ("identity", "succession of the person")),
    _row(
        "certificate",
        parse_certificate,
        "persona",
        ("identity", "certificate of the supplier's device"),
        errors=(*_ERRORS, CapabilityError),
    ),
    _row(
        "statement",
        parse_statement,
        "statement",
        ("statement-by-day", "statement"),
        ("statement-by-record", "statement"),
        errors=_LISTED,
        weight=2,
    ),
    _row("segment", parse_segment_head, "segment", ("segment", "segment")),
    _row("keyset", _keyset, "keyset", ("keyset", "keyset")),
    _row(
        "revocation", parse_revocation, "revocation", ("taking-back", "revocation"), errors=_LISTED
    ),
    _row("rotation", parse_rotation, "revocation", ("taking-back", "rotation"), errors=_LISTED),
    _row(
        "receipt",
        parse_receipt,
        "receipt",
        ("reading", "receipt with both signatures"),
        made=lambda: [spec_words.receipt().signed.raw],
    ),
    _row("answer", parse_answer, "receipt", ("log", "an answer"), ("acting", "its answer")),
    _row(
        "parcel-head", parse_head, "parcel_head", ("parcel", "the head"), errors=_LISTED, weight=2
    ),
    _row("card", _card, "card", ("card", "card"), errors=_LISTED, weight=2),
    _row("vouch", parse_vouch, "vouch", made=_vouches),
    _row("payment", parse_payment, "payment", made=lambda: [_payment().signed.raw]),
    _row("payment-word", parse_acknowledgement, "payment", made=lambda: _account_words()[:1]),
    _row("invoice", parse_invoice, "payment", made=lambda: _account_words()[1:2]),
    _row("waiver", parse_waiver, "payment", made=lambda: _account_words()[2:]),
    _row("proxy", parse_proxy, "mandate", made=_proxies),
    _row(
        "mandate",
        parse_mandate,
        "mandate",
        errors=(*_LISTED, CapabilityError),
        made=lambda: _mandates(),
    ),
    _row("mandate-end", parse_end, "mandate", made=_ends),
)


def _mandates() -> list[bytes]:
    from entrenous.protocol.wire import decode

    from .token_targets import mandate_seeds

    found: list[bytes] = []
    for seed in mandate_seeds():
        chain = decode(seed)
        assert isinstance(chain, list)
        found += [raw for raw in chain if isinstance(raw, bytes)]
    return found

"""The worked examples of docs/spec.md on what follows a grant: renewal, deletion, accounts."""

from __future__ import annotations

from functools import cache

from entrenous.crypto.canonical import encode
from entrenous.protocol.command import (
    AcknowledgeArgs,
    DeclineArgs,
    DeleteArgs,
    DeletedArgs,
    InvoiceArgs,
    InvoiceOut,
    PaidArgs,
    RenewArgs,
    StandingArgs,
    WaiveArgs,
)
from entrenous.protocol.deletion import make_deletion
from entrenous.protocol.did import did_of
from entrenous.protocol.duty import Duty
from entrenous.protocol.grant import Bundle, issue_grant, make_bundle
from entrenous.protocol.payment import (
    Counted,
    PaymentWord,
    make_acknowledgement,
    make_invoice,
    make_payment,
    make_waiver,
)
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.standing_terms import Bounds, Does, Known, Rule
from entrenous.protocol.standing_terms_file import told_value
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.tests.protocol.spec_words import bundle, granted, terms
from entrenous.tests.protocol.spec_world import (
    DAY,
    DAY_S,
    PATH,
    SEED,
    T_MS,
    T_S,
    Cbor,
    Example,
    cast,
    random,
    signed,
)

DAY_MS = 1000 * DAY_S
# A valid IBAN that is nobody's: the one that the standard itself prints.
IBAN = "FR1420041010050500013M02606"


def declining() -> Example:
    """The supplier does not agree to the grant; what it may hear of the person's rules."""
    who = cast()
    person = did_of(who.person.public)
    no = DeclineArgs(person, bundle().grant.cid, "thirty days are not enough")
    rule = Rule(
        "suppliers",
        Does.GRANT,
        level=Known.DOMAIN,
        purposes=(terms().purpose,),
        collections=("energy",),
        bounds=Bounds(days=400, retention_days=30, life_days=90),
        shown=True,
    )
    return [
        ("args of /grant/decline", Cbor(encode(no.value()))),
        ("args of /grant/standing", Cbor(encode(StandingArgs(person).value()))),
        ("its out, opened", Cbor(encode(told_value([rule])))),
    ]


@cache
def renewed() -> Bundle:
    """The grant of the example goes on for twenty days more."""
    who = cast()
    nonce = "nonce of the renewal"
    return granted(who.person, who.supplier, who.supplier_reader, days=40, nonce=nonce)


def renewal() -> Example:
    args = RenewArgs(did_of(cast().supplier.public), bundle().grant.cid, renewed().signed.raw)
    return [
        ("the delegation that goes on: CID", renewed().grant.cid),
        ("args of /grant/renew", Cbor(encode(args.value()))),
    ]


@cache
def under_duty() -> Bundle:
    """A grant whose terms end with deletion, and which is paid for each day read."""
    who = cast()
    paid = Terms(
        terms().purpose,
        30,
        (),
        Remuneration(5, "EUR", Per.WINDOW_DAY, 500),
        (Clause(Duty.DELETE_AT_END.value, Force.PROMISED),),
    )
    grant = issue_grant(
        who.person,
        aud=did_of(who.supplier.public),
        windows=[Window(PATH, DAY, DAY + 1)],
        terms=paid,
        exp_s=T_S + 20 * DAY_S,
        nonce=random("nonce of the paid grant", 16),
    )
    return make_bundle(who.person, grant, terms=paid, reader_key=who.supplier_reader.public)


def deletion() -> Example:
    who, given = cast(), under_duty()
    made = make_deletion(
        who.supplier, dlg=given.grant.cid, pages=2, left=0, t_ms=T_MS + 20 * DAY_MS + 1000
    )
    ask = DeleteArgs(
        did_of(who.supplier.public), given.grant.cid, given.grant.windows, erased=False
    )
    told = DeletedArgs(did_of(who.person.public), made)
    return [
        ("terms with the clause", Cbor(given.terms.encode())),
        ("delegation: CID", given.grant.cid),
        ("args of /grant/delete", Cbor(encode(ask.value()))),
        *signed("deletion", made.signed),
        ("args of /grant/deleted", Cbor(encode(told.value()))),
    ]


def accounts() -> Example:
    """Two days were read, at 0.05 EUR each; half of it was paid; the rest is forgone."""
    who, given = cast(), under_duty()
    person, supplier = did_of(who.person.public), did_of(who.supplier.public)
    counted = (Counted(given.grant.cid, 2, 10),)
    payment = make_payment(
        who.supplier,
        to=person,
        amount_minor=5,
        currency="EUR",
        note="January, first half",
        t_ms=T_MS + DAY_MS,
        entropy=SEED.fork("payment"),
    )
    word = make_acknowledgement(
        who.person, payment, word=PaymentWord.CONFIRMED, reason="", t_ms=T_MS + 2 * DAY_MS
    )
    invoice = make_invoice(
        who.person,
        to=supplier,
        currency="EUR",
        counted=counted,
        paid_minor=5,
        name="Camille Durand",
        iban=IBAN,
        t_ms=T_MS + 3 * DAY_MS,
    )
    waiver = make_waiver(who.person, to=supplier, grants=[given.grant.cid], t_ms=T_MS + 4 * DAY_MS)
    out = InvoiceOut(invoice.cid, counted, 5)
    return [
        *signed("payment", payment.signed),
        ("args of /account/paid", Cbor(encode(PaidArgs(person, payment.signed.raw).value()))),
        *signed("word on a payment", word.signed),
        (
            "args of /account/acknowledge",
            Cbor(encode(AcknowledgeArgs(supplier, word.signed.raw).value())),
        ),
        *signed("invoice", invoice.signed),
        (
            "args of /account/invoice",
            Cbor(encode(InvoiceArgs(supplier, invoice.signed.raw).value())),
        ),
        ("out of its answer", Cbor(encode(out.value()))),
        *signed("waiver", waiver.signed),
        ("args of /account/waive", Cbor(encode(WaiveArgs(supplier, waiver.signed.raw).value()))),
    ]

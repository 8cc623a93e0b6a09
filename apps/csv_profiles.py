"""Profiles that are built in: what well-known banks put into their CSV files.

A file is recognised by its header alone (`needs`).  Where two profiles fit, the one that needs more
of the header is it.  What a header does not say and the bank never varies (that its dates are day
first, its account in euros) stands here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .csv_profile import Profile, check_columns, plain

_Columns = Mapping[str, str | tuple[str, ...]]


def _profile(
    name: str,
    about: str,
    needs: tuple[str, ...],
    columns: _Columns,
    *,
    currency: str = "",
    day_first: bool | None = None,
    decimal: str = "",
    booked: tuple[str, ...] = (),
    debits: tuple[str, ...] = (),
) -> Profile:
    return check_columns(
        Profile(
            name=name,
            columns={
                role: tuple(map(plain, (given,) if isinstance(given, str) else given))
                for role, given in columns.items()
            },
            needs=tuple(map(plain, needs)),
            currency=currency,
            day_first=day_first,
            decimal=decimal,
            booked=tuple(map(plain, booked)),
            debits=tuple(map(plain, debits)),
            about=about,
        )
    )


PROFILES: Final[Sequence[Profile]] = (
    _profile(
        "boursobank",
        "BoursoBank, Boursorama",
        ("dateOp", "dateVal", "label", "amount"),
        {
            "date": "dateOp",
            "amount": "amount",
            "label": ("label", "comment"),
            "counterparty": "supplierFound",
            "account": "accountNum",
        },
        currency="EUR",
        day_first=True,
        decimal="comma",
    ),
    _profile(
        "credit-mutuel",
        "Crédit Mutuel, CIC",
        ("Date", "Date de valeur", "Débit", "Crédit", "Libellé", "Solde"),
        {
            "date": "Date",
            "debit": "Débit",
            "credit": "Crédit",
            "label": "Libellé",
            "balance": "Solde",
        },
        currency="EUR",
        day_first=True,
        decimal="comma",
    ),
    _profile(
        "dkb",
        "DKB",
        ("Buchungsdatum", "Status", "Zahlungspflichtige*r", "Zahlungsempfänger*in"),
        {
            "date": "Buchungsdatum",
            "amount": ("Betrag (€)", "Betrag"),
            "label": "Verwendungszweck",
            "payer": "Zahlungspflichtige*r",
            "payee": "Zahlungsempfänger*in",
            "status": "Status",
        },
        currency="EUR",
        day_first=True,
        decimal="comma",
        booked=("Gebucht",),
    ),
    _profile(
        "ing-de",
        "ING (Germany)",
        ("Buchung", "Auftraggeber/Empfänger", "Buchungstext", "Verwendungszweck", "Betrag"),
        {
            "date": "Buchung",
            "amount": "Betrag",
            "currency": "Währung",
            "label": ("Verwendungszweck", "Buchungstext"),
            "counterparty": "Auftraggeber/Empfänger",
            "balance": "Saldo",
        },
        currency="EUR",
        day_first=True,
        decimal="comma",
    ),
    _profile(
        "ing-nl",
        "ING (Netherlands), in Dutch",
        ("Datum", "Naam / Omschrijving", "Rekening", "Af Bij", "Bedrag (EUR)"),
        {
            "date": "Datum",
            "amount": "Bedrag (EUR)",
            "sign": "Af Bij",
            "label": "Mededelingen",
            "counterparty": "Naam / Omschrijving",
            "balance": "Saldo na mutatie",
            "account": "Rekening",
        },
        currency="EUR",
        day_first=True,
        decimal="comma",
        debits=("Af",),
    ),
    _profile(
        "ing-nl-en",
        "ING (Netherlands), in English",
        ("Date", "Name / Description", "Account", "Debit/credit", "Amount (EUR)"),
        {
            "date": "Date",
            "amount": "Amount (EUR)",
            "sign": "Debit/credit",
            "label": "Notifications",
            "counterparty": "Name / Description",
            "balance": "Resulting balance",
            "account": "Account",
        },
        currency="EUR",
        day_first=True,
        decimal="comma",
        debits=("Debit",),
    ),
    _profile(
        "la-banque-postale",
        "La Banque Postale",
        ("Date", "Libellé", "Montant(EUROS)"),
        {"date": "Date", "amount": "Montant(EUROS)", "label": "Libellé"},
        currency="EUR",
        day_first=True,
        decimal="comma",
    ),
    _profile(
        "n26",
        "N26",
        ("Booking Date", "Partner Name", "Payment Reference", "Amount (EUR)"),
        {
            "date": "Booking Date",
            "amount": "Amount (EUR)",
            "label": "Payment Reference",
            "counterparty": "Partner Name",
            "account": "Account Name",
        },
        currency="EUR",
        decimal="point",
    ),
    _profile(
        "n26-old",
        "N26 until 2023",
        ("Date", "Payee", "Account number", "Payment reference", "Amount (EUR)"),
        {
            "date": "Date",
            "amount": "Amount (EUR)",
            "label": "Payment reference",
            "counterparty": "Payee",
        },
        currency="EUR",
        decimal="point",
    ),
    _profile(
        "revolut",
        "Revolut",
        ("Type", "Product", "Completed Date", "Description", "Amount", "Fee", "Currency", "State"),
        {
            "date": "Completed Date",
            "amount": "Amount",
            "fee": "Fee",
            "currency": "Currency",
            "label": "Description",
            "balance": "Balance",
            "account": ("Product", "Currency"),
            "status": "State",
        },
        decimal="point",
        booked=("COMPLETED",),
    ),
    _profile(
        "sparkasse",
        "Sparkasse (CSV-CAMT and CSV-MT940)",
        ("Auftragskonto", "Buchungstag", "Verwendungszweck", "Betrag", "Waehrung", "Info"),
        {
            "date": "Buchungstag",
            "amount": "Betrag",
            "currency": "Waehrung",
            "label": ("Verwendungszweck", "Buchungstext"),
            "counterparty": (
                "Beguenstigter/Zahlungspflichtiger",
                "Begünstigter/Zahlungspflichtiger",
            ),
            "account": "Auftragskonto",
            "status": "Info",
        },
        day_first=True,
        decimal="comma",
        booked=("Umsatz gebucht",),
    ),
)

BY_NAME: Final[Mapping[str, Profile]] = {profile.name: profile for profile in PROFILES}

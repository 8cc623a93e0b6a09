"""A profile from the words of a header, in the languages that banks here write.

Only whole names count, never parts of them: `Amount` is the amount, `Amount in foreign currency` is
not.  Two columns that could both be the amount are a question for a person, not a choice of ours;
for the date the order of the words below decides (when it was booked, before when it was bought or
when interest counts).

All languages here but English put the day first.  A header that is in one of these and could not be
English says so for dates that could be read both ways, and the reader then tells the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .csv_profile import BadProfile, Profile, check_columns, plain

# language -> role -> names as `plain` gives them, the better one first
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "date": "booking date|posting date|posted date|date posted|completed date|date|"
        "transaction date",
        "amount": "amount|transaction amount",
        "debit": "debit|debit amount|paid out|money out|withdrawal|withdrawals",
        "credit": "credit|credit amount|paid in|money in|deposit|deposits",
        "sign": "debit credit|credit debit|credit debit indicator|dr cr|cr dr",
        "currency": "currency",
        "label": "description|transaction description|details|narrative|memo|reference|"
        "payment reference|label",
        "counterparty": "payee|counterparty|counterparty name|partner name|merchant|name",
        "balance": "balance|running balance|account balance",
        "account": "account|account name",
    },
    "fr": {
        "date": "date de comptabilisation|date comptable|date operation|date de l operation|"
        "date d operation|date",
        "amount": "montant|montant de l operation|montant operation",
        "debit": "debit",
        "credit": "credit",
        "sign": "sens",
        "currency": "devise",
        "label": "libelle|libelle operation|libelle de l operation|libelle complet|"
        "informations complementaires|detail|details|communication",
        "counterparty": "tiers|contrepartie|nom contrepartie|nom de la contrepartie|beneficiaire",
        "balance": "solde",
        "account": "compte|numero de compte",
    },
    "de": {
        "date": "buchungstag|buchungsdatum|buchung|datum",
        "amount": "betrag|umsatz",
        "debit": "soll|belastung",
        "credit": "haben|gutschrift",
        "sign": "soll haben",
        "currency": "wahrung|waehrung",
        "label": "verwendungszweck|buchungstext|beschreibung|buchungsdetails",
        "counterparty": "empfanger|auftraggeber empfanger|name zahlungsbeteiligter|"
        "beguenstigter zahlungspflichtiger|begunstigter zahlungspflichtiger|zahlungspartner",
        "balance": "saldo|kontostand|saldo nach buchung",
        "account": "auftragskonto|iban auftragskonto",
    },
    "es": {
        "date": "fecha contable|fecha operacion|fecha de operacion|fecha",
        "amount": "importe|cantidad",
        "debit": "cargo|cargos|debe",
        "credit": "abono|abonos|haber",
        "currency": "divisa|moneda",
        "label": "concepto|descripcion|movimiento|observaciones",
        "counterparty": "beneficiario|ordenante",
        "balance": "saldo",
        "account": "cuenta",
    },
    "it": {
        "date": "data contabile|data registrazione|data operazione|data",
        "amount": "importo",
        "debit": "addebito|addebiti|dare|uscite",
        "credit": "accredito|accrediti|avere|entrate",
        "currency": "divisa",
        "label": "descrizione|causale|descrizione operazione",
        "counterparty": "beneficiario|controparte",
        "balance": "saldo",
        "account": "conto",
    },
    "nl": {
        "date": "boekdatum|boekingsdatum|transactiedatum|datum",
        "amount": "bedrag",
        "debit": "af",
        "credit": "bij",
        "sign": "af bij",
        "currency": "munt|muntsoort",
        "label": "omschrijving|mededelingen|mededeling",
        "counterparty": "tegenpartij|naam tegenpartij|naam",
        "balance": "saldo|saldo na mutatie",
        "account": "rekening|rekeningnummer",
    },
    "pt": {
        "date": "data lancamento|data movimento|data",
        "amount": "montante",
        "debit": "debito",
        "credit": "credito",
        "currency": "moeda",
        "label": "descricao|descritivo",
        "counterparty": "beneficiario",
        "balance": "saldo",
        "account": "conta",
    },
}
# A name of an amount or balance may end with the currency that it is in.
_CURRENCIES: Final = {
    "eur": "EUR", "euro": "EUR", "euros": "EUR", "en euros": "EUR", "in eur": "EUR", "usd": "USD",
    "gbp": "GBP", "chf": "CHF", "in chf": "CHF", "cad": "CAD", "sek": "SEK", "nok": "NOK",
    "dkk": "DKK", "pln": "PLN",
}  # fmt: skip  # a table of words reads better in few lines
_DEBITS: Final = ("debit", "d", "dr", "dbit", "af", "s", "soll", "debe", "dare")
# (name, role) -> its place among that role's names, and the languages that it is of
_Known = Mapping[tuple[str, str], tuple[int, frozenset[str]]]


def _known() -> _Known:
    known: dict[tuple[str, str], tuple[int, frozenset[str]]] = {}
    for language, roles in _WORDS.items():
        for role, names in roles.items():
            for place, name in enumerate(names.split("|")):
                before, languages = known.get((name, role), (place, frozenset[str]()))
                known[name, role] = (min(before, place), languages | {language})
    return known


_KNOWN: Final = _known()
_ROLES: Final = tuple(_WORDS["en"])
_ENGLISH: Final = "en"


def guess(header: Sequence[str]) -> Profile | None:
    """A profile for a table with this header, or None where the words do not tell of an account.

    Raises BadProfile where two columns could be the amount.
    """
    found: dict[str, list[tuple[int, str]]] = {role: [] for role in _ROLES}
    currencies: set[str] = set()
    languages: frozenset[str] = frozenset(_WORDS)
    for given in header:
        name = plain(given)
        base, currency = _without_currency(name)
        for role in _ROLES:
            money = role in ("amount", "debit", "credit", "balance")
            hit = _KNOWN.get((name, role)) or (_KNOWN.get((base, role)) if money else None)
            if hit is None:
                continue
            found[role].append((hit[0], name))
            languages &= hit[1]
            if currency and role != "balance":
                currencies.add(currency)
    if not found["date"] or not (found["label"] or found["counterparty"]):
        return None
    if not found["amount"] and not (found["debit"] and found["credit"]):
        return None
    return _profile(found, currencies, bool(languages) and _ENGLISH not in languages)


def _profile(
    found: Mapping[str, list[tuple[int, str]]], currencies: set[str], day_first: bool
) -> Profile:
    if found["amount"] and found["debit"] and found["credit"]:
        several = [name for role in ("amount", "debit", "credit") for _, name in found[role]]
        raise BadProfile(f"the amount could be in several columns ({', '.join(several)})")
    columns: dict[str, tuple[str, ...]] = {}
    for role, hits in found.items():
        names = [name for _, name in sorted(hits)]
        if role == "label":
            columns[role] = tuple(name for _, name in hits)  # in the order of the file
        elif len(set(names)) != len(names) or (
            len(names) > 1 and role in ("amount", "debit", "credit", "sign", "currency")
        ):
            raise BadProfile(f"the {role} could be in several columns ({', '.join(names)})")
        elif names:
            columns[role] = (names[0],)
    columns = {role: names for role, names in columns.items() if names}
    if "amount" in columns:
        columns.pop("debit", None)
        columns.pop("credit", None)
    else:
        columns.pop("sign", None)
    return check_columns(
        Profile(
            name="guessed from the header",
            columns=columns,
            currency=currencies.pop() if len(currencies) == 1 else "",
            debits=_DEBITS if "sign" in columns else (),
            day_first_by_language=day_first,
        )
    )


def _without_currency(name: str) -> tuple[str, str]:
    """`amount eur` as (`amount`, `EUR`)."""
    for words in (2, 1):
        parts = name.rsplit(" ", words)
        if len(parts) > words and (code := _CURRENCIES.get(" ".join(parts[1:]))):
            return parts[0], code
    return name, ""

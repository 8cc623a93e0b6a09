"""Words of bank lines, and the rules that read them: each category for the reason that is said."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.apps.services.budget.categories import CATEGORIES, categories_of
from entrenous.apps.services.budget.rules import BadRules, Rules, own_rule, own_rules
from entrenous.apps.services.budget.sorting import sort_payments
from entrenous.apps.services.budget.words import Means, means_of, payee_of, plain
from entrenous.tests.apps.budget_lines import payment

BUILT_IN = Rules()

# Lines as banks of three countries print them, none of a generated household.
LINES = [
    ("CB SUPERMARCHE DU PORT 12/03", "-31.20", "groceries"),
    ("PAIEMENT PAR CARTE X4412 BOULANGERIE ANGE 03/02", "-2.40", "groceries"),
    ("Kartenzahlung REWE Markt GmbH Köln", "-18.90", "groceries"),
    ("CARD PAYMENT TO TESCO STORES 2231", "-22.15", "groceries"),
    ("Bäckerei Schmidt Kartenzahlung", "-4.10", "groceries"),
    ("PAIEMENT CB UBER * EATS PENDING", "-24.00", "restaurants"),
    ("PAIEMENT CB UBER *TRIP", "-11.00", "transport"),
    ("VIR SEPA EMIS /POUR MME DURAND /MOTIF LOYER MARS", "-820.00", "housing"),
    ("Dauerauftrag Miete Wohnung 3", "-910.00", "housing"),
    ("PRLV SEPA EDF CLIENTS PARTICULIERS", "-74.00", "energy"),
    ("SEPA-Lastschrift Stadtwerke München", "-66.00", "energy"),
    ("DIRECT DEBIT TO OCTOPUS ENERGY", "-90.00", "energy"),
    ("PRLV SEPA FREE MOBILE 0123456", "-19.99", "telecoms"),
    ("PRLV SEPA ORANGE SA-ORANGE ECH/030325", "-29.99", "telecoms"),
    ("SEPA-Lastschrift Telekom Deutschland GmbH", "-39.95", "telecoms"),
    ("CARTE 04/05 SNCF-VOYAGEURS PARIS", "-42.00", "transport"),
    ("Kartenzahlung ARAL Tankstelle", "-60.00", "transport"),
    ("CB PHARMACIE DE L'ÉGLISE", "-8.70", "health"),
    ("VIR C.P.A.M. DE LYON", "16.50", "health"),
    ("Kartenzahlung Löwen-Apotheke", "-12.00", "health"),
    ("PRLV SEPA MAIF", "-31.00", "insurance"),
    ("PRLV SEPA MUTUELLE GENERALE", "-55.00", "insurance"),
    ("VIR SEPA RECU /DE MUTUELLE GENERALE", "12.00", "health"),
    ("PAIEMENT CB NETFLIX.COM", "-13.49", "leisure"),
    ("CB ZARA FRANCE", "-49.95", "clothing"),
    ("AVOIR CARTE ZARA FRANCE", "49.95", "clothing"),
    ("PRLV SEPA DGFIP IMPOT", "-120.00", "taxes"),
    ("Lastschrift Finanzamt Berlin", "-120.00", "taxes"),
    ("VIR SALAIRE MARS CLINIQUE DU PARC", "1900.00", "income"),
    ("Gutschrift Lohn/Gehalt 03/2025", "2400.00", "income"),
    ("RETRAIT DAB 14/03 LYON", "-40.00", "other"),
    ("COTISATION CARTE VISA", "-4.10", "fees"),
    ("VIREMENT VERS LIVRET A", "-200.00", "savings"),
    ("Umbuchung Tagesgeld", "-200.00", "transfers"),
    ("CARD PURCHASE SOMEWHERE MCC 5812", "-20.00", "restaurants"),
    ("CB QSDF WXCV", "-20.00", None),
]


@pytest.mark.parametrize(("label", "amount", "category"), LINES, ids=[line[0] for line in LINES])
def test_lines_of_banks(label: str, amount: str, category: str | None) -> None:
    one = payment("2025-03-01", amount, label)
    assert BUILT_IN.verdict(one.line, one.means, incoming=one.incoming).category == category


def test_every_category_but_none_else_has_rules() -> None:
    for name in (*CATEGORIES, "food"):
        assert categories_of(name)
    with pytest.raises(ValueError, match="no category 'beer'"):
        categories_of("beer")


def test_words_are_whole_words() -> None:
    one = payment("2025-03-01", "-5", "CB CAFEINOMANE")
    assert BUILT_IN.verdict(one.line, one.means, incoming=False).category is None


def test_own_rules_win_and_the_longest_decides() -> None:
    rules = Rules(
        own_rules(
            '[[rule]]\nwords = "carrefour"\ncategory = "other"\n'
            '[[rule]]\nwords = "Carrefour Voyages"\ncategory = "leisure"\n'
            '[[rule]]\nwords = "zara"\ncategory = "gifts"\nfor = "in"\n'
        )
    )

    def said(label: str, amount: str = "-1") -> tuple[str | None, str, str]:
        one = payment("2025-03-01", amount, label)
        verdict = rules.verdict(one.line, one.means, incoming=one.incoming)
        return verdict.category, verdict.how, verdict.words

    assert said("CB CARREFOUR CITY") == ("other", "your rule", "carrefour")
    assert said("CB CARREFOUR VOYAGES") == ("leisure", "your rule", "carrefour voyages")
    assert said("CB ZARA") == ("clothing", "built-in rule", "zara")
    assert said("AVOIR CARTE ZARA", "1") == ("gifts", "your rule", "zara")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[rule]\n", "cannot be understood"),
        ("rules = 3\n", "no place for 'rules'"),
        (f"{'r' * 5_000} = 3\n", "no place for 'r"),
        (f'[[rule]]\nwords = "x"\ncategory = "{"b" * 5_000}"\n', "no category 'b"),
        ("rule = 3\n", "under \\[\\[rule\\]\\]"),
        ("rule = [3]\n", "under \\[\\[rule\\]\\]"),
        ('[[rule]]\nwords = "x"\n', "rule 1 needs words and category"),
        ('[[rule]]\nwords = "x"\ncategory = "beer"\n', "rule 1: there is no category 'beer'"),
        ('[[rule]]\nwords = "..."\ncategory = "other"\n', "1 to 100 characters"),
        ('[[rule]]\nwords = "x"\ncategory = "other"\nfor = "moon"\n', "not for 'moon'"),
        ('[[rule]]\nwords = "x"\ncategory = "other"\nfro = "in"\n', "rule 1 needs"),
        ('[[rule]]\nwords = 3\ncategory = "other"\n', "rule 1 needs"),
    ],
)
def test_rules_that_cannot_be_read_are_refused_with_their_number(text: str, why: str) -> None:
    with pytest.raises(BadRules, match=why) as refused:
        own_rules(text)
    assert len(str(refused.value)) < 400


@given(st.text(max_size=300))
def test_any_text_is_rules_or_refused(text: str) -> None:
    with suppress(BadRules):
        own_rules(text)


@given(st.text(max_size=80))
def test_a_line_has_one_spelling(text: str) -> None:
    line = plain(text)
    assert plain(line) == line or plain(line.strip()) == line
    assert line.startswith(" ")
    assert line.endswith(" ")
    assert payee_of(None, text) or not text


def test_who_is_left_of_a_line_that_names_nobody() -> None:
    assert payee_of(None, "CARTE 12/03 LIDL 1187 PARIS 11") == "LIDL PARIS"
    assert payee_of(None, "PRLV SEPA MACIF ECH/150325 MDT/77") == "MACIF"
    assert payee_of(None, "VIR SEPA RECU /DE MME K /MOTIF PART") == "MME K"
    assert payee_of("Lidl", "CARTE 12/03") == "Lidl"
    assert payee_of(None, "0815") == "0815"


def test_how_money_moved_follows_from_kind_then_words() -> None:
    assert means_of("pos", plain("VIR X")) is Means.CARD
    assert means_of("debit", plain("PRLV SEPA X")) is Means.DEBIT
    assert means_of("credit", plain("Überweisung X")) is Means.TRANSFER
    assert means_of("other", plain("X")) is Means.UNKNOWN


def test_what_comes_back_reduces_what_it_was_paid_for() -> None:
    paid = payment("2025-03-01", "-60", "PRLV SEPA EDF", who="EDF")
    back = payment("2025-04-01", "25", "VIR RECU REMBOURSEMENT 4411", who="EDF")
    unknown = payment("2025-04-02", "-9", "PRLV SEPA QSDF", who="QSDF")
    returned = payment("2025-04-03", "4", "VIR RECU 12", who="QSDF")
    found = sort_payments([paid, back, unknown, returned], BUILT_IN)
    assert [one.category for one in found] == ["energy", "energy", None, None]


def test_a_rule_in_its_own_words() -> None:
    rule = own_rule("Café  d'Été", "restaurants", "card")
    assert rule.words == " cafe d ete "
    with pytest.raises(BadRules, match="no category"):
        own_rule("x", "beer")

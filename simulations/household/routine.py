"""Daily life: what is bought on a day, by weekday, season, and who is at home.

Probabilities are those of a household in a town; each family has its own few shops of a kind and
goes back to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import names
from .ledger import Kind, Payment, card, transfer
from .life import Life
from .names import SHOPS, Shop
from .paris import ONE, Day, after, month_start, school, working

# How many shops of a kind a family goes to.
_FAVOURITES = {"groceries": 5, "restaurants": 5, "leisure": 5, "transport": 5, "clothing": 4}
_MEAL_CENTS = 4_20


class Routine:
    """Draws one day after the other; `day` must be called for each, in order."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._dice = life.dice("routine")
        self._shops: Mapping[str, tuple[Shop, ...]] = {
            category: tuple(self._dice.shuffled(shops)[: _FAVOURITES.get(category, 3)])
            for category, shops in SHOPS.items()
        }
        self._accounts = {one.key: one for one in life.family.accounts}
        self._meals = 0
        self._fuel_in = self._dice.between(3, 15)

    def day(self, day: Day) -> Iterator[Payment]:
        """The payments that are made on `day`, whenever they are booked."""
        dice, away = self._dice, self._life.holiday(day)
        if school(day) and away is None:
            self._meals += dice.chance(0.9)
        if day.day == 12 and self._meals:
            yield self._canteen(day)
        if away is not None and day == away.first:
            yield self._pay(day, "leisure", Shop("GITES ET LOCATIONS", 18_000, 92_000), "joint")
            if dice.chance(0.6):
                yield self._pay(day, "transport", Shop("SNCF INTERNET", 8_000, 26_000), "joint")
        for category, chance in self._chances(day, away is not None):
            if dice.chance(chance):
                yield from self._bought(day, category)
        yield from self._car(day, away is not None)
        if dice.chance(0.035):
            yield self._cash(day)
        if day == self._life.machine:
            shop = Shop(names.APPLIANCE_SHOP, 28_900, 46_900)
            yield self._pay(day, "housing", shop, "joint")
        yield from self._moving(day)

    def _chances(self, day: Day, away: bool) -> Iterator[tuple[str, float]]:
        weekend, friday, saturday = day.weekday() >= 5, day.weekday() == 4, day.weekday() == 5
        sales, advent = day.month in (1, 7) and day.day > 8, day.month == 12 and day.day < 24
        yield "groceries", 0.8 if saturday else 0.12 if day.weekday() == 6 else 0.42
        yield "groceries", 0.25
        yield "restaurants", 0.45 if away else 0.05 if weekend else 0.30
        yield "restaurants", 0.33 if friday or saturday or away else 0.06
        yield "leisure", 0.35 if away else 0.2 if weekend else 0.06
        yield "clothing", 0.16 if sales and weekend else 0.05 if weekend else 0.02
        yield "children", 0.10 if weekend or advent else 0.02
        yield "gifts", 0.16 if advent else 0.012
        yield "housing", 0.0 if away else 0.06 if saturday else 0.01
        yield "other", 0.05
        back = (8, 26) <= (day.month, day.day) <= (9, 12)
        yield "education", 0.25 if back else 0.004

    def _bought(self, day: Day, category: str) -> Iterator[Payment]:
        """One purchase; clothes come back now and then, in part or whole."""
        dice = self._dice
        bought = self._pay(day, category, dice.pick(self._shops[category]))
        yield bought
        if category == "clothing" and dice.chance(0.14):
            account = self._accounts[bought.account]
            cents = -bought.cents if dice.chance(0.7) else -bought.cents // 2
            back = day + dice.between(4, 19) * ONE
            place = "" if account.key == "second" else self._place(back)
            yield card(account, back, cents, category, bought.who, place, dice.between(2, 4))

    def _car(self, day: Day, away: bool) -> Iterator[Payment]:
        dice = self._dice
        self._fuel_in -= 2 if away else 1
        if self._fuel_in <= 0:
            self._fuel_in = dice.between(14, 24)
            yield self._pay(day, "transport", Shop("RELAIS TOTAL 4471", 3_900, 8_200), "joint")
        if dice.chance(0.07):
            shops = [one for one in self._shops["transport"] if one.low < 2_000]
            yield self._pay(day, "transport", dice.pick(shops))

    def _pay(self, day: Day, category: str, shop: Shop, account: str = "") -> Payment:
        dice = self._dice
        key = account or ("joint" if dice.chance(0.68) else "second")
        # Most purchases are small: the lower of two draws.
        cents = min(dice.between(shop.low, shop.high), dice.between(shop.low, shop.high))
        if cents > 20_00 and dice.chance(0.3):
            cents -= cents % 100 - 90 if cents % 100 > 90 else cents % 100
        place = "" if shop.online else self._place(day)
        return card(
            self._accounts[key], day, -cents, category, shop.name, place, dice.between(0, 2)
        )

    def _place(self, day: Day) -> str:
        away = self._life.holiday(day)
        return self._life.home(day).on_label if away is None else names.HOLIDAYS[away.place][0]

    def _cash(self, day: Day) -> Payment:
        cents, place = -self._dice.pick((20_00, 30_00, 40_00, 50_00, 60_00)), self._place(day)
        label = f"RETRAIT DAB {day:%d/%m} {place}"
        return Payment("joint", day, after(day, 1), cents, "other", Kind.CASH, label, "DAB")

    def _canteen(self, day: Day) -> Payment:
        meals, self._meals = self._meals, 0
        booked = working(day)
        who = "REGIE RESTAURATION MUNICIPALE"
        label = f"PRLV SEPA {who} ECH/{booked:%d%m%y}"
        cents = -meals * _MEAL_CENTS
        return Payment("joint", day, booked, cents, "children", Kind.DEBIT, label, who)

    def _moving(self, day: Day) -> Iterator[Payment]:
        """What a move costs: a deposit, the movers, and the old deposit back two months later."""
        moved, dice = self._life.moved, self._dice
        if day == working(moved - 12 * ONE, -1):
            cents = -dice.between(760_00, 1_040_00)
            yield transfer("joint", day, cents, "housing", "AGENCE DES QUAIS", "DEPOT DE GARANTIE")
        if day == working(moved - ONE, -1):
            yield self._pay(day, "housing", Shop("DEMENAGEURS ASSOCIES", 48_000, 96_000), "joint")
        if day == working(month_start(moved, 1) + 9 * ONE):
            yield transfer("joint", day, -dice.between(8_00, 64_00), "energy", "SOLDE CONTRAT", "")
        if day == working(month_start(moved, 2) + 6 * ONE):
            cents = dice.between(640_00, 880_00)
            yield transfer("joint", day, cents, "housing", "ETAT DES LIEUX SVC", "RESTITUTION DG")


def kept_liquid(life: Life, day: Day, balances: Mapping[str, int]) -> Iterator[Payment]:
    """On the 24th, money is moved to where it is short, or put by where there is plenty."""
    if day != working(Day(day.year, day.month, 24)):
        return
    joint, second, savings = (balances[key] for key in ("joint", "second", "savings"))
    name, other = life.family.first.family.upper(), life.family.second.family.upper()
    if second < 250_00:
        cents = 450_00 - min(second // 50_00, 0) * 50_00
        yield transfer("joint", day, -cents, "transfers", f"MME {other}", "APPOINT")
        yield transfer("second", day, cents, "transfers", "COMPTE JOINT", "APPOINT")
        joint -= cents
    elif second > 3_600_00:
        yield transfer("second", day, -900_00, "transfers", "COMPTE JOINT", "VIREMENT INTERNE")
        yield transfer("joint", day, 900_00, "transfers", f"MME {other}", "VIREMENT INTERNE")
    if joint < 700_00 and savings > 1_200_00:
        cents = min(900_00 - min(joint // 100_00, 0) * 100_00, savings)
        yield transfer("savings", day, -cents, "savings", f"M {name} COMPTE JOINT", "RETRAIT")
        yield transfer("joint", day, cents, "savings", f"M {name} LIVRET", "RETRAIT")
    elif joint > 4_500_00 and not life.jobless(day):
        yield transfer("joint", day, -1_500_00, "savings", f"M {name} LIVRET", "EPARGNE PLUS")
        yield transfer(
            "savings", day, 1_500_00, "savings", f"M {name} COMPTE JOINT", "EPARGNE PLUS"
        )


def interest(day: Day, savings_cents: int) -> Iterator[Payment]:
    """2.4 % of what lies there, once a year on the last day of it."""
    if (day.month, day.day) == (12, 31):
        label = f"INTERETS CREDITEURS {day.year}"
        cents = max(savings_cents, 0) * 24 // 1_000
        if cents:
            yield Payment("savings", day, day, cents, "income", Kind.INTEREST, label, "BANQUE")

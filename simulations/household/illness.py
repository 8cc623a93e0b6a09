"""Health: what was paid to whom for whom, and what two insurers give back of it, and when.

The public insurer pays its share of a tariff less a flat charge; the mutual insurer, told by the
first, pays what is left of the tariff and sometimes more.  What either has not paid by the last day
is pending.  The last fortnight always holds one act that waits for both and one for the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..dice import Dice
from . import names
from .ledger import Payment, card, transfer
from .life import Life
from .paris import ONE, Day, after, works
from .people import Person

_FLAT_CHARGE: Final = 2_00


@dataclass(frozen=True, slots=True)
class Care:
    """A kind of act: SNOMED CT code and words; cents asked and the tariff; per cent of it paid."""

    code: str
    words: str
    low: int
    high: int
    tariff: int
    share: int
    charged: bool
    providers: tuple[str, ...]


GENERAL: Final = Care(
    "185349003", "Consultation de médecine générale", 30_00, 30_00, 30_00, 70, True, names.DOCTORS
)
_CARES: Final = (
    (GENERAL, 0.011),
    (
        Care("185389009", "Consultation spécialisée", 45_00, 80_00, 31_50, 70, True, names.DOCTORS),
        0.003,
    ),
    (
        Care("373784005", "Délivrance de médicaments", 7_40, 46_00, 0, 65, False, names.PHARMACIES),
        0.009,
    ),
    (
        Care("34043003", "Soins dentaires", 28_92, 96_00, 28_92, 60, False, names.DENTISTS),
        0.003,
    ),
)


@dataclass(frozen=True, slots=True)
class Refund:
    """What one insurer gives back, and the day on which it is booked (perhaps after the last)."""

    insurer: str
    cents: int
    booked: Day


@dataclass(frozen=True, slots=True)
class Act:
    """One act for one person, paid in full on its day; `number` counts acts from 1."""

    number: int
    day: Day
    person: Person
    care: Care
    provider: str
    cents: int
    account: str
    refunds: tuple[Refund, ...]


class Illness:
    """Draws the acts, one day after the other."""

    def __init__(self, life: Life, insurers: tuple[str, str]) -> None:
        self._life = life
        self._dice = life.dice("health")
        self._insurers = insurers
        self._count = 0
        # Days before the last on which somebody is ill for certain: one waits for both, one for
        # the second.  The second of them is far enough back for the first insurer to have paid.
        self._certain = {
            self._workday(life.until - 3 * ONE): (4, 9),
            self._workday(life.until - 16 * ONE): (3, 12),
        }

    def day(self, day: Day) -> Iterator[tuple[Act, tuple[Payment, ...]]]:
        """The acts of `day`, each with its payment and its refunds as the banks will book them."""
        if (delays := self._certain.get(day)) is not None:
            yield self._act(day, GENERAL, self._life.family.first, delays)
        elif works(day) or day.weekday() == 5:
            winter = 1.6 if day.month in (1, 2, 11, 12) else 0.9
            for person in self._life.family.people:
                for care, chance in _CARES:
                    if self._dice.chance(chance * winter * (1.5 if person.key == "elder" else 1)):
                        yield self._act(day, care, person, None)

    def _act(
        self, day: Day, care: Care, person: Person, delays: tuple[int, int] | None
    ) -> tuple[Act, tuple[Payment, ...]]:
        dice: Dice = self._dice
        self._count += 1
        cents = dice.between(care.low, care.high)
        tariff = min(care.tariff, cents) if care.tariff else cents
        flat = _FLAT_CHARGE if care.charged and person.key != "child" else 0
        public = max(tariff * care.share // 100 - flat, 0)
        # What the mutual insurer pays beyond the tariff differs by act and by mood.
        beyond = (cents - tariff) * dice.pick((0, 0, 50, 100)) // 100
        mutual = tariff - tariff * care.share // 100 + beyond
        first, second = delays or (dice.between(3, 7), dice.between(2, 9))
        paid = after(day, first)
        refunds = [Refund(self._insurers[0], public, paid)]
        if mutual:
            refunds.append(Refund(self._insurers[1], mutual, after(paid, second)))
        account = "second" if person.key in ("second", "elder") else "joint"
        provider = dice.pick(care.providers)
        act = Act(self._count, day, person, care, provider, cents, account, tuple(refunds))
        return act, self._payments(act)

    def _payments(self, act: Act) -> tuple[Payment, ...]:
        accounts = {one.key: one for one in self._life.family.accounts}
        place = "" if act.account == "second" else self._life.home(act.day).on_label
        paid = card(
            accounts[act.account], act.day, -act.cents, "health", act.provider, place,
            self._dice.between(0, 2),
        )  # fmt: skip  # what it is, and how it is booked
        return (
            paid,
            *(
                transfer(
                    act.account,
                    one.booked,
                    one.cents,
                    "health",
                    "C.P.A.M. PARIS" if one.insurer == "CPAM" else one.insurer,
                    f"{act.day:%d%m%y}{act.number:05d}",
                )
                for one in act.refunds
                if one.cents
            ),
        )

    @staticmethod
    def _workday(day: Day) -> Day:
        while not works(day):
            day -= ONE
        return day

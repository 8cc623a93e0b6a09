"""Who lives there, where, and with which accounts and numbers.

Telephone numbers are of the ranges that the French regulator keeps for fiction (01 99 00 …,
06 39 98 …), mail addresses of example.org, bank codes of no bank; check digits are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..dice import Dice
from . import names
from .paris import Day

BANKS: Final = {"joint": "19999", "second": "19998", "savings": "19997"}
CURRENCY: Final = "EUR"


@dataclass(frozen=True, slots=True)
class Person:
    """`key` names the role: first, second, child, elder."""

    key: str
    given: str
    family: str
    woman: bool
    born: Day
    phone: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    @property
    def mail(self) -> str:
        return f"{_plain(self.given)}.{_plain(self.family)}@example.org"


@dataclass(frozen=True, slots=True)
class Address:
    """A dwelling.  Coordinates in millionths of a degree."""

    number: int
    street: str
    code: str
    town: str
    on_label: str
    lat: int
    lon: int

    @property
    def line(self) -> str:
        return f"{self.number} {self.street}"


@dataclass(frozen=True, slots=True)
class Account:
    """`key` is joint, second or savings; `opening_cents` what it holds as the life begins."""

    key: str
    iban: str
    card: str
    holder: str
    opening_cents: int

    @property
    def bank(self) -> str:
        return self.iban[4:9]

    @property
    def branch(self) -> str:
        return self.iban[9:14]

    @property
    def number(self) -> str:
        return self.iban[14:25]


@dataclass(frozen=True, slots=True)
class Family:
    """Four people: two adults, a child, and the parent for whom the second adult acts."""

    first: Person
    second: Person
    child: Person
    elder: Person
    homes: tuple[Address, Address]
    accounts: tuple[Account, Account, Account]

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.first, self.second, self.child, self.elder)


def family(dice: Dice, first_day: Day) -> Family:
    """A family whose child is at school for as long as ten years to come."""
    names_ = dice.shuffled(names.FAMILY)
    women, men = dice.shuffled(names.WOMEN), dice.shuffled(names.MEN)
    year = first_day.year
    born = [
        Day(year - age, dice.between(1, 12), dice.between(1, 28))
        for age in (dice.between(33, 46), dice.between(32, 45), dice.between(6, 8))
    ]
    girl = dice.chance(0.5)
    first = Person("first", men[0], names_[0], False, born[0], mobile(dice))
    second = Person("second", women[0], names_[1], True, born[1], mobile(dice))
    child = Person("child", women[1] if girl else men[1], names_[0], girl, born[2], mobile(dice))
    elder_born = Day(year - dice.between(74, 84), dice.between(1, 12), dice.between(1, 28))
    elder = Person("elder", dice.pick(names.ELDERS), names_[1], True, elder_born, landline(dice))
    quarters, streets = dice.shuffled(names.QUARTERS), dice.shuffled(names.STREETS)
    homes = tuple(
        Address(dice.between(1, 148), street, code, town, label, lat, lon)
        for (label, town, code, lat, lon), street in zip(quarters[:2], streets[:2], strict=True)
    )
    holders = {"joint": f"{first.family} {second.family}", "second": second.name}
    accounts = tuple(
        Account(
            key,
            _iban(dice, bank),
            f"{dice.between(0, 9999):04d}",
            holders.get(key, first.name),
            dice.between(low, high),
        )
        for (key, bank), (low, high) in zip(
            BANKS.items(),
            ((180_000, 320_000), (90_000, 190_000), (700_000, 1_400_000)),
            strict=True,
        )
    )
    return Family(
        first, second, child, elder, (homes[0], homes[1]), (accounts[0], accounts[1], accounts[2])
    )


def mobile(dice: Dice) -> str:
    return f"+3363998{dice.between(0, 9999):04d}"


def landline(dice: Dice) -> str:
    return f"+3319900{dice.between(0, 9999):04d}"


def _iban(dice: Dice, bank: str) -> str:
    """A French IBAN: five digits of bank and of branch, eleven of account, two that check them."""
    branch, account = f"{dice.between(1, 99_999):05d}", f"{dice.between(1, 10**11 - 1):011d}"
    key = 97 - (89 * int(bank) + 15 * int(branch) + 3 * int(account)) % 97
    bban = f"{bank}{branch}{account}{key:02d}"
    # ISO 13616: the country and 00 go to the end, letters as two digits (F is 15, R is 27).
    return f"FR{98 - int(f'{bban}152700') % 97:02d}{bban}"


def _plain(name: str) -> str:
    return name.lower().translate(str.maketrans("éèêëïîôöçàâ", "eeeeiiooçaa")).replace("ç", "c")

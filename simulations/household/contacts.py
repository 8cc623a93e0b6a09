"""The family's address books, and the calls of its first adult.

Three books were made at different times and tell of many of the same people.  Calls go to the
people of the books, to some far more than to others, and follow the hours of the day.
"""

from __future__ import annotations

from typing import Final

from ..dice import Dice
from ..formats.calls import CALLS_HEAD, Call, calls_row
from ..formats.vcard import Card, vcard_file
from . import names
from .answers import Answers
from .folder import Folder, OpenFile
from .life import Life
from .paris import Day, month_end, month_of
from .people import landline, mobile

_PEOPLE: Final = 22
_BOOKS: Final = (("2.1", "ancien-telephone", 0, 14), ("3.0", "messagerie", 6, 20))
_HOURS: Final = (8, 9, 10, 11, 12, 12, 13, 14, 16, 17, 18, 18, 18, 19, 19, 20, 20, 21)


def cards(life: Life) -> tuple[Card, ...]:
    """Everybody whom the family has written down: relatives, friends, and those it has to call."""
    dice = life.dice("contacts")
    found = [
        Card(
            uid(dice), one.given, one.family, one.phone, one.key == "elder", one.mail,
            born=one.born, note="Appeler le dimanche" if one.key == "elder" else "",
        )
        for one in life.family.people
        if one.key != "first"
    ]  # fmt: skip  # a card's parts on two lines
    for number in range(_PEOPLE - len(found) - 3):
        woman = dice.chance(0.5)
        given = dice.pick(names.WOMEN if woman else names.MEN)
        family = dice.pick(names.FAMILY)
        _, town, code, _, _ = dice.pick(names.QUARTERS)
        settled = dice.chance(0.5)
        found.append(
            Card(
                uid(dice), given, family, mobile(dice), False, f"contact{number}@example.org",
                street=f"{dice.between(1, 120)} {dice.pick(names.STREETS)}" if settled else "",
                code=code if settled else "",
                town=town if settled else "",
                note="Clés chez la voisine ; digicode 12, escalier B" if number == 4 else "",
            )
        )  # fmt: skip
    for firm in ("École Jules-Vallès", "Cabinet des Lilas", "Agence des Quais"):
        found.append(Card(uid(dice), "", "", landline(dice), True, firm=firm))
    return tuple(found)


def write_books(life: Life, folder: Folder, answers: Answers) -> None:
    """Three address books; the newest holds everybody."""
    everybody = cards(life)
    books = [*_BOOKS, ("4.0", "telephone", 0, len(everybody))]
    for version, name, first, last in books:
        path = f"contacts/{name}.vcf"
        chosen = everybody[first:last]
        folder.write(path, vcard_file(chosen, version))
        answers.other_file(path, f"vCard {version}", len(chosen))
    answers.more["contacts"] = {
        "people": len(everybody),
        "doubles": [
            {"files": [f"contacts/{one[1]}.vcf", f"contacts/{other[1]}.vcf"],
             "same": max(min(one[3], other[3]) - max(one[2], other[2]), 0)}
            for number, one in enumerate(books)
            for other in books[number + 1 :]
        ],
    }  # fmt: skip  # a pair of files and what they share


class Phone:
    """One file a month of what the first adult's operator billed."""

    def __init__(self, life: Life, folder: Folder, answers: Answers) -> None:
        self._folder, self._answers = folder, answers
        self._dice = life.dice("calls")
        self._others = [one.phone for one in cards(life)]
        self._life = life
        self._file: OpenFile | None = None
        self._counts = [0, 0, 0]

    def day(self, day: Day) -> None:
        if self._file is None:
            self._file = self._folder.open(f"phone/{month_of(day)}.csv")
            self._file.write(CALLS_HEAD.encode())
            self._counts = [0, 0, 0]
        dice = self._dice
        times = sorted(
            (dice.pick(_HOURS), dice.between(0, 59), dice.between(0, 59))
            for _ in range(dice.between(0, 7) + (2 if day.weekday() >= 5 else 0))
        )
        for hour, minute, second in times:
            # Few people get most of the calls: the lower of two draws.
            most = min(
                dice.between(0, len(self._others) - 1), dice.between(0, len(self._others) - 1)
            )
            seconds = dice.between(4, 240) * dice.pick((1, 1, 1, 6)) if dice.chance(0.45) else None
            when = f"{day} {hour:02d}:{minute:02d}:{second:02d}"
            antenna = 1_000 * (2 if day >= self._life.moved else 1) + dice.between(1, 9)
            call = Call(dice.chance(0.55), self._others[most], when, seconds, antenna)
            self._file.write(calls_row(call).encode())
            self._counts[seconds is None] += 1
            self._counts[2] += seconds or 0
        if day == month_end(day):
            self._file.close()
            self._file = None
            calls, texts, talked = self._counts
            self._answers.other_file(
                f"phone/{month_of(day)}.csv",
                "call detail CSV",
                calls + texts,
                calls=calls,
                texts=texts,
                seconds=talked,
            )


def uid(dice: Dice) -> str:
    """A version 4 UUID."""
    number = dice.between(0, 2**50 - 1) << 78 | dice.between(0, 2**50 - 1) << 28
    number |= dice.between(0, 2**28 - 1)
    text = f"{number & ~(0xF << 76) | 4 << 76:032x}"
    text = f"{text[:16]}{'89ab'[number >> 60 & 3]}{text[17:]}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

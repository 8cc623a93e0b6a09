"""What a school, two health insurers and a shop's till hand out: marks, claims, receipts.

Each class takes the days, acts or payments that it is told of and writes when its period ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from ..formats import fhir
from ..formats.marks import Mark, marks_file
from ..formats.receipt import Line, gtin, receipt
from .answers import Answers
from .contacts import uid
from .folder import Folder, OpenFile
from .illness import Act
from .ledger import Kind, Payment
from .life import Life
from .paris import Day, at, month_end, month_of, school, stamp

_SUBJECTS: Final = (
    ("Français", 3), ("Mathématiques", 3), ("Anglais", 2), ("Histoire-géographie", 2),
    ("Sciences", 2), ("Éducation musicale", 1), ("EPS", 1),
)  # fmt: skip  # pairs
_TITLES: Final = ("Contrôle", "Dictée", "Exposé", "Interrogation", "Devoir maison", "Projet")
_ARTICLES: Final = (
    ("Pâtes complètes 500 g", 129, 55), ("Lait demi-écrémé 1 l", 119, 55),
    ("Œufs plein air x6", 215, 55), ("Pommes Gala", 289, 55), ("Comté 12 mois", 489, 55),
    ("Yaourts nature x8", 199, 55), ("Pain de mie", 165, 55), ("Café moulu 250 g", 349, 55),
    ("Lessive liquide", 799, 200), ("Papier essuie-tout", 329, 200), ("Jus d'orange", 259, 55),
    ("Chocolat noir", 219, 55), ("Filet de poulet", 649, 55), ("Salade", 139, 55),
)  # fmt: skip
_TILL: Final = ("CARREFOUR CITY", "MONOPRIX 2045", "FRANPRIX 5310", "LIDL 1187")


class School:
    """A file of marks for each of the three terms of a school year."""

    def __init__(self, life: Life, folder: Folder, answers: Answers) -> None:
        self._life, self._folder, self._answers = life, folder, answers
        self._dice = life.dice("school")
        # How good the child is at each subject, in tenths out of twenty.
        self._level = {subject: self._dice.between(95, 170) for subject, _ in _SUBJECTS}
        self._marks: list[Mark] = []

    def day(self, day: Day) -> None:
        dice = self._dice
        if school(day) and dice.chance(0.32):
            subject, weight = dice.pick(_SUBJECTS)
            out_of = dice.pick((20, 20, 20, 10))
            tenths = (self._level[subject] + dice.between(-35, 35)) * out_of // 20
            absent = dice.chance(0.03)
            self._marks.append(
                Mark(
                    subject,
                    day,
                    dice.pick(_TITLES),
                    None if absent else max(0, min(tenths, out_of * 10)),
                    out_of,
                    weight,
                    dice.between(98, 138) * out_of // 20,
                )
            )
        if (day.month, day.day) in ((11, 30), (3, 31), (7, 5)) or day == self._life.until:
            self._term_ended(day)

    def _term_ended(self, day: Day) -> None:
        if not self._marks:
            return
        # A school year bears the year in which it began.
        year = day.year if day.month >= 9 else day.year - 1
        term = 1 if 9 <= day.month <= 11 else 2 if day.month == 12 or day.month <= 3 else 3
        path = f"school/{year}-T{term}.csv"
        pupil = self._life.family.child.name
        self._folder.write(path, marks_file(pupil, f"{year}-{year + 1} T{term}", self._marks))
        self._answers.other_file(
            path, "school marks CSV", len(self._marks), averages=dict(self._averages())
        )
        self._marks.clear()

    def _averages(self) -> Iterator[tuple[str, str]]:
        """Out of twenty, weighted, to the hundredth (a half goes up)."""
        for subject, _ in _SUBJECTS:
            given = [
                one for one in self._marks if one.subject == subject and one.tenths is not None
            ]
            if given:
                total = sum(Fraction((m.tenths or 0) * 2 * m.weight, m.out_of) for m in given)
                exact = total / sum(one.weight for one in given)
                hundredths = (exact * 100 + Fraction(1, 2)).__floor__()
                yield subject, f"{hundredths // 100}.{hundredths % 100:02d}"


class Insurers:
    """A FHIR bundle a year: the year's acts, and what either insurer says of each."""

    def __init__(
        self, life: Life, insurers: tuple[str, str], folder: Folder, answers: Answers
    ) -> None:
        self._life, self._folder, self._answers = life, folder, answers
        self._dice = life.dice("health papers")
        self._names = insurers
        self._insurers = {name: uid(self._dice) for name in insurers}
        self._people = {one.key: uid(self._dice) for one in life.family.people}
        self._covers = {
            (one.key, name): uid(self._dice) for one in life.family.people for name in insurers
        }
        self._providers: dict[str, str] = {}
        self._acts: list[Act] = []

    def acted(self, act: Act) -> None:
        self._acts.append(act)

    def year_ended(self, last: Day) -> None:
        path = f"health/{last.year}.json"
        explained = sum(len(act.refunds) for act in self._acts)
        waiting = sum(one.booked > self._life.until for act in self._acts for one in act.refunds)
        self._folder.write(path, fhir.bundle(self._resources(last), stamp(at(last, 23 * 60))))
        self._answers.other_file(
            path,
            "FHIR R4 Bundle",
            len(self._acts),
            claims=len(self._acts),
            explanations=explained,
            queued=waiting,
        )
        self._acts.clear()

    def _resources(self, last: Day) -> Iterator[fhir.Resource]:
        home = self._life.home(last)
        address: fhir.Json = {
            "line": [home.line],
            "city": home.town,
            "postalCode": home.code,
            "country": "FR",
        }
        for one in self._life.family.people:
            yield fhir.patient(
                self._people[one.key], one.given, one.family, woman=one.woman, born=one.born,
                phone=one.phone, address=address,
            )  # fmt: skip  # who, and the rest
        for name, itself in self._insurers.items():
            yield fhir.organization(itself, name)
        for (person, name), itself in self._covers.items():
            order = 1 + self._names.index(name)
            yield fhir.coverage(itself, self._people[person], self._insurers[name], order)
        told = set[str]()
        for act in self._acts:
            provider = self._providers.get(act.provider)
            if provider is None:
                provider = self._providers[act.provider] = uid(self._dice)
            if provider not in told:
                told.add(provider)
                yield fhir.organization(provider, act.provider)
            yield from self._claimed(act, provider)

    def _claimed(self, act: Act, provider: str) -> Iterator[fhir.Resource]:
        claim, person = uid(self._dice), self._people[act.person.key]
        yield fhir.claim(
            claim,
            patient_uid=person,
            provider_uid=provider,
            coverage_uids=[self._covers[act.person.key, name] for name in self._names],
            day=act.day,
            code=act.care.code,
            words=act.care.words,
            cents=act.cents,
        )
        for refund in act.refunds:
            yield fhir.explanation(
                uid(self._dice),
                claim_uid=claim,
                patient_uid=person,
                provider_uid=provider,
                insurer_uid=self._insurers[refund.insurer],
                coverage_uid=self._covers[act.person.key, refund.insurer],
                day=act.day,
                code=act.care.code,
                words=act.care.words,
                asked_cents=act.cents,
                benefit_cents=refund.cents,
                paid_on=refund.booked if refund.booked <= self._life.until else None,
            )


class Till:
    """A file a month of receipts, one for each card payment at shops that send them by mail."""

    def __init__(self, life: Life, folder: Folder, answers: Answers) -> None:
        self._life, self._folder, self._answers = life, folder, answers
        self._dice = life.dice("receipts")
        self._cards = {one.key: one.card for one in life.family.accounts}
        self._file: OpenFile | None = None
        self._count = self._cents = self._lines = 0
        self._number = 0

    def booked(self, payment: Payment) -> None:
        if payment.kind is not Kind.CARD or payment.who not in _TILL:
            return
        if self._file is None:
            self._file = self._folder.open(f"receipts/{month_of(payment.booked)}.json")
            self._count = self._cents = self._lines = 0
        dice, left = self._dice, -payment.cents
        lines: list[Line] = []
        for number in dice.shuffled(range(len(_ARTICLES))):
            words, price, rate = _ARTICLES[number]
            pieces = dice.between(1, 3)
            if price * pieces < left and len(lines) < 13:
                lines.append(_line(number, words, pieces, price * pieces, rate))
                left -= price * pieces
        # What is sold by weight makes up the rest.
        lines.append(_line(99, "Fruits et légumes au poids", 1, left, 55))
        self._number += 1
        when = stamp(at(payment.made, dice.between(9 * 60, 20 * 60)))
        place = self._life.home(payment.made)
        seller = {"name": payment.who, "postalCode": place.code, "city": place.town}
        text = receipt(f"T{self._number:07d}", seller, when, lines, self._cards[payment.account])
        self._file.write(f"{'[' if self._count == 0 else ','}{text}\n".encode())
        self._count += 1
        self._cents -= payment.cents
        self._lines += len(lines)

    def month_ended(self, last: Day) -> None:
        if self._file is None:
            return
        self._file.write(b"]\n")
        self._file.close()
        self._file = None
        whole, cents = divmod(self._cents, 100)
        self._answers.other_file(
            f"receipts/{month_of(month_end(last))}.json",
            "receipts JSON",
            self._count,
            lines=self._lines,
            total=f"{whole}.{cents:02d}",
        )


def _line(number: int, words: str, pieces: int, cents: int, rate: int) -> Line:
    return Line(gtin(200_000_000_000 + number), words, pieces, cents, rate)

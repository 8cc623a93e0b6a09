"""What recurs: pay, rent, contracts, subscriptions, each as a series with its prices in time.

A series knows when it is due, at which price, and which months it skips; payments and answers both
come from it, each by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..dice import Dice
from . import names
from .ledger import Kind, Payment, debit, transfer
from .life import Life
from .paris import ONE, Day, month_end, month_of, month_start, on_day, working


@dataclass(frozen=True, slots=True)
class Series:
    """`every` in months from the month of `first`, on `day` of them; `prices` ascending in time.

    `prices` are signed cents from a day on.  `missed` are months (`2025-04`) that were left out.
    `back` moves what falls on a day off to the working day before it and not after.
    """

    key: str
    account: str
    who: str
    why: str
    category: str
    day: int
    first: Day
    prices: tuple[tuple[Day, int], ...]
    last: Day | None = None
    every: int = 1
    missed: frozenset[str] = frozenset()
    back: bool = False
    debited: bool = True
    # Whether a change of its amount is a price that rose (pay and benefit have none).
    priced: bool = True
    mandate: str = ""

    def due(self, month: Day) -> Day | None:
        """The day on which it is booked in the month of `month`, if it is."""
        first = month_start(self.first)
        since = (month.year - first.year) * 12 + month.month - first.month
        day = on_day(month, self.day)
        if since < 0 or since % self.every or day < self.first:
            return None
        if self.last is not None and day > self.last:
            return None
        if month_of(month) in self.missed:
            return None
        return working(day, -1 if self.back else 1)

    def cents(self, day: Day) -> int:
        """The price of that day."""
        return next((cents for since, cents in reversed(self.prices) if since <= day), 0)

    def payment(self, month: Day) -> Payment | None:
        day = self.due(month)
        if day is None or not (cents := self.cents(day)):
            return None
        if self.category == "fees":
            return Payment(
                self.account, day, day, cents, "fees", Kind.FEE, self.who, self.who, self.key
            )
        if self.debited:
            return debit(self.account, day, cents, self.category, self.who, self.mandate, self.key)
        return transfer(self.account, day, cents, self.category, self.who, self.why, self.key)

    def rises(self, until: Day) -> Iterator[tuple[Day, int, int]]:
        """(the first day on which it cost more, cents before, cents then), up to `until`."""
        if not self.priced:
            return
        for (_, before), (since, then) in pairwise(self.prices):
            if since <= self.first or abs(then) <= abs(before):
                continue
            charged = self.next_after(since - ONE)
            if charged is not None and charged <= until and self.cents(charged) == then:
                yield charged, before, then

    def next_after(self, day: Day) -> Day | None:
        """The next day on which it is booked after `day`, within two years."""
        for months in range(25):
            due = self.due(month_start(day, months))
            if due is not None and due > day and self.cents(due):
                return due
        return None


@dataclass(frozen=True, slots=True)
class Irregular:
    """What a client paid, and when."""

    day: Day
    cents: int
    client: str


@dataclass(frozen=True, slots=True)
class Contracts:
    """All series of a life, and the pay that has no rhythm."""

    series: tuple[Series, ...]
    irregular: tuple[Irregular, ...]
    energy: tuple[str, str]
    insurers: tuple[str, str]

    def named(self, key: str) -> Series:
        return next(one for one in self.series if one.key == key)


def contracts(life: Life) -> Contracts:
    """Everything that recurs in this life."""
    dice = life.dice("contracts")
    suppliers, telecoms = dice.shuffled(names.ENERGY), dice.shuffled(names.TELECOMS)
    mutual = dice.pick(names.MUTUALS)
    series = [
        *_work(life, dice.fork("work")),
        *_housing(life, dice.fork("housing"), suppliers),
        *_insurances(life, dice.fork("insurances"), mutual),
        *_subscriptions(life, dice.fork("subscriptions"), telecoms),
        *_public(life, dice.fork("public")),
        *_own(life, dice.fork("own")),
    ]
    return Contracts(
        tuple(series),
        tuple(_irregular(life, dice.fork("irregular"))),
        (suppliers[0], suppliers[1]),
        ("CPAM", mutual),
    )


def _work(life: Life, dice: Dice) -> Iterator[Series]:
    """A job, its end, the benefit, and the next job; pay comes on the last working days."""
    before, later = dice.shuffled(names.EMPLOYERS)[:2]
    pay = dice.between(2_050_00, 2_900_00)
    day = dice.between(26, 29)
    raises = [(life.first, pay)]
    for year in range(life.first.year + 1, life.job_lost.year + 1):
        raises.append((Day(year, 1, 1), raises[-1][1] * dice.between(1_008, 1_024) // 1_000))
    # The last month is paid for its days, and what was left of paid leave with it.
    ended = month_start(life.job_lost)
    raises.append((ended, raises[-1][1] * life.job_lost.day // 30 + dice.between(60_000, 190_000)))
    first, last = life.first, month_end(life.job_lost)
    yield Series(
        "salary", "joint", before, "PAIE", "income", day, first, tuple(raises), last,
        back=True, debited=False, priced=False,
    )  # fmt: skip  # one line of what it is, one of how
    daily = pay * 57 // 100 // 30
    paid: list[tuple[Day, int]] = []
    month = month_start(life.job_lost, 1)
    while month <= month_start(life.job_found):
        # Paid in arrears; the first seven days are not.
        begins = max(month_start(month, -1), life.job_lost + 8 * ONE)
        ends = min(month_end(month_start(month, -1)), life.job_found - ONE)
        paid.append((month, daily * max((ends - begins).days + 1, 0)))
        month = month_start(month, 1)
    yield Series(
        "benefit", "joint", "FRANCE TRAVAIL IDF", "ARE", "income", 6, paid[0][0], tuple(paid),
        month_end(paid[-1][0]), debited=False, priced=False,
    )  # fmt: skip
    pay = pay * dice.between(96, 109) // 100
    started = month_start(life.job_found)
    part = pay * ((month_end(started) - life.job_found).days + 1) // month_end(started).day
    steps = [(started, part), (month_start(started, 1), pay)]
    for year in range(started.year + 2, life.until.year + 1):
        steps.append((Day(year, 1, 1), steps[-1][1] * dice.between(1_008, 1_024) // 1_000))
    yield Series(
        "salary-2", "joint", later, "SALAIRE", "income", dice.between(27, 29), started,
        tuple(steps), back=True, debited=False, priced=False,
    )  # fmt: skip


def _irregular(life: Life, dice: Dice) -> Iterator[Irregular]:
    """The second adult is paid by the piece: some months twice, some not at all."""
    month = life.first
    while month <= life.until:
        for _ in range(dice.pick((0, 0, 1, 1, 1, 2, 2))):
            day = working(on_day(month, dice.between(2, 27)))
            yield Irregular(day, dice.between(420_00, 1_950_00), dice.pick(names.CLIENTS))
        month = month_start(month, 1)


def _housing(life: Life, dice: Dice, suppliers: Sequence[str]) -> Iterator[Series]:
    landlords = dice.shuffled(names.LANDLORDS)
    rent = dice.between(780_00, 1_050_00)
    steps = _rising(dice, life, -rent, 7, 1_012, 1_032)
    yield Series(
        "rent", "joint", landlords[0], "LOYER", "housing", 5, life.first, steps,
        life.moved, debited=False,
    )  # fmt: skip
    rent = rent * dice.between(101, 114) // 100
    steps = ((life.moved, -rent), *_later(dice, life, -rent, 1_010, 1_028))
    yield Series(
        "rent-2", "joint", landlords[1], "LOYER", "housing", 5, month_start(life.moved, 1), steps,
        debited=False,
    )  # fmt: skip
    power = dice.between(62_00, 96_00)
    yield Series(
        "energy", "joint", suppliers[0], "", "energy", 10, life.first,
        _rising(dice, life, -power, 2, 1_030, 1_090), life.moved, mandate=_mandate(dice),
    )  # fmt: skip
    power = dice.between(55_00, 104_00)
    steps = ((life.moved, -power), *_later(dice, life, -power, 1_020, 1_080))
    yield Series(
        "energy-2", "joint", suppliers[1], "", "energy", 10, month_start(life.moved, 1), steps,
        mandate=_mandate(dice),
    )  # fmt: skip


def _insurances(life: Life, dice: Dice, mutual: str) -> Iterator[Series]:
    insurer = dice.pick(names.INSURERS)
    home, car = dice.between(13_90, 21_90), dice.between(430_00, 690_00)
    yield Series(
        "home-insurance", "joint", insurer, "", "insurance", 4, life.first,
        _rising(dice, life, -home, 4, 1_030, 1_080), mandate=_mandate(dice),
    )  # fmt: skip
    month = month_start(life.first, dice.between(1, 10))
    yield Series(
        "car-insurance", "joint", f"{insurer} AUTO", "", "insurance", dice.between(8, 20), month,
        _rising(dice, life, -car, month.month, 1_020, 1_070), every=12, mandate=_mandate(dice),
    )  # fmt: skip
    yield Series(
        "health-insurance", "joint", mutual, "", "insurance", 8, life.first,
        _rising(dice, life, -dice.between(84_00, 132_00), 1, 1_035, 1_085),
        mandate=_mandate(dice),
    )  # fmt: skip


def _subscriptions(life: Life, dice: Dice, telecoms: Sequence[str]) -> Iterator[Series]:
    """What is sold by the month; each has at least one day on which it got dearer."""
    offers = (
        ("internet", "joint", f"{telecoms[0]} FIXE", "telecoms", (29_99, 31_99, 34_99, 37_99)),
        ("mobile", "joint", f"{telecoms[0]} MOBILE", "telecoms", (12_99, 13_99, 14_99)),
        ("mobile-2", "second", telecoms[1], "telecoms", (9_99, 10_99, 11_99)),
        ("video", "joint", dice.pick(names.VIDEO), "leisure", (11_99, 13_49, 14_99, 16_49)),
        ("music", "second", dice.pick(names.MUSIC), "leisure", (10_99, 12_14, 13_99)),
        ("newspaper", "second", dice.pick(names.PAPERS), "leisure", (9_90, 11_90, 12_90)),
        ("gym", "second", dice.pick(names.GYMS), "leisure", (29_90, 32_90, 34_90)),
    )
    months = _months(life)
    for key, account, who, category, prices in offers:
        rises = sorted({dice.between(2, months - 2) for _ in range(min(months // 14 + 1, 3))})
        steps = [(life.first, -prices[0])]
        for number, since in enumerate(rises, start=1):
            steps.append((month_start(life.first, since), -prices[min(number, len(prices) - 1)]))
        missed = frozenset[str]()
        if key == "gym":
            # A pause, as its terms allow: one or two months, not in the last three.
            begins = dice.between(1, months - 5)
            missed = frozenset(
                month_of(month_start(life.first, begins + extra))
                for extra in range(dice.between(1, 2))
            )
        yield Series(
            key, account, who, "", category, dice.between(2, 26), life.first,
            tuple(dict.fromkeys(steps)), missed=missed, mandate=_mandate(dice),
        )  # fmt: skip


def _public(life: Life, dice: Dice) -> Iterator[Series]:
    yield Series(
        "income-tax", "joint", "DIRECTION GENERALE DES FINANCES PUBLIQUES", "", "taxes", 15,
        life.first, _rising(dice, life, -dice.between(88_00, 214_00), 9, 960, 1_070),
        mandate=_mandate(dice), priced=False,
    )  # fmt: skip
    fares = {2020: 75_20, 2023: 84_10, 2024: 86_40, 2025: 88_80, 2026: 90_80}
    fare = next(cents for year, cents in sorted(fares.items(), reverse=True) if year <= 2020)
    steps = [(Day(1970, 1, 1), -fare)] + [
        (Day(year, 1, 1), -cents) for year, cents in fares.items() if year > 2020
    ]
    yield Series(
        "travel-pass", "joint", "COMUTITRES SAS", "", "transport", 7, life.first, tuple(steps),
        mandate=_mandate(dice),
    )  # fmt: skip
    yield Series(
        "music-school", "joint", "REGIE CONSERVATOIRE", "", "education", 18,
        month_start(life.first, dice.between(0, 2)),
        _rising(dice, life, -dice.between(72_00, 118_00), 9, 1_010, 1_040), every=3,
        mandate=_mandate(dice),
    )  # fmt: skip


def _own(life: Life, dice: Dice) -> Iterator[Series]:
    """Between the family's own accounts, the bank's fee, a gift each month, help for the elder."""
    saved = dice.between(10, 25) * 10_00
    # Nothing is put by from the month after the job was lost until the next pay.
    missed: set[str] = set()
    month = month_start(life.job_lost, 1)
    while month <= month_start(life.job_found):
        missed.add(month_of(month))
        month = month_start(month, 1)
    first, second = life.family.first, life.family.second
    for key, account, cents, who in (
        ("saving", "joint", -saved, f"M {first.family.upper()} LIVRET"),
        ("saving-in", "savings", saved, f"M {first.family.upper()} COMPTE JOINT"),
    ):
        yield Series(
            key, account, who, "EPARGNE", "savings", 3, life.first, ((life.first, cents),),
            missed=frozenset(missed), debited=False, priced=False,
        )  # fmt: skip
    share = dice.between(45, 62) * 10_00
    for key, account, cents, who in (
        ("share", "second", -share, "COMPTE JOINT"),
        ("share-in", "joint", share, f"MME {second.family.upper()}"),
    ):
        yield Series(
            key, account, who, "PART MENSUELLE", "transfers", 2, life.first,
            ((life.first, cents),), debited=False, priced=False,
        )  # fmt: skip
    yield Series(
        "account-fee", "joint", "COTISATION OFFRE ESSENTIEL", "", "fees", 1, life.first,
        _rising(dice, life, -dice.between(7_20, 12_60), 1, 1_030, 1_060), every=3,
        mandate=_mandate(dice),
    )  # fmt: skip
    yield Series(
        "charity", "second", dice.pick(names.CHARITIES), "", "gifts", 12, life.first,
        ((life.first, -dice.between(8, 20) * 1_00),), mandate=_mandate(dice),
    )  # fmt: skip
    yield Series(
        "elder-alarm", "second", "PRESENCE A DOMICILE", "", "other", 9, life.first,
        _rising(dice, life, -24_90, 3, 1_020, 1_050), mandate=_mandate(dice),
    )  # fmt: skip


def _months(life: Life) -> int:
    return (life.until.year - life.first.year) * 12 + life.until.month - life.first.month + 1


def _rising(
    dice: Dice, life: Life, cents: int, month: int, low: int, high: int
) -> tuple[tuple[Day, int], ...]:
    """A price that changes once a year in `month`, by a factor in thousandths."""
    steps = [(life.first, cents)]
    for year in range(life.first.year, life.until.year + 1):
        if Day(year, month, 1) > life.first:
            cents = -(-cents * dice.between(low, high) // 1_000)
            steps.append((Day(year, month, 1), cents))
    return tuple(steps)


def _later(dice: Dice, life: Life, cents: int, low: int, high: int) -> Iterator[tuple[Day, int]]:
    """A price that changes a year after the move, and every year from then on."""
    day = month_start(life.moved, 13)
    while day <= life.until:
        cents = -(-cents * dice.between(low, high) // 1_000)
        yield day, cents
        day = month_start(day, 12)


def _mandate(dice: Dice) -> str:
    return f"{dice.between(0, 10**12):012d}"

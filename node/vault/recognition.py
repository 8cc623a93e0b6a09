"""Recognition: which records are one fact, told by several.

A payment stands in the bank's own delivery, in a file that was downloaded and perhaps in another
format too.  It is one fact and three tellings.  Every telling stays what and where it is; this
module only says which belong together.

    by name     the same id, or the same time where a schema has no ids: one fact
    by content  transactions of different tellers: the same currency and amount exactly, booked at
                most `DAYS_APART_MAX` days apart, matched one to one

Whoever tells is a *teller*: one peer with all its deliveries, one kind of file with all its imports
(two downloads of one format have the same ids for the same facts), what a person declares.

Rules of matching by content, each held by a property test:

- Two facts of one teller are never one.  Nor are two that different peers signed: a peer that
  delivers what looks like another's fact adds a fact, it hides none.
- One to one: a fact takes at most one fact of each other teller.
- Two tellers that name a fact alike name all of theirs alike: between them names decide, and
  nothing is matched by content.  A shop may take the same amount twice in three days.
- It does not matter in which order tellers, files or rows come.
- Two files of two accounts have a few payments that look alike; two files of one account have most
  in common.  Where two files overlap and less than half of the shorter is matched, they tell of two
  accounts, and nothing of theirs is matched by content.
- Facts of one teller with the same day and words are interchangeable, and are matched as many as
  there are on both sides.  Where anything else leaves a choice, nothing is matched: better twice
  before a person's eyes than once and wrong.  Such facts are counted as `ambiguous`.

Evidence goes from strong to weak: the same words, most words, a word, none in common; and for
each of these the nearer day first.  What is written alike weighs more than a day, because banks
book and value on different days, and a whole file differs by one.  Without a shared word a day
apart is the most: two accounts have the same round amounts.  The same holds where both have long
numbers and share none: an insurer pays back the same sum twice in a week, under two references.

It does not judge who is right.  What of the tellings is shown is the order they are given in.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import itemgetter
from typing import Final, cast

from ...protocol.day import DAY_MS
from ...protocol.record import Batch, concat
from ...protocol.schema import METER_READING, TRANSACTION, Schema
from .stored import names_of

# A card payment of Friday evening is booked on Monday.
DAYS_APART_MAX: Final = 3
WORDLESS_DAYS_APART_MAX: Final = 1
# Days around those that are read: a fact told on either side of their edge is still recognised.
MARGIN_DAYS: Final = 4 * DAYS_APART_MAX
# Pairs of classes looked at for one amount.  Beyond it somebody made them, and nothing is matched.
PAIRS_MAX: Final = 20_000
# The fields that say how much: tellings that differ here contradict each other.
VALUES: Final[Mapping[str, frozenset[str]]] = {
    TRANSACTION.name: frozenset({"amount", "currency"}),
    METER_READING.name: frozenset({"duration_s", "value", "unit"}),
}
# Below this, two files say too little of whether they are of one account.
OVERLAP_FACTS_MIN: Final = 4
OVERLAP_DAYS_MIN: Final = 2 * DAYS_APART_MAX
_WORD = re.compile(r"[^\W\d_]{3,}")
_TELLING_LETTERS_MIN: Final = 4
# A reference, a mandate, an account: longer than any date.
_NUMBER = re.compile(r"\d{9,}")


_FilePair = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Told:
    """Records of one page, and who told them: `family` is the teller's (`tellers.py`).

    `file` is the import or delivery that brought them; None for what is no file of an account.
    """

    family: str
    signed: bool
    batch: Batch
    file: bytes | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Rows of the tellings (numbered through, as they were given) by fact.

    The first row of a fact is the one to show.  `ambiguous` are the rows of facts that might be the
    same as others and were left apart.
    """

    rows: tuple[tuple[int, ...], ...]
    ambiguous: frozenset[int]


def matched_by_content(schema: Schema) -> bool:
    """Whether facts of this schema can be the same under different ids."""
    return schema is TRANSACTION


def recognise(schema: Schema, told: Sequence[Told]) -> Facts:
    """Which rows of `told` are one fact.  `told` is in the order of who is shown first."""
    facts: list[list[int]] = []
    of_name: dict[Hashable, list[int]] = {}
    told_of: list[int] = []
    for number, one in enumerate(told):
        for name in names_of(one.batch):
            fact = of_name.get(name)
            if fact is None:
                fact = of_name[name] = []
                facts.append(fact)
            fact.append(len(told_of))
            told_of.append(number)
    ambiguous: frozenset[int] = frozenset()
    if matched_by_content(schema) and len({one.family for one in told}) > 1:
        whole = concat(schema, (one.batch for one in told))
        told_by = [told[number] for number in told_of]
        rank = _rank(told)
        named = _described(whole, facts, told_by, rank)
        found, ambiguous = _matched(named, rank, frozenset())
        if apart := _of_two_accounts(named, found, told_by):
            found, ambiguous = _matched(named, rank, apart)
        facts = [fact.rows for fact in found]
    return Facts(tuple(tuple(sorted(fact)) for fact in facts), ambiguous)


# --- what each fact is compared by ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Named:
    """The rows of one name, and what is shown of them: by this they are compared with others."""

    rows: Sequence[int]
    families: frozenset[str]
    files: frozenset[bytes]
    signed: bool
    day: int
    words: frozenset[str]
    numbers: frozenset[str]
    order: tuple[int, str]
    amount: Hashable


def _rank(told: Iterable[Told]) -> Mapping[str, int]:
    """Tellers in the order in which they are matched, whatever the order of arrival."""
    families = sorted({(not one.signed, one.family) for one in told})
    return {family: number for number, (_, family) in enumerate(families)}


def _described(
    whole: Batch,
    facts: Iterable[Sequence[int]],
    told_by: Sequence[Told],
    rank: Mapping[str, int],
) -> list[_Named]:
    days = _local_days(whole)
    ids = cast("Sequence[str]", whole.columns["id"])
    found: list[_Named] = []
    for rows in facts:
        # By the teller that comes first whatever the order of arrival, and its smallest telling.
        shown = min(
            rows, key=lambda row: (rank[told_by[row].family], days[row], _texts(whole, row))
        )
        found.append(
            _Named(
                rows,
                frozenset(told_by[row].family for row in rows),
                frozenset(file for row in rows if (file := told_by[row].file) is not None),
                any(told_by[row].signed for row in rows),
                days[shown],
                frozenset(_words(whole, shown)),
                frozenset(_NUMBER.findall(" ".join(_texts(whole, shown)))),
                (whole.times[shown], ids[shown]),
                _amount(whole, shown),
            )
        )
    return found


# --- files of one account, and of two -------------------------------------------------------------


def _of_two_accounts(
    named: Iterable[_Named], matched: Iterable[_Fact], told_by: Sequence[Told]
) -> frozenset[_FilePair]:
    """The pairs of files that share so little that they tell of two accounts."""
    days_of: defaultdict[bytes, list[int]] = defaultdict(list)
    for one in named:
        for file in one.files:
            days_of[file].append(one.day)
    shared: defaultdict[_FilePair, list[int]] = defaultdict(list)
    for fact in matched:
        families = {told_by[row].file: told_by[row].family for row in fact.rows}
        files = sorted(file for file in families if file is not None)
        for pair in combinations(files, 2):
            if families[pair[0]] != families[pair[1]]:
                shared[pair].append(fact.day)
    for some in days_of.values():
        some.sort()
    return frozenset(
        pair
        for pair, both in shared.items()
        if _share_little(days_of[pair[0]], days_of[pair[1]], both)
    )


def _share_little(ours: Sequence[int], theirs: Sequence[int], both: Sequence[int]) -> bool:
    first, last = max(ours[0], theirs[0]), min(ours[-1], theirs[-1])
    # At the edges of a short overlap days are booked differently, which says nothing.
    if last - first < OVERLAP_DAYS_MIN:
        return False
    fewer = min(bisect_right(days, last) - bisect_left(days, first) for days in (ours, theirs))
    return fewer >= OVERLAP_FACTS_MIN and 2 * len(both) < fewer


# --- matching transactions ------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Fact:
    """Rows that are one fact so far; `day` and `words` are those by which it is compared."""

    rows: list[int]
    families: set[str]
    signed: bool
    day: int
    words: frozenset[str]
    numbers: frozenset[str]
    order: tuple[int, str]
    # Of its files, those that are not to be matched with every other.
    files: frozenset[bytes]


_Class = tuple[int, frozenset[str], frozenset[bytes]]


def _matched(
    named: Sequence[_Named], rank: Mapping[str, int], apart: frozenset[_FilePair]
) -> tuple[list[_Fact], frozenset[int]]:
    """Facts known by name, with those joined that content shows to be the same.

    `apart` are files of which nothing is joined.
    """
    suspects = {file for pair in apart for file in pair}
    settled = {frozenset(pair) for one in named for pair in combinations(sorted(one.families), 2)}
    buckets: defaultdict[Hashable, list[_Fact]] = defaultdict(list)
    for one in named:
        buckets[one.amount].append(
            _Fact(
                list(one.rows),
                set(one.families),
                one.signed,
                one.day,
                one.words,
                one.numbers,
                one.order,
                one.files & suspects,
            )
        )
    found: list[_Fact] = []
    ambiguous: set[int] = set()
    for facts in buckets.values():
        if len(facts) > 1:
            facts = _joined(facts, rank, ambiguous, apart, settled)
        found.extend(facts)
    return found, frozenset(ambiguous)


def _joined(
    facts: list[_Fact],
    rank: Mapping[str, int],
    ambiguous: set[int],
    apart: frozenset[_FilePair],
    settled: Container[frozenset[str]],
) -> list[_Fact]:
    """The facts of one amount: teller by teller, each matched with all before it."""
    pool: list[_Fact] = []
    left = facts
    for family in sorted({name for fact in facts for name in fact.families}, key=rank.__getitem__):
        mine = [fact for fact in left if family in fact.families]
        left = [fact for fact in left if family not in fact.families]
        others = [
            fact
            for fact in pool
            if family not in fact.families
            and not any(frozenset((family, other)) in settled for other in fact.families)
        ]
        joined: set[int] = set()
        for other, one in _pairs(others, mine, ambiguous, apart):
            other.rows += one.rows
            other.families |= one.families
            other.signed = other.signed or one.signed
            other.files |= one.files
            joined.add(id(one))
        pool += [fact for fact in mine if id(fact) not in joined]
    return pool


def _pairs(
    ours: Sequence[_Fact],
    theirs: Sequence[_Fact],
    ambiguous: set[int],
    apart: frozenset[_FilePair],
) -> Iterator[tuple[_Fact, _Fact]]:
    """Which of `ours` is which of `theirs`."""
    left, right = _classes(ours), _classes(theirs)
    near = _near(left, right, apart)
    if near is None:
        ambiguous.update(row for fact in (*ours, *theirs) for row in fact.rows)
        return
    frozen: set[tuple[bool, _Class]] = set()
    for tier in sorted(near):
        edges = [
            (a, b)
            for a, b in near[tier]
            if left[a] and right[b] and (False, a) not in frozen and (True, b) not in frozen
        ]
        degree: defaultdict[tuple[bool, _Class], int] = defaultdict(int)
        for a, b in edges:
            degree[False, a] += 1
            degree[True, b] += 1
        for a, b in edges:
            if degree[False, a] == degree[True, b] == 1:
                yield from _taken(left[a], right[b])
            else:
                for side, classes, one in ((False, left, a), (True, right, b)):
                    if (side, one) not in frozen:
                        frozen.add((side, one))
                        ambiguous.update(row for fact in classes[one] for row in fact.rows)


def _taken(ours: list[_Fact], theirs: list[_Fact]) -> Iterator[tuple[_Fact, _Fact]]:
    """Two classes of interchangeable facts, paired in order as far as both go.

    A peer may make a hundred thousand of a class, so no fact is looked at twice.
    """
    waiting = {
        signed: deque(n for n, two in enumerate(theirs) if two.signed is signed)
        for signed in (False, True)
    }
    rest: list[_Fact] = []
    taken: set[int] = set()
    for one in ours:
        # What two peers signed stays two facts.
        fit = [line for signed, line in waiting.items() if line and not (one.signed and signed)]
        if fit:
            at = min(fit, key=itemgetter(0)).popleft()
            taken.add(at)
            yield one, theirs[at]
        else:
            rest.append(one)
    ours[:] = rest
    theirs[:] = [two for n, two in enumerate(theirs) if n not in taken]


def _classes(facts: Sequence[_Fact]) -> dict[_Class, list[_Fact]]:
    found: defaultdict[_Class, list[_Fact]] = defaultdict(list)
    for fact in sorted(facts, key=lambda fact: fact.order):
        found[fact.day, fact.words, fact.files].append(fact)
    return dict(found)


def _near(
    left: Mapping[_Class, Sequence[_Fact]],
    right: Mapping[_Class, Sequence[_Fact]],
    apart: frozenset[_FilePair],
) -> dict[tuple[int, int], list[tuple[_Class, _Class]]] | None:
    """Pairs of classes by the strength of their evidence; None if there are too many."""
    by_day: defaultdict[int, list[_Class]] = defaultdict(list)
    for one in right:
        by_day[one[0]].append(one)
    found: defaultdict[tuple[int, int], list[tuple[_Class, _Class]]] = defaultdict(list)
    ours, theirs = _numbers(left), _numbers(right)
    pairs = 0
    for one in left:
        for day in range(one[0] - DAYS_APART_MAX, one[0] + DAYS_APART_MAX + 1):
            others = by_day.get(day, ())
            pairs += len(others)
            if pairs > PAIRS_MAX:
                return None
            for two in others:
                if apart and _kept_apart(one[2], two[2], apart):
                    continue
                unlike, between = _unlike(one[1], two[1]), abs(one[0] - two[0])
                if ours[one] and theirs[two] and ours[one].isdisjoint(theirs[two]):
                    unlike = 3
                worded = unlike < 3 and one[1]  # two that say nothing share nothing
                if worded or between <= WORDLESS_DAYS_APART_MAX:
                    found[unlike, between].append((one, two))
    return found


def _numbers(classes: Mapping[_Class, Sequence[_Fact]]) -> Mapping[_Class, set[str]]:
    """The long numbers of each class, of all its facts together: those are interchangeable."""
    return {
        one: {number for fact in facts for number in fact.numbers} for one, facts in classes.items()
    }


def _kept_apart(
    ours: frozenset[bytes], theirs: frozenset[bytes], apart: frozenset[_FilePair]
) -> bool:
    return any((min(a, b), max(a, b)) in apart for a in ours for b in theirs)


def _unlike(a: frozenset[str], b: frozenset[str]) -> int:
    """0 for the same words, 1 for most of them, 2 for a telling word shared, 3 for none."""
    shared = a & b
    if a == b:
        return 0
    if shared and (2 * len(shared) >= len(a | b) or shared in (a, b)):
        return 1
    return 2 if any(len(word) >= _TELLING_LETTERS_MIN for word in shared) else 3


def _words(batch: Batch, row: int) -> Iterator[str]:
    """The words of what a transaction says of itself, without case, accents and numbers."""
    for text in _texts(batch, row):
        plain = unicodedata.normalize("NFKD", text).casefold()
        yield from _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))


def _texts(batch: Batch, row: int) -> tuple[str, str]:
    label, who = batch.columns["label"][row], batch.columns["counterparty"][row]
    return cast("str", label), cast("str | None", who) or ""


def _amount(batch: Batch, row: int) -> Hashable:
    """Currency and amount, the same for -12.50 and -12.5."""
    mantissa, scale = cast("tuple[int, int]", batch.columns["amount"][row])
    while scale and not mantissa % 10:
        mantissa, scale = mantissa // 10, scale - 1
    return batch.columns["currency"][row], mantissa, scale


def _local_days(batch: Batch) -> list[int]:
    """The day on which each was booked where it was booked."""
    offsets = cast("Sequence[int]", batch.columns["offset_min"])
    return [
        (t_ms + offset * 60_000) // DAY_MS
        for t_ms, offset in zip(batch.times, offsets, strict=True)
    ]

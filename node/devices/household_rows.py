"""The people of the house and what is whose, as two devices compare it.

    people    by number: who was removed anywhere is removed
    whose     by path: what was said last
    personas  for whom a relationship stands: said once, when it began

Numbers stand in paths, so two people never have one: each device gives numbers of its own range,
half of which it gives away to each device that joins it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ...crypto.canonical import encode
from ...protocol.collection import JOINT_MAX, PEOPLE_MAX, check_path
from ...protocol.did import check_did
from ...protocol.errors import WireError
from ...protocol.wire import Body, Value
from ..household.household import Household, People, Person, Whose
from ..store.database import Tx
from ..store.objects import Kind
from .space import Space, Taking, WholeSpace, row_id

PEOPLE: Final = "people"
WHOSE: Final = "whose"
PERSONAS: Final = "personas-of-people"


def household_spaces(household: Household) -> Iterable[Space]:
    """In the order in which they are fetched."""
    yield PeopleSpace(household)
    yield WhoseSpace(household)
    yield PersonasSpace(household)


def person(one: Person, other: Person) -> Person:
    """Who was removed is; of two tellings, the greater."""
    first = max(one, other, key=lambda it: encode(replace(it, removed=False).value()))
    return replace(first, removed=one.removed or other.removed)


def whose(one: Whose, other: Whose) -> Whose:
    """What was said last; of one moment, the more people."""
    return max(one, other, key=lambda it: (it.t_ms, it.people))


@dataclass(frozen=True, slots=True)
class PeopleSpace(WholeSpace):
    """The people, each a row."""

    household: Household
    name: str = PEOPLE
    sets: tuple[Value, ...] = (Kind.SETTING.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        everyone = self.household.kept(tx)
        return {row_id(self.name, one.number, one.value()): one.value() for one in everyone}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        before = {one.number: one for one in self.household.kept(tx)}
        after = dict(before)
        for row in rows:
            theirs = Person.from_value(row)
            mine = after.get(theirs.number)
            after[theirs.number] = theirs if mine is None else person(mine, theirs)
        if after != before:
            self.household.keep(tx, after.values())
        return sum(before.get(number) != one for number, one in after.items())


@dataclass(frozen=True, slots=True)
class WhoseSpace(WholeSpace):
    """Whose the collections are of which the owner said so, each a row."""

    household: Household
    name: str = WHOSE
    sets: tuple[Value, ...] = (Kind.SETTING.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        said = self.household.said(tx)
        rows: list[Value] = [[path, list(one.people), one.t_ms] for path, one in said.items()]
        return {row_id(self.name, None, row): row for row in rows}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        before = self.household.said(tx)
        after = dict(before)
        for row in rows:
            path, theirs = _whose(row)
            mine = after.get(path)
            after[path] = theirs if mine is None else whose(mine, theirs)
        if after != before:
            self.household.keep_said(tx, after)
        return sum(before.get(path) != one for path, one in after.items())


@dataclass(frozen=True, slots=True)
class PersonasSpace(WholeSpace):
    """For whom each relationship stands, each a row."""

    household: Household
    name: str = PERSONAS
    sets: tuple[Value, ...] = (Kind.SETTING.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        known = self.household.personas(tx)
        rows: list[Value] = [[own, list(people)] for own, people in known.items()]
        return {row_id(self.name, None, row): row for row in rows}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        changed = 0
        for row in rows:
            body = Body.of_list(row, "for whom a relationship stands", ("own", "people"))
            did, people = check_did(body.text("own")), _people(body)
            # It is said once, so two tellings differ only if one is false: the greater, anywhere.
            if people and people > self.household.of_persona(tx, did):
                self.household.give_persona(tx, did, people)
                changed += 1
        return changed


def _whose(row: Value) -> tuple[str, Whose]:
    body = Body.of_list(row, "whose a collection is", ("path", "people", "t_ms"))
    return check_path(body.text("path")), Whose(_people(body), body.integer("t_ms"))


def _people(body: Body) -> People:
    numbers = body.items("people", items_max=JOINT_MAX)
    people = tuple(one for one in numbers if type(one) is int and 1 <= one <= PEOPLE_MAX)
    if len(people) != len(numbers):
        raise WireError("people are named by their numbers")
    if list(people) != sorted(set(people)):
        raise WireError("the numbers of people ascend")
    return people

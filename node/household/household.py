"""The people of a household: whose each collection is, and for whom each relationship is.

One vault, several people, and what they share.  A collection belongs to nobody in particular (the
**home**: shared meters, what was there before anyone was named), to one person, or to some of them
(a joint account).  Whose it is stands at the end of its path as numbers (`protocol/collection.py`),
so two people's records never share a path, a grant, or a key; the owner may also say so of a path
that does not end like this.

A persona belongs to whom the relationship is about.  What its peer delivers is kept as theirs, and
without a word of the owner it is lent theirs and the home's, nobody else's.

Names stand in the sealed store and nowhere else.  Numbers are not used again: the path of someone
who was removed stays theirs.

Everything here is a function of a transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...protocol.collection import JOINT_MAX, PEOPLE_MAX, apart, belonging_to, check_path
from ...protocol.did import Did
from ...protocol.wire import Body, Value
from ..errors import NotFound, UsageError
from ..peers.peers import clean_name
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

# Whom nobody in particular is.
HOME = "home"
_PEOPLE: Value = "people"
_WHOSE: Value = "whose"
_PERSONAS: Value = "personas-of-people"
# From which number on this device names people, and below which.
_NUMBERS: Value = "numbers-of-people"
_KEYS = ("number", "name", "born", "removed")

People = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """One of the house.  `born` is a date (YYYY-MM-DD) or None; `number` stands in paths."""

    number: int
    name: str
    born: str | None
    removed: bool

    def value(self) -> Value:
        return {name: getattr(self, name) for name in _KEYS}

    @classmethod
    def from_value(cls, value: Value) -> Person:
        body = Body.open(value, "a person in the store", _KEYS)
        return cls(
            body.integer("number", low=1, high=PEOPLE_MAX),
            body.text("name"),
            body.maybe_text("born"),
            body.flag("removed"),
        )

    def of_age_s(self, years: int) -> int:
        """The second (UTC) at which this person is `years` old.  Raises UsageError."""
        if self.born is None:
            raise UsageError(f"it is not known when {self.name} was born: see `people add --born`")
        born = datetime.date.fromisoformat(self.born)
        try:
            day = born.replace(year=born.year + years)
        except ValueError:  # 29 February: of age on the first of March
            day = datetime.date(born.year + years, 3, 1)
        return int(datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Whose:
    """To whom a collection belongs by the owner's word, and when that was said (0: unknown)."""

    people: People
    t_ms: int


class Household:
    """The people of this node, and what is whose."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    # people

    def all(self, tx: Tx, *, removed: bool = False) -> list[Person]:
        """Everyone of the house, by number.  Of two of one name, who were added on two devices, the
        second is told apart by their number."""
        seen: set[str] = set()
        people: list[Person] = []
        for one in self.kept(tx):
            if not one.removed:
                if one.name.casefold() in seen:
                    one = replace(one, name=f"{one.name} {one.number}")
                seen.add(one.name.casefold())
            people.append(one)
        return [one for one in people if removed or not one.removed]

    def kept(self, tx: Tx) -> list[Person]:
        """Everyone who was ever added, by number, as they were named."""
        value = self._objects.get(tx, Kind.SETTING, _PEOPLE)
        people = [Person.from_value(one) for one in value] if isinstance(value, list) else []
        return sorted(people, key=lambda one: one.number)

    def keep(self, tx: Tx, people: Iterable[Person]) -> None:
        """Keep who was added here or on another device."""
        ordered = sorted(people, key=lambda one: one.number)
        self._objects.put(tx, Kind.SETTING, _PEOPLE, [one.value() for one in ordered])

    def numbers(self, tx: Tx) -> tuple[int, int]:
        """From which number on this device names people, and below which."""
        match self._objects.get(tx, Kind.SETTING, _NUMBERS):
            case [int(first), int(end)]:
                return first, end
            case _:
                return 1, PEOPLE_MAX + 1

    def take_numbers(self, tx: Tx, first: int, end: int) -> None:
        """This device names people from `first` to below `end`."""
        self._objects.put(tx, Kind.SETTING, _NUMBERS, [first, end])

    def give_numbers(self, tx: Tx) -> tuple[int, int]:
        """Give the upper half of the unused numbers away, for good: (first, end) of it."""
        first, end = self.numbers(tx)
        used = [one.number for one in self.kept(tx) if first <= one.number < end]
        free = max(used, default=first - 1) + 1
        middle = free + (end - free + 1) // 2
        self.take_numbers(tx, first, middle)
        return middle, end

    def add(self, tx: Tx, name: str, born: str | None = None) -> Person:
        """Add a person.  Raises UsageError for a name that is taken or cannot be shown."""
        everyone = self.all(tx, removed=True)
        name = clean_name(name)
        if "," in name or name.casefold() == HOME:
            raise UsageError(f"nobody is called {name}: choose another name")
        if any(one.name.casefold() == name.casefold() and not one.removed for one in everyone):
            raise UsageError(f"there is a {name} already: `entrenous people` lists them")
        taken = {one.number for one in everyone}
        number = next((n for n in range(*self.numbers(tx)) if n not in taken), None)
        if number is None:
            raise UsageError(
                f"a household has at most {PEOPLE_MAX} people, and this device has named its share "
                "of them: another device may name more"
                if len(everyone) < PEOPLE_MAX
                else f"a household has at most {PEOPLE_MAX} people"
            )
        person = Person(number, name, _date(born), removed=False)
        self.keep(tx, [*self.kept(tx), person])
        return person

    def take_in(self, tx: Tx, people: Sequence[Person]) -> None:
        """Be the household of another node; there must be nobody here yet.  Raises UsageError."""
        if self.all(tx, removed=True):
            raise UsageError("people live here already")
        self.keep(tx, people)

    def remove(self, tx: Tx, name: str, paths: Iterable[str]) -> Person:
        """Remove a person to whom none of `paths` belongs, and no relationship.

        Raises NotFound, UsageError.
        """
        person = self.named(tx, name)
        if any(person.number in self.whose(tx, path) for path in paths):
            raise UsageError(f"collections of {person.name} are here: erase or assign them first")
        if any(person.number in people for people in self.personas(tx).values()):
            raise UsageError(f"peers know {person.name}: such a relationship cannot be given away")
        everyone = self.kept(tx)
        self.keep(
            tx,
            [
                replace(one, removed=True) if one.number == person.number else one
                for one in everyone
            ],
        )
        return replace(person, removed=True)

    def named(self, tx: Tx, name: str) -> Person:
        """The person called `name`.  Raises NotFound."""
        wanted = name.strip().casefold()
        for one in self.all(tx):
            if one.name.casefold() == wanted:
                return one
        raise NotFound(f"nobody here is called {name.strip()[:64]}: see `entrenous people`")

    def people(self, tx: Tx, names: str) -> People:
        """The people of a comma-separated list of names, or nobody for `home`.

        Raises NotFound, UsageError.
        """
        if names.strip().casefold() == HOME:
            return ()
        found = tuple(sorted({self.named(tx, name).number for name in names.split(",")}))
        if len(found) > JOINT_MAX:
            raise UsageError(f"a collection belongs to at most {JOINT_MAX} people")
        return found

    def names(self, tx: Tx, people: People) -> tuple[str, ...]:
        """What they are called, also those who were removed."""
        known = {one.number: one.name for one in self.all(tx, removed=True)}
        return tuple(known.get(number, f"p{number}") for number in people)

    # collections

    def whose(self, tx: Tx, path: str) -> People:
        """To whom a collection belongs; nobody in particular: the home."""
        if (said := self.assigned(tx).get(path)) is not None:
            return said
        _, people = apart(path)
        known = {one.number for one in self.all(tx, removed=True)}
        return people if known.issuperset(people) else ()

    def assign(self, tx: Tx, path: str, people: People, now_ms: int) -> None:
        """Say whose a collection is whose path does not.  Raises UsageError if its path does."""
        if apart(path)[1]:
            raise UsageError(f"{path} says itself whose it is")
        said = self.said(tx)
        before = said.get(check_path(path))
        at_ms = now_ms if before is None else max(now_ms, before.t_ms + 1)
        self.keep_said(tx, {**said, path: Whose(people, at_ms)})

    def assigned(self, tx: Tx) -> dict[str, People]:
        """Whose the collections are of which the owner said so."""
        return {path: one.people for path, one in self.said(tx).items()}

    def keep_said(self, tx: Tx, said: Mapping[str, Whose]) -> None:
        """Keep what was said of collections, here or on another device."""
        value: list[Value] = [[one, list(said[one].people), said[one].t_ms] for one in sorted(said)]
        self._objects.put(tx, Kind.SETTING, _WHOSE, value)

    def said(self, tx: Tx) -> dict[str, Whose]:
        """As `assigned`, with when it was said."""
        value = self._objects.get(tx, Kind.SETTING, _WHOSE)
        found: dict[str, Whose] = {}
        for item in value if isinstance(value, list) else []:
            match item:
                case [str(path), list(people), int(t_ms)]:
                    found[path] = Whose(numbers_of(people), t_ms)
                case [str(path), list(people)]:  # of a home from before it was kept when
                    found[path] = Whose(numbers_of(people), 0)
                case _:
                    raise StoreDamaged("whose a collection is has another form in the store")
        return found

    def placing(self, tx: Tx, people: People) -> Callable[[str], str]:
        """Where records of a path are kept for `people`; raises RecordError for a long path.

        The path itself for the home, or if the owner said that it is theirs.
        """
        assigned = self.assigned(tx)

        def place(path: str) -> str:
            if not people or apart(path)[1] == people or assigned.get(path) == people:
                return path
            return belonging_to(path, people)

        return place

    # relationships

    def of_persona(self, tx: Tx, own: str) -> People:
        """For whom a persona of ours stands; nobody in particular: the home."""
        return numbers_of(self._objects.get(tx, Kind.SETTING, ["persona-for", own]))

    def give_persona(self, tx: Tx, own: Did, people: People) -> None:
        """Say for whom a persona stands, when it is made: its peer knows it by then."""
        if people:
            self._objects.put(tx, Kind.SETTING, ["persona-for", own], list(people))
            value = self._objects.get(tx, Kind.SETTING, _PERSONAS)
            known = value if isinstance(value, list) else []
            if own not in known:
                self._objects.put(tx, Kind.SETTING, _PERSONAS, [*known, own])

    def kept_under(self, tx: Tx, own: str, path: str) -> str:
        """Where what comes for the persona `own` under `path` is kept.  Raises RecordError."""
        return self.placing(tx, self.of_persona(tx, own))(path)

    def is_others(self, tx: Tx, own: str, path: str) -> bool:
        """Whether `path` is neither the home's nor of anyone for whom the persona stands."""
        theirs = set(self.whose(tx, path))
        return bool(theirs) and theirs.isdisjoint(self.of_persona(tx, own))

    def personas(self, tx: Tx) -> dict[Did, People]:
        """The personas that stand for somebody in particular, and for whom."""
        value = self._objects.get(tx, Kind.SETTING, _PERSONAS)
        known = value if isinstance(value, list) else []
        return {Did(own): self.of_persona(tx, own) for own in known if isinstance(own, str)}


def numbers_of(value: Value) -> People:
    """People as they are stored; nobody where nothing is."""
    return tuple(one for one in value if isinstance(one, int)) if isinstance(value, list) else ()


def _date(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError("a date of birth is YYYY-MM-DD") from None

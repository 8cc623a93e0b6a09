"""Rules: from the words of a payment to its category, and why.

A rule is some words and a category: they stand next to each other in the plain spelling of label
and counterparty, as whole words.  It may hold for one means of payment only, or one direction.  Of
several rules the one with the longest words says it, so `uber eats` wins over `uber`.  In order:

    the person's own rules      budget.toml in their home
    a merchant category code    where a label has one: `MCC 5411`
    built-in rules              rules.toml beside this module
    how money moved             fees and interest; cash is `other`; what comes in by transfer, or
                                nobody says how, from nobody known, is income

What none of these knows is not categorised, and is shown as that.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, cast

from ....protocol.toml_text import toml_table
from ...text import quoted
from .categories import CATEGORIES
from .words import Means, plain

# What a rule may be bound to: a means of payment, or a direction.
_BOUND: Final = frozenset(("any", "in", "out", *(means.value for means in Means)))
_CODE: Final = re.compile(r" mcc ([0-9]{4}) ")
OWN_RULES_MAX: Final = 10_000
WORDS_CHARS_MAX: Final = 100


class BadRules(ValueError):
    """Rules that a person wrote cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`words` in plain spelling with a blank at either end; `bound` is `any` or one condition."""

    words: str
    category: str
    bound: str = "any"

    def holds(self, line: str, means: Means, *, incoming: bool) -> bool:
        if self.words not in line:
            return False
        return self.bound in ("any", "in" if incoming else "out", means.value)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A category, or None, and why: `how` is a few words, `words` those that were found."""

    category: str | None
    how: str
    words: str = ""


NO_VERDICT: Final = Verdict(None, "no rule knows it")


class Rules:
    """Own rules before built-in ones."""

    def __init__(self, own: Iterable[Rule] = ()) -> None:
        self._own = tuple(own)
        self._built_in, self._codes = _built_in()

    def verdict(self, line: str, means: Means, *, incoming: bool) -> Verdict:
        """The category of a payment by its plain words."""
        if (rule := _longest(self._own, line, means, incoming)) is not None:
            return Verdict(rule.category, "your rule", rule.words.strip())
        code = _CODE.search(line)
        if code is not None and (category := self._codes.get(code[1])) is not None:
            return Verdict(category, "merchant category code", code[1])
        found: dict[Rule, None] = {}
        for word in set(line.split()):
            found |= dict.fromkeys(self._built_in.get(word, ()))
        if (rule := _longest(found, line, means, incoming)) is not None:
            return Verdict(rule.category, "built-in rule", rule.words.strip())
        return _by_means(means, incoming=incoming)


def own_rules(text: str) -> list[Rule]:
    """The rules of a person's own file.  Raises BadRules."""
    try:
        table = toml_table(text)
    except (ValueError, RecursionError) as error:  # a number may have too many digits for either
        raise BadRules(f"budget.toml cannot be understood: {error}") from None
    if unknown := sorted(table.keys() - {"rule"}):
        raise BadRules(f"budget.toml has no place for {quoted(unknown[0])}, only [[rule]]")
    found: object = table.get("rule", [])
    if not isinstance(found, list):
        raise BadRules("budget.toml: rules stand under [[rule]], each its own")
    rules = [_own_rule(number, one) for number, one in enumerate(cast("list[object]", found), 1)]
    if len(rules) > OWN_RULES_MAX:
        raise BadRules(f"budget.toml has over {OWN_RULES_MAX:,} rules")
    return rules


def own_rule(words: str, category: str, bound: str = "any") -> Rule:
    """A rule of a person.  Raises BadRules."""
    if len(words) > WORDS_CHARS_MAX or not plain(words).strip():
        raise BadRules(f"the words of a rule are 1 to {WORDS_CHARS_MAX} characters")
    if category not in CATEGORIES:
        raise BadRules(
            f"there is no category {quoted(category)}; there are {', '.join(CATEGORIES)}"
        )
    if bound not in _BOUND:
        raise BadRules(f"a rule is for {', '.join(sorted(_BOUND))}, not for {quoted(bound)}")
    return Rule(plain(words), category, bound)


def _own_rule(number: int, value: object) -> Rule:
    if not isinstance(value, dict):
        raise BadRules("budget.toml: rules stand under [[rule]], each its own")
    given = cast("dict[str, object]", value)
    texts = {key: text for key, text in given.items() if isinstance(text, str)}
    if not {"words", "category"} <= texts.keys() <= {"words", "category", "for"} or texts != given:
        raise BadRules(
            f"budget.toml: rule {number} needs words and category (and may have for), all texts"
        )
    try:
        return own_rule(texts["words"], texts["category"], texts.get("for", "any"))
    except BadRules as error:
        raise BadRules(f"budget.toml: rule {number}: {error}") from None


def _longest(rules: Iterable[Rule], line: str, means: Means, incoming: bool) -> Rule | None:
    """Of the rules that hold, the one that says most; of equals the one written last.

    What is said of money that comes in goes before what is said of any: a clinic that pays a salary
    is no doctor's bill.
    """
    best: tuple[tuple[bool, int, bool], Rule] | None = None
    for rule in rules:
        if rule.holds(line, means, incoming=incoming):
            weight = rule.bound == "in", len(rule.words), rule.bound != "any"
            if best is None or weight >= best[0]:
                best = weight, rule
    return None if best is None else best[1]


def _by_means(means: Means, *, incoming: bool) -> Verdict:
    match means:
        case Means.FEE:
            return Verdict("fees", "the bank calls it a fee")
        case Means.INTEREST:
            return Verdict("income" if incoming else "fees", "the bank calls it interest")
        case Means.CASH:
            return Verdict("other", "cash")
        case Means.TRANSFER | Means.CHECK | Means.UNKNOWN if incoming:
            return Verdict("income", "money in, from nobody known")
        case _:
            return NO_VERDICT


@cache
def _built_in() -> tuple[Mapping[str, tuple[Rule, ...]], Mapping[str, str]]:
    """The built-in rules by the longest of their words, and the merchant codes."""
    table = tomllib.loads(
        files(__name__.rpartition(".")[0]).joinpath("rules.toml").read_text("utf-8")
    )
    by_word: defaultdict[str, list[Rule]] = defaultdict(list)
    codes: dict[str, str] = {}
    for category, bounds in table.items():
        if category not in CATEGORIES:
            raise BadRules(f"rules.toml: there is no category {category!r}")
        for bound, entries in cast("dict[str, list[str]]", bounds).items():
            if bound == "mcc":
                codes |= dict.fromkeys(entries, category)
                continue
            for entry in entries:
                rule = own_rule(entry, category, bound)
                by_word[max(rule.words.split(), key=len)].append(rule)
    return {word: tuple(rules) for word, rules in by_word.items()}, codes

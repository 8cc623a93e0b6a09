"""The policy language: what a delegation demands of the arguments of an invocation.

A policy is a list of statements, all of which must hold:

    ["==" "!=", selector, value]            deep and typed: 1 is not true, text is not bytes
    ["<" "<=" ">" ">=", selector, integer]  false on anything that is not an integer
    ["like", selector, pattern]             `*` is any run of characters, `\\*` a star; text only
    ["not", statement]
    ["and" "or", [statement…]]              an empty list holds, for both: UCAN says so
    ["all" "any", selector, statement]      over the elements of a list or the values of a map

It is parsed once, into types, when a delegation is read: an operator that is not in this table, a
missing or surplus element, a wrong type, a policy too deep or too large is refused there, and the
delegation with it.  Nothing unknown is ever skipped: a limit that the verifier does not understand
is a limit that it would not hold.  Evaluation then cannot fail; it only says yes, or which
statement said no.  Its cost is bounded, because the author of a policy does not pay for it.

`any` over an empty collection is false here: UCAN leaves it open, and this reading is harmless.
Floats do not exist in our formats, so there are none to compare.

Source: UCAN Delegation 1.0.0, "Policy".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from . import limits
from .errors import CapabilityError, Code, WireError
from .selector import UNRESOLVED, Key, Selector, Unresolved, parse_selector
from .wire import Value


class _Meter:
    """Bounds one evaluation.

    What a policy costs is bounded by its own size, except where it looks at many values: in
    quantifiers, slices and deep comparisons.  These pay here.
    """

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise CapabilityError("a policy costs too much to evaluate", Code.TOO_MUCH)


@dataclass(frozen=True, slots=True)
class Equal:
    """`==` and `!=`."""

    selector: Selector
    value: Value
    negated: bool

    def holds(self, args: Value, meter: _Meter) -> bool:
        found = self.selector.resolve(args, meter.spend)
        if found is UNRESOLVED:
            return False
        return _same(found, self.value, meter) is not self.negated


@dataclass(frozen=True, slots=True)
class Order:
    """`<`, `<=`, `>`, `>=`."""

    selector: Selector
    sign: str
    bound: int
    compare: Callable[[int, int], bool] = field(repr=False)

    def holds(self, args: Value, meter: _Meter) -> bool:
        found = self.selector.resolve(args, meter.spend)
        # Not isinstance: true and false are integers to Python, and not to the policy.
        return type(found) is int and self.compare(found, self.bound)


@dataclass(frozen=True, slots=True)
class Like:
    """`like`: the literal pieces between the wildcards, one more than there are wildcards."""

    selector: Selector
    pieces: tuple[str, ...]

    def holds(self, args: Value, meter: _Meter) -> bool:
        found = self.selector.resolve(args, meter.spend)
        if not isinstance(found, str):
            return False
        meter.spend(1 + len(found) // 64)
        return _matches(self.pieces, found)


@dataclass(frozen=True, slots=True)
class Not:
    """`not`."""

    statement: Statement

    def holds(self, args: Value, meter: _Meter) -> bool:
        return not self.statement.holds(args, meter)


@dataclass(frozen=True, slots=True)
class Every:
    """`and`."""

    statements: tuple[Statement, ...]

    def holds(self, args: Value, meter: _Meter) -> bool:
        for statement in self.statements:  # noqa: SIM110  a generator costs more than the loop
            if not statement.holds(args, meter):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Either:
    """`or`."""

    statements: tuple[Statement, ...]

    def holds(self, args: Value, meter: _Meter) -> bool:
        for statement in self.statements:
            if statement.holds(args, meter):
                return True
        return not self.statements


@dataclass(frozen=True, slots=True)
class Quantified:
    """`all` and `any`.  `size` is the number of statements below, itself included."""

    selector: Selector
    of_all: bool
    statement: Statement
    size: int

    def holds(self, args: Value, meter: _Meter) -> bool:
        found = self.selector.resolve(args, meter.spend)
        if isinstance(found, dict):
            elements: Collection[Value] = found.values()
        elif isinstance(found, list):
            elements = found
        else:
            return False
        meter.spend(len(elements) * self.size)
        verdicts = (self.statement.holds(element, meter) for element in elements)
        return all(verdicts) if self.of_all else any(verdicts)


Statement: TypeAlias = Equal | Order | Like | Not | Every | Either | Quantified

_SIGNS: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

# Which part of a request a failed statement is about, by the first key that its selector names.
_CODES: Mapping[str, Code] = {
    "collection": Code.COLLECTION,
    "from": Code.DAYS,
    "to": Code.DAYS,
    "purpose": Code.PURPOSE,
    "terms": Code.TERMS,
    "under": Code.TERMS,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy."""

    statements: tuple[Statement, ...]

    def require(self, args: Mapping[str, Value]) -> None:
        """Return if every statement holds on `args`.

        Raises CapabilityError naming the selector of the first statement that does not, with the
        code of the argument that it looks at (`collection`, `days`, `purpose`, `terms`; else
        `command`), or `too-much` where evaluation would pass `POLICY_STEPS_MAX`.
        """
        values = dict(args)
        meter = _Meter(limits.POLICY_STEPS_MAX)
        for statement in self.statements:
            if not statement.holds(values, meter):
                selector = _culprit(statement, values, meter)
                raise CapabilityError(
                    f"the policy of a delegation does not allow these arguments: {selector.text}",
                    _code(selector),
                )


def _code(selector: Selector) -> Code:
    first = selector.steps[0] if selector.steps else None
    return _CODES.get(first.name, Code.COMMAND) if isinstance(first, Key) else Code.COMMAND


# --- reading --------------------------------------------------------------------------------------


def parse_policy(value: Value) -> Policy:
    """Read the `pol` of a delegation.  Raises WireError for what is not in the language."""
    if not isinstance(value, list):
        raise WireError("a policy is a list of statements")
    reader = _Reader()
    return Policy(tuple(reader.statement(item, 1) for item in value))


class _Reader:
    """Reads statements and counts them."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def statement(self, value: Value, depth: int) -> Statement:
        self.count += 1
        if self.count > limits.POLICY_STATEMENTS_MAX:
            raise WireError(f"a policy has more than {limits.POLICY_STATEMENTS_MAX} statements")
        if depth > limits.POLICY_DEPTH_MAX:
            raise WireError(f"a policy is nested deeper than {limits.POLICY_DEPTH_MAX} statements")
        if not isinstance(value, list) or not value:
            raise WireError("a statement of a policy is a list that begins with an operator")
        name, operands = value[0], value[1:]
        if not isinstance(name, str):
            raise WireError("an operator of a policy is text")
        if name in ("not", "and", "or"):
            return self._connective(name, operands, depth)
        if len(operands) != 2:
            raise WireError("a statement of a policy has an unknown operator or the wrong length")
        selector = parse_selector(operands[0])
        if name in ("all", "any"):
            before = self.count
            inner = self.statement(operands[1], depth + 1)
            return Quantified(selector, name == "all", inner, size=1 + self.count - before)
        return _leaf(name, selector, operands[1])

    def _connective(self, name: str, operands: Sequence[Value], depth: int) -> Statement:
        if len(operands) != 1:
            raise WireError(f"a policy has the wrong number of operands after {name}")
        if name == "not":
            return Not(self.statement(operands[0], depth + 1))
        items = operands[0]
        if not isinstance(items, list):
            raise WireError(f"what follows {name} in a policy is a list of statements")
        inner = tuple(self.statement(item, depth + 1) for item in items)
        return Every(inner) if name == "and" else Either(inner)


def _leaf(name: str, selector: Selector, operand: Value) -> Statement:
    if name in ("==", "!="):
        return Equal(selector, operand, negated=name == "!=")
    if name in _SIGNS:
        if type(operand) is not int:
            raise WireError("what a policy compares with < <= > >= is an integer")
        return Order(selector, name, operand, _SIGNS[name])
    if name == "like":
        return Like(selector, _pieces(operand))
    raise WireError("a policy has an operator that is not known")


_STAR = re.compile(r"\\\*|\*")


def _pieces(pattern: Value) -> tuple[str, ...]:
    if not isinstance(pattern, str) or len(pattern) > limits.PATTERN_CHARS_MAX:
        raise WireError(f"a pattern is text of at most {limits.PATTERN_CHARS_MAX} characters")
    pieces = [""]
    end = 0
    for match in _STAR.finditer(pattern):
        pieces[-1] += pattern[end : match.start()]
        if match.group() == "*":
            pieces.append("")
        else:
            pieces[-1] += "*"
        end = match.end()
    pieces[-1] += pattern[end:]
    return tuple(pieces)


# --- evaluating -----------------------------------------------------------------------------------


def _same(a: Value | Unresolved, b: Value, meter: _Meter) -> bool:
    """Deep equality that, unlike Python's, tells `1` from `true`."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list) and isinstance(b, list):
        meter.spend(1 + len(a))
        return len(a) == len(b) and all(_same(x, y, meter) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        meter.spend(1 + len(a))
        return a.keys() == b.keys() and all(_same(a[key], b[key], meter) for key in a)
    return a == b


def _matches(pieces: tuple[str, ...], text: str) -> bool:
    """Whether `text` is the pieces in order with anything between them.

    The leftmost place for each piece is as good as any other, so there is no backtracking.
    """
    if len(pieces) == 1:
        return text == pieces[0]
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in middle:
        position = text.find(piece, position, end)
        if position < 0:
            return False
        position += len(piece)
    return True


_ARGUMENTS = Selector(".", ())


def _culprit(statement: Statement, args: Value, meter: _Meter) -> Selector:
    """The selector of the statement to blame when `statement` does not hold on `args`.

    Of alternatives the one that came furthest is blamed: the right collection on the wrong days
    is a question of days.
    """
    if isinstance(statement, Every):
        return _first_failure(statement.statements, args, meter)[1]
    if isinstance(statement, Either):
        failures = [_progress(inner, args, meter) for inner in statement.statements]
        return max(failures, key=lambda failure: failure[0])[1]
    if isinstance(statement, Not):
        inner = statement.statement
        return _ARGUMENTS if isinstance(inner, Every | Either | Not) else inner.selector
    return statement.selector


def _progress(statement: Statement, args: Value, meter: _Meter) -> tuple[int, Selector]:
    if isinstance(statement, Every):
        return _first_failure(statement.statements, args, meter)
    return 0, _culprit(statement, args, meter)


def _first_failure(
    statements: Iterable[Statement], args: Value, meter: _Meter
) -> tuple[int, Selector]:
    for passed, inner in enumerate(statements):
        if not inner.holds(args, meter):
            return passed, _culprit(inner, args, meter)
    return 0, _ARGUMENTS

"""Remuneration: what is given for a licence, in a form that both sides count alike.

    {amount: [mantissa, scale], currency, per, cap: [mantissa, scale] | null}

`per` is one of four events, each of which both sides can count from what they signed:

    once        the grant was accepted: its first keys were made
    month       a month began while the grant held, the first with its acceptance
    read        a read: one invocation of which a window with pages was signed by both
    window-day  a day of data, the first time that a window with it was signed by both

Nothing else is counted: not what a reader did with the data, nor what it earned by it.  `cap` is
the most that is ever owed under one grant.  What is given is for a licence and never for the data:
`LICENCE` stands wherever such terms are shown, and paying changes nothing about taking back.

Terms from before had a text here.  It is still read, shown and signed; nobody can count by it, so
no account is kept of it.

Source: docs/adr/0019-paid-terms.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from .currency import (
    amount_from_value,
    amount_from_written,
    amount_value,
    check_currency,
    money,
)
from .errors import WireError
from .wire import Body, Value

LICENCE: Final = (
    "a licence for this purpose and this time, never a transfer; it can be taken back at any time, "
    "paid or not"
)
_WHAT = "terms: remuneration"
_KEYS = ("amount", "currency", "per", "cap")


class Per(StrEnum):
    """The event that something is given for."""

    ONCE = "once"
    MONTH = "month"
    READ = "read"
    WINDOW_DAY = "window-day"


_IN_WORDS: Final[Mapping[Per, str]] = {
    Per.ONCE: "once, when the grant is accepted",
    Per.MONTH: "for each month begun",
    Per.READ: "for each read",
    Per.WINDOW_DAY: "for each day of data, when it is read first",
}


@dataclass(frozen=True, slots=True)
class Remuneration:
    """`amount_minor` of `currency` for each event `per`, at most `cap_minor` for one grant."""

    amount_minor: int
    currency: str
    per: Per
    cap_minor: int | None = None

    def value(self) -> dict[str, Value]:
        cap = self.cap_minor
        return {
            "amount": amount_value(self.amount_minor, self.currency),
            "currency": self.currency,
            "per": self.per.value,
            "cap": None if cap is None else amount_value(cap, self.currency),
        }

    def words(self) -> str:
        """`2.50 EUR for each month begun, at most 30.00 EUR in all`."""
        said = f"{money(self.amount_minor, self.currency)} {_IN_WORDS[self.per]}"
        if self.cap_minor is None:
            return said
        return f"{said}, at most {money(self.cap_minor, self.currency)} in all"


def remuneration_from_value(value: Value) -> Remuneration:
    """Read the strict map.  Raises WireError."""
    body = Body.open(value, _WHAT, _KEYS)
    currency = check_currency(body.text("currency"), _WHAT)
    amount = amount_from_value(body.value("amount"), currency, _WHAT)
    cap = body.value("cap")
    return _checked(
        Remuneration(
            amount,
            currency,
            _per(body.value("per")),
            None if cap is None else amount_from_value(cap, currency, f"{_WHAT}: cap"),
        )
    )


def remuneration_from_mapping(written: Mapping[str, object]) -> Remuneration:
    """As a person writes it: `{amount: "2.50", currency: EUR, per: month}`, with a cap or without.

    Raises WireError, naming the key.
    """
    unknown = sorted(str(key) for key in written if key not in _KEYS)
    if unknown:
        raise WireError(f"{_WHAT}: the key {unknown[0][:64]!r} is not known")
    missing = [key for key in ("amount", "currency", "per") if written.get(key) is None]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        raise WireError(
            f"{_WHAT}: {' and '.join(missing)} {are} missing, as in "
            '`amount: "2.50"`, `currency: EUR`, `per: month`'
        )
    code = written["currency"]
    currency = check_currency(code if isinstance(code, str) else "", _WHAT)
    amount = amount_from_written(written["amount"], currency, f"{_WHAT}: amount")
    cap = written.get("cap")
    return _checked(
        Remuneration(
            amount,
            currency,
            _per(cast("Value", written["per"])),
            None if cap is None else amount_from_written(cap, currency, f"{_WHAT}: cap"),
        )
    )


def _per(value: Value) -> Per:
    try:
        return Per(cast("str", value))
    except ValueError:
        known = ", ".join(Per)
        raise WireError(f"{_WHAT}: per is not one of {known}") from None


def _checked(found: Remuneration) -> Remuneration:
    if found.cap_minor is not None:
        if found.per is Per.ONCE:
            raise WireError(f"{_WHAT}: what is given once has no cap")
        if found.cap_minor < found.amount_minor:
            raise WireError(f"{_WHAT}: the cap is less than one event")
    return found

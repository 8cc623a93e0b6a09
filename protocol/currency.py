"""Currencies: the closed list of ISO 4217, and amounts in whole units of the smallest coin.

An amount of money is a whole number of **minor units** (cents of EUR, yen of JPY) beside the code
of its currency, so that what is owed adds up exactly and can be paid to the last unit.  On the wire
it is `[mantissa, scale]` with exactly the scale of its currency: one amount has one form.

`MINOR_DIGITS` are the currencies in which something can be owed.  `PAST` are codes that were
withdrawn in the last decades: a record of 2001 may be in them, nothing new is.  Codes of funds,
metals, baskets and tests (CHE, XAU, XDR, XXX, …) are no money that somebody pays with.

The list changes about once a year; a new code is a new release of this program.

Source: ISO 4217, list one (alphabetic code, minor unit) and list three, as of January 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from .errors import WireError
from .limits import AMOUNT_MINOR_MAX
from .wire import Value

_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_TWO_DIGITS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
    USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_WITHDRAWN = """
    AFA ANG ATS AZM BEF BGN BYR CSD CUC CYP DEM EEK ESP FIM FRF GHC GRD HRK IEP ITL LTL LUF LVL MGF
    MRO MTL MZM NLG PTE ROL SDD SIT SKK SLL SRG STD TMM TRL VEB VEF YUM ZMK ZWD ZWL
"""
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


def _with(digits: int, codes: str) -> dict[str, int]:
    return dict.fromkeys(codes.split(), digits)


# Code -> digits after the point of its minor unit.
MINOR_DIGITS: Final[Mapping[str, int]] = MappingProxyType(
    _with(0, _NO_DIGITS) | _with(2, _TWO_DIGITS) | _with(3, _THREE_DIGITS)
)
PAST: Final = frozenset(_WITHDRAWN.split())

_WRITTEN = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?")


def is_currency(code: str, *, past: bool = False) -> bool:
    """Whether `code` is a currency of today, or with `past` one that a record may be in."""
    return code in MINOR_DIGITS or (past and code in PAST)


def check_currency(code: str, what: str = "an amount") -> str:
    """Return `code` if something can be owed in it.  Raises WireError."""
    if not is_currency(code):
        raise WireError(f"{what}: {code[:16]!r} is not a currency of ISO 4217, such as EUR")
    return code


def amount_value(amount_minor: int, currency: str) -> Value:
    """`[mantissa, scale]`: the one form on the wire."""
    return [amount_minor, MINOR_DIGITS[currency]]


def amount_from_value(value: Value, currency: str, what: str, *, low: int = 1) -> int:
    """Minor units, from the one form on the wire.  Raises WireError."""
    digits = MINOR_DIGITS[currency]
    match value:
        case [int(amount), int(scale)] if bool not in (type(amount), type(scale)):
            if scale != digits:
                raise WireError(f"{what}: an amount of {currency} has {digits} digits as its scale")
            if not low <= amount <= AMOUNT_MINOR_MAX:
                raise WireError(f"{what} is too small or too large")
            return amount
        case _:
            raise WireError(f"{what}: an amount is not a pair of mantissa and scale")


def amount_from_text(text: str, currency: str, what: str = "an amount") -> int:
    """`2.50` as minor units of `currency`: 250.  Raises WireError.

    An amount below the smallest coin is refused, and so is zero: nobody could pay it.
    """
    digits = MINOR_DIGITS[currency]
    found = _WRITTEN.fullmatch(text)
    if found is None:
        hint = f"; write {text.replace(',', '.')}" if re.fullmatch(r"\d{1,15},\d+", text) else ""
        raise WireError(f"{what} is written like 2.50, without its currency{hint}")
    places = (found[2] or "").rstrip("0")
    if len(places) > digits:
        raise WireError(f"{what}: {currency} has {digits} digits after the point")
    amount = int(found[1] + places.ljust(digits, "0"))
    if not 1 <= amount <= AMOUNT_MINOR_MAX:
        raise WireError(f"{what}: an amount is too small or too large")
    return amount


def amount_from_written(written: object, currency: str, what: str) -> int:
    """An amount of a file that a person wrote: text, a whole number, or the form on the wire.

    Raises WireError; for a number with a point too, whose last digit a program may have changed.
    """
    match written:
        case str():
            return amount_from_text(written, currency, what)
        case int() if not isinstance(written, bool):
            return amount_from_text(str(written), currency, what)
        case float():
            raise WireError(f'{what}: write the amount in quotes, as in "2.50"')
        case _:
            return amount_from_value(cast("Value", written), currency, what)


def amount_text(amount_minor: int, currency: str) -> str:
    """`2.50`: with exactly the digits of the currency, a minus in front of what is below zero."""
    digits = MINOR_DIGITS[currency]
    sign, whole = "-" if amount_minor < 0 else "", str(abs(amount_minor)).zfill(digits + 1)
    cut = len(whole) - digits
    return f"{sign}{whole[:cut]}.{whole[cut:]}" if digits else f"{sign}{whole}"


def money(amount_minor: int, currency: str) -> str:
    """`2.50 EUR`."""
    return f"{amount_text(amount_minor, currency)} {currency}"

"""Addresses: multiaddrs by which a device may be dialled.  Hints, never trusted."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import WireError
from .limits import ADDRESS_CHARS_MAX, ADDRESSES_MAX
from .wire import Value


def check_addresses(values: Sequence[Value], what: str, *, at_least: int = 0) -> tuple[str, ...]:
    """Addresses from outside, of the form of multiaddrs.  Raises WireError naming `what`."""
    if not at_least <= len(values) <= ADDRESSES_MAX:
        raise WireError(f"{what} names {at_least} to {ADDRESSES_MAX} addresses")
    found: list[str] = []
    for value in values:
        if (
            not isinstance(value, str)
            or not 1 < len(value) <= ADDRESS_CHARS_MAX
            or not value.startswith("/")
            or not value.isascii()
            or not value.isprintable()
        ):
            raise WireError(f"an address of {what} is not a multiaddr")
        found.append(value)
    return tuple(found)

"""Admission: whose connections are taken, before and after a key was proved.

    accepted ──▶ has this address leave? ──▶ a place among the unproved ──▶ key proved
                     no: closed at once          all taken: the oldest of whoever        │
                                                 has most gives way            has this key leave?

An address is all that is known of a connection before the handshake.  So an address (of IPv6, the
64 bits that one customer is given) has leave for a number of handshakes, which grows back; and
when the places for connections that have proved nothing are taken, the address that holds most of
them loses its oldest one.  A newcomer from elsewhere therefore always finds a place at once,
however many connections say nothing.  Who shares an address with a flood shares its leave.

A proved key has leave for connections too: whoever reconnects in a loop is made to wait.

No I/O; times are seconds of a clock that does not go back.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ..leave import Leave, Leaves

# Connections that have proved nothing yet.
UNPROVED_MAX = 32
# Handshakes of one address: a household behind one router after a power cut, or an office.
ADDRESS_MOST, ADDRESS_PER_S = 24.0, 2.0
# Handshakes of all addresses together.  One costs 3 to 5 ms of processor time: a flood from
# everywhere may take a twelfth of one processor.
ALL_MOST, ALL_PER_S = 64.0, 16.0
# Connections of one proved key: a telephone that comes and goes.
KEY_MOST, KEY_PER_S = 8.0, 0.25
# Connections whose key is proved that one address may hold: many devices behind one router, and a
# quarter of what a node holds at all.
HELD_MAX = 64
# Whom we remember for it, by address and by key.
NAMES_MAX = 8_192


@dataclass(slots=True, eq=False)
class Place:
    """A connection that has proved nothing yet, among those of `network`."""

    network: str
    give_way: Callable[[], None]


class Admission:
    """Decides on connections from outside."""

    def __init__(self, now_s: float) -> None:
        self._all = Leave(ALL_MOST, ALL_PER_S, now_s)
        self._addresses = Leaves(ADDRESS_MOST, ADDRESS_PER_S, NAMES_MAX)
        self._keys = Leaves(KEY_MOST, KEY_PER_S, NAMES_MAX)
        self._places: OrderedDict[Place, None] = OrderedDict()
        self._held: dict[str, int] = {}

    def arrives(self, host: str, give_way: Callable[[], None], now_s: float) -> Place | None:
        """A place for a connection from `host`; None: close it.

        `give_way` is called, at most once, if the place is needed for another before `leaves`.
        """
        network = network_of(host)
        if not self._addresses.take(network, now_s) or not self._all.take(now_s):
            return None
        place = Place(network, give_way)
        self._places[place] = None
        if len(self._places) > UNPROVED_MAX:
            self._make_room()
        return place

    def leaves(self, place: Place) -> None:
        """A connection has proved its key, or is gone.  Twice is once."""
        self._places.pop(place, None)

    def proved(self, place: Place, key: bytes, now_s: float) -> bool:
        """Whether the device with this key may have its connection; if so, tell `ended` later."""
        held = self._held.get(place.network, 0)
        if held >= HELD_MAX or not self._keys.take(key, now_s):
            return False
        self._held[place.network] = held + 1
        return True

    def ended(self, place: Place) -> None:
        """A connection that had proved its key is gone."""
        self._held[place.network] -= 1
        if not self._held[place.network]:
            del self._held[place.network]

    def _make_room(self) -> None:
        held: dict[str, int] = {}
        for place in self._places:
            held[place.network] = held.get(place.network, 0) + 1
        most = max(held.values())
        oldest = next(place for place in self._places if held[place.network] == most)
        del self._places[oldest]
        oldest.give_way()


def network_of(host: str) -> str:
    """Who an address stands for: itself; of IPv6 the /64, of IPv4 inside IPv6 the IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
    return str(address)

"""Public addresses: which of the addresses that a name resolves to may be connected to.

A name is chosen by a peer, its addresses by whoever runs its name server.  So that a node is not
made to knock on its own router, a neighbour's printer or a cloud's metadata service, only addresses
of the public internet are taken; and the one that was looked at is the one that is connected to, so
that a name that changes its answer in between (DNS rebinding) gains nothing.

An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is as public as that one.

Source: the IANA special-purpose address registries, by the module `ipaddress`.
"""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

IpAddress: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
# Given back to the public pool for routers, and answered by none that one would want; and NAT64 of
# a network's own, which may keep the inner address in other bits than the last: it can lead home.
_NEVER = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("fec0::/10"),
    ipaddress.ip_network("64:ff9b:1::/48"),
)


def is_public(text: str) -> bool:
    """Whether `text` is an address of the public internet, of one host."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # one with a scope, `fe80::1%eth0`, among them
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address in _NAT64 or address in _COMPATIBLE:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return _is_public(inner)
        if address.teredo is not None:
            return False
    return _is_public(address)


def _is_public(address: IpAddress) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not any(address in network for network in _NEVER)
    )

"""Lending on to a processor: what the commands `/grant/lend` and `/pair/read` say and answer.

    reader     /grant/lend   to its processor: what it lends on, who the owner of the data is to
                             the reader, and where
    processor  /pair/read    to the owner, as a stranger: the chain, and who it is

Source: ADR 28; formats.md, "Grant", "Pairing".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..crypto.keys import KEY_BYTES
from .address import check_addresses
from .command_parts import recipient
from .did import Did
from .limits import ADDRESSES_MAX, SIGNED_BYTES_MAX, TOKEN_BYTES_MAX
from .wire import VERSION, Body, Value

# The keys with which both sides of a chain that is shown say who they are: no name, no addresses.
READING = ("inception", "cert", "k")


@dataclass(frozen=True, slots=True)
class LendArgs:
    """`bundle` is what is lent on, as signed; `inception` and `cert` those of the owner of the
    data as the sender knows it, `addresses` where its device may be dialled."""

    to: Did
    bundle: bytes
    inception: bytes
    cert: bytes
    addresses: tuple[str, ...]

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "bundle": self.bundle,
            "inception": self.inception,
            "cert": self.cert,
            "addresses": list(self.addresses),
        }


@dataclass(frozen=True, slots=True)
class PairReadArgs:
    """What a processor says to the owner of data: the chain, who it is, its half of the key."""

    bundle: bytes
    inception: bytes
    cert: bytes
    k: bytes = field(repr=False)

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "bundle": self.bundle,
            "inception": self.inception,
            "cert": self.cert,
            "k": self.k,
        }


@dataclass(frozen=True, slots=True)
class PairReadOut:
    """What the owner answers: the persona at the root of the chain, its half of the key."""

    inception: bytes
    cert: bytes
    k: bytes = field(repr=False)

    def value(self) -> dict[str, Value]:
        return {"inception": self.inception, "cert": self.cert, "k": self.k}


def lend_args(body: Body) -> LendArgs:
    return LendArgs(
        recipient(body),
        body.data("bundle", bytes_max=SIGNED_BYTES_MAX),
        body.data("inception", bytes_max=TOKEN_BYTES_MAX),
        body.data("cert", bytes_max=TOKEN_BYTES_MAX),
        check_addresses(body.items("addresses", items_max=ADDRESSES_MAX), "what is lent on"),
    )


def read_args(body: Body) -> PairReadArgs:
    said = _reading(body)
    bundle = body.data("bundle", bytes_max=SIGNED_BYTES_MAX)
    return PairReadArgs(bundle, said.inception, said.cert, said.k)


def read_out(out: Value) -> PairReadOut:
    return _reading(Body.open(out, "the answer to a chain that was shown", READING))


def _reading(body: Body) -> PairReadOut:
    return PairReadOut(
        body.data("inception", bytes_max=TOKEN_BYTES_MAX),
        body.data("cert", bytes_max=TOKEN_BYTES_MAX),
        body.data("k", length=KEY_BYTES),
    )

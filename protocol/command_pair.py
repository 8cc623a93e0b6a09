"""Two strangers become a pair: what `/pair/open` says and answers.

Source: formats.md, "Pairing".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..crypto.keys import KEY_BYTES
from .address import check_addresses
from .limits import ADDRESSES_MAX, LINE_CHARS_MAX, TOKEN_BYTES_MAX
from .wire import VERSION, Body, Value

SECRET_BYTES = 16
# The keys with which both sides say who they are.
INTRODUCTION = ("inception", "cert", "name", "k", "addresses")


@dataclass(frozen=True, slots=True)
class PairOpenArgs:
    """What a scanner says: the invite's secret, who it is, and its half `k` of the pair key."""

    secret: bytes = field(repr=False)
    inception: bytes
    cert: bytes
    name: str
    k: bytes = field(repr=False)
    addresses: tuple[str, ...] = ()

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "secret": self.secret, **_introduction(self)}


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """What the inviter answers: who it is for this scanner, and its half `k` of the pair key."""

    inception: bytes
    cert: bytes
    name: str
    k: bytes = field(repr=False)
    addresses: tuple[str, ...] = ()

    def value(self) -> dict[str, Value]:
        return _introduction(self)


def open_args(body: Body) -> PairOpenArgs:
    answer = _pair_answer(body)
    return PairOpenArgs(
        body.data("secret", length=SECRET_BYTES),
        answer.inception,
        answer.cert,
        answer.name,
        answer.k,
        answer.addresses,
    )


def answer_out(out: Value) -> PairAnswer:
    return _pair_answer(Body.open(out, "the answer to an invite", INTRODUCTION))


def _introduction(said: PairOpenArgs | PairAnswer) -> dict[str, Value]:
    return {
        "inception": said.inception,
        "cert": said.cert,
        "name": said.name,
        "k": said.k,
        "addresses": list(said.addresses),
    }


def _pair_answer(body: Body) -> PairAnswer:
    return PairAnswer(
        body.data("inception", bytes_max=TOKEN_BYTES_MAX),
        body.data("cert", bytes_max=TOKEN_BYTES_MAX),
        body.text("name", chars_max=LINE_CHARS_MAX, chars_min=1),
        body.data("k", length=KEY_BYTES),
        check_addresses(body.items("addresses", items_max=ADDRESSES_MAX), "an introduction"),
    )

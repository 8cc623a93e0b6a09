"""Random tokens, chains and policies with a structure: most of them nearly good.

One seed gives one sequence of cases.  A case is an honest invocation under an honest chain, then
perhaps spoilt: a claim changed or dropped, a link exchanged, a byte of what is signed (and signed
again), a byte of the envelope.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.tests.interop.model_policy import holds
from entrenous.tests.protocol.forge import (
    DLG,
    IDENTITY,
    INV,
    VARSIG,
    Odd,
    Raw,
    base58_did,
    body,
    did,
    link,
    raw_did,
    token,
)

T = TypeVar("T")

NOW_S = 1_800_000_000
# Their check of an invocation's end reads the machine's clock, so tokens end far from any now.
END_S = 4_102_444_800
KEYS = [PersonaKey(bytes([n]) * 32) for n in range(1, 13)]
COMMANDS = ("/", "/a", "/a/b", "/ab", "/a/b/c", "/a/bc")
KEY_NAMES = ("a", "b", "c d", "e")
# What a claim may be changed to; some of it is right for some claims.
_P256 = base58_did(b"\x80\x24\x02" + bytes(range(32)))
_ELSEWHERE = link(cid_of(b"somewhere else"))
_ODD_VALUES: Sequence[Odd] = (
    None, True, -1, 0, NOW_S - 1, NOW_S, NOW_S + 1, END_S, 2**53 - 1, 2**53, 2**63, "soon", "", b"",
    b"x" * 64, b"x" * 65, [], [1], {}, {"x": 1}, {"x": _ELSEWHERE}, _P256, "did:web:example.com",
    did(KEYS[0]), did(KEYS[1]), did(KEYS[2]), "/a", "/A", "a", "/a/", "//", "/a b", "/a\u200b",
    "/" + "a" * 200, Raw(b"\xfb\x3f\xf8" + bytes(6)), Raw(b"\xfb\x3f\xf0" + bytes(6)), _ELSEWHERE,
    [_ELSEWHERE], Raw(b"\xf7"), Raw(b"\x18\x01"),
)  # fmt: skip
_NAMES = ("iss", "aud", "sub", "cmd", "pol", "nonce", "exp", "nbf", "meta", "args", "prf", "iat",
          "cause", "scope")  # fmt: skip
_TAGS = (DLG, INV, "ucan/dlg@1.0.0-rc.1", "ucan/dlg@", "ucan/dlg", "ucan/inv@2", "ucan/dlg@1@2",
         "ucan/dlg/x@1", "h2")  # fmt: skip
_HEADERS: Sequence[Odd] = (VARSIG[:-1] + b"\x5f", VARSIG + b"\0", VARSIG[:-1], b"", "h", None,
                           bytes.fromhex("3401ec0180241271"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One question to both programs.  `proofs` by the text of their CIDs."""

    kind: str
    token: bytes
    proofs: Mapping[str, bytes]


class Generator:
    """Cases from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def case(self) -> Case:
        """The next case."""
        chance = self._random.random()
        if chance < 0.005:
            return Case("delegation", _of_small_order(), {})
        args = self._args()
        if chance < 0.15:
            return Case("delegation", self._delegation(KEYS[0], KEYS[1], args, root=True), {})
        length = self._pick((0, 1, 1, 1, 1, 2, 2, 2, 3, 4, 8, 9))
        holders = self._holders(length)
        chain = [
            self._delegation(iss, aud, args, root=place == 0)
            for place, (iss, aud) in enumerate(pairwise(holders))
        ]
        return self._invocation(holders, chain, args)

    def _pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def _rarely(self, share: float) -> bool:
        return self._random.random() < share

    def _holders(self, length: int) -> list[PersonaKey]:
        holders = KEYS[: length + 1]
        if length > 1 and self._rarely(0.06):
            holders = [*holders[:-1], self._pick(holders[:-1])]
        return holders

    # tokens

    def _delegation(
        self, iss: PersonaKey, aud: PersonaKey, args: Mapping[str, Odd], *, root: bool
    ) -> bytes:
        claims: dict[str, Odd] = {
            "iss": did(iss), "aud": did(aud), "sub": did(KEYS[0]), "cmd": self._pick(COMMANDS[:3]),
            "pol": self._policy(args), "nonce": b"n" * 12, "exp": self._pick((END_S, END_S, None)),
        }  # fmt: skip
        if self._rarely(0.25 if not root else 0.03):
            claims["sub"] = None
        if self._rarely(0.1):
            claims["nbf"] = self._pick((0, NOW_S, NOW_S, NOW_S + 1))
        if self._rarely(0.03):
            claims["exp"] = self._pick((NOW_S, NOW_S - 1))
        if self._rarely(0.1):
            claims["meta"] = {"x": self._value(2)}
        return self._written(claims, DLG, iss)

    def _invocation(
        self, holders: Sequence[PersonaKey], chain: Sequence[bytes], args: Mapping[str, Odd]
    ) -> Case:
        named = list(chain)
        if named and self._rarely(0.06):
            self._random.shuffle(named)
        if named and self._rarely(0.04):
            named.pop(self._random.randrange(len(named)))
        if named and self._rarely(0.02):
            named.append(self._pick(named))
        iss = holders[-1] if not self._rarely(0.05) else self._pick(holders)
        claims: dict[str, Odd] = {
            "iss": did(iss), "sub": did(KEYS[0]), "cmd": self._pick(COMMANDS[1:]), "args": args,
            "prf": [link(cid_of(raw)) for raw in named], "nonce": b"n" * 12,
            "exp": self._pick((END_S, None)),
        }  # fmt: skip
        if self._rarely(0.3):
            claims["aud"] = did(KEYS[-1])
        if self._rarely(0.05):
            claims["sub"] = did(self._pick(holders))
        if self._rarely(0.05):
            claims[self._pick(("iat", "nbf"))] = NOW_S
        if self._rarely(0.03):
            claims["cause"] = _ELSEWHERE
        came = list(chain)
        if came and self._rarely(0.04):
            came.pop(self._random.randrange(len(came)))
        proofs = {cid_text(cid_of(raw)): raw for raw in came}
        return Case("invocation", self._written(claims, INV, iss), proofs)

    def _written(self, claims: dict[str, Odd], tag: str, key: PersonaKey) -> bytes:
        """The token, spoilt now and then."""
        header: Odd = VARSIG
        if self._rarely(0.07):
            self._spoil(claims)
        if self._rarely(0.01):
            tag = self._pick(_TAGS)
        if self._rarely(0.01):
            header = self._pick(_HEADERS)
        signed = body(claims, tag, header)
        if self._rarely(0.03):
            signed = self._shaken(signed)
        raw = token(signed, key if not self._rarely(0.01) else KEYS[-1])
        if self._rarely(0.02):
            raw = self._shaken(raw)
        if self._rarely(0.01):
            raw = b"\x83" + raw[1:] + b"\xf6"
        return raw

    def _spoil(self, claims: dict[str, Odd]) -> None:
        name = self._pick(_NAMES)
        if name in claims and self._rarely(0.3):
            del claims[name]
        else:
            claims[name] = self._pick(_ODD_VALUES)

    def _shaken(self, raw: bytes) -> bytes:
        """A few bytes changed, taken out, put in."""
        data = bytearray(raw)
        for _ in range(self._pick((1, 1, 2))):
            at = self._random.randrange(len(data))
            match self._random.randrange(4):
                case 0:
                    data[at] ^= 1 << self._random.randrange(8)
                case 1:
                    del data[at]
                case 2:
                    data.insert(at, self._random.randrange(256))
                case _:
                    data[at] = self._random.randrange(256)
        return bytes(data)

    # values and policies

    def _value(self, depth: int) -> Odd:
        if depth and self._rarely(0.4):
            if self._rarely(0.5):
                return [self._value(depth - 1) for _ in range(self._random.randrange(4))]
            names = self._random.sample(KEY_NAMES, self._random.randrange(4))
            return {name: self._value(depth - 1) for name in names}
        return self._pick(
            (None, True, False, 0, 1, 1, 2, -1, 2**40, 2**53 - 1, 2**53, 2**63 - 1, "", "a", "ab",
             "a*b", "a\\b", "a\nb", "é", "x.y", b"", b"\x01", b"ab")
        )  # fmt: skip

    def _args(self) -> dict[str, Odd]:
        args = {name: self._value(3) for name in KEY_NAMES if self._rarely(0.8)}
        if self._rarely(0.02):
            args["e"] = self._pick((Raw(b"\xfb\x3f\xf8" + bytes(6)), _ELSEWHERE, 2**63))
        return args

    def _policy(self, args: Mapping[str, Odd]) -> Odd:
        statements: list[Odd] = []
        for _ in range(self._pick((0, 1, 1, 2, 3))):
            # One that holds, nine times in ten: a chain where any link fails says little.
            tries = 1 if self._rarely(0.1) else 12
            for _ in range(tries):
                statement = self._statement(args, 2)
                if tries == 1 or holds((), [statement], args):
                    statements.append(statement)
                    break
        if self._rarely(0.01):
            statements.append(self._pick(
                (["in", ".a", [1]], [], ["==", ".a"], ["not"], "==", ["and", {}], ["==", "a", 1],
                 ["not", ["in", ".a", 1]], ["<", ".a", "1"], ["or", [["in", ".a", 1]]])
            ))  # fmt: skip
        return statements

    def _statement(self, args: Mapping[str, Odd], depth: int) -> Odd:
        make: Callable[[], Odd] = self._pick(
            (
                lambda: [self._pick(("==", "!=")), self._selector(), self._known(args)],
                lambda: [self._pick(("<", "<=", ">", ">=")), self._selector(),
                         self._pick((0, 1, 2, -1, 2**53, 2**53 - 1))],
                lambda: ["like", self._selector(), self._pattern()],
            )
            + (
                lambda: ["not", self._statement(args, depth - 1)],
                lambda: [self._pick(("and", "or")),
                         [self._statement(args, depth - 1)
                          for _ in range(self._random.randrange(3))]],
                lambda: [self._pick(("all", "any")), self._selector(),
                         self._statement(args, depth - 1)],
            ) * (depth > 0)
        )  # fmt: skip
        return make()

    def _known(self, args: Mapping[str, Odd]) -> Odd:
        """A value that the arguments have, or another."""
        if args and self._rarely(0.6):
            return self._pick(list(args.values()))
        return self._value(2)

    def _selector(self) -> str:
        steps = [
            self._pick((".a", ".b", ".e", ".f", '["c d"]', '["a"]', "[0]", "[1]", "[-1]", "[-3]",
                        "[1:]", "[:-1]", "[0:2]", "[]", ".constructor"))
            + self._pick(("", "", "", "", "?", "??"))
            for _ in range(self._pick((0, 1, 1, 1, 1, 2, 2, 3)))
        ]  # fmt: skip
        text = "".join(steps)
        return text if text.startswith(".") else f".{text}"

    def _pattern(self) -> str:
        pieces = [self._pick(("a", "b", "*", "*", "\\*", "\\", ".", "\n", "é")) for _ in range(3)]
        return "".join(pieces[: self._random.randrange(4)])


def _of_small_order() -> bytes:
    """Nobody has the secret of this key, and its signature verifies where one does not look."""
    name = raw_did(IDENTITY)
    claims: dict[str, Odd] = {
        "iss": name, "aud": did(KEYS[1]), "sub": name, "cmd": "/a", "pol": [], "nonce": b"",
        "exp": None,
    }  # fmt: skip
    return b"\x82\x58\x40" + IDENTITY + bytes(32) + body(claims)

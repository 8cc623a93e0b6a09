"""Negative vectors of claims and policies, each in an envelope that is signed as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from entrenous.protocol import limits
from entrenous.protocol.errors import Code
from entrenous.tests.protocol.forge import (
    ALICE,
    BOB,
    INV,
    NOW_S,
    Odd,
    asked,
    base58_did,
    body,
    did,
    dlg,
    given,
    inv,
    link,
    token,
    without,
)
from entrenous.tests.protocol.negative_case import Case, bad, bad_inv

_EMPTY: Odd = []
_POINT = b"\x02" + bytes(range(1, 33))
_CID = b"\x01\x71\x12\x20" + bytes(32)


def cases() -> Iterator[Case]:
    yield from _missing()
    yield from _principals()
    yield from _commands()
    yield from _others()
    yield from _policies()
    yield from _bombs()


def _missing() -> Iterator[Case]:
    for name in given():
        yield bad(f"without {name}", token(body(without(given(), name))), "claim")
    for name in without(asked(), "aud"):
        raw = token(body(without(asked(), name), INV))
        yield bad_inv(f"an invocation without {name}", raw, "claim")
    for name in ("scope", "prf", "fct", "args", "Iss", "cmd "):
        yield bad(f"the claim {name!r}, which is not known", dlg(**{name: _EMPTY}), "claim")
    for name in ("pol", "nbf", "fct"):
        yield bad_inv(f"an invocation with {name}", inv(**{name: _EMPTY}), "claim")


def _principals() -> Iterator[Case]:
    names: Mapping[str, Odd] = {
        "did:web": "did:web:example.com",
        "did:key of P-256": base58_did(b"\x80\x24" + _POINT),
        "did:key of secp256k1": base58_did(b"\xe7\x01" + _POINT),
        "did:key of X25519": base58_did(b"\xec\x01" + _POINT[:32]),
        "did:key of BLS12-381": base58_did(b"\xeb\x01" + bytes(range(96))),
        "did:key with 31 bytes": base58_did(b"\xed\x01" + _POINT[:31]),
        "did:key with 33 bytes": base58_did(b"\xed\x01" + _POINT),
        "did:key in base16": "did:key:f" + (b"\xed\x01" + _POINT[:32]).hex(),
        "did:key with a leading digit of zero": did(ALICE).replace(":z", ":z1"),
        "a DID with a fragment": f"{did(ALICE)}#{did(ALICE)[8:]}",
        "a DID with a query": did(ALICE) + "?x=1",
        "a DID in upper case": did(ALICE).replace("did:key", "DID:KEY"),
        "a DID with a space": did(ALICE) + " ",
        "a DID that is very long": "did:key:z" + "6" * 5_000,
        "nothing": "",
        "a number": 1,
        "bytes": did(ALICE).encode(),
    }
    for name, value in names.items():
        for claim in ("iss", "aud", "sub"):
            yield bad(f"{claim} is {name}", token(body({**given(), claim: value})), "claim")
    yield bad("iss is null", token(body({**given(), "iss": None})), "claim")
    yield bad("aud is null", token(body({**given(), "aud": None})), "claim")
    yield bad_inv("an invocation for the subject null", inv(sub=None), "claim")
    yield bad_inv("an invocation for the audience null", inv(aud=None), "claim")


def _commands() -> Iterator[Case]:
    yield Case("control: the command /", "delegation", dlg(cmd="/"))
    yield Case("control: a command in another script", "delegation", dlg(cmd="/ほげ/ふが"))
    for cmd in ("", "record/read", "/record/", "//", "/record//read", "/Record/read", "/É",
                "/record read", "/record\x00", "/record\n", "/record/\u200bread", "\u2215record",
                "/" + "a" * limits.COMMAND_CHARS_MAX):  # fmt: skip
        shown = cmd if len(cmd) < 20 else "that is too long"
        yield bad(f"the command {shown!a}", dlg(cmd=cmd), "claim")
    yield bad("the command null", dlg(cmd=None), "claim")
    yield bad("a command that is a list", dlg(cmd=["record", "read"]), "claim")
    yield bad_inv("an invocation of /Record/Read", inv(cmd="/Record/Read"), "claim")
    yield bad_inv("an invocation of /record/read/", inv(cmd="/record/read/"), "claim")


def _others() -> Iterator[Case]:
    times: Mapping[str, Odd] = {
        "negative": -1, "of 2^53": 2**53, "true": True, "as text": str(NOW_S), "in a list": [NOW_S],
        "of 64 bits": 2**63 - 1,
    }  # fmt: skip
    for name, value in times.items():
        yield bad(f"exp {name}", dlg(exp=value), "claim")
        yield bad(f"nbf {name}", dlg(nbf=value), "claim")
        yield bad_inv(f"exp of an invocation {name}", inv(exp=value), "claim")
        yield bad_inv(f"iat {name}", inv(iat=value), "claim")
    yield bad("nbf null", dlg(nbf=None), "claim")
    yield bad_inv("iat null", inv(iat=None), "claim")
    yield bad("a nonce of 65 bytes", dlg(nonce=bytes(65)), "claim")
    yield bad("a nonce as text", dlg(nonce="nonce"), "claim")
    yield bad("a nonce of null", dlg(nonce=None), "claim")
    yield bad("meta null", dlg(meta=None), "claim")
    yield bad("meta as a list", dlg(meta=[]), "claim")
    yield bad_inv("args as a list", inv(args=[]), "claim")
    yield bad_inv("args null", inv(args=None), "claim")
    yield bad_inv("prf as a map", inv(prf={}), "claim")
    yield bad_inv("prf of bytes instead of links", inv(prf=[_CID]), "claim")
    yield bad_inv("prf of text instead of links", inv(prf=["bafy"]), "claim")
    yield bad_inv("prf with a delegation inside", inv(prf=[dlg()]), "claim")
    yield bad_inv(
        "prf with a CID of another codec", inv(prf=[link(b"\x01\x55" + _CID[2:])]), "claim"
    )
    yield bad_inv("prf with a CID of another hash",
                  inv(prf=[link(b"\x01\x71\x13\x20" + bytes(32))]), "claim")  # fmt: skip
    yield bad_inv("prf with a CID of version 0", inv(prf=[link(b"\x12\x20" + bytes(32))]), "claim")
    yield bad_inv("cause as text", inv(cause="bafy"), "claim")
    yield bad_inv("cause null", inv(cause=None), "claim")
    many = [link(_CID)] * (limits.CHAIN_MAX + 1)
    yield bad_inv("more proofs named than a chain may have", inv(prf=many), "limit", Code.TOO_MUCH)


def _policies() -> Iterator[Case]:
    yield Case("control: every operator", "delegation", dlg(pol=[
        ["==", ".a", {"b": [1, None]}], ["!=", ".a", b""], ["<", ".a", 1], ["<=", ".a", 1],
        [">", ".a", 1], [">=", ".a", -1], ["like", ".a", "a\\*b*"], ["not", ["==", ".", {}]],
        ["and", []], ["or", []], ["all", ".a[]", ["any", ".b?", ["==", ".", 1]]],
        ["==", '.a["b c"][-1][1:-1]??', None],
    ]))  # fmt: skip
    wrong: Mapping[str, Odd] = {
        "null": None,
        "a map": {},
        "text": "==",
        "a statement outside a list": ["==", ".a", 1],
        "an empty statement": [[]],
        "a statement that is text": ["=="],
        "an operator that is not known": [["in", ".a", [1]]],
        "an operator that is not known, in not": [["not", ["in", ".a", [1]]]],
        "an operator that is not known, in or": [["or", [["==", ".a", 1], ["in", ".a", 1]]]],
        "an operator that is not known, in any": [["any", ".a", ["in", ".", 1]]],
        "an operator of the old specification": [["match", ".a", "*"]],
        "an operator in upper case": [["AND", []]],
        "an operator that is a number": [[1, ".a", 1]],
        "an operator that is empty": [["", ".a", 1]],
        "a typographic operator": [["≠", ".a", 1]],
        "an operand too few": [["==", ".a"]],
        "an operand too many": [["==", ".a", 1, 1]],
        "operands in another order": [["==", 1, ".a"]],
        "an order over text": [["<", ".a", "1"]],
        "an order over true": [["<", ".a", True]],
        "an order over null": [[">=", ".a", None]],
        "a pattern that is a number": [["like", ".a", 1]],
        "not without a statement": [["not"]],
        "not with two statements": [["not", ["==", ".a", 1], ["==", ".a", 2]]],
        "not over a list of statements": [["not", [["==", ".a", 1]]]],
        "and over one statement": [["and", ["==", ".a", 1]]],
        "and without a list": [["and"]],
        "or over a map": [["or", {}]],
        "or with two lists": [["or", [], []]],
        "all without a statement": [["all", ".a"]],
        "all over a list of statements": [["all", ".a", [["==", ".", 1]]]],
        "any without a selector": [["any", ["==", ".", 1]]],
    }
    for name, pol in wrong.items():
        yield bad(f"policy: {name}", dlg(pol=pol), "policy")
    for selector in (
        "", "a", "..", ".a..b", ".a.", ".a b", ".a-b", ".1", "[0]", ".[0", ".[x]", ".[0:1:2]",
        ".[:]", ".[--1]", ".[+1]", ".[1.5]", ".[12345678901]", '.["a', '.["a\\n"]', ".['a']",
        ".a | .b", ".a[0].[1]", "?", ".?", ".*", ".[*]", ".a\n", ".a()", "$.a", ".é", ".a[]b",
    ):  # fmt: skip
        yield bad(f"selector {selector!a}", dlg(pol=[["==", selector, 1]]), "policy")
    yield bad("selector that is null", dlg(pol=[["==", None, 1]]), "policy")
    yield bad("selector that is a path", dlg(pol=[["==", ["a", "b"], 1]]), "policy")


def _nested(depth: int) -> Odd:
    statement: Odd = ["==", ".", 1]
    for _ in range(depth - 1):
        statement = ["not", statement]
    return statement


def _bombs() -> Iterator[Case]:
    at = limits.POLICY_DEPTH_MAX
    yield Case("control: a policy of the greatest depth", "delegation", dlg(pol=[_nested(at)]))
    yield bad("a policy one deeper", dlg(pol=[_nested(at + 1)]), "policy")
    many: list[Odd] = [["==", ".a", 1]] * (limits.POLICY_STATEMENTS_MAX + 1)
    yield bad("a policy of one statement too many", dlg(pol=many), "policy")
    hidden: Odd = [["or", [["==", ".a", 1]] * limits.POLICY_STATEMENTS_MAX]]
    yield bad("a policy of too many statements inside one", dlg(pol=hidden), "policy")
    long = "*" * (limits.PATTERN_CHARS_MAX + 1)
    yield bad("a pattern that is too long", dlg(pol=[["like", ".a", long]]), "policy")
    yield bad("a selector that is too long", dlg(pol=[["==", "." + "a" * 256, 1]]), "policy")
    yield bad("a selector of too many steps", dlg(pol=[["==", ".a" * 17, 1]]), "policy")

    def used(name: str, pol: Odd, args: Odd, code: Code = Code.TOO_MUCH) -> Case:
        proof = dlg(pol=pol)
        return bad_inv(name, inv(BOB, [proof], args=args), "limit", code, [proof])

    zeros: Odd = [0] * 10_000
    yield used("a quantifier over many statements",
               [["all", ".a", ["and", [["==", ".", 0]] * 400]]], {"a": zeros})  # fmt: skip
    both: Odd = ["and", [["==", ".", 0], ["==", ".", 0]]]
    yield used("quantifiers in quantifiers", [["all", ".a", ["all", ".", ["all", ".", both]]]],
               {"a": [[[0] * 35] * 35] * 35})  # fmt: skip
    yield used("slices of slices", [["!=", ".a" + "[0:]" * 15, 1]] * 100, {"a": zeros})
    yield used("the values of a map, again and again", [["!=", ".a[]", 1]] * 100,
               {"a": {f"{n:04}": n for n in range(2_000)}})  # fmt: skip
    each: Odd = ["all", ".a", ["==", ".", [0] * 3_000]]
    yield used("a deep comparison, again and again", [each] * 3, {"a": [[0] * 3_000] * 12})
    yield used("patterns over long text", [["like", ".a", "*a*"]] * 160, {"a": "a" * 40_000})

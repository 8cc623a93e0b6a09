"""Negative vectors of chains and of calls: each token is good, and together they give nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol import limits
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.errors import Code
from entrenous.tests.protocol.forge import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ERIN,
    INV,
    NOW_S,
    Odd,
    asked,
    body,
    did,
    dlg,
    inv,
    link,
    token,
    without,
)
from entrenous.tests.protocol.negative_case import Case, Fault, bad_inv

_A = did(ALICE)


def cases() -> Iterator[Case]:
    yield from _proofs()
    yield from _alignment()
    yield from _powerlines()
    yield from _narrowing()
    yield from _times()
    yield from _calls()


def _use(
    name: str,
    key: PersonaKey,
    chain: Sequence[bytes],
    fault: Fault | None = None,
    code: Code | None = None,
    *,
    proofs: Sequence[bytes] | None = None,
    **claims: Odd,
) -> Case:
    """`key` invokes under `chain`; `proofs` are sent with it, if others than the chain."""
    came = tuple(chain if proofs is None else proofs)
    return Case(name, "invocation", inv(key, chain, **claims), came, code, fault)


def _two() -> list[bytes]:
    return [dlg(), dlg(BOB, CAROL)]


def _long(length: int) -> tuple[list[bytes], PersonaKey]:
    keys = [ALICE, *(PersonaKey(bytes([100 + n]) * 32) for n in range(length))]
    return [dlg(a, b) for a, b in pairwise(keys)], keys[-1]


def _proofs() -> Iterator[Case]:
    two = _two()
    yield _use("control: two links", CAROL, two)
    yield _use("control: the same proofs in another order", CAROL, two, proofs=two[::-1])
    unknown: tuple[Fault, Code] = ("proofs", Code.UNKNOWN_GRANT)
    malformed: tuple[Fault, Code] = ("proofs", Code.MALFORMED)
    yield _use("another's data without a proof", BOB, [], "root", Code.UNKNOWN_GRANT)
    yield _use("a proof that did not come", CAROL, two, *unknown, proofs=two[:1])
    yield _use("no proof came", CAROL, two, *unknown, proofs=[])
    yield _use("another delegation in its place", CAROL, two, *unknown,
               proofs=[two[0], dlg(BOB, CAROL, nonce=b"another one.")])  # fmt: skip
    yield _use(
        "a proof more than is named", CAROL, two, *malformed, proofs=[*two, dlg(ALICE, DAVE)]
    )
    yield _use("a proof twice", CAROL, two, *malformed, proofs=[*two, two[0]])
    yield _use("a proof with the subject's own invocation", ALICE, [], *malformed, proofs=[dlg()])
    yield _use("a delegation named twice", BOB, [two[0]] * 2, *malformed, proofs=two[:1])
    yield _use("a proof that is garbage", BOB, [b"\x01"], "envelope", Code.MALFORMED)
    # Its CID is right, and it still is not a token that anyone should read.
    forged = token(body({"iss": _A, "aud": did(BOB), "sub": _A, "cmd": "/record/read", "pol": [],
                         "nonce": b"x", "exp": None}), DAVE)  # fmt: skip
    yield _use("a proof that is not by its issuer", BOB, [forged], "signature", Code.MALFORMED)
    yield _use("an invocation as a proof", BOB, [inv()], "envelope", Code.MALFORMED)
    three = b"\x83" + dlg()[1:] + b"\xf6"
    yield _use("a proof of three elements", BOB, [three], "envelope", Code.MALFORMED)
    chain, last = _long(limits.CHAIN_MAX)
    yield _use("control: a chain of the greatest length", last, chain)


def _alignment() -> Iterator[Case]:
    two = _two()
    unrooted: tuple[Fault, Code] = ("root", Code.UNKNOWN_GRANT)
    audience: tuple[Fault, Code] = ("audience", Code.AUDIENCE)
    subject: tuple[Fault, Code] = ("subject", Code.UNKNOWN_GRANT)
    cycle: tuple[Fault, Code] = ("cycle", Code.MALFORMED)
    yield _use("the chain from its end", CAROL, two[::-1], *unrooted)
    yield _use("a chain without its root", CAROL, two[1:], *unrooted)
    yield _use("a gap", DAVE, [dlg(), dlg(CAROL, DAVE)], *audience)
    yield _use("someone else's chain", DAVE, two, *audience)
    yield _use("one who passed it on and has it no more by this chain", BOB, two, *audience)
    yield _use("the subject under its own chain", ALICE, two, *audience)
    yield _use("the subject changes on the way", CAROL, [dlg(), dlg(BOB, CAROL, sub=did(BOB))],
               *subject)  # fmt: skip
    yield _use("the subject changes and changes back", DAVE,
               [dlg(), dlg(BOB, CAROL, sub=did(BOB)), dlg(CAROL, DAVE)], *subject)  # fmt: skip
    yield _use("another subject than the chain's", CAROL, two, *subject, sub=did(BOB))
    yield _use("another subject, whom the chain passes", CAROL, two, *subject, sub=did(CAROL))
    yield _use("a delegation to oneself", ALICE, [dlg(ALICE, ALICE)], *cycle)
    yield _use("a link to oneself", BOB, [dlg(), dlg(BOB, BOB)], *cycle)
    yield _use("a chain back to the subject", ALICE, [dlg(), dlg(BOB, ALICE)], *cycle)
    yield _use("a chain that passes someone twice", BOB,
               [dlg(), dlg(BOB, CAROL), dlg(CAROL, BOB)], *cycle)  # fmt: skip
    yield _use("meant for another", BOB, [dlg()], *audience, aud=did(ERIN))
    raw = token(body(without(asked(BOB, [dlg()]), "aud"), INV), BOB)
    yield bad_inv("meant for the subject and sent to a device", raw, *audience, [dlg()])


def _powerlines() -> Iterator[Case]:
    unrooted: tuple[Fault, Code] = ("root", Code.UNKNOWN_GRANT)
    line = dlg(BOB, CAROL, sub=None)
    yield _use("control: a powerline at the end", CAROL, [dlg(), line])
    yield _use("control: a powerline in the middle", DAVE, [dlg(), line, dlg(CAROL, DAVE)])
    yield _use("control: two powerlines", DAVE, [dlg(), line, dlg(CAROL, DAVE, sub=None)])
    yield _use("a powerline as the root", BOB, [dlg(sub=None)], *unrooted)
    yield _use("a powerline as the root, of another", CAROL, [line], *unrooted)
    yield _use("a powerline as the root, the subject after it", CAROL,
               [dlg(sub=None), dlg(BOB, CAROL)], *unrooted)  # fmt: skip
    yield _use("nothing but powerlines", CAROL, [dlg(sub=None), line], *unrooted)
    yield _use("a powerline used for another subject", CAROL, [dlg(), line], "subject",
               Code.UNKNOWN_GRANT, sub=did(BOB))  # fmt: skip
    yield _use("a subject that changes behind a powerline", DAVE,
               [dlg(), line, dlg(CAROL, DAVE, sub=did(BOB))], "subject",
               Code.UNKNOWN_GRANT)  # fmt: skip
    yield _use("a powerline over a wider command", CAROL,
               [dlg(), dlg(BOB, CAROL, sub=None, cmd="/record")], "command",
               Code.COMMAND)  # fmt: skip
    yield _use("a powerline that has expired", CAROL,
               [dlg(), dlg(BOB, CAROL, sub=None, exp=NOW_S - 1)], "time", Code.EXPIRED)  # fmt: skip
    yield _use("a powerline whose policy forbids it", CAROL,
               [dlg(), dlg(BOB, CAROL, sub=None, pol=[["==", ".x", 1]])], "arguments",
               Code.COMMAND)  # fmt: skip


def _narrowing() -> Iterator[Case]:
    command: tuple[Fault, Code] = ("command", Code.COMMAND)
    for given, used in (
        ("/crypto", "/cryptocurrency"),
        ("/crypto/a", "/crypto"),
        ("/crypto/a", "/crypto/ab"),
        ("/crypto", "/"),
        ("/crypto", "/stack/pop"),
        ("/a/b", "/a/c/b"),
    ):
        yield _use(f"{used} under {given}", BOB, [dlg(cmd=given)], *command, cmd=used)
        chain = [dlg(cmd=given), dlg(BOB, CAROL, cmd=used)]
        yield _use(f"{used} delegated under {given}", CAROL, chain, *command, cmd=used)
    yield _use("control: a narrower command", BOB, [dlg(cmd="/")], cmd="/crypto/a")
    yield _use("a command widened back", DAVE,
               [dlg(), dlg(BOB, CAROL, cmd="/record/read/one"), dlg(CAROL, DAVE)],
               *command, cmd="/record/read")  # fmt: skip

    def under(name: str, args: Odd, *policies: Odd, code: Code) -> Case:
        keys = (ALICE, BOB, CAROL, DAVE)
        chain = [dlg(keys[n], keys[n + 1], pol=pol) for n, pol in enumerate(policies)]
        return _use(name, keys[len(policies)], chain, "arguments", code, args=args)

    days = [[">=", ".from", 10], ["<=", ".to", 20]]
    wider = [[">=", ".from", 0], ["<=", ".to", 99]]
    yield under(
        "a policy that a delegate widened", {"from": 5, "to": 15}, days, wider, code=Code.DAYS
    )
    yield under("a policy that a delegate dropped", {"from": 5, "to": 15}, days, [], code=Code.DAYS)
    yield under(
        "a policy that only the last link has", {"from": 5, "to": 15}, [], days, code=Code.DAYS
    )
    yield under("a policy of the middle link", {"from": 5, "to": 15}, [], days, [], code=Code.DAYS)
    yield under("a day too many", {"from": 10, "to": 21}, days, code=Code.DAYS)
    yield under("days as text", {"from": "10", "to": "20"}, days, code=Code.DAYS)
    yield under("days as true", {"from": True, "to": True}, [[">=", ".from", 1]], code=Code.DAYS)
    yield under("days left out", {}, days, code=Code.DAYS)
    yield under("another purpose", {"purpose": "marketing"}, [["==", ".purpose", "audit"]],
                code=Code.PURPOSE)  # fmt: skip
    yield under("one is not true", {"a": True}, [["==", ".a", 1]], code=Code.COMMAND)
    yield under("text is not bytes", {"a": b"x"}, [["==", ".a", "x"]], code=Code.COMMAND)
    yield under("null is not a missing step", {}, [["==", ".a.b", None]], code=Code.COMMAND)
    yield under("null is not false", {"a": None}, [["==", ".a", False]], code=Code.COMMAND)
    yield under("composed é is not decomposed é", {"a": "e\u0301"}, [["==", ".a", "\u00e9"]],
                code=Code.COMMAND)  # fmt: skip
    yield under("one element more", {"a": [1, 2, 3]}, [["==", ".a", [1, 2]]], code=Code.COMMAND)
    yield under(
        "one key more", {"a": {"x": 1, "y": 2}}, [["==", ".a", {"x": 1}]], code=Code.COMMAND
    )
    yield under(
        "a nested one is not true", {"a": [[True]]}, [["==", ".a", [[1]]]], code=Code.COMMAND
    )
    yield under("unequal to what is not there", {"a": []}, [["!=", ".a[0]", 1]], code=Code.COMMAND)
    yield under("any of nothing", {"a": []}, [["any", ".a", ["==", ".", 1]]], code=Code.COMMAND)
    yield under("all of what is no collection", {"a": "x"}, [["all", ".a", ["==", ".", "x"]]],
                code=Code.COMMAND)  # fmt: skip
    yield under("all but one", {"a": {"x": 1, "y": 2}}, [["all", ".a", ["==", ".", 1]]],
                code=Code.COMMAND)  # fmt: skip
    yield under("an index beyond the list", {"a": [1]}, [["==", ".a[1]", None]], code=Code.COMMAND)
    yield under("an index before the list", {"a": [1]}, [["==", ".a[-2]", 1]], code=Code.COMMAND)
    yield under("a slice leaves the last out", {"a": [1, 2]}, [["==", ".a[0:-1]", [1, 2]]],
                code=Code.COMMAND)  # fmt: skip
    yield under("an escaped star is no wildcard", {"a": "ab"}, [["like", ".a", "a\\*"]],
                code=Code.COMMAND)  # fmt: skip
    yield under("a dot is no wildcard", {"a": "ab"}, [["like", ".a", "a."]], code=Code.COMMAND)
    yield under("a pattern is for the whole text", {"a": "xaby"}, [["like", ".a", "ab"]],
                code=Code.COMMAND)  # fmt: skip
    yield under("a pattern ends where the text does", {"a": "ab\n"}, [["like", ".a", "ab"]],
                code=Code.COMMAND)  # fmt: skip
    yield under("pieces of a pattern do not overlap", {"a": "aba"}, [["like", ".a", "ab*ba"]],
                code=Code.COMMAND)  # fmt: skip
    yield under("not of what holds", {"a": 1}, [["not", ["==", ".a", 1]]], code=Code.COMMAND)
    yield under("not of an empty or", {}, [["not", ["or", []]]], code=Code.COMMAND)
    yield under("not of an empty and", {}, [["not", ["and", []]]], code=Code.COMMAND)
    yield under("a key that hides behind a prototype", {}, [["!=", ".constructor", None]],
                code=Code.COMMAND)  # fmt: skip


def _times() -> Iterator[Case]:
    expired: tuple[Fault, Code] = ("time", Code.EXPIRED)
    early: tuple[Fault, Code] = ("time", Code.NOT_YET)
    yield _use("control: in the last second", BOB, [dlg(exp=NOW_S)], exp=NOW_S)
    yield _use("control: in the first second", BOB, [dlg(nbf=NOW_S)])
    yield _use("control: without end", BOB, [dlg(exp=None)])
    yield _use("a root that expired a second ago", BOB, [dlg(exp=NOW_S - 1)], *expired)
    yield _use("a link that expired a second ago", CAROL, [dlg(), dlg(BOB, CAROL, exp=NOW_S - 1)],
               *expired)  # fmt: skip
    yield _use("a link that outlives its expired root", CAROL,
               [dlg(exp=NOW_S - 1), dlg(BOB, CAROL, exp=None)], *expired)  # fmt: skip
    yield _use("a root of the second to come", BOB, [dlg(nbf=NOW_S + 1)], *early)
    yield _use("a link of the second to come", CAROL, [dlg(), dlg(BOB, CAROL, nbf=NOW_S + 1)],
               *early)  # fmt: skip
    yield _use("a delegation of the first second of 1970", BOB, [dlg(exp=0)], *expired)
    yield _use("an end before its beginning", BOB, [dlg(nbf=NOW_S + 9, exp=NOW_S - 9)], *early)
    yield _use("an invocation that expired a second ago", BOB, [dlg()], *expired, exp=NOW_S - 1)
    yield _use("the subject's own, expired", ALICE, [], *expired, exp=NOW_S - 1)


# --- calls at a node's door -----------------------------------------------------------------------

_TERMS = cid_text(cid_of(b"terms"))
_READ: dict[str, Odd] = {
    "v": 1, "collection": "energy/gas/load-curve", "from": 20_000, "to": 20_009,
    "purpose": "dpv:ServiceProvision", "terms": _TERMS, "under": [],
}  # fmt: skip


def _windows(first: int = 20_000, last: int = 20_009) -> Odd:
    clause = [["==", ".collection", "energy/gas/load-curve"], [">=", ".from", first],
              ["<=", ".to", last]]  # fmt: skip
    return ["or", [["and", clause]]]


_POL: list[Odd] = [
    ["==", ".purpose", "dpv:ServiceProvision"], ["==", ".terms", _TERMS], _windows(),
]  # fmt: skip
_LIVES = NOW_S + 86_400 * 365 * 20


def _calls() -> Iterator[Case]:
    def read(name: str, code: Code | None, grant: bytes | None = None, **claims: Odd) -> Case:
        root = dlg(pol=_POL, exp=_LIVES) if grant is None else grant
        asks = {"args": _READ, **claims}
        return Case(name, "read", inv(BOB, [root], **asks), (root,), code, "call" if code else None)

    args = _READ
    yield read("control: a read", None)
    yield read("a read without end", Code.MALFORMED, exp=None)
    yield read("a read that ends an hour from now", Code.NOT_YET, exp=NOW_S + 3_600)
    yield read("a read for another device", Code.AUDIENCE, aud=did(ERIN))
    root = dlg(pol=_POL, exp=_LIVES)
    nobody = token(body(without(asked(BOB, [root], args=args), "aud"), INV), BOB)
    yield Case("a read for no device", "read", nobody, (root,), Code.AUDIENCE, "call")
    yield read("an argument that is not known", Code.MALFORMED, args={**args, "more": 1})
    yield read("an argument left out", Code.MALFORMED, args=without(args, "v"))
    yield read("a read of version 2", Code.VERSION, args={**args, "v": 2})
    yield read("from as true", Code.MALFORMED, args={**args, "from": True})
    yield read("from after to", Code.MALFORMED, args={**args, "from": 20_009, "to": 20_000})
    yield read("a collection that climbs", Code.MALFORMED,
               args={**args, "collection": "energy/gas/../load-curve"})  # fmt: skip
    yield read("a collection in upper case", Code.MALFORMED,
               args={**args, "collection": "Energy/gas/load-curve"})  # fmt: skip
    yield read("terms that are no CID", Code.MALFORMED, args={**args, "terms": "bafy"})
    yield read("a day beyond the grant", Code.DAYS, args={**args, "to": 20_010})
    yield read("another collection", Code.COLLECTION,
               args={**args, "collection": "energy/water/load-curve"})  # fmt: skip
    yield read("another purpose than the grant's", Code.PURPOSE,
               args={**args, "purpose": "dpv:Marketing"})  # fmt: skip
    yield read("other terms than the grant's", Code.TERMS,
               args={**args, "terms": cid_text(cid_of(b"others"))})  # fmt: skip
    yield read("terms of a sub-delegator that is not there", Code.TERMS,
               args={**args, "under": [_TERMS]})  # fmt: skip
    yield read("a grant without end", Code.MALFORMED, dlg(pol=_POL, exp=None))
    yield read("a grant of every command", Code.COMMAND, dlg(pol=_POL, exp=_LIVES, cmd="/"))
    yield read("a grant without a policy", Code.MALFORMED, dlg(pol=[], exp=_LIVES))
    yield read("a grant with a statement more", Code.MALFORMED,
               dlg(pol=[*_POL, ["==", ".v", 1]], exp=_LIVES))  # fmt: skip
    yield read("a grant by a pattern", Code.MALFORMED,
               dlg(pol=[*_POL[:2], ["like", ".collection", "energy/*"]], exp=_LIVES))  # fmt: skip
    yield read("a grant that this node did not give", Code.UNKNOWN_GRANT,
               dlg(pol=_POL, exp=_LIVES, nonce=b"unknown"))  # fmt: skip
    own: dict[str, Odd] = {"v": 1, "to": _A, "grant": _TERMS, "terms": _TERMS}

    def said(name: str, code: Code | None, key: PersonaKey = BOB, **claims: Odd) -> Case:
        asks: dict[str, Odd] = {"sub": did(key), "cmd": "/grant/accept", "args": own, **claims}
        return Case(name, "own", inv(key, [], **asks), (), code, "call" if code else None)

    yield said("control: said in one's own name", None)
    yield said("said by one who is not paired", Code.UNPAIRED, CAROL)
    yield said("said to another", Code.UNPAIRED, args={**own, "to": did(CAROL)})
    yield said("said in the name of another", Code.UNKNOWN_GRANT, sub=_A)
    yield said("a command that nobody knows", Code.COMMAND, cmd="/grant/everything")
    yield said("an argument more", Code.MALFORMED, args={**own, "__proto__": {}})
    yield said("under a proof that it does not need", Code.COMMAND, prf=[link(cid_of(dlg()))])

"""The worked examples of docs/spec.md: a helper, its lease, what it keeps and what it returns."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from entrenous.crypto.canonical import encode
from entrenous.crypto.digest import sha256
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.protocol.capability import Invocation, issue_invocation
from entrenous.protocol.command import (
    Cmd,
    HelperAskArgs,
    HelperDecideArgs,
    HelperHaveArgs,
    HelperKeepArgs,
    HelperOverArgs,
    HelperReceiptArgs,
    HelperServesArgs,
)
from entrenous.protocol.did import did_of
from entrenous.protocol.grant import read_grant
from entrenous.protocol.helped import (
    Kept,
    KeptPage,
    KeptPages,
    KeptSegment,
    KeptStatement,
    Served,
    Shelf,
    Stands,
    make_lease,
    parts_of,
)
from entrenous.protocol.limits import INVOCATION_LIFE_S, LEASE_S_MAX
from entrenous.protocol.persona import Certificate
from entrenous.protocol.receipt import Receipt, countersign, countersigned, sign_receipt
from entrenous.protocol.window import Window

from . import spec_words
from .spec_world import (
    DAY,
    PATH,
    T_MS,
    T_S,
    Cbor,
    Example,
    cast,
    delivered,
    random,
    sealed_pages,
    signed,
    vouched,
)

_ADDRESS = "/ip4/192.0.2.9/tcp/4001"


@cache
def helper_device() -> DeviceKey:
    return DeviceKey(random("device of the helper", 32))


@cache
def helper() -> PersonaKey:
    return PersonaKey(random("helper", 32))


@cache
def lease() -> Certificate:
    device = did_of(helper_device().public)
    return make_lease(cast().person, device=device, exp_s=T_S + LEASE_S_MAX, now_ms=T_MS)


@cache
def shelf() -> Shelf:
    grant = read_grant(spec_words.bundle().grant.delegation)
    served = Served(grant, spec_words.keyset().signed.raw)
    return Shelf(did_of(cast().supplier.public), lease(), (served,))


@cache
def stands() -> Stands:
    return Stands(((did_of(cast().person.public), did_of(cast().supplier.public)),))


@cache
def pages() -> KeptPages:
    segment = vouched()
    statement, days = delivered()
    leaves = [entry.leaf() for entry in segment.entries]
    given = tuple(
        KeptPage(entry, entry.encoded(), segment.head.cid, leaves.index(entry.leaf()), ciphertext)
        for entry, ciphertext in sealed_pages()[:2]
    )
    return KeptPages(
        PATH,
        (KeptSegment(segment.head, segment.leaves),),
        (KeptStatement(statement, tuple(day.leaf for day in days), ()),),
        given,
    )


@cache
def call() -> Invocation:
    """The read of the chapter before, for the helper's device."""
    who = cast()
    return issue_invocation(
        who.supplier,
        sub=did_of(who.person.public),
        aud=did_of(helper_device().public),
        cmd=Cmd.READ,
        args=spec_words.bundle().args(Window(PATH, DAY, DAY + 1)).value(),
        prf=[spec_words.bundle().grant.cid],
        exp=T_S + INVOCATION_LIFE_S,
        nonce=random("nonce of a read from the helper", 16),
    )


@cache
def receipt() -> Receipt:
    body = replace(spec_words.receipt().body, inv=call().cid, server=did_of(helper_device().public))
    served = sign_receipt(body, helper_device())
    return countersigned(served, countersign(served, cast().supplier))


def keep_args(kept: Kept) -> HelperKeepArgs:
    parts = tuple((sha256(part), len(part)) for part in parts_of(kept))
    return HelperKeepArgs(did_of(helper().public), parts)


def helping() -> Example:
    to, owner = did_of(helper().public), did_of(cast().person.public)
    reader, device = did_of(cast().supplier.public), did_of(helper_device().public)
    ids = tuple(sorted(one.entry.page_id for one in pages().pages))
    have = HelperHaveArgs(to, PATH, 0, 65_535, ids)
    returned = HelperReceiptArgs(owner, lease().signed.raw, call().raw, receipt().signed.raw)
    serves = HelperServesArgs(reader, lease().signed.raw, (_ADDRESS,), "Ann")
    decided = HelperDecideArgs(owner, device, (_ADDRESS,), None)
    over = HelperOverArgs(to, spec_words.bundle().grant.cid)
    return [
        ("args of /helper/ask", Cbor(encode(HelperAskArgs(to, helps=True).value()))),
        ("args of /helper/decide", Cbor(encode(decided.value()))),
        *signed("a lease", lease().signed),
        ("a shelf, as it is kept", Cbor(b"".join(parts_of(shelf())))),
        ("args of /helper/keep", Cbor(encode(keep_args(shelf()).value()))),
        ("the shelves that stand", Cbor(b"".join(parts_of(stands())))),
        ("pages, as they are kept", Cbor(b"".join(parts_of(pages())))),
        ("args of /helper/have", Cbor(encode(have.value()))),
        ("ids that are lacking", Cbor(encode(b"".join(ids)))),
        ("a digest over these pages", sha256(b"".join(ids))[:16]),
        ("args of /helper/over", Cbor(encode(over.value()))),
        ("args of /helper/serves", Cbor(encode(serves.value()))),
        ("args of /helper/receipt", Cbor(encode(returned.value()))),
    ]

"""The worked example of shared records in docs/spec.md: an address at the bank, corrected."""

from __future__ import annotations

from functools import cache

from entrenous.crypto.canonical import Value, encode
from entrenous.protocol.command import (
    AnswerRecordArgs,
    ErasedArgs,
    ProposeArgs,
    RecallArgs,
    ReturnArgs,
)
from entrenous.protocol.did import did_of
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import CONTACT
from entrenous.protocol.shared_copy import Copies
from entrenous.protocol.shared_proof import make_proof
from entrenous.protocol.shared_record import (
    Record,
    SharedName,
    SharedVersion,
    SharedWord,
    Told,
    make_version,
)
from entrenous.protocol.statement import make_statement, prove_record
from entrenous.tests.protocol.spec_world import T_MS, Cbor, Example, cast, random, signed

CONTACTS = "identity/contacts"
OLD = ";;1 Old Lane;Lille;;59000;France\thome"
NEW = ";;2 New Street;Lille;;59000;France\thome"
UNDATED = 65_535


@cache
def contacts() -> Batch:
    """Two contacts, as the supplier knows them."""
    empty: dict[str, Value] = {f.name: None for f in CONTACT.fields}
    said = (("c1", "Ada Example", OLD), ("c2", "Ben Example", OLD))
    return Batch.from_rows(
        CONTACT,
        [
            {**empty, "id": id, "kind": "individual", "name": name, "addresses": address}
            for id, name, address in said
        ],
    )


@cache
def told() -> Told:
    """The first of them, as it was delivered."""
    who = cast()
    statement, days = make_statement(
        contacts(),
        {UNDATED: random("salt of the contacts", 32)},
        key=who.supplier,
        sub=did_of(who.person.public),
        path=CONTACTS,
        first=UNDATED,
        last=UNDATED,
        nonce=random("nonce of the contacts", 16),
    )
    proof = prove_record(statement, [day.leaf for day in days], days[0], 0)
    return Told(statement, contacts().row(0), proof)


def name() -> SharedName:
    return told().name


def corrected() -> Record:
    return {**told().record, "addresses": NEW}


@cache
def proposed() -> SharedVersion:
    """The person's copy: another address."""
    who = cast()
    return make_version(
        who.person,
        to=did_of(who.supplier.public),
        name=name(),
        n=0,
        prev=None,
        seen=told().statement.cid,
        word=SharedWord.PROPOSED,
        record=corrected(),
        reason="I have moved",
        t_ms=T_MS,
    )


def answered(word: SharedWord, record: Record | None, reason: str, n: int = 0) -> SharedVersion:
    """What the supplier answers; its first word, or the one after its dispute."""
    who = cast()
    return make_version(
        who.supplier,
        to=did_of(who.person.public),
        name=name(),
        n=n,
        prev=disputed().cid if n else None,
        seen=proposed().cid,
        word=word,
        record=record,
        reason=reason,
        t_ms=T_MS + 1_000 * (n + 1),
    )


@cache
def disputed() -> SharedVersion:
    return answered(SharedWord.DISPUTED, told().record, "send us a bill with the new address")


@cache
def accepted() -> SharedVersion:
    return answered(SharedWord.ACCEPTED, corrected(), "", n=1)


def begun() -> Copies:
    """Nothing signed yet: what the supplier has delivered."""
    who = cast()
    return Copies(name(), did_of(who.person.public), did_of(who.supplier.public), told())


@cache
def copies() -> Copies:
    """All of it, in the order in which it was said."""
    found = begun()
    for version in (proposed(), disputed(), accepted()):
        found = found.with_version(version)
    return found


def shared() -> Example:
    who = cast()
    person, supplier = did_of(who.person.public), did_of(who.supplier.public)
    asked = ProposeArgs(supplier, proposed().raw, told().raw)
    return [
        *signed("the supplier's statement", told().statement.signed),
        ("proof of the first contact alone", Cbor(encode(told().proof.value()))),
        ("told", Cbor(told().raw)),
        *signed("version 0 of the person's copy", proposed().signed),
        ("args of /record/propose", Cbor(encode(asked.value()))),
        *signed("version 0 of the supplier's copy", disputed().signed),
        *signed("version 1 of the supplier's copy", accepted().signed),
        (
            "args of /record/answer",
            Cbor(encode(AnswerRecordArgs(person, accepted().raw).value())),
        ),
        (
            "args of /record/recall, of a supplier that was restored from a backup",
            Cbor(encode(RecallArgs(person, name(), disputed().cid, proposed().cid).value())),
        ),
        (
            "args of /record/return, the person's answer to that",
            Cbor(encode(ReturnArgs(supplier, accepted().raw, None).value())),
        ),
        ("args of /record/erased", Cbor(encode(ErasedArgs(supplier, name()).value()))),
        ("proof file of the newest versions", Cbor(make_proof(copies(), whole=False).raw)),
    ]

"""The worked examples of docs/spec.md, second half: what is said between two nodes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.key_tree import FIRST_GENERATION
from entrenous.crypto.keys import PairKey, PersonaKey, ReaderSecret
from entrenous.crypto.merkle import leaf_hash, tree_hash
from entrenous.crypto.seal import open_sealed
from entrenous.protocol.capability import Invocation, issue_invocation
from entrenous.protocol.command import (
    AcceptArgs,
    Cmd,
    DecideArgs,
    DeliverArgs,
    KeysArgs,
    PairAnswer,
    PairOpenArgs,
    RequestArgs,
    RevokeArgs,
)
from entrenous.protocol.delivery import announce, pack_parts
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.frame import Kind, encode_frame
from entrenous.protocol.grant import Bundle, issue_grant, issue_sub_grant, make_bundle
from entrenous.protocol.hello import Hello
from entrenous.protocol.keyset import Keyset, make_keyset, path_keys
from entrenous.protocol.message import (
    WHOLE,
    answer_frame,
    call_frame,
    countersign_frame,
    ping_frame,
    refuse_frame,
)
from entrenous.protocol.offer import Offer
from entrenous.protocol.pairing import Invite, pair_key
from entrenous.protocol.receipt import (
    Answer,
    Receipt,
    ReceiptBody,
    countersign,
    countersigned,
    fingerprint,
    leaf_data,
    leaf_key,
    make_answer,
    receipt_key,
    sign_receipt,
)
from entrenous.protocol.request import Request
from entrenous.protocol.revocation import (
    Expiry,
    Revocation,
    generation_of,
    make_revocation,
    make_rotation,
)
from entrenous.protocol.segment import runs
from entrenous.protocol.statement import prove_days
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.tests.protocol.spec_world import (
    DAY,
    DAY_S,
    PATH,
    SEED,
    T_MS,
    T_S,
    Cbor,
    Example,
    Part,
    cast,
    delivered,
    introduced_person,
    introduced_supplier,
    random,
    sealed_pages,
    signed,
    vouched,
)

LINK_LIFE_S = DAY_S
# Somebody to whom the supplier lends on.
OTHER = PersonaKey(random("another persona", 32))
INVOCATION_LIFE_S = 120


def invocation(name: str, cmd: str, args: Mapping[str, Value], *prf: bytes) -> Invocation:
    """What the supplier asks of the person's device: in its own name, or under `prf`."""
    who = cast()
    return issue_invocation(
        who.supplier,
        sub=did_of((who.person if prf else who.supplier).public),
        aud=did_of(who.person_device.public),
        cmd=cmd,
        args=args,
        prf=prf,
        exp=T_S + INVOCATION_LIFE_S,
        nonce=random(f"nonce of {name}", 16),
    )


# --- meeting and delivering -----------------------------------------------------------------------


_INVITE_SECRET, _K_SCANNER, _K_INVITER = (
    random(name, n) for name, n in (("invite", 16), ("k_scanner", 32), ("k_inviter", 32))
)


@cache
def pair_key_of_the_two() -> PairKey:
    return pair_key(
        _INVITE_SECRET,
        k_scanner=_K_SCANNER,
        k_inviter=_K_INVITER,
        inception_scanner=introduced_supplier()[0].signed.cid,
        inception_inviter=introduced_person()[0].signed.cid,
    )


def meeting() -> Example:
    """The person's node invites; the supplier's scans."""
    device = cast().person_device.public
    invite = Invite(device, ("/ip4/192.0.2.7/tcp/4001",), _INVITE_SECRET, T_S + LINK_LIFE_S)
    inviter, inviter_cert = introduced_person()
    scanner, scanner_cert = introduced_supplier()
    args = PairOpenArgs(
        _INVITE_SECRET,
        scanner.signed.raw,
        scanner_cert.signed.raw,
        "Supplier",
        _K_SCANNER,
        ("/ip4/192.0.2.8/tcp/4001",),
    )
    out = PairAnswer(inviter.signed.raw, inviter_cert.signed.raw, "Home", _K_INVITER, ())
    return [
        ("link", invite.link()),
        ("args of /pair/open", Cbor(encode(args.value()))),
        ("out of its answer", Cbor(encode(out.value()))),
        ("k_pair", pair_key_of_the_two().secret_bytes()),
    ]


def delivery() -> Example:
    who = cast()
    statement, days = delivered()
    nonce, to = random("nonce of the delivery", 16), did_of(who.person.public)
    parts = pack_parts(
        statement,
        days,
        reader_key=who.person_reader.public,
        to=to,
        nonce=nonce,
        entropy=SEED.fork("parts of the delivery"),
    )
    info = encode(["entrenous/1/delivery", statement.src, to, nonce, statement.cid, 0])
    announced = tuple((part.digest, part.length) for part in announce(parts))
    args = DeliverArgs(to, nonce, statement.cid, announced)
    token = invocation("the delivery", Cmd.DELIVER, args.value())
    return [
        ("HPKE info of part 0", Cbor(info)),
        ("part 0, opened", Cbor(open_sealed(who.person_reader, info, parts[0]))),
        ("part 0, sealed", parts[0]),
        ("args of /record/deliver", Cbor(encode(args.value()))),
        ("the whole invocation", Cbor(token.raw)),
        ("its CID", token.cid),
    ]


# --- granting -------------------------------------------------------------------------------------


@cache
def terms() -> Terms:
    return Terms(
        "dpv:ServiceProvision",
        30,
        ("the supplier",),
        None,
        (
            Clause("only the days of this grant", Force.ENFORCED),
            Clause("deleted after 30 days", Force.PROMISED),
        ),
    )


@cache
def asked() -> Request:
    return Request(
        did_of(cast().supplier.public),
        (Window(PATH, DAY - 364, DAY + 2),),
        terms().purpose,
        terms(),
        T_S + 30 * DAY_S,
        "nothing follows",
    )


def granted(
    giver: PersonaKey, reader: PersonaKey, key: ReaderSecret, *, days: int, nonce: str
) -> Bundle:
    """Two of the three days, on the terms of the example, for so many days."""
    grant = issue_grant(
        giver,
        aud=did_of(reader.public),
        windows=[Window(PATH, DAY, DAY + 1)],
        terms=terms(),
        exp_s=T_S + days * DAY_S,
        nonce=random(nonce, 16),
    )
    return make_bundle(giver, grant, terms=terms(), reader_key=key.public)


@cache
def bundle() -> Bundle:
    """The grant: two of the three days."""
    who = cast()
    return granted(
        who.person, who.supplier, who.supplier_reader, days=20, nonce="nonce of the grant"
    )


def granting() -> Example:
    who = cast()
    given = bundle()
    person, supplier = did_of(who.person.public), did_of(who.supplier.public)
    decide = DecideArgs(supplier, asked().cid, given.signed.raw, None)
    accept = AcceptArgs(person, given.grant.cid, terms().cid)
    return [
        ("terms", Cbor(terms().encode())),
        ("terms: CID, T", terms().cid),
        ("request: CID", asked().cid),
        ("args of /grant/request", Cbor(encode(RequestArgs(person, asked()).value()))),
        ("delegation", Cbor(given.grant.delegation.raw)),
        ("delegation: CID", given.grant.cid),
        *signed("bundle", given.signed),
        ("args of /grant/decide", Cbor(encode(decide.value()))),
        ("args of /grant/accept", Cbor(encode(accept.value()))),
    ]


def lending_on() -> Example:
    """The supplier lends one of its two days on, under terms of its own."""
    who = cast()
    own = Terms(terms().purpose, 10, (), None, ())
    sub = issue_sub_grant(
        who.supplier,
        [bundle().grant],
        aud=did_of(OTHER.public),
        windows=[Window(PATH, DAY, DAY)],
        terms=own,
        exp_s=T_S + 10 * DAY_S,
        nonce=random("nonce of the sub-delegation", 16),
    )
    args = make_bundle(
        who.supplier,
        sub,
        terms=own,
        reader_key=who.supplier_reader.public,
        chain=[bundle().grant],
    ).args(Window(PATH, DAY, DAY))
    return [
        ("sub-delegation", Cbor(sub.delegation.raw)),
        ("args of a read under it", Cbor(encode(args.value()))),
    ]


@cache
def keyset() -> Keyset:
    who = cast()
    sets = path_keys(
        who.vault,
        epoch=who.epoch,
        path=PATH,
        gen=FIRST_GENERATION,
        windows=bundle().grant.windows,
        exp_s=bundle().grant.exp_s,
    )
    assert sets is not None
    return make_keyset(
        who.person,
        bundle().sealing(),
        n=T_MS,
        k_grant=who.k_grant,
        sets=[sets],
        entropy=SEED.fork("keyset"),
    )


def keys_of_the_grant() -> Example:
    who = cast()
    info = bundle().sealing().info(T_MS)
    return [
        ("HPKE info", Cbor(info)),
        ("inside", Cbor(open_sealed(who.supplier_reader, info, keyset().sealed))),
        *signed("keyset", keyset().signed),
        (
            "args of /grant/keys",
            Cbor(encode(KeysArgs(did_of(who.supplier.public), keyset().signed.raw).value())),
        ),
    ]


# --- reading --------------------------------------------------------------------------------------


@cache
def read() -> Invocation:
    args = bundle().args(Window(PATH, DAY, DAY + 1)).value()
    return invocation("the read", Cmd.READ, args, bundle().grant.cid)


@cache
def receipt() -> Receipt:
    who = cast()
    pages = sealed_pages()[:2]
    body = ReceiptBody(
        inv=read().cid,
        dlg=bundle().grant.cid,
        server=did_of(who.person_device.public),
        reader=did_of(who.supplier.public),
        window=0,
        last=True,
        entries_root=tree_hash([entry.leaf() for entry, _ in pages]),
        first=DAY,
        last_day=DAY + 1,
        pages=len(pages),
        size=sum(len(ciphertext) for _, ciphertext in pages),
        t_ms=T_MS,
        prev=None,
    )
    return sign_receipt(body, who.person_device)


def offer() -> Offer:
    statement, days = delivered()
    proof = prove_days([day.leaf for day in days], statement, DAY, DAY + 1)
    return Offer(
        receipt=receipt().body,
        sig=receipt().signed.signatures[0],
        heads=[vouched().head.raw],
        entries=[entry.encoded() for entry, _ in sealed_pages()[:2]],
        proofs=[runs(vouched(), (0, 1))[0].value()],
        statements=[[statement.raw, DAY, DAY + 1, list(proof)]],
        keysets=[keyset().signed.raw],
    )


def reading() -> Example:
    who = cast()
    sig = countersign(receipt(), who.supplier)
    both = countersigned(receipt(), sig)
    return [
        ("invocation", Cbor(read().raw)),
        ("invocation: CID", read().cid),
        ("body of the offer frame", Cbor(encode(offer().value()))),
        ("the reader's signature", sig),
        *signed("receipt with both signatures", both.signed),
    ]


@cache
def answer() -> Answer:
    return make_answer(
        cast().person_device,
        inv=read().cid,
        code=Code.REVOKED,
        out="this grant has been taken back",
        t_ms=T_MS + 60_000,
        prev=receipt().cid,
    )


def log() -> Example:
    who = cast()
    k_r = receipt_key(who.k_grant, read().cid, 0)
    f = fingerprint(k_r, receipt().cid)
    data = leaf_data(who.k_log, 0, f)
    return [
        ("k_r", k_r.secret_bytes()),
        ("f", f),
        ("key of leaf 0", leaf_key(who.k_log, 0)),
        ("data of leaf 0", data),
        ("hash of leaf 0", leaf_hash(data)),
        *signed("an answer", answer().signed),
    ]


# --- taking back ----------------------------------------------------------------------------------


@cache
def revocation() -> Revocation:
    return make_revocation(cast().person, dlg=bundle().grant.cid, paths=[PATH], t_ms=T_MS + 30_000)


def taking_back() -> Example:
    who = cast()
    rotation = make_rotation(
        who.person, paths=[PATH], t_ms=T_MS + 40_000, entropy=SEED.fork("rotation")
    )
    expiry = Expiry(bundle().grant.cid, (PATH,))
    args = RevokeArgs(did_of(who.supplier.public), revocation().signed.raw)
    return [
        *signed("revocation", revocation().signed),
        ("args of /grant/revoke", Cbor(encode(args.value()))),
        ("gen after it", generation_of(PATH, [revocation()])),
        *signed("rotation", rotation.signed),
        ("gen after both", generation_of(PATH, [rotation, revocation()])),
        ("gen, had the grant expired instead", generation_of(PATH, [expiry])),
    ]


# --- frames ---------------------------------------------------------------------------------------


def frames() -> Example:
    who = cast()
    hello = Hello(introduced_supplier()[1], did_of(who.person.public), None)
    accepted = Hello(introduced_person()[1], did_of(who.supplier.public), receipt().cid)
    found: list[Part] = [
        ("hello of the dialler", encode_frame(Kind.HELLO, WHOLE, hello.value())),
        ("hello of the listener", encode_frame(Kind.HELLO, WHOLE, accepted.value())),
        ("call", call_frame(1, read().raw, [bundle().grant.delegation.raw])),
        ("countersign", countersign_frame(1, countersign(receipt(), who.supplier), T_MS)),
        ("answer", answer_frame(3, answer().signed.raw)),
        ("refuse", refuse_frame(WHOLE, Code.UNPAIRED, "this node does not know you")),
        ("ping", ping_frame(1, reply=False)),
    ]
    return found

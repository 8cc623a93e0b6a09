"""Targets: UCAN tokens, chains of them, and the door that they open."""

from __future__ import annotations

from entrenous.crypto.canonical import encode
from entrenous.crypto.errors import BadSignature
from entrenous.protocol.capability import parse_delegation, parse_invocation
from entrenous.protocol.chain import verify_chain
from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import Cmd, parse_args, parse_out
from entrenous.protocol.delegation import forget_delegations
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, GrantRefused, RecordError, WireError
from entrenous.protocol.grant import parse_bundle, parse_read_args, parse_read_policy, read_grant
from entrenous.protocol.mandate import parse_chain
from entrenous.protocol.mandate_limits import Limits, parse_limits
from entrenous.protocol.trust import (
    GrantStatus,
    Pair,
    Standing,
    authorise_own,
    authorise_read,
    hear,
)
from entrenous.protocol.wire import Value, decode
from entrenous.tests.protocol import forge, spec_words
from entrenous.tests.protocol.spec_world import T_MS, cast

from .examples import args_shown, chapter, example
from .healing import heal, healing, relinked
from .target import Form, Target, require, same

_WORDS = (b"ucan/dlg@1.0.0", b"ucan/inv@1.0.0", b"pol", b"prf", b"did:key:z6Mk", b"/record/read")


def _delegation(data: bytes) -> object:
    forget_delegations()
    found = parse_delegation(data)
    same(found.raw, data, "a delegation is not its bytes")
    same(found.cid, cid_of(data), "a delegation has another name than its bytes")
    return found


def _grant(data: bytes) -> object:
    delegation = parse_delegation(data)
    grant = read_grant(delegation)
    same(parse_read_policy(delegation.pol), grant.policy, "a policy says two things")
    return grant


def _invocation(data: bytes) -> object:
    found = parse_invocation(data)
    same(found.raw, data, "an invocation is not its bytes")
    try:
        args = parse_args(found.cmd, found.args)
    except (WireError, RecordError, CapabilityError, BadSignature):
        return found
    if hasattr(args, "value"):
        again = parse_args(found.cmd, args.value())
        same(again, args, "arguments do not come back from their value")
    return found


def _parts(data: bytes) -> tuple[bytes, list[bytes]]:
    """An invocation and its proofs, all under good signatures and linked by their CIDs."""
    match decode(data):
        case [bytes(inv), list(proofs)] if all(isinstance(proof, bytes) for proof in proofs):
            chain = [heal(proof) for proof in proofs if isinstance(proof, bytes)]
            try:
                return relinked(heal(inv), chain), chain
            except WireError:
                return inv, chain
        case _:
            raise WireError("not an invocation with its proofs")


def _chain(data: bytes) -> object:
    inv, proofs = _parts(data)
    verified = verify_chain(parse_invocation(inv), proofs, now_ms=forge.NOW_S * 1000)
    for outer, inner in zip(verified.chain, verified.chain[1:], strict=False):
        require(outer.aud == inner.iss, "a chain has a gap")
    return [link.cid for link in verified.chain]


def _door(data: bytes) -> object:
    """What a paired peer may say: the whole check, read and own."""
    inv, proofs = _parts(data)
    heard = hear(inv, proofs)
    who = cast()
    person, supplier = did_of(who.person.public), did_of(who.supplier.public)
    standing = Standing(
        did_of(who.person_device.public),
        Pair(person, supplier),
        dict.fromkeys(heard.grants, GrantStatus.LIVE),
        (),
    )
    if heard.inv.cmd == Cmd.READ:
        read = authorise_read(heard, standing, T_MS)
        require(read.owner == person, "a read of somebody else's data passes")
        return read.window
    own = authorise_own(heard, standing, T_MS)
    return own.sender


def _args(data: bytes) -> object:
    value = decode(data)
    match value:
        case [str(cmd), "out", out]:
            return parse_out(cmd, out)
        case [str(cmd), args]:
            if cmd == Cmd.READ and isinstance(args, dict):
                read = parse_read_args(args)
                same(parse_read_args(read.value()), read, "read arguments do not come back")
                return read
            said = parse_args(cmd, args)
            same(parse_args(cmd, said.value()), said, "arguments do not come back from their value")
            return said
        case _:
            raise WireError("not a command and its arguments")


def _args_seeds() -> list[bytes]:
    """Each command as docs/spec.md shows it, answers of more than a word, and nothing at all."""
    found = [encode([cmd, decode(raw)]) for cmd, raw in args_shown()]
    found.append(encode([Cmd.READ.value, decode(example("lending-on", "args of a read under it"))]))
    outs = (
        (Cmd.PAIR_OPEN, "meeting", "out of its answer"),
        (Cmd.PAIR_READ, "processing", "out of its answer"),
        (Cmd.MANDATE_INBOX, "acting-at-home", "out of its answer"),
        (Cmd.INVOICE, "accounts", "out of its answer"),
        (Cmd.LOG_WITNESS, "witnessing", "out, cosigned"),
        (Cmd.DEVICE_HAVE, "several-devices", "its out"),
        (Cmd.HELPER_HAVE, "helping", "ids that are lacking"),
    )
    others: list[Value] = [[cmd.value, "out", decode(example(*place))] for cmd, *place in outs]
    others += [[cmd.value, {"v": 1}] for cmd in Cmd]
    others += [[cmd.value, "out", None] for cmd in Cmd]
    return [*found, *(encode(one) for one in others)]


def _bundle(data: bytes) -> object:
    found = parse_bundle(data)
    same(found.signed.raw, data, "a bundle is not its bytes")
    return found


def _limits(data: bytes) -> object:
    match decode(data):
        case list(pol):
            to, limits = parse_limits(pol)
            same(limits.policy(to), list(pol), "limits do not come back from their policy")
            return to, limits
        case _:
            raise WireError("not a policy")


def _limit_seeds() -> list[bytes]:
    to = did_of(cast().supplier.public)
    return [encode([["==", ".to", to]]), encode(Limits().policy(to))]


def _mandates(data: bytes) -> object:
    match decode(data):
        case list(raws) if all(isinstance(raw, bytes) for raw in raws):
            return parse_chain([heal(raw) for raw in raws if isinstance(raw, bytes)], T_MS)
        case _:
            raise WireError("not a list of mandates")


def mandate_seeds() -> list[bytes]:
    from entrenous.crypto.entropy import SeededEntropy
    from entrenous.protocol.mandate import Office, make_mandate

    who = cast()
    entropy = SeededEntropy(b"fuzz mandates")
    shared = {"to": did_of(who.supplier.public), "entropy": entropy}
    proxy = forge.ALICE
    first = make_mandate(
        who.person,
        proxy=did_of(proxy.public),
        office=next(iter(Office)),
        commands=[Cmd.REQUEST],
        exp_s=T_MS // 1000 + 86_400,
        onward=True,
        **shared,  # type: ignore[arg-type]  # two kinds of values
    )
    return [encode([first.signed.raw])]


def _chain_seeds() -> list[bytes]:
    link = forge.dlg(forge.ALICE, forge.BOB)
    onward = forge.dlg(forge.BOB, forge.CAROL, prf=[])
    return [
        encode([forge.inv(forge.ALICE), []]),
        encode([forge.inv(forge.BOB, [link]), [link]]),
        encode([forge.inv(forge.CAROL, [link, onward]), [link, onward]]),
    ]


def _door_seeds() -> list[bytes]:
    grant = spec_words.bundle().grant.delegation.raw
    return [
        encode([spec_words.read().raw, [grant]]),
        encode([example("delivery", "the whole invocation"), []]),
    ]


def _token_seeds() -> list[bytes]:
    return [
        *(raw for raw in chapter("granting") if raw[:3] == b"\x82\x58\x40"),
        *(raw for raw in chapter("lending-on") if raw[:3] == b"\x82\x58\x40"),
        forge.dlg(),
    ]


def _invocation_seeds() -> list[bytes]:
    return [
        example("reading", "invocation"),
        example("delivery", "the whole invocation"),
        forge.inv(),
        forge.inv(forge.BOB, [forge.dlg()]),
    ]


_COMMANDS = tuple(
    f"protocol.command_{part}"
    for part in (
        *("parts", "record", "grant", "standing", "mandate", "pair", "account", "after", "log"),
        *("device", "persona", "shared", "lend", "help"),
    )
)

TARGETS = (
    Target(
        "delegation",
        healing(_delegation),
        ("protocol.delegation", "protocol.envelope"),
        _token_seeds,
        (CapabilityError,),
        words=_WORDS,
        form=Form.VALUE,
        weight=2,
    ),
    Target(
        "grant",
        healing(_grant),
        ("protocol.grant",),
        _token_seeds,
        (CapabilityError,),
        words=_WORDS,
        form=Form.VALUE,
        weight=2,
    ),
    Target(
        "invocation",
        healing(_invocation),
        ("protocol.invocation", "protocol.command"),
        _invocation_seeds,
        (CapabilityError,),
        words=_WORDS,
        form=Form.VALUE,
        weight=2,
    ),
    Target(
        "chain",
        _chain,
        ("protocol.chain",),
        _chain_seeds,
        (WireError, CapabilityError),
        words=_WORDS,
        form=Form.VALUE,
        bytes_max=8192,
        weight=3,
    ),
    Target(
        "door",
        _door,
        ("protocol.trust", "protocol.grant_status"),
        _door_seeds,
        (WireError, CapabilityError, GrantRefused, RecordError, BadSignature),
        words=_WORDS,
        form=Form.VALUE,
        bytes_max=8192,
        weight=3,
    ),
    Target(
        "args",
        _args,
        ("protocol.command", *_COMMANDS, "protocol.grant"),
        _args_seeds,
        (WireError, CapabilityError, RecordError, BadSignature),
        form=Form.VALUE,
        weight=2,
    ),
    Target(
        "bundle",
        healing(_bundle),
        ("protocol.grant",),
        lambda: [example("granting", "bundle")],
        (WireError, CapabilityError, BadSignature, RecordError),
        form=Form.VALUE,
        weight=2,
    ),
    Target(
        "mandate-limits",
        _limits,
        ("protocol.mandate_limits",),
        _limit_seeds,
        (WireError, CapabilityError, RecordError),
        form=Form.VALUE,
    ),
    Target(
        "mandates",
        _mandates,
        ("protocol.mandate",),
        mandate_seeds,
        (WireError, CapabilityError, BadSignature),
        form=Form.VALUE,
        bytes_max=8192,
    ),
)

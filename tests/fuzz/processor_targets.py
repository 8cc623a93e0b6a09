"""Fuzz targets of processors: what a stranger shows, recipients that may name one, calls kept."""

from __future__ import annotations

from entrenous.crypto.canonical import encode
from entrenous.protocol.capability import issue_invocation
from entrenous.protocol.command import Cmd, PairReadArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, GrantRefused, RecordError, WireError
from entrenous.protocol.grant_status import GrantStatus
from entrenous.protocol.invocation import Invocation
from entrenous.protocol.processor import processor_of
from entrenous.protocol.read_call import parse_call_of
from entrenous.protocol.showing import authorise_showing, check_processor, links_claimed
from entrenous.protocol.trust import hear
from entrenous.protocol.wire import Body, Value, decode
from entrenous.tests.protocol import spec_words
from entrenous.tests.protocol.spec_processor import device, lent_on, named, processor
from entrenous.tests.protocol.spec_world import T_MS, T_S, cast

from .examples import example
from .healing import heal
from .target import Form, Target, require

_KEYS = ("bundle", "inception", "cert", "k")


def _said(args: dict[str, Value]) -> Invocation:
    """`/pair/read` with these args, signed by the processor: the chain is what is tried."""
    key = processor()[0]
    return issue_invocation(
        key,
        sub=did_of(key.public),
        cmd=Cmd.PAIR_READ,
        args=args,
        prf=(),
        exp=T_S + 60,
        nonce=b"n" * 16,
        aud=did_of(cast().person_device.public),
    )


def _showing(data: bytes) -> object:
    match decode(data):
        case dict(args):
            whole = {
                name: heal(one) if isinstance(one, bytes) and name != "k" else one
                for name, one in args.items()
            }
            said = _said(whole)
        case _:
            raise WireError("not the args of a chain that is shown")
    heard = hear(said.raw, ())
    root = lent_on().root.cid
    links = links_claimed(heard)
    require(len(links) == 2, "a chain of another length is looked at")
    statuses = {root: GrantStatus.LIVE}
    at = did_of(cast().person_device.public)
    shown = authorise_showing(heard, at, device().public, statuses, T_MS)
    check_processor(shown.bundle, named())
    require(shown.bundle.root.cid == root, "let in under a grant that is not ours")
    require(shown.bundle.grant.delegation.aud == said.iss, "let in under another's chain")
    return shown.bundle.grant.cid


def _shown_seeds() -> list[bytes]:
    whole = decode(example("processing", "args of /pair/read"))
    assert isinstance(whole, dict)
    parsed = PairReadArgs(*(Body("a seed", whole).data(name) for name in _KEYS))
    wide = {**parsed.value(), "bundle": spec_words.bundle().signed.raw}
    return [encode(parsed.value()), encode(wide)]


def _recipient(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    found = processor_of(text)
    if found is not None:
        require(found.line() == text, "a processor is not written as it was read")
    return found


def _call(data: bytes) -> object:
    call = parse_call_of(heal(data), spec_words.receipt().body)
    require(call.cid == spec_words.receipt().body.inv, "the call of another read")
    return call.cid


TARGETS = (
    Target(
        "showing",
        _showing,
        ("protocol.showing", "protocol.command_lend"),
        _shown_seeds,
        (WireError, CapabilityError, GrantRefused),
        form=Form.VALUE,
        bytes_max=8192,
        weight=2,
    ),
    Target(
        "recipient",
        _recipient,
        ("protocol.processor",),
        lambda: [one.encode() for one in (*named().recipients, "the auditor <her>")],
        (),
    ),
    Target(
        "read-call",
        _call,
        ("protocol.read_call",),
        lambda: [spec_words.read().raw],
        (WireError, CapabilityError, RecordError),
        form=Form.VALUE,
    ),
)

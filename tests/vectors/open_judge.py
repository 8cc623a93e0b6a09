"""The program itself before `tests/vectors/open`, read from the JSON as another program reads it.

`judge(kind, given)` returns where what comes in holds, and raises one of the program's own refusals
where it does not.  Kinds that only a node with its store can judge are left to its own tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import cast

from entrenous.crypto.key_tree import TreeNode
from entrenous.crypto.keys import GrantKey, NodeKey, PairKey, ReaderSecret
from entrenous.crypto.merkle import verify_consistency
from entrenous.protocol.capability import parse_invocation, verify_chain
from entrenous.protocol.checkpoint_note import parse_checkpoint
from entrenous.protocol.columns import decode_columns
from entrenous.protocol.command import Cmd, SucceedArgs, parse_args
from entrenous.protocol.deletion import parse_deletion
from entrenous.protocol.did import Did, public_of
from entrenous.protocol.errors import ProtocolError
from entrenous.protocol.grant import check_bundle, parse_bundle
from entrenous.protocol.keyset import GrantKeys, PathKeys, open_keyset, parse_keyset
from entrenous.protocol.log_proof import parse_log_proof
from entrenous.protocol.page import open_page, parse_entry
from entrenous.protocol.payment import (
    Acknowledgement,
    Invoice,
    Payment,
    Waiver,
    check_between,
    parse_acknowledgement,
    parse_invoice,
    parse_payment,
    parse_waiver,
)
from entrenous.protocol.persona import (
    check_succession,
    current_reader_key,
    parse_certificate,
    parse_inception,
    parse_reader_key,
    parse_succession,
)
from entrenous.protocol.receipt import parse_receipt
from entrenous.protocol.remuneration import Remuneration
from entrenous.protocol.request import parse_request
from entrenous.protocol.segment import RunProof, parse_segment_head, verify_run
from entrenous.protocol.shared_proof import parse_proof
from entrenous.protocol.shared_record import parse_told, parse_version
from entrenous.protocol.statement import (
    RecordProof,
    day_leaf,
    parse_statement,
    verify_days,
    verify_record,
)
from entrenous.protocol.succession import follow, next_pair_key
from entrenous.protocol.wire import Value, decode
from entrenous.protocol.witness import follows

Given = Mapping[str, object]


def _raw(given: Given, name: str) -> bytes:
    return bytes.fromhex(cast("str", given[name]))


def _raws(given: Given, name: str) -> list[bytes]:
    return [bytes.fromhex(one) for one in cast("list[str]", given[name])]


def _int(given: Given, name: str) -> int:
    return cast("int", given[name])


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ProtocolError(sentence)


def _encoding(given: Given) -> None:
    decode(_raw(given, "bytes"))


def _persona(given: Given) -> None:
    current_reader_key(
        parse_inception(_raw(given, "inception")),
        [parse_reader_key(raw) for raw in _raws(given, "reader_keys")],
    )


def _succession(given: Given) -> None:
    old, new = (parse_inception(_raw(given, name)) for name in ("old", "new"))
    check_succession(parse_succession(_raw(given, "succession")), old, new)


def _line(given: Given) -> None:
    args = decode(_raw(given, "args"))
    _require(isinstance(args, dict), "not args")
    said = parse_args(Cmd.SUCCEED, cast("dict[str, Value]", args))
    assert isinstance(said, SucceedArgs)
    _require(said.to == given["to"], "said to another")
    said.cert.check(_int(given, "t_ms"))
    held, key = parse_inception(_raw(given, "held")), PairKey(_raw(given, "k_pair"))
    for step in follow(held, said.steps):
        key = next_pair_key(key, step)


def _logs(given: Given) -> None:
    known, log = _raws(given, "known"), _raw(given, "log")
    _require(follows(log, known, _raws(given, "successions")), "this log does not follow")


def _certificate(given: Given) -> None:
    found = parse_certificate(_raw(given, "certificate"))
    _require(found.persona == given["persona"], "of another persona")
    device = public_of(cast("Did", given["device"]))
    found.check(_int(given, "t_ms"), device, cast("str", given["cmd"]))


def _chain(given: Given) -> None:
    verify_chain(
        parse_invocation(_raw(given, "invocation")),
        _raws(given, "proofs"),
        now_ms=_int(given, "now_ms"),
        audience=cast("Did", given["device"]),
    )


def _bundle(given: Given) -> None:
    found = parse_bundle(_raw(given, "bundle"))
    key = _raw(given, "reader_key")
    if given["request"] is None:
        _require(found.reader_key == key, "for another reader key")
        return
    # A moment at which the grants of the vectors hold.
    now_ms = found.grant.exp_s * 1000 - 1
    check_bundle(found, parse_request(_raw(given, "request")), reader_key=key, now_ms=now_ms)


def _keyset(given: Given) -> None:
    bundle, secret = parse_bundle(_raw(given, "bundle")), ReaderSecret(_raw(given, "reader_secret"))
    seen = list(cast("list[int]", given["seen"]))
    held: GrantKeys | None = None
    _require(secret.public == bundle.reader_key, "for another reader key")
    for raw in _raws(given, "keysets"):
        keyset = parse_keyset(raw, bundle.grant.delegation.iss)
        opened = open_keyset(keyset, bundle.sealing(), secret, seen=seen)
        held = opened if held is None else held.with_keys(opened)
        seen.append(keyset.n)


def _page(given: Given) -> None:
    entry, page = parse_entry(_raw(given, "entry")), _raw(given, "page")
    sets: list[PathKeys] = []
    for one in cast("list[dict[str, object]]", given["sets"]):
        nodes = cast("list[tuple[int, int, str]]", one["nodes"])
        keys = tuple(TreeNode(d, p, NodeKey(bytes.fromhex(k))) for d, p, k in nodes)
        sets.append(PathKeys(cast("str", one["path"]), _raw(one, "e"), _raw(one, "gen"), keys))
    found = GrantKeys(GrantKey(bytes(32)), sets)
    open_page(entry, page, found.day_key(entry.path, entry.epoch, entry.gen, entry.day))


def _run(given: Given) -> None:
    run = RunProof.from_value(decode(_raw(given, "run")))
    verify_run(parse_segment_head(_raw(given, "head")), run, _raws(given, "entries"))


def _statement(given: Given) -> None:
    found = parse_statement(_raw(given, "statement"))
    _require(found.sub == given["persona"], "about another persona")
    first, last = _int(given, "first"), _int(given, "last")
    leaves: list[bytes] = []
    for day, raw in enumerate(_raws(given, "days"), start=first):
        d, salt, columns = cast("tuple[int, bytes, Value]", decode(raw))
        _require(d == day, "not dense")
        leaves.append(day_leaf(found.schema, d, salt, decode_columns(found.schema, columns)))
    _require(len(leaves) == last - first + 1, "a day is missing")
    verify_days(found, first, leaves, _raws(given, "proof"))


def _record(given: Given) -> None:
    found = parse_statement(_raw(given, "statement"))
    _require(found.sub == given["persona"], "about another persona")
    record = cast("Mapping[str, Value]", decode(_raw(given, "record")))
    verify_record(found, record, RecordProof.from_value(decode(_raw(given, "proof"))))


def _growth(given: Given) -> None:
    verify_consistency(
        _int(given, "first"),
        _int(given, "second"),
        _raw(given, "first_root"),
        _raw(given, "second_root"),
        _raws(given, "proof"),
    )


def _checkpoint(given: Given) -> None:
    parse_checkpoint(cast("str", given["note"]).encode())


def _log_proof(given: Given) -> None:
    parse_log_proof(_raw(given, "file"))


def _account(given: Given) -> None:
    bundle = parse_bundle(_raw(given, "bundle"))
    _require(isinstance(bundle.terms.remuneration, Remuneration), "nothing is paid")
    for raw in _raws(given, "receipts"):
        found = parse_receipt(raw)
        signers = [found.body.server] if found.one_sided else [found.body.server, found.body.reader]
        found.signed.verify(*map(public_of, signers))


def _word(given: Given) -> None:
    word = _WORDS[cast("str", given["type"])](_raw(given, "word"))
    check_between(word, by=cast("Did", given["by"]), to=cast("Did", given["to"]))


def _deletion(given: Given) -> None:
    found, bundle = parse_deletion(_raw(given, "deletion")), parse_bundle(_raw(given, "bundle"))
    _require(found.dlg == bundle.grant.cid, "of another grant")
    _require(found.by == bundle.grant.delegation.aud, "by another than its reader")


_WORDS: Mapping[str, Callable[[bytes], Payment | Acknowledgement | Invoice | Waiver]] = {
    "payment": parse_payment,
    "payment-word": parse_acknowledgement,
    "invoice": parse_invoice,
    "waiver": parse_waiver,
}


def _shared_version(given: Given) -> None:
    parse_version(_raw(given, "version"))


def _told(given: Given) -> None:
    parse_told(_raw(given, "told"))


def _shared_proof(given: Given) -> None:
    parse_proof(_raw(given, "proof"))


def judge(kind: str, given: Given) -> None:
    """Raises EntrenousError if `given` does not hold."""
    JUDGES[kind](given)


def changed(given: Given, put: Mapping[str, object]) -> Given:
    """A copy of `given` with other values at the dotted places of `put`."""
    found = cast("dict[str, object]", json.loads(json.dumps(given)))
    for place, value in put.items():
        *steps, last = place.split(".")
        at: object = found
        for step in steps:
            at = _below(at, step)
        if isinstance(at, list):
            cast("list[object]", at)[int(last)] = value
        else:
            cast("dict[str, object]", at)[last] = value
    return found


def _below(value: object, step: str) -> object:
    if isinstance(value, list):
        return cast("list[object]", value)[int(step)]
    return cast("dict[str, object]", value)[step]


JUDGES: Mapping[str, Callable[[Given], None]] = {
    "encoding": _encoding,
    "persona": _persona,
    "succession": _succession,
    "line": _line,
    "logs": _logs,
    "certificate": _certificate,
    "chain": _chain,
    "bundle": _bundle,
    "keyset": _keyset,
    "page": _page,
    "run": _run,
    "statement": _statement,
    "record": _record,
    "growth": _growth,
    "checkpoint": _checkpoint,
    "log-proof": _log_proof,
    "shared-version": _shared_version,
    "told": _told,
    "shared-proof": _shared_proof,
    "account": _account,
    "word": _word,
    "deletion": _deletion,
}

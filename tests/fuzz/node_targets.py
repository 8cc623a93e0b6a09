"""Targets: what a node takes from people and local programs.

Files that they write, lines that they type, frames on the push and control sockets.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import is_dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, get_args, get_origin, get_type_hints

from entrenous.crypto.canonical import Value, encode
from entrenous.node import results
from entrenous.node.cli import proof
from entrenous.node.cli.terms_file import read_terms
from entrenous.node.cli.written_file import read_mapping
from entrenous.node.config import Config
from entrenous.node.errors import HomeError, NotFound, UsageError
from entrenous.node.imports.files import handed_in
from entrenous.node.imports.spelled import read_decimal, read_line, spelled
from entrenous.node.imports.spelled_time import Moment, read_moment
from entrenous.node.operations.operation import Args
from entrenous.node.push.token import PushToken
from entrenous.node.shape import from_value, to_value
from entrenous.node.sizes import size_of
from entrenous.protocol.address import check_addresses
from entrenous.protocol.card import card_from_mapping
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, ReaderError, RecordError, WireError
from entrenous.protocol.limits import CARD_BYTES_MAX, TERMS_BYTES_MAX
from entrenous.protocol.pairing import parse_link
from entrenous.protocol.push import (
    Greeting,
    Pushed,
    PushRefused,
    Welcome,
    issue_allowance,
    make_proof,
    parse_push,
    push_value,
    read_allowance,
    refusal_value,
    verify_proof,
)
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import ACCOUNT, CONTACT, METER_READING, TRANSACTION
from entrenous.protocol.window import Window
from entrenous.protocol.wire import decode
from entrenous.tests.protocol.spec_world import PATH, T_MS, T_S, payments, readings
from entrenous.tests.protocol.spec_world import cast as the_cast

from .examples import texts
from .healing import heal, healing
from .stream_targets import folder, written
from .target import Form, Target, require, same

_SCHEMAS = (METER_READING, TRANSACTION, ACCOUNT, CONTACT)


# --- pairing links and what programs say ----------------------------------------------------------


def _link(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    invite = parse_link(text)
    same(invite.link(), text.strip(), "an invite has two links")
    return invite.device, check_addresses(list(invite.addresses), "an invite")


@cache
def _allowance_raw() -> bytes:
    who = the_cast()
    made = issue_allowance(
        who.person_device,
        did_of(who.supplier_device.public),
        PATH,
        METER_READING,
        exp_s=T_S + 86_400,
        nonce=bytes(16),
    )
    return made.delegation.raw


_GREETING = Greeting(did_of(the_cast().person_device.public), bytes(32))


def _proof(data: bytes) -> object:
    value = decode(data)
    if isinstance(value, dict):
        inv, proofs = value.get("inv"), value.get("proofs")
        if isinstance(inv, bytes) and isinstance(proofs, list):
            healed: list[Value] = [heal(raw) if isinstance(raw, bytes) else raw for raw in proofs]
            value = {**value, "inv": heal(inv), "proofs": healed}
    verified = verify_proof(value, _GREETING, now_ms=T_MS)
    require(verified.exp_s >= T_S, "a proof passes after its end")
    return verified


def _proof_seeds() -> list[bytes]:
    who = the_cast()
    proof = make_proof(
        who.supplier_device, [_allowance_raw()], _GREETING, now_ms=T_MS, nonce=bytes(16)
    )
    return [encode(proof)]


def _allowance(data: bytes) -> object:
    return read_allowance(data)


def _push(data: bytes) -> object:
    """`[schema, push]`; or what the node says, as a program reads it."""
    match decode(data):
        case [int(which), push] if type(which) is int:
            n, batch = parse_push(push, _SCHEMAS[which % len(_SCHEMAS)])
            rows: list[Value] = [dict(row) for row in batch.rows()]
            again = parse_push(push_value(n, rows), batch.schema)[1]
            same(list(again.rows()), rows, "a push does not come back from its value")
            return n, rows
        case ["greeting", value]:
            return Greeting.from_value(value)
        case ["welcome", value]:
            return Welcome.from_value(value)
        case ["answer", value]:
            return Pushed.from_value(value)
        case _:
            raise WireError("not a push")


def _push_seeds() -> list[bytes]:
    def rows(batch: Batch) -> list[Value]:
        return [dict(row) for row in batch.rows()]

    said: list[Value] = [
        [0, push_value(1, rows(readings()))],
        [1, push_value(2, rows(payments()))],
        ["greeting", _GREETING.value()],
        ["welcome", Welcome(PATH, "meter-reading/1", 60).value()],
        ["answer", Pushed(1, 2, (0,)).value()],
        ["answer", refusal_value("busy", "later", wait_ms=5, n=1)],
    ]
    return [encode(one) for one in said]


def _token(data: bytes) -> object:
    token = PushToken.parse(data)
    same(PushToken.parse(token.text().encode()), token, "a token does not come back from its text")
    return token.name, str(token.socket), token.collection


def _token_seeds() -> list[bytes]:
    from entrenous.crypto.keys import ProgramKey

    token = PushToken(
        "meter", Path("/run/x.sock"), 1000, ProgramKey(bytes(32)), (_allowance_raw(),), 60
    )
    return [token.text().encode()]


# --- the control socket ---------------------------------------------------------------------------


@cache
def _shapes() -> tuple[type[object], ...]:
    subjects = [
        import_module(f"{results.__name__}.{one.name}") for one in iter_modules(results.__path__)
    ]
    found: list[type[object]] = [
        one
        for subject in subjects
        for one in vars(subject).values()
        if isinstance(one, type)
        and is_dataclass(one)
        and one.__module__ == subject.__name__
        and not _holds_batch(one)
    ]
    return tuple(sorted(found, key=lambda one: one.__name__))


def _holds_batch(hint: Any) -> bool:
    """Records travel as columns, which are a target of their own."""
    if hint is Batch or any(_holds_batch(one) for one in get_args(hint)):
        return True
    if not (isinstance(hint, type) and is_dataclass(hint)):
        return False
    return any(map(_holds_batch, get_type_hints(hint, localns={"Value": object}).values()))


def _answer(data: bytes) -> object:
    """`[shape, value]`: an answer of the node as the command line reads it."""
    match decode(data):
        case [int(which), value] if type(which) is int:
            shape = _shapes()[which % len(_shapes())]
            found = from_value(shape, value)
            same(from_value(shape, to_value(found)), found, "an answer does not come back")
            return found
        case _:
            raise WireError("not an answer")


def _answer_seeds() -> list[bytes]:
    return [encode([which, _example_of(shape)]) for which, shape in enumerate(_shapes())]


def _example_of(hint: Any) -> Value:
    """A value of the type `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Window:
        return Window(PATH, 1, 2).value()
    if isinstance(hint, type) and is_dataclass(hint):
        named = get_type_hints(hint, localns={"Value": object})
        return {name: _example_of(one) for name, one in named.items()}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return next(iter(hint)).value
    simple: dict[Any, Value] = {int: 7, str: "text", bool: True, bytes: b"bytes"}
    if hint in simple:
        return simple[hint]
    if origin is tuple:
        return [_example_of(one) for one in arguments if one is not Ellipsis]
    if origin is dict:
        return {"key": _example_of(arguments[1])}
    if arguments:  # one of several
        return _example_of(arguments[0])
    return None


_OPTIONS = ("text", "integer", "flag", "data", "items", "path", "collection", "windows", "mapping")


def _operation(data: bytes) -> object:
    """The arguments of an operation, read as every kind that there is."""
    value = decode(data)
    args = Args.open("it", value, (), _OPTIONS)
    found: list[object] = []
    reads = (
        lambda: args.text("text"),
        lambda: args.maybe_text("text"),
        lambda: args.integer("integer"),
        lambda: args.flag("flag"),
        lambda: args.maybe_data("data", 64),
        lambda: args.items("items", 8),
        lambda: str(args.path("path")),
        lambda: args.collection("collection"),
        lambda: args.maybe_windows("windows"),
        lambda: args.mapping("mapping"),
        lambda: args.id("text", [bytes(36), b"\1" * 36], "grant"),
    )
    for read in reads:
        try:
            found.append(read())
        except (UsageError, NotFound) as error:
            found.append(str(error))
    return found


def _operation_seeds() -> list[bytes]:
    return [
        encode(
            {
                "text": "bafy",
                "integer": 1,
                "flag": True,
                "data": b"x",
                "items": [1],
                "path": "/tmp/x",
                "collection": PATH,
                "windows": [[PATH, 1, 2]],
                "mapping": {"a": 1},
            }
        )
    ]


# --- what people write ----------------------------------------------------------------------------


def _line(data: bytes) -> object:
    """Byte 0: the schema; then a line as `entrenous add` takes it."""
    schema = _SCHEMAS[(data[0] if data else 0) % len(_SCHEMAS)]
    row = spelled(schema, read_line(data[1:]), now=Moment(T_MS, 60))
    batch = Batch.from_rows(schema, [row])
    batch.check()
    return list(batch.rows())


_LINES = (
    b'\1{"time": "2026-03-01", "amount": "-12.50", "currency": "EUR", "label": "Market"}',
    b'\0{"time": "2026-03-01T18:30+01:00", "value": 0.42, "unit": "kWh", "duration_s": 900}',
    b'\2{"name": "x", "currency": "EUR", "iban": "DE89370400440532013000"}',
    b'\3{"name": "A", "phones": "1\\twork", "id": "7"}',
)


def _size(data: bytes) -> object:
    return size_of(data.decode("utf-8", "replace"))


def _invoked(data: bytes) -> object:
    """What `entrenous invoke --args` is given."""
    # The command reads it before it does anything else, and nothing else reads it.
    return proof._json_args(data.decode("utf-8", "replace"))  # pyright: ignore[reportPrivateUsage]  # what reads the option


def _decimal(data: bytes) -> object:
    return read_decimal(data.decode("utf-8", "replace"))


def _moment(data: bytes) -> object:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Europe/Paris") if data[:1] == b"p" else None
    return read_moment(data[1:].decode("utf-8", "replace"), zone)


_SUFFIXES = (".yaml", ".toml", ".json")


def _terms_file(data: bytes) -> object:
    name = "terms" + _SUFFIXES[(data[0] if data else 0) % 3]
    return read_terms(written(data[1:], name), "dpv:ServiceProvision")


_TERMS = (
    b"\0purpose: dpv:ServiceProvision\nretention_days: 30\nrecipients: []\nremuneration: null\n"
    b"clauses:\n  - promised: Only for this.\n  - enforced: Only the days.\n",
    b'\1retention_days = 30\nrecipients = ["nobody"]\n[[clauses]]\npromised = "Only for this."\n',
    b'\2{"retention_days": 30, "recipients": [], "clauses": [{"promised": "x"}]}',
    b'\2{"retention_days": 30, "recipients": [], "clauses": [], "remuneration": '
    b'{"amount": "2.50", "currency": "EUR", "per": "month", "cap": "30"}}',
)


def _card_file(data: bytes) -> object:
    name = "card" + _SUFFIXES[(data[0] if data else 0) % 3]
    found = read_mapping(written(data[1:], name), what="a card", bytes_max=CARD_BYTES_MAX)
    did = did_of(the_cast().supplier.public)
    return card_from_mapping(found, did=did, n=1, t_ms=T_MS, name="Volt").value()


_CARDS = (
    b"\0who:\n  legal_name: Volt\n  registration: null\n  address: Here 1\nearns: By sale\n"
    b"domain: volt.example.org\nholds:\n  - collection: energy/electricity/load-curve\n"
    b"    what: readings\n    purpose: bills\n    retention: 3 years\n    legal_basis: contract\n"
    b"incidents:\n  - date: 2026-01-01\n    what: lost\n    people: 3\n    done: found\n"
    b"processors:\n  - name: P\n    country: no\n    purpose: print\n",
    b'\1earns = "x"\n[who]\nlegal_name = "Volt"\n[[incidents]]\ndate = 2026-01-01\nwhat = "w"\n'
    b'done = "d"\n',
    b'\2{"earns": "x", "who": {"legal_name": "Volt"}, "keeps_back": [{"what": "a", "why": "b"}]}',
)


def _config(data: bytes) -> object:
    written(data, "config.toml")
    config = Config.read(folder(), {})
    written(config.text().encode(), "config.toml")
    same(Config.read(folder(), {}), config, "settings do not come back from their text")
    return config


def _archive(data: bytes) -> object:
    found = handed_in(written(data, "files.zip"))
    return [(one.name, one.read()) for one in found]


def _archive_seeds() -> list[bytes]:
    found: list[bytes] = [b"not an archive"]
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", how) as archive:
            archive.writestr(zipfile.ZipInfo("a/one.csv"), b"Date;Amount\n" * 9)
            archive.writestr(zipfile.ZipInfo("two.ofx"), b"OFXHEADER:100\n")
        found.append(packed.getvalue())
    return found


TARGETS = (
    Target(
        "pairing-link",
        _link,
        ("protocol.pairing", "protocol.address"),
        lambda: [_link_seed()],
        (WireError,),
        words=(b"entrenous:",),
        weight=1,
    ),
    Target(
        "push-proof",
        _proof,
        ("protocol.push",),
        _proof_seeds,
        (WireError, CapabilityError, RecordError),
        form=Form.VALUE,
    ),
    Target(
        "allowance",
        healing(_allowance),
        ("protocol.push",),
        lambda: [_allowance_raw()],
        (CapabilityError, RecordError),
        form=Form.VALUE,
    ),
    Target(
        "push-frames",
        _push,
        ("protocol.push", "protocol.record"),
        _push_seeds,
        (WireError, PushRefused),
        form=Form.VALUE,
        weight=2,
    ),
    Target("push-token", _token, ("node.push.token",), _token_seeds, (UsageError,)),
    Target(
        "control-answer",
        _answer,
        ("node.shape",),
        _answer_seeds,
        (WireError, RecordError),
        form=Form.VALUE,
    ),
    Target(
        "operation-args",
        _operation,
        ("node.operations.operation",),
        _operation_seeds,
        (WireError, UsageError),
        form=Form.VALUE,
    ),
    Target(
        "spelled-record",
        _line,
        ("node.imports.spelled", "node.imports.spelled_time"),
        lambda: list(_LINES),
        (RecordError,),
        words=(b'"time"', b'"amount"', b"1e400", b"\\ud800", b"-0.0", b'"id"', b"null"),
        weight=2,
    ),
    Target(
        "size",
        _size,
        ("node.sizes",),
        texts("500 MB", "2.5GiB", "0", "1 tib"),
        (UsageError,),
        bytes_max=64,
    ),
    Target(
        "invoked-args",
        _invoked,
        ("node.cli.proof",),
        texts('{"v": 1, "to": {"/": {"bytes": "AAEC"}}, "list": [true, null, "x"]}'),
        (UsageError,),
        words=(b'{"/":', b'{"bytes":', b"[[[[[[[[", b"1e9"),
    ),
    Target(
        "spelled-decimal",
        _decimal,
        ("node.imports.spelled",),
        texts("-12.50", "12,5", "+0", "1.000000000000000001"),
        (RecordError,),
        bytes_max=128,
    ),
    Target(
        "spelled-time",
        _moment,
        ("node.imports.spelled_time",),
        texts(
            *("p2026-03-29T02:30", "u2026-03-01T18:30:01.5Z", "p2026-10-25 02:30", "u2026-03-01"),
            "u2026-03-01T18:30+01:00",
        ),
        (RecordError,),
        bytes_max=128,
    ),
    Target(
        "terms-file",
        _terms_file,
        ("node.cli.terms_file", "node.cli.written_file"),
        lambda: list(_TERMS),
        (UsageError,),
        words=(b"&a", b"*a", b"!!python/object", b"<<:", b"---", b"clauses:", b"'''", b"{}"),
        bytes_max=min(4096, TERMS_BYTES_MAX),
        weight=2,
    ),
    Target(
        "card-file",
        _card_file,
        ("node.cli.written_file", "protocol.card"),
        lambda: list(_CARDS),
        (UsageError, WireError, RecordError),
        words=(b"&a", b"*a", b"holds:", b"who:", b"2026-01-01T00:00:00Z", b"incidents"),
        weight=2,
    ),
    Target(
        "config",
        _config,
        ("node.config",),
        lambda: [Config().text().encode(), b'role = "organisation"\n[identity]\n'],
        (HomeError, UsageError),
        bytes_max=8192,
        words=(b"[identity]", b"check_domains", b"[[", b"'''", b"1e9", b"inf"),
    ),
    Target(
        "archive",
        _archive,
        ("node.imports.files",),
        _archive_seeds,
        (ReaderError, NotFound),
        words=(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"),
        weight=2,
        cpu_s=10.0,
    ),
)


def _link_seed() -> bytes:
    from entrenous.protocol.pairing import Invite

    device = the_cast().person_device.public
    return Invite(device, ("/ip4/192.0.2.1/tcp/4001",), bytes(16), T_S).link().encode()

"""Targets: single values and names.  CBOR, CIDs, DIDs, paths, days, policies, texts with a form."""

from __future__ import annotations

from typing import cast

from entrenous.crypto.canonical import Value, encode
from entrenous.protocol.address import check_addresses
from entrenous.protocol.cid import check_cid, check_link, cid_from_text, cid_text
from entrenous.protocol.collection import apart, belonging_to, check_domain, check_path
from entrenous.protocol.contact import read_values, write_values
from entrenous.protocol.counter import CounterWindow
from entrenous.protocol.currency import MINOR_DIGITS, amount_from_text, amount_text
from entrenous.protocol.day import date_of, day_of_date
from entrenous.protocol.did import check_did, did_of, public_of
from entrenous.protocol.domain import (
    check_domain_name,
    domain_from_text,
    mixes_scripts,
    shown_domain,
)
from entrenous.protocol.errors import CapabilityError, GrantRefused, RecordError, WireError
from entrenous.protocol.look_alike import look_alike, skeleton
from entrenous.protocol.policy import parse_policy
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.request import parse_request
from entrenous.protocol.selector import Unresolved, parse_selector
from entrenous.protocol.terms import Terms, parse_terms, terms_from_value
from entrenous.protocol.well_known import parse_well_known, well_known_text
from entrenous.protocol.window import Window, check_window, joined, window_from_value, within
from entrenous.protocol.wire import decode

from .examples import chapter, example, examples, texts, values
from .target import Form, Target, require, same

ARGS: dict[str, Value] = {
    "collection": "energy/electricity/load-curve",
    "from": 46_021,
    "list": [1, 2, [3, "four", b"five"], {"six": None}],
    "text": "éa.b*c",
    "bytes": b"\x00\x01\x02",
    "flag": True,
}


def _wire(data: bytes) -> object:
    value = decode(data)
    same(encode(value), data, "a value has two forms")
    return value


def _cid(data: bytes) -> object:
    if data[:1] == b"b":
        text = data.decode("utf-8", "replace")
        cid = cid_from_text(text)
        same(cid_text(cid), text, "a CID has two texts")
        return cid
    check_link(data)
    same(cid_from_text(cid_text(check_cid(data))), data, "a CID does not come back from its text")
    return data


def _did(data: bytes) -> object:
    did = check_did(data.decode("utf-8", "replace"))
    same(did_of(public_of(did)), did, "a DID has two forms")
    return did


def _address(data: bytes) -> object:
    lines: list[Value] = list(data.decode("utf-8", "replace").split("\n"))
    same(list(check_addresses(lines, "a list")), lines, "addresses are changed")
    return lines


def _collection(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    path = check_path(text)
    base, people = apart(path)
    if base == path:
        require(not people, "a path of nobody is somebody's")
    else:
        same(belonging_to(base, people), path, "a path does not come back from its parts")
    return check_domain(path)


def _day(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    day = day_of_date(text)
    same(date_of(day), text, "a day has two spellings")
    return day


def _domain(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    domain = domain_from_text(text)
    same(check_domain_name(domain), domain, "a domain is not in its one form")
    shown = shown_domain(domain)
    require(shown.isprintable(), f"a domain is shown as {shown!r}")
    return domain, shown, mixes_scripts(shown)


def _name(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    one, _, other = text.partition("\n")
    require(look_alike(one, one), "a name does not look like itself")
    same(look_alike(one, other), look_alike(other, one), "two names look alike one way only")
    return skeleton(text)


def _contact(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    found = read_values(text)
    same(write_values(found), text, "the values of a contact have two texts")
    return found


def _counter(data: bytes) -> object:
    window = CounterWindow.read(int.from_bytes(data[:8], "big"), data[8:-8])
    same(
        CounterWindow.read(window.high, window.mask_bytes()), window, "a window does not come back"
    )
    number = int.from_bytes(data[-8:], "big")
    after = window.taken(number)
    try:
        after.check(number)
    except GrantRefused:
        return after
    raise AssertionError("a number is taken twice")


def _selector(data: bytes) -> object:
    selector = parse_selector(data.decode("utf-8", "replace"))
    found = selector.resolve(ARGS, lambda size: None)
    return str(found) if isinstance(found, Unresolved) else found


def _policy(data: bytes) -> object:
    value = decode(data)
    args: Value = ARGS
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict):
        value, args = value
    policy = parse_policy(value)
    policy.require(cast("dict[str, Value]", args))
    return policy


def _terms(data: bytes) -> object:
    terms = parse_terms(data)
    same(terms.encode(), data, "terms have two forms")
    same(terms_from_value(terms.value()), terms, "terms do not come back from their value")
    return terms


def _request(data: bytes) -> object:
    request = parse_request(data)
    same(request.encode(), data, "a request has two forms")
    return request


def _windows(data: bytes) -> object:
    value = decode(data)
    if not isinstance(value, list):
        raise WireError("not a list of windows")
    found = [check_window(window_from_value(item, "a window")) for item in value]
    together = joined(found)
    require(within(found, together) and within(together, together), "joined windows lose a day")
    same(joined(together), together, "windows are joined twice")
    return together


def _well_known(data: bytes) -> object:
    found = parse_well_known(data)
    same(set(parse_well_known(well_known_text(found).encode())), set(found), "a document changes")
    return found


def _windows_seeds() -> list[bytes]:
    path = "energy/electricity/load-curve"
    one, two, other = (
        Window(path, 1, 5),
        Window(path, 6, 60_000),
        Window("people/contacts", 65_535, 65_535),
    )
    return [encode([w.value() for w in some]) for some in ((one,), (one, two), (one, two, other))]


_POLICY: list[Value] = [
    ["==", ".collection", "energy/electricity/load-curve"],
    ["and", [[">=", ".from", 46_021], ["<=", ".from", 46_050], ["!=", ".text", "x"]]],
    ["or", [["like", ".text", "*b\\*c*"], ["not", ["<", ".list[0]", 2]]]],
    ["all", ".list[0:2]", [">", ".", 0]],
    ["any", ".list[]?", ["==", ".[-1]", b"five"]],
]


def _amount(data: bytes) -> object:
    """`EUR 2.50`: what a person writes, read and written again."""
    currency, _, text = data.decode("utf-8", "replace").partition(" ")
    if currency not in MINOR_DIGITS:
        raise WireError("not a currency that is known")
    minor = amount_from_text(text, currency)
    same(amount_from_text(amount_text(minor, currency), currency), minor, "an amount has two texts")
    return minor


TARGETS = (
    Target(
        "amount",
        _amount,
        ("protocol.currency",),
        texts("EUR 2.50", "JPY 12", "BHD 0.001", "EUR 2,50", "EUR 0.00"),
        (WireError,),
    ),
    Target(
        "wire",
        _wire,
        ("crypto.canonical", "protocol.wire"),
        lambda: [
            *chapter("encoding"),
            *chapter("identity"),
            *chapter("columns"),
            *chapter("reading"),
            *values(ARGS, -(2**63), 2**64 - 1)(),
        ],
        (WireError,),
        words=(b"\xd8\x2a\x58\x25\x00", b"\xf6", b"\x9f\xff", b"\xf9\x7e\x00", b"\xc2\x49"),
        weight=3,
    ),
    Target(
        "cid",
        _cid,
        ("protocol.cid",),
        lambda: [example("encoding", "CID of {v: 1}"), cid_text(chapter("encoding")[1]).encode()],
        (WireError,),
        bytes_max=256,
    ),
    Target(
        "did",
        _did,
        ("protocol.did",),
        texts(did_of(bytes(32)), "did:web:example.org", "did:key:zQ3shokFTS3brHcDQrn82"),
        (WireError,),
        words=(b"did:key:z6Mk",),
        bytes_max=256,
    ),
    Target(
        "address",
        _address,
        ("protocol.address",),
        texts("/ip4/127.0.0.1/tcp/4001", "/dns4/example.org/tcp/1\n/ip6/::1/tcp/2"),
        (WireError,),
        words=(b"/ip4/", b"/ip6/", b"/tcp/", b"/dns/", b"/p2p/"),
    ),
    Target(
        "collection",
        _collection,
        ("protocol.collection",),
        texts("energy/electricity/load-curve", "finance/accounts/transactions/1-2", "a/b/12"),
        (RecordError,),
        bytes_max=512,
    ),
    Target(
        "day",
        _day,
        ("protocol.day",),
        texts("2026-01-01", "undated", "1900-02-29", "2079-12-31"),
        (RecordError,),
        bytes_max=64,
    ),
    Target(
        "windows",
        _windows,
        ("protocol.window",),
        _windows_seeds,
        (WireError, RecordError),
        form=Form.VALUE,
    ),
    Target(
        "domain",
        _domain,
        ("protocol.domain",),
        texts(
            "example.org",
            "Bücher.Example",
            "xn--bcher-kva.example",
            "\u0430\u0440\u0440\u04cf\u0435.com",
            "a" * 63,
        ),
        (WireError,),
        words=(b"xn--", b"."),
        bytes_max=512,
    ),
    Target(
        "look-alike",
        _name,
        ("protocol.look_alike",),
        texts("Paypal\nP\u0430ypal", "rn\nm", "\ufb01\nfi", "\u03a3\u03af\u03c3\nx"),
        (WireError,),
        bytes_max=512,
    ),
    Target(
        "contact-values",
        _contact,
        ("protocol.contact",),
        texts("a;b\twork\thome\nc\\;d", "", ";;Street 1;Town;;1;FR\t", "\\n\\t\\\\"),
        (RecordError,),
        words=(b"\\n", b"\\;", b"\t", b"\n"),
    ),
    Target(
        "counter",
        _counter,
        ("protocol.counter",),
        lambda: [
            *(bytes(8) + bytes(8), bytes(8) + bytes(7) + b"\x05"),
            bytes(7) + b"\x09" + CounterWindow(9, 5).mask_bytes() + bytes(7) + b"\x08",
        ],
        (WireError, GrantRefused),
        bytes_max=1024,
    ),
    Target(
        "selector",
        _selector,
        ("protocol.selector",),
        texts(".", ".list[2][1]", ".list[-3:-1]?", '.["text"]', ".bytes[0:2]", ".list[]", ".a?.b?"),
        (WireError, CapabilityError),
        words=(b"[]", b'["', b'"]', b"?", b"[-1]", b"[:2]"),
        bytes_max=1024,
        weight=2,
    ),
    Target(
        "policy",
        _policy,
        ("protocol.policy", "protocol.selector"),
        values(*([one] for one in _POLICY), [_POLICY, ARGS]),
        (WireError, CapabilityError),
        words=(b"like", b"all", b"any", b"not", b"and", b"or", b"==", b">=", b".list[]"),
        form=Form.VALUE,
        weight=3,
    ),
    Target(
        "terms",
        _terms,
        ("protocol.terms", "protocol.remuneration", "protocol.currency"),
        lambda: [*examples(("granting", "terms"))(), _paid_terms()],
        (WireError,),
        form=Form.VALUE,
    ),
    Target(
        "request",
        _request,
        ("protocol.request",),
        lambda: [_request_example()],
        (WireError, RecordError),
        form=Form.VALUE,
    ),
    Target(
        "well-known",
        _well_known,
        ("protocol.well_known",),
        lambda: [well_known_text([did_of(bytes(32)), did_of(bytes(31) + b"\1")]).encode()],
        (WireError,),
        words=(b'"personas"', b'"v"', b"\\ud800", b"NaN", b"1e999"),
    ),
)


def _request_example() -> bytes:
    from entrenous.tests.protocol.spec_words import asked

    return asked().encode()


def _paid_terms() -> bytes:
    given = Remuneration(250, "EUR", Per.MONTH, 3000)
    return Terms("dpv:ServiceProvision", 30, (), given, ()).encode()

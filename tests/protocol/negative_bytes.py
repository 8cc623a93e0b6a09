"""Negative vectors of bytes: encodings, envelopes, signatures."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from entrenous.protocol import limits
from entrenous.protocol.envelope import VARSIG
from entrenous.protocol.errors import Code
from entrenous.tests.protocol.forge import (
    ALICE,
    BOB,
    DLG,
    IDENTITY,
    IDENTITY_UNREDUCED,
    INV,
    NOW_S,
    ORDER_EIGHT,
    ORDER_FOUR,
    ORDER_TWO,
    Odd,
    Pairs,
    Raw,
    Tagged,
    asked,
    body,
    cbor,
    dlg,
    given,
    head,
    inv,
    malleable,
    raw_did,
    token,
)
from entrenous.tests.protocol.negative_case import Case, bad, bad_inv


def cases() -> Iterator[Case]:
    yield Case("control: a delegation", "delegation", dlg())
    yield Case("control: an invocation of the subject itself", "invocation", inv())
    yield from _encodings()
    yield from _envelopes()
    yield from _signatures()


def _meta(value: Odd) -> bytes:
    """Where anything may stand: nothing but its encoding is at fault."""
    return dlg(meta={"x": value})


def _encodings() -> Iterator[Case]:
    good = dlg()
    yield Case("control: meta with every kind of value", "delegation", dlg(
        meta={"x": [None, True, False, 0, -1, 2**63 - 1, -(2**63), b"", "é", {"": []},
                    Tagged(42, b"\x00\x01\x55\x00\x00")]},
    ))  # fmt: skip
    odd: dict[str, Odd] = {
        "an integer in two bytes that fits one": Raw(head(0, 23, 1)),
        "an integer in three bytes that fits two": Raw(head(0, 255, 2)),
        "an integer in five bytes that fits three": Raw(head(0, 65_535, 4)),
        "an integer in nine bytes that fits five": Raw(head(0, 2**32 - 1, 8)),
        "a negative integer in two bytes that fits one": Raw(head(1, 0, 1)),
        "a byte string whose length is padded": Raw(head(2, 1, 1) + b"x"),
        "a text whose length is padded": Raw(head(3, 1, 2) + b"x"),
        "a list whose length is padded": Raw(head(4, 1, 1) + b"\x01"),
        "a map whose length is padded": Raw(head(5, 1, 1) + b"\x61a\x01"),
        "a tag that is padded": Raw(head(6, 42, 2) + cbor(b"\x00\x01\x55\x00\x00")),
        "an indefinite byte string": Raw(b"\x5f\x41x\xff"),
        "an indefinite text": Raw(b"\x7f\x61x\xff"),
        "an indefinite list": Raw(b"\x9f\x01\xff"),
        "an indefinite map": Raw(b"\xbf\x61a\x01\xff"),
        "a map that is not sorted": Pairs([("b", 1), ("a", 2)]),
        "a map sorted by bytes and not by length": Pairs([("aa", 1), ("b", 2)]),
        "a key twice in a map": Pairs([("a", 1), ("a", 1)]),
        "a key that is an integer": Pairs([(1, 1)]),
        "a key that is bytes": Pairs([(b"a", 1)]),
        "a key that is null": Pairs([(None, 1)]),
        "a float of 64 bits": Raw(b"\xfb" + struct.pack(">d", 1.5)),
        "a float of 64 bits that is whole": Raw(b"\xfb" + struct.pack(">d", 1.0)),
        "a float of 32 bits": Raw(b"\xfa" + struct.pack(">f", 1.5)),
        "a float of 16 bits": Raw(b"\xf9\x3e\x00"),
        "a NaN": Raw(b"\xfb\x7f\xf8" + bytes(6)),
        "an infinity": Raw(b"\xfb\x7f\xf0" + bytes(6)),
        "negative zero": Raw(b"\xfb\x80" + bytes(7)),
        "undefined": Raw(b"\xf7"),
        "a simple value": Raw(b"\xf8\xff"),
        "false in two bytes": Raw(b"\xf8\x14"),
        "a tag for a date": Tagged(1, NOW_S),
        "a tag for a big integer": Tagged(2, b"\x01"),
        "a tag for embedded CBOR": Tagged(24, b"\x01"),
        "a tag that says this is CBOR": Tagged(55_799, 1),
        "a tag that nobody has defined": Tagged(999_999, 1),
        "tag 42 over text": Tagged(42, "bafy"),
        "tag 42 over bytes without the leading zero": Tagged(42, b"\x01\x55\x00\x00"),
        "tag 42 over nothing": Tagged(42, b""),
        "tag 42 over bytes that are no CID": Tagged(42, b"\x00\xff\xff"),
        "tag 42 in tag 42": Tagged(42, Tagged(42, b"\x00\x01\x55\x00\x00")),
        "text that is not UTF-8": Raw(head(3, 2) + b"\xc3\x28"),
        "text with half of a surrogate pair": Raw(head(3, 3) + b"\xed\xa0\x80"),
        "text in overlong UTF-8": Raw(head(3, 2) + b"\xc0\xaf"),
        "a list that ends before its length": Raw(b"\x98\xff\x01"),
        "bytes that announce more than there are": Raw(b"\x5b" + b"\xff" * 8),
        "a list that announces more than memory holds": Raw(b"\x9b" + b"\xff" * 8),
        "a break where a value belongs": Raw(b"\xff"),
        "a reserved head": Raw(b"\x1c"),
    }
    for name, value in odd.items():
        yield bad(name, _meta(value), "encoding")
    yield bad("a byte after the end", good + b"\x00", "encoding")
    yield bad("a whole token after the end", good + good, "encoding")
    yield bad("the last byte cut off", good[:-1], "encoding")
    yield bad("nothing at all", b"", "encoding")
    yield bad("an integer above 64 bits signed", _meta(2**63), "limit")
    yield bad("an integer below 64 bits signed", _meta(-(2**63) - 1), "limit")
    yield bad("nested too deep", _meta(Raw(b"\x81" * 40 + b"\x01")), "limit")
    yield bad("nested ten thousand deep", _meta(Raw(b"\x81" * 10_000 + b"\x01")), "limit")
    yield bad("longer than a token may be", _meta(bytes(limits.TOKEN_BYTES_MAX)), "limit")
    padded = b"\x82" + head(2, 64, 2) + good[3:]
    yield bad("the length of the signature padded", padded, "encoding")
    unsorted = Pairs([(DLG, given()), ("h", VARSIG)])
    yield bad("header after payload", token(cbor(unsorted)), "encoding")
    heads = Pairs([("h", VARSIG), ("h", VARSIG), (DLG, given())])
    yield bad("the header twice", token(cbor(heads)), "encoding")
    twice = Pairs([*sorted(given().items(), key=_order), ("nonce", b"another one.")])
    yield bad("a claim twice", token(body(twice)), "encoding")


def _order(pair: tuple[str, Odd]) -> tuple[int, str]:
    return len(pair[0]), pair[0]


def _envelopes() -> Iterator[Case]:
    signed = body(given())
    signature = cbor(ALICE.sign(signed))
    yield bad("an envelope of three elements", b"\x83" + signature + signed + b"\xf6", "envelope")
    yield bad("an envelope of one element", b"\x81" + signature, "envelope")
    yield bad("an envelope without elements", b"\x80", "envelope")
    yield bad(
        "an envelope that is a map", cbor({"s": Raw(signature), "p": Raw(signed)}), "envelope"
    )
    yield bad("the payload without envelope", signed, "envelope")
    yield bad("payload before signature", b"\x82" + signed + signature, "envelope")
    yield bad(
        "a signature of 63 bytes", b"\x82" + cbor(ALICE.sign(signed)[1:]) + signed, "envelope"
    )
    yield bad("a signature of 65 bytes", b"\x82" + cbor(ALICE.sign(signed) + b"\0") + signed,
              "envelope")  # fmt: skip
    yield bad("a signature as text", b"\x82" + cbor("x" * 64) + signed, "envelope")
    yield bad("no signature", b"\x82\x40" + signed, "envelope")
    yield bad("the payload as bytes", b"\x82" + signature + cbor(signed), "envelope")
    beside: Odd = {"h": VARSIG, DLG: given(), "x": 1}
    yield bad("something beside header and payload", token(cbor(beside)), "envelope")
    both: Odd = {"h": VARSIG, DLG: given(), INV: asked()}
    yield bad("two payloads in one envelope", token(cbor(both)), "envelope")
    yield bad("no header", token(cbor({DLG: given()})), "envelope")
    yield bad("a payload that is a list", token(body([1, 2])), "envelope")
    for name, header in _HEADERS.items():
        yield bad(f"varsig: {name}", token(body(given(), varsig=header)), "envelope")
    for tag in ("ucan/dlg", "ucan/dlg@", "dlg@1.0.0", "ucan/Dlg@1.0.0", "ucan/dlg/1.0.0", ""):
        yield bad(f"the tag {tag or 'that is empty'}", token(body(given(), tag)), "envelope")
    for version in ("1.0.0-rc.1", "1.0.1", "2.0.0", "1", "1.0.0 "):
        yield bad(f"version {version!r}", token(body(given(), f"ucan/dlg@{version}")), "envelope",
                  Code.VERSION)  # fmt: skip
    yield bad("an invocation where a delegation belongs", inv(), "envelope")
    yield bad_inv("a delegation where an invocation belongs", dlg(), "envelope")
    yield bad_inv("claims of a delegation under the tag of an invocation",
                  token(body(given(), INV)), "claim")  # fmt: skip
    yield bad("claims of an invocation under the tag of a delegation", token(body(asked(), DLG)),
              "claim")  # fmt: skip


_HEADERS: dict[str, Odd] = {
    "empty": b"",
    "one byte short": VARSIG[:-1],
    "one byte more": VARSIG + b"\x00",
    "as text": VARSIG.hex(),
    "null": None,
    "raw bytes instead of DAG-CBOR": VARSIG[:-1] + b"\x5f",
    "DAG-JSON instead of DAG-CBOR": VARSIG[:-1] + b"\xa9\x02",
    "version 0": b"\x34\x00" + VARSIG[2:],
    "another hash": VARSIG[:6] + b"\x12\x71",
    "the version as a padded varint": b"\x34\x81\x00" + VARSIG[2:],
    "ES256": bytes.fromhex("3401ec0180241271"),
    "ES256K": bytes.fromhex("3401ec01e7011271"),
    "RS256": bytes.fromhex("3401852412800271"),
    "EIP-191": bytes.fromhex("3401ec01e7011b91c30371"),
}


def _signatures() -> Iterator[Case]:
    signed = body(given())
    honest = ALICE.sign(signed)

    def under(signature: bytes, what: bytes = signed) -> bytes:
        return b"\x82\x58\x40" + signature + what

    yield bad("signed by another", token(signed, BOB), "signature")
    yield bad("a signature of zeros", under(bytes(64)), "signature")
    yield bad("S not reduced: S + L", under(malleable(honest)), "signature")
    yield bad("S not reduced: its top bit set", under(honest[:63] + bytes([honest[63] | 0x80])),
              "signature")  # fmt: skip
    yield bad("one bit of R changed", under(bytes([honest[0] ^ 1]) + honest[1:]), "signature")
    yield bad("one bit of the nonce changed", under(honest, signed.replace(b"of 12.", b"of 13.")),
              "signature")  # fmt: skip
    yield bad("a signature of another delegation", under(ALICE.sign(body(given(exp=None)))),
              "signature")  # fmt: skip
    yield bad("a signature of the payload without its header", under(ALICE.sign(cbor(given()))),
              "signature")  # fmt: skip
    yield bad("a signature of the CID", under(ALICE.sign(cbor(b"cid"))), "signature")
    for name, point in (
        ("of order one", IDENTITY),
        ("of order one, not reduced", IDENTITY_UNREDUCED),
        ("of order two", ORDER_TWO),
        ("of order four", ORDER_FOUR),
        ("of order eight", ORDER_EIGHT),
    ):
        # R = identity and S = 0 verify for every eighth message at least, under any such key.
        claims = {**given(), "iss": raw_did(point), "sub": raw_did(point)}
        yield bad(f"a key {name}", under(IDENTITY + bytes(32), body(claims)), "signature")
    off_curve = given()
    off_curve["iss"] = off_curve["sub"] = raw_did(b"\x02" + bytes(31))
    yield bad("a key that is not on the curve", under(honest, body(off_curve)), "signature")
    yield bad_inv("an invocation signed by another", token(body(asked(), INV), BOB), "signature")
    yield bad_inv("an invocation, S not reduced",
                  b"\x82\x58\x40" + malleable(ALICE.sign(body(asked(), INV))) + body(asked(), INV),
                  "signature")  # fmt: skip

"""The small frames of a session, written and read: call, answer, countersign, refuse, ping.

`…_frame` gives the bytes of a frame and raises LocalProtocolError for what may not be sent;
`parse_…` reads a frame that came and raises WireError.  (Hello and offer have files of their own.)

The shape of a refuse is the same for ever: a side that is too old must be able to read why.

Source: formats.md, "Session".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..crypto.keys import SIGNATURE_BYTES
from .errors import Code, LocalProtocolError, WireError
from .frame import Frame, Kind, encode_frame
from .limits import (
    CHAIN_MAX,
    DELIVERY_PARTS_MAX,
    LINE_CHARS_MAX,
    PART_BYTES_MAX,
    SIGNED_BYTES_MAX,
)
from .wire import Body

# The session as a whole, where a frame names a call.
WHOLE = 0


def call_frame(number: int, inv: bytes, proofs: Sequence[bytes]) -> bytes:
    return encode_frame(Kind.CALL, number, {"inv": inv, "proofs": list(proofs)})


def check_question(inv: bytes, proofs: Sequence[bytes], parts: Sequence[bytes]) -> None:
    """Hold what we are about to ask against the limits.  Raises LocalProtocolError."""
    if not 0 < len(inv) <= SIGNED_BYTES_MAX or len(proofs) > CHAIN_MAX:
        raise LocalProtocolError("an invocation or its chain passes the limit")
    if len(parts) > DELIVERY_PARTS_MAX:
        raise LocalProtocolError(f"a delivery of {len(parts)} parts passes the limit")
    if any(not 0 < len(part) <= PART_BYTES_MAX for part in parts):
        raise LocalProtocolError("a part of a delivery is empty or passes the limit")


def parse_call(frame: Frame) -> tuple[bytes, tuple[bytes, ...]]:
    """(invocation, proofs root first)."""
    body = Body.open(frame.body, "a call", ("inv", "proofs"))
    inv = body.data("inv", bytes_max=SIGNED_BYTES_MAX)
    proofs: list[bytes] = []
    for proof in body.items("proofs", items_max=CHAIN_MAX):
        if not isinstance(proof, bytes):
            raise WireError("a call: proofs is not a list of byte strings")
        proofs.append(proof)
    return inv, tuple(proofs)


def answer_frame(number: int, raw: bytes) -> bytes:
    if not 0 < len(raw) <= SIGNED_BYTES_MAX:
        raise LocalProtocolError("an answer is empty or passes the limit")
    return encode_frame(Kind.ANSWER, number, raw)


def parse_answer(frame: Frame) -> bytes:
    """The bytes of the signed answer."""
    raw = frame.body
    if not isinstance(raw, bytes) or not 0 < len(raw) <= SIGNED_BYTES_MAX:
        raise WireError("an answer is not a signed object within the limit")
    return raw


def countersign_frame(number: int, sig: bytes, keys: int | None) -> bytes:
    if len(sig) != SIGNATURE_BYTES:
        raise LocalProtocolError(f"a countersignature has {SIGNATURE_BYTES} bytes")
    return encode_frame(Kind.COUNTERSIGN, number, {"sig": sig, "keys": keys})


def parse_countersign(frame: Frame) -> tuple[bytes, int | None]:
    """(64-byte signature, number of the newest keyset held)."""
    body = Body.open(frame.body, "a countersign", ("sig", "keys"))
    return body.data("sig", length=SIGNATURE_BYTES), body.maybe_integer("keys")


def ping_frame(n: int, *, reply: bool) -> bytes:
    return encode_frame(Kind.PING, WHOLE, {"n": n, "reply": reply})


def parse_ping(frame: Frame) -> tuple[int, bool]:
    """(number of the ping, whether it is the reply to one of ours)."""
    body = Body.open(frame.body, "a ping", ("n", "reply"))
    if frame.call != WHOLE:
        raise WireError("a ping names a call")
    return body.integer("n"), body.flag("reply")


def refuse_frame(number: int, code: Code, sentence: str) -> bytes:
    if len(sentence) > LINE_CHARS_MAX or not sentence.isprintable():
        raise LocalProtocolError("the sentence of a refusal is one line of printable text")
    return encode_frame(Kind.REFUSE, number, {"code": code.value, "sentence": sentence})


def parse_refuse(frame: Frame) -> tuple[Code, str]:
    """(code, sentence)."""
    body = Body.open(frame.body, "a refuse", ("code", "sentence"))
    name, sentence = body.text("code"), body.text("sentence")
    # It is shown to a person: no control characters from outside on their terminal.
    if not sentence.isprintable():
        raise WireError("the sentence of a refuse is not one line of printable text")
    try:
        return Code(name), sentence
    except ValueError:
        raise WireError("a refuse has a code that this version does not know") from None


def one_line(sentence: str) -> str:
    """`sentence` cut down to what a refuse may say."""
    line = "".join(char if char.isprintable() else " " for char in sentence)
    return line[:LINE_CHARS_MAX]

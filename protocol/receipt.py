"""Receipts: what was read, in words that both sides signed.

A read goes in **windows** of at most 1 MiB.  For each, the server's device signs a body that says
what it offers, the reader's persona signs the same body once it has stored the pages, and only
then comes the next.  So each side holds the other's word for every window but possibly the last;
a last one left unanswered is *one-sided*, and the signed invocation stands beside it.

The windows of one read tile the days that were asked (a day too large for one window is split and
appears in both), and each receipt names the one before it between these two: a missing one shows.

What goes into the log is not the receipt but a blinded fingerprint: `f` needs `k_r`, which comes
from a key that only the two sides share, and the leaf needs a key of this log and this index.  One
proof file opens one leaf, and a common witness cannot link two logs.

Other commands are answered by an **answer** that the device signs, refusals included; they are
fingerprinted under the pair's key, as window 0.

Source: formats.md, "Reading, receipts, log", "Session".
"""

from __future__ import annotations

from dataclasses import dataclass

from ..crypto.digest import DIGEST_BYTES, hmac_sha256, kdf
from ..crypto.keys import DeviceKey, GrantKey, LogKey, PairKey, PersonaKey, Secret, verify_signature
from ..crypto.labels import Derive, Signed
from .cid import CID_BYTES, check_cid, cid_of
from .command import Cmd
from .day import UNDATED
from .did import Did, check_did, public_of
from .errors import CapabilityError, Code, RemoteProtocolError, WireError
from .limits import WINDOW_BYTES_MAX, WINDOW_NUMBER_MAX, WINDOW_PAGES_MAX
from .mandate import Acted, acted_from_value
from .persona import Certificate
from .signed import SignedObject, assemble, parse, sign, signing_bytes
from .signed import countersigned as both_sign
from .wire import VERSION, Body, Value

_RECEIPT_KEYS = (
    "v",
    "inv",
    "dlg",
    "server",
    "reader",
    "window",
    "last",
    "entries_root",
    "from",
    "to",
    "pages",
    "bytes",
    "t_ms",
    "prev",
)
_ANSWER_KEYS = ("v", "inv", "code", "out", "t_ms", "prev")
# What was said in another's name is answered with both names; other answers have no such key.
_ACTED = "acted"


class ReceiptKey(Secret):
    """`k_r`: opens the fingerprint of one receipt, and nothing else."""

    role = "receipt"


@dataclass(frozen=True, slots=True)
class ReceiptBody:
    """What both sides sign about one window.

    `inv` and `dlg` are the CIDs of the invocation and of the root delegation; `server` is the
    device that executed, `reader` the persona that invoked; `first … last_day` are the days that
    the window covers; `size` counts the bytes of its pages; `prev` is the CID of the receipt
    before it between these two, or None for the first.
    """

    inv: bytes
    dlg: bytes
    server: Did
    reader: Did
    window: int
    last: bool
    entries_root: bytes
    first: int
    last_day: int
    pages: int
    size: int
    t_ms: int
    prev: bytes | None

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "inv": self.inv,
            "dlg": self.dlg,
            "server": self.server,
            "reader": self.reader,
            "window": self.window,
            "last": self.last,
            "entries_root": self.entries_root,
            "from": self.first,
            "to": self.last_day,
            "pages": self.pages,
            "bytes": self.size,
            "t_ms": self.t_ms,
            "prev": self.prev,
        }

    @property
    def cid(self) -> bytes:
        """The name of the receipt with this body, whoever has signed it: 36 bytes."""
        return cid_of(signing_bytes(Signed.RECEIPT, self.value()))


def receipt_body_from_value(value: Value) -> ReceiptBody:
    """Read the body of a receipt.  Raises WireError."""
    body = Body.open(value, "a receipt", _RECEIPT_KEYS)
    receipt = ReceiptBody(
        inv=_cid(body, "inv"),
        dlg=_cid(body, "dlg"),
        server=check_did(body.text("server")),
        reader=check_did(body.text("reader")),
        window=body.integer("window", high=WINDOW_NUMBER_MAX),
        last=body.flag("last"),
        entries_root=body.data("entries_root", length=DIGEST_BYTES),
        first=body.integer("from", high=UNDATED),
        last_day=body.integer("to", high=UNDATED),
        pages=body.integer("pages", high=WINDOW_PAGES_MAX),
        size=body.integer("bytes", high=WINDOW_BYTES_MAX),
        t_ms=body.integer("t_ms"),
        prev=_maybe_cid(body, "prev"),
    )
    if receipt.first > receipt.last_day:
        raise WireError("a receipt: from is after to")
    if (receipt.pages == 0) != (receipt.size == 0):
        raise WireError("a receipt counts pages without bytes, or bytes without pages")
    return receipt


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt with the server's signature, and the reader's unless it is one-sided."""

    body: ReceiptBody
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        """36 bytes; the same before and after the countersignature."""
        return self.signed.cid

    @property
    def one_sided(self) -> bool:
        return len(self.signed.signatures) == 1

    def verify(self, certificate: Certificate) -> None:
        """Check who signed: the reader, and the server's device, certified for reads at `t_ms`.

        `certificate` is the server's.  Raises BadSignature, CapabilityError.
        """
        body = self.body
        certificate.check(body.t_ms, public_of(body.server), Cmd.READ)
        publics = (public_of(body.server), public_of(body.reader))
        self.signed.verify(*publics[: len(self.signed.signatures)])


def sign_receipt(body: ReceiptBody, device: DeviceKey) -> Receipt:
    """The server's word: a one-sided receipt."""
    return Receipt(body, sign(Signed.RECEIPT, body.value(), device))


def countersign(receipt: Receipt, persona: PersonaKey) -> bytes:
    """The reader's signature over the same body (64 bytes), after it has stored the pages."""
    return persona.sign(receipt.signed.message)


def countersigned(receipt: Receipt, signature: bytes) -> Receipt:
    """The two-sided receipt, the reader's signature verified.  Raises BadSignature."""
    verify_signature(public_of(receipt.body.reader), receipt.signed.message, signature)
    return with_countersignature(receipt, signature)


def with_countersignature(receipt: Receipt, signature: bytes) -> Receipt:
    """The two-sided receipt, for whoever has made or checked the reader's signature itself."""
    return Receipt(receipt.body, both_sign(receipt.signed, signature))


def offered(value: Value, signature: bytes, certificate: Certificate) -> Receipt:
    """The one-sided receipt of an offer: its body and the server's signature, verified.

    Raises WireError, BadSignature, CapabilityError.
    """
    body = receipt_body_from_value(value)
    receipt = Receipt(body, assemble(Signed.RECEIPT, body.value(), signature))
    receipt.verify(certificate)
    return receipt


def parse_receipt(raw: bytes) -> Receipt:
    """Read a receipt with one signature or two.  Nothing is verified.  Raises WireError."""
    signed = parse(raw, Signed.RECEIPT, signatures=1, signatures_max=2)
    return Receipt(receipt_body_from_value(signed.body), signed)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the windows of one read must add up to: the invocation, its root, days, both ends."""

    inv: bytes
    dlg: bytes
    server: Did
    reader: Did
    first: int
    last: int


def check_next(body: ReceiptBody, asked: Asked, previous: ReceiptBody | None) -> None:
    """Accept `body` as the window after `previous` of the read `asked` (None: the first).

    The chain of `prev` across reads is the store's to check, within one read the caller passes
    CIDs through `check_prev`.  Raises RemoteProtocolError(malformed).
    """
    wrong: str | None = None
    if (body.inv, body.dlg, body.server, body.reader) != (
        asked.inv,
        asked.dlg,
        asked.server,
        asked.reader,
    ):
        wrong = "is about another read"
    elif body.window != (0 if previous is None else previous.window + 1):
        wrong = "does not follow the window before it"
    elif previous is not None and previous.last:
        wrong = "comes after the last window"
    elif not _continues(body.first, asked.first, previous):
        wrong = "leaves out days, or begins before them"
    elif body.last_day > asked.last or (body.last and body.last_day != asked.last):
        wrong = "does not end where the read ends"
    elif body.pages == 0 and not (body.last and previous is None):
        wrong = "is empty and not alone"
    elif previous is not None and body.t_ms < previous.t_ms:
        wrong = "is older than the window before it"
    if wrong is not None:
        raise RemoteProtocolError(f"a window of pages {wrong}")


def check_dated(body: ReceiptBody, earliest_ms: int, latest_ms: int) -> None:
    """Accept the moment at which a server says that it served: what is owed for a read, and whether
    its certificate held then, hang on it, so the reader signs no other than its own clock bears
    out.  Raises RemoteProtocolError."""
    if not earliest_ms <= body.t_ms <= latest_ms:
        raise RemoteProtocolError(
            "a window of pages is dated at another time than it came: the clocks differ, or its "
            "server does not say when it served"
        )


def _continues(first: int, asked_first: int, previous: ReceiptBody | None) -> bool:
    if previous is None:
        return first == asked_first
    return first in (previous.last_day, previous.last_day + 1)


def check_prev(prev: bytes | None, known: bytes | None) -> None:
    """Accept that what the peer signed follows the last receipt that this node knows of the two.

    Raises RemoteProtocolError: one of the two nodes has lost or hidden something.
    """
    if prev != known:
        raise RemoteProtocolError(
            "the other side's last receipt is not the last one known here: one of the two was "
            "set back to an older state"
        )


def receipt_key(shared: GrantKey | PairKey, inv: bytes, window: int) -> ReceiptKey:
    """`k_r = KDF(k_grant, "receipt", inv, window)`; under `k_pair` for other commands."""
    return ReceiptKey(kdf(shared.secret_bytes(), Derive.RECEIPT, inv, window))


def fingerprint(k_r: ReceiptKey, cid: bytes) -> bytes:
    """`f = HMAC(k_r, CID(body))`: 32 bytes."""
    return hmac_sha256(k_r.secret_bytes(), cid)


def leaf_key(key: LogKey, index: int) -> bytes:
    """`KDF(K_log, "leaf", index)`: what a proof file shows to open one leaf of a log."""
    return kdf(key.secret_bytes(), Derive.LOG_LEAF, index)


def leaf_data(key: LogKey, index: int, f: bytes) -> bytes:
    """The data of leaf `index`: `HMAC(KDF(K_log, "leaf", index), f)`, 32 bytes."""
    return hmac_sha256(leaf_key(key, index), f)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device answered to a command other than a read that succeeded.

    `out` is the outcome when `code` is ok (`command.parse_out`), else a sentence or None.
    """

    inv: bytes
    code: Code
    out: Value
    t_ms: int
    prev: bytes | None
    signed: SignedObject
    # Who acted for whom, where the invocation was said under a mandate.
    acted: Acted | None = None

    @property
    def cid(self) -> bytes:
        return self.signed.cid

    @property
    def reason(self) -> str:
        """Why it was refused: the sentence of who did, of any length, or else the code."""
        return self.out if isinstance(self.out, str) and self.out else self.code.value

    def verify(self, certificate: Certificate, inv: bytes) -> None:
        """Check that the device of `certificate` answered invocation `inv`.

        Raises BadSignature, CapabilityError.
        """
        if self.inv != inv:
            raise CapabilityError("an answer is to another invocation", Code.MALFORMED)
        certificate.check(self.t_ms)
        self.signed.verify(public_of(certificate.device))


def make_answer(
    device: DeviceKey,
    *,
    inv: bytes,
    code: Code,
    out: Value,
    t_ms: int,
    prev: bytes | None,
    acted: Acted | None = None,
) -> Answer:
    """Sign an answer.  `prev` as in receipts: the last one between these two."""
    body: dict[str, Value] = {
        "v": VERSION,
        "inv": inv,
        "code": code.value,
        "out": out,
        "t_ms": t_ms,
        "prev": prev,
    }
    if acted is not None:
        body[_ACTED] = acted.value()
    return parse_answer(sign(Signed.ANSWER, body, device).raw)


def parse_answer(raw: bytes) -> Answer:
    """Read an answer.  Nothing is verified.  Raises WireError."""
    signed = parse(raw, Signed.ANSWER)
    acts = _ACTED in signed.body
    keys = (*_ANSWER_KEYS, _ACTED) if acts else _ANSWER_KEYS
    body = Body.open(signed.body, "an answer", keys)
    try:
        code = Code(body.text("code"))
    except ValueError as error:
        raise WireError("an answer: its code is not known") from error
    return Answer(
        _cid(body, "inv"),
        code,
        body.value("out"),
        body.integer("t_ms"),
        _maybe_cid(body, "prev"),
        signed,
        acted_from_value(body.value(_ACTED)) if acts else None,
    )


def _cid(body: Body, key: str) -> bytes:
    return check_cid(body.data(key, length=CID_BYTES))


def _maybe_cid(body: Body, key: str) -> bytes | None:
    return None if body.value(key) is None else _cid(body, key)

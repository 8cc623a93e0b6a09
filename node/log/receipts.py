"""What was signed between this node and each peer, kept in the log of this device.

A row holds the receipt or answer as signed, which way it went, the pair, the key `k_r` of its
fingerprint, and the name of the certificate under which the server signed, so that the row can be
verified years later although certificates live for a month.

The chain of one direction of one pair is the order of `prev`.  A word that was signed and never
arrived (the line broke) stays in the signer's log as one-sided; the next one then names the last
that did arrive, which the peer says in its hello.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from ...crypto.keys import GrantKey, PairKey
from ...protocol.did import Did
from ...protocol.errors import ProtocolError
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.receipt import (
    Answer,
    Receipt,
    ReceiptKey,
    fingerprint,
    parse_answer,
    parse_receipt,
    receipt_key,
)
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import LogBroken, StoreDamaged
from ..store.log import LogEntry
from ..store.objects import Kind
from ..store.store import Store
from .subject import Subject

Word: TypeAlias = Receipt | Answer
# The rows of the log, as a set that is compared: see `node/store/stamps.py`.
LOGGED = "logged"


class Way(StrEnum):
    """Who served: this node (`given`) or the peer (`taken`); a helper in this node's name
    (`helper`), or this node in that of somebody whom it helps (`helped`)."""

    GIVEN = "given"
    TAKEN = "taken"
    HELPER = "helper"
    HELPED = "helped"


@dataclass(frozen=True, slots=True)
class Logged:
    """One row of the log.  `certificate` is that of the device that served.

    `subject`: what the word is about, None in rows of older versions.  `call`: of a window that was
    served and not signed for, the signed call of its read.
    """

    index: int
    way: Way
    own: Did
    their: Did
    word: Word
    k_r: ReceiptKey
    certificate: bytes
    subject: Subject | None = None
    call: bytes | None = None

    @property
    def two_sided(self) -> bool:
        return isinstance(self.word, Receipt) and not self.word.one_sided

    def value(self) -> Value:
        kind = "receipt" if isinstance(self.word, Receipt) else "answer"
        row: list[Value] = [
            kind,
            self.way.value,
            self.own,
            self.their,
            self.word.signed.raw,
            self.k_r.secret_bytes(),
            self.certificate,
        ]
        subject = None if self.subject is None else self.subject.value()
        if self.call is not None:
            return [*row, subject, self.call]
        return row if subject is None else [*row, subject]


@dataclass(frozen=True, slots=True)
class LogReport:
    """What `log verify` found.  `receipts` were countersigned; `one_sided` were not (yet).

    `gaps` counts words of a peer that follow one which this node took and did not live to keep.
    """

    size: int
    root: bytes
    receipts: int
    one_sided: int
    answers: int
    gaps: int


class Receipts:
    """The log of this device, in words of the protocol."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        tx: Tx,
        way: Way,
        own: Did,
        their: Did,
        word: Word,
        shared: GrantKey | PairKey,
        certificate: Certificate,
        subject: Subject | None = None,
        call: bytes | None = None,
    ) -> int:
        """Append a word to the log, with what it is about; the index of its leaf.

        `call`, as signed, stays beside a window until its reader has signed for it: so there is one
        for each read that its reader never signed for to the end, and none for any other.
        """
        window = word.body.window if isinstance(word, Receipt) else 0
        inv = word.body.inv if isinstance(word, Receipt) else word.inv
        k_r = receipt_key(shared, inv, window)
        raw = certificate.signed.raw
        self._store.objects.add_if_new(tx, Kind.CERTIFICATE, certificate.signed.cid, raw)
        logged = Logged(-1, way, own, their, word, k_r, certificate.signed.cid, subject, call)
        return self._store.log.append(tx, word.cid, fingerprint(k_r, word.cid), logged.value())

    def countersigned(self, tx: Tx, receipt: Receipt) -> None:
        """Keep the reader's signature beside ours, in place of the call that asked for it.

        Raises StoreDamaged if it is not in the log.
        """
        self._store.log.amend(tx, receipt.cid, lambda entry: _with_word(entry, receipt))
        self._store.stamps.changed(tx, LOGGED)

    def gave(self, tx: Tx, own: Did, their: Did, cid: bytes) -> bool:
        """Whether this node signed the word `cid` for this peer, by its own log."""
        entry = self._store.log.find(tx, cid)
        if entry is None or entry.value is None:
            return False
        logged = logged_of(entry)
        signed = logged.way in (Way.GIVEN, Way.HELPED)
        return signed and (logged.own, logged.their) == (own, their)

    def find(self, tx: Tx, cid: bytes) -> Logged | None:
        """The word of this CID, or None if it is not in the log."""
        entry = self._store.log.find(tx, cid)
        return None if entry is None or entry.value is None else logged_of(entry)

    def all(self, tx: Tx) -> list[Logged]:
        """Every word, in the order they were logged."""
        return [logged_of(entry) for entry in self._store.log.entries(tx)]

    def verify(self, tx: Tx) -> LogReport:
        """Recompute leaves and root, verify every signature and every `prev`.

        Raises LogBroken, naming the first row that is wrong.
        """
        chains: dict[tuple[Way, Did, Did], _Chain] = {}
        counts = {"receipts": 0, "one_sided": 0, "answers": 0}

        def check(entry: LogEntry) -> bytes:
            logged = logged_of(entry)
            self._check_signatures(tx, logged)
            chains.setdefault((logged.way, logged.own, logged.their), _Chain()).add(logged)
            if isinstance(logged.word, Answer):
                counts["answers"] += 1
            else:
                counts["one_sided" if logged.word.one_sided else "receipts"] += 1
            return fingerprint(logged.k_r, logged.word.cid)

        try:
            self._store.log.verify_all(tx, check)
        except ProtocolError as error:
            raise LogBroken(f"a word in the log does not verify: {error}") from error
        gaps = 0
        for (way, _, _), chain in chains.items():
            missing = chain.missing()
            if missing and way is Way.GIVEN:
                raise LogBroken(f"receipt {missing[0]} of the log follows one that is not there")
            gaps += len(missing)
        log = self._store.log
        return LogReport(log.size(tx), log.root(tx), gaps=gaps, **counts)

    def _check_signatures(self, tx: Tx, logged: Logged) -> None:
        raw = self._store.objects.get(tx, Kind.CERTIFICATE, logged.certificate)
        if not isinstance(raw, bytes):
            raise StoreDamaged("the certificate of a receipt is missing")
        certificate = parse_certificate(raw)
        if isinstance(logged.word, Receipt):
            logged.word.verify(certificate)
        else:
            logged.word.verify(certificate, logged.word.inv)


class _Chain:
    """One direction of one pair: each word names the one before it."""

    def __init__(self) -> None:
        self._cids: set[bytes] = set()
        self._prevs: list[tuple[int, bytes]] = []

    def add(self, logged: Logged) -> None:
        word = logged.word
        prev = word.body.prev if isinstance(word, Receipt) else word.prev
        self._cids.add(word.cid)
        if prev is not None:
            self._prevs.append((logged.index, prev))

    def missing(self) -> list[int]:
        """The rows that follow a word that is not there."""
        return [index for index, prev in self._prevs if prev not in self._cids]


def _with_word(entry: LogEntry, word: Word) -> Value:
    """A row of the log with the same word in it, countersigned.  Raises StoreDamaged."""
    match entry.value:
        case [kind, way, own, their, bytes(), k_r, certificate, *about]:
            subject = [one for one in about[:1] if one is not None]
            return [kind, way, own, their, word.signed.raw, k_r, certificate, *subject]
        case _:
            raise StoreDamaged("a row of the log has not the form of one")


def logged_of(entry: LogEntry) -> Logged:
    """Read a row of the log.  Raises StoreDamaged."""
    match entry.value:
        case [
            str(kind),
            str(way),
            str(own),
            str(their),
            bytes(raw),
            bytes(k_r),
            bytes(certificate),
            *about,
        ] if len(about) <= 2:
            word: Word = parse_receipt(raw) if kind == "receipt" else parse_answer(raw)
            return Logged(
                entry.index,
                Way(way),
                Did(own),
                Did(their),
                word,
                ReceiptKey(k_r),
                certificate,
                Subject.from_value(about[0]) if about else None,
                about[1] if len(about) == 2 and isinstance(about[1], bytes) else None,
            )
        case _:
            raise StoreDamaged("a row of the log has not the form of one")

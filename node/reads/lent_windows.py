"""Windows of pages that a peer lends: held against all they claim, opened, added up to a read.

    offer, pages ──check_window──> CheckedWindow ──(stored, countersigned)──open_window──> records
                                                                          └──lent──> provenance

Nothing here touches the store.  A window that does not pass leaves no trace; a page that does not
open is named and costs no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ...crypto.errors import CryptoError
from ...crypto.keys import GrantKey
from ...crypto.merkle import tree_hash
from ...protocol.did import Did
from ...protocol.errors import Code, ProtocolError, RemoteProtocolError
from ...protocol.keyset import GrantKeys
from ...protocol.offer import Offer
from ...protocol.page import OpenedPage, PageEntry, entry_leaf, open_page
from ...protocol.persona import Certificate
from ...protocol.receipt import Asked as AskedRead
from ...protocol.receipt import Receipt, ReceiptBody, check_next, offered
from ...protocol.record import Batch, concat
from ...protocol.segment import RunProof, SegmentHead, parse_segment_head, verify_run
from ...protocol.statement import Statement, parse_statement, read_hashes, verify_pages
from ...protocol.window import Window
from ...protocol.wire import Value
from ..grants.grant_held import GrantHeld
from ..peers.peers import OwnPersona
from ..vault.recognition import Told, matched_by_content, recognise
from ..vault.stored import Damaged, rows_of, told_once

# Statements of one read: ten years of daily deliveries.
STATEMENTS_MAX = 4_096

# One segment vouches for a thousand pages: its head comes with every read of one of them.
_segment_head = lru_cache(maxsize=1024)(parse_segment_head)


@dataclass(frozen=True, slots=True)
class StatementProof:
    """A source's statement and what shows that days `first … last` are whole under it."""

    statement: Statement
    first: int
    last: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What became of one statement: verified on days `first … last`, or why not.

    What a source signed, it signed about `statement.sub`.  Only with `about_lender` is that the
    persona that lends: else the source's word holds for the records, not for whose they are
    (a person shows each peer another persona, and an `owner` statement only by choice).
    """

    statement: Statement
    first: int
    last: int
    reason: str | None
    about_lender: bool


@dataclass(frozen=True, slots=True)
class Lent:
    """What a fetch brought: records (None if no page opened), what their sources signed, what
    would not open."""

    batch: Batch | None
    pages: int
    size: int
    windows: int
    provenance: tuple[Provenance, ...]
    damaged: tuple[Damaged, ...]


@dataclass(slots=True)
class Fetching:
    """A read of ours that is under way."""

    grant: GrantHeld
    persona: OwnPersona
    keys: GrantKeys
    window: Window
    asked: AskedRead
    previous: ReceiptBody | None = None
    heads: dict[bytes, SegmentHead] = field(default_factory=lambda: dict[bytes, SegmentHead]())
    statements: list[StatementProof] = field(default_factory=lambda: list[StatementProof]())
    opened: list[tuple[PageEntry, OpenedPage]] = field(
        default_factory=lambda: list[tuple[PageEntry, OpenedPage]]()
    )
    damaged: list[Damaged] = field(default_factory=lambda: list[Damaged]())
    schema: str | None = None
    pages: int = 0
    size: int = 0
    windows: int = 0
    # Every persona that the lender has been to this node; of none other than the grant's if empty.
    lenders: tuple[str, ...] = ()
    # The devices whose heads of segments are the lender's word, where a helper of its serves; of
    # the server's own if empty.
    vouching: frozenset[Did] = frozenset()

    @property
    def proofs(self) -> list[bytes]:
        """The delegations to send beside the invocation, root first."""
        return [link.delegation.raw for link in self.grant.bundle.links]


@dataclass(frozen=True, slots=True)
class CheckedWindow:
    """A window whose receipt, entries and pages are what they claim to be."""

    receipt: Receipt
    entries: tuple[PageEntry, ...]
    raws: tuple[bytes, ...]
    pages: tuple[bytes, ...]
    statements: tuple[StatementProof, ...]
    keysets: tuple[bytes, ...]


def check_window(
    fetching: Fetching, offer: Offer, pages: Sequence[bytes], certificate: Certificate
) -> CheckedWindow:
    """Hold a window against everything it claims; the session has checked each page's digest.

    Raises RemoteProtocolError, WireError, BadSignature, StatementError: nothing is kept then.
    """
    receipt = offered(offer.receipt.value(), offer.sig, certificate)
    check_next(receipt.body, fetching.asked, fetching.previous)
    raws = tuple(offer.entries)
    if tree_hash([entry_leaf(raw) for raw in raws]) != receipt.body.entries_root:
        raise RemoteProtocolError("the entries of a window are not those of its receipt")
    if len(set(raws)) != len(raws):
        raise RemoteProtocolError("a window holds one page twice")
    for head in map(_segment_head, offer.heads):
        if head.dev not in (fetching.vouching or (certificate.device,)):
            raise RemoteProtocolError(
                "a segment is signed by another device than the server"
                if not fetching.vouching
                else "a helper brings pages that no device of the owner vouched for"
            )
        fetching.heads[head.cid] = head
    entries = tuple(_verified_entries(fetching, offer.proofs, raws))
    if len({fetching.schema, *(entry.schema for entry in entries)} - {None}) > 1:
        raise RemoteProtocolError("the pages of one collection are of several schemas")
    for entry in entries:
        if entry.path != fetching.window.collection or not (
            receipt.body.first <= entry.day <= receipt.body.last_day
        ):
            raise RemoteProtocolError("a window holds pages of days that were not asked for")
    if len(fetching.statements) + len(offer.statements) > STATEMENTS_MAX:
        raise RemoteProtocolError("a read brings more statements than are kept", Code.TOO_MUCH)
    statements = tuple(_statement_proof(value, fetching.window) for value in offer.statements)
    return CheckedWindow(receipt, entries, raws, tuple(pages), statements, tuple(offer.keysets))


def went_by(fetching: Fetching, checked: CheckedWindow) -> None:
    """The window is kept: the next one must follow it."""
    fetching.previous = checked.receipt.body
    fetching.statements.extend(checked.statements)
    if checked.entries:
        fetching.schema = checked.entries[0].schema
    fetching.pages += len(checked.pages)
    fetching.size += checked.receipt.body.size
    fetching.windows += 1


def open_window(
    keys: GrantKeys, checked: CheckedWindow
) -> tuple[list[tuple[PageEntry, OpenedPage]], list[Damaged]]:
    """Open the pages of a window; name those that would not."""
    opened: list[tuple[PageEntry, OpenedPage]] = []
    damaged: list[Damaged] = []
    for entry, ciphertext in zip(checked.entries, checked.pages, strict=True):
        try:
            day_key = keys.day_key(entry.path, entry.epoch, entry.gen, entry.day)
            opened.append((entry, open_page(entry, ciphertext, day_key)))
        except (CryptoError, ProtocolError) as error:
            damaged.append(Damaged(entry.path, entry.day, entry.page_id, str(error)))
    return opened, damaged


def lent(fetching: Fetching) -> Lent:
    """What a read that is over brought: records, and what their sources signed verified on them."""
    lenders = (*fetching.lenders, fetching.grant.bundle.root.delegation.iss)
    provenance = proven(fetching.statements, fetching.opened, lenders)
    return Lent(
        lent_batch(fetching.opened),
        fetching.pages,
        fetching.size,
        fetching.windows,
        provenance,
        tuple(fetching.damaged),
    )


def proven(
    proofs: Iterable[StatementProof],
    opened: Iterable[tuple[PageEntry, OpenedPage]],
    lenders: Sequence[str],
) -> tuple[Provenance, ...]:
    """What became of each statement, on the days of its proof, by the pages that opened."""
    of_statement: dict[bytes, list[tuple[PageEntry, OpenedPage]]] = {}
    for pair in opened:
        if pair[0].statement is not None:
            of_statement.setdefault(pair[0].statement, []).append(pair)
    return tuple(
        _provenance(proof, of_statement.get(proof.statement.cid, []), lenders) for proof in proofs
    )


def lent_batch(opened: Sequence[tuple[PageEntry, OpenedPage]]) -> Batch | None:
    """The records of opened pages, in order of time, each fact once; None without any page.

    A page does not say which file it came from: all that no source signed has one teller, the
    lender, and of what each statement signed nothing is joined with another statement's.
    """
    if not opened:
        return None
    schema = opened[0][1].batch.schema
    signed = [(entry, page.batch) for entry, page in opened if entry.statement is not None]
    unsigned = [(entry, page.batch) for entry, page in opened if entry.statement is None]
    if not schema.dated:
        unsigned.reverse()  # of what holds now, the newest
    told = [*signed, *unsigned]
    if not (signed and unsigned and matched_by_content(schema)):
        return told_once(schema, [batch for _, batch in told])
    facts = recognise(
        schema,
        [
            Told((entry.statement or b"").hex(), entry.statement is not None, batch)
            for entry, batch in told
        ],
    )
    whole = concat(schema, [batch for _, batch in told])
    return rows_of(whole, [rows[0] for rows in facts.rows]).sorted()


def _provenance(
    proof: StatementProof, found: Sequence[tuple[PageEntry, OpenedPage]], lenders: Sequence[str]
) -> Provenance:
    about_lender = proof.statement.sub in lenders
    within = (pair for pair in found if proof.first <= pair[0].day <= proof.last)
    pages = sorted(within, key=lambda pair: pair[0].day)
    try:
        verify_pages(proof.statement, proof.first, pages, proof.hashes)
        if len(pages) != proof.last - proof.first + 1:
            raise RemoteProtocolError("a day of the statement is missing")
    except (ProtocolError, CryptoError) as error:
        return Provenance(proof.statement, proof.first, proof.last, str(error), about_lender)
    return Provenance(proof.statement, proof.first, proof.last, None, about_lender)


def _verified_entries(
    fetching: Fetching, proofs: Sequence[Value], raws: Sequence[bytes]
) -> Iterable[PageEntry]:
    """Every entry, run by run; each run known to be the device's."""
    at = 0
    for value in proofs:
        run = RunProof.from_value(value)
        head = fetching.heads.get(run.segment)
        if head is None:
            raise RemoteProtocolError("a run of entries names a segment that did not come")
        yield from verify_run(head, run, raws[at : at + run.size])
        at += run.size
    if at != len(raws):
        raise RemoteProtocolError("a window holds entries that no segment vouches for")


def _statement_proof(value: Value, window: Window) -> StatementProof:
    match value:
        case [bytes(raw), int(first), int(last), hashes] if (
            window.first <= first <= last <= window.last
        ):
            return StatementProof(parse_statement(raw), first, last, read_hashes(hashes))
        case _:
            raise RemoteProtocolError("a statement in a window has not the form of one")


def shared_key(fetching: Fetching) -> GrantKey:
    """The key under which the receipts of this read are fingerprinted."""
    return fetching.keys.k_grant

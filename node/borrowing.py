"""Borrowing: what this node was lent, and how it reads it.

    ask ──> decision with a bundle ──accept──> keyset ──fetch──> windows: verified, stored, signed

A **grant held** is the bundle as its owner signed it, and the keysets that came for it.  A bundle
that answers our request with the same terms and no wider days is accepted without asking anyone.
A window that comes is held against everything it claims, stored, and only then countersigned;
opening the pages may come later.  What was fetched stays readable after the grant has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ..crypto.entropy import Entropy
from ..crypto.errors import CryptoError
from ..crypto.keys import GrantKey
from ..crypto.merkle import tree_hash
from ..protocol.cid import CID_BYTES
from ..protocol.command import AcceptArgs, Cmd, DecideArgs, RequestArgs
from ..protocol.day import month_of
from ..protocol.did import Did, check_did
from ..protocol.errors import Code, GrantRefused, ProtocolError, RemoteProtocolError
from ..protocol.grant import Bundle, check_bundle, parse_bundle
from ..protocol.invocation import Invocation, issue_invocation
from ..protocol.keyset import GrantKeys, open_keyset, parse_keyset
from ..protocol.limits import INVOCATION_LIFE_S
from ..protocol.offer import Offer
from ..protocol.page import OpenedPage, PageEntry, entry_leaf, open_page
from ..protocol.persona import Certificate
from ..protocol.receipt import Asked as AskedRead
from ..protocol.receipt import Receipt, ReceiptBody, check_next, offered
from ..protocol.record import Batch
from ..protocol.request import Request, parse_request
from ..protocol.revocation import check_revocation, parse_revocation
from ..protocol.schema import schema_named
from ..protocol.segment import RunProof, SegmentHead, parse_segment_head, verify_run
from ..protocol.statement import Statement, parse_statement, read_hashes, verify_pages
from ..protocol.trust import GrantStatus, status_at
from ..protocol.window import Window
from ..protocol.wire import Body, Value
from .collection import Collection, Collections
from .errors import NotAllowed, NotFound
from .inbox import Asked, Inbox, RequestState
from .outgoing import Outgoing
from .peers import OwnPersona, Pair, Peers
from .store.database import Tx
from .store.errors import StoreDamaged
from .store.objects import Kind
from .store.store import Store
from .stored import Damaged, Stored, told_once

NONCE_BYTES = 16
# One comes with each revocation on a path: a hundred a year, for forty years.
KEYSETS_KEPT_MAX = 4_096
# Statements of one read: ten years of daily deliveries.
STATEMENTS_MAX = 4_096
_PAGE_COUNTER = "page"

_bundle = lru_cache(maxsize=4096)(parse_bundle)
# One segment vouches for a thousand pages: its head comes with every read of one of them.
_segment_head = lru_cache(maxsize=1024)(parse_segment_head)
_KEYS = ("own", "their", "bundle", "request", "status", "ended_ms", "keysets")


@dataclass(frozen=True, slots=True)
class GrantHeld:
    """One grant, as its reader keeps it.  `keysets` are the numbers of those that came."""

    own: Did
    their: Did
    bundle: Bundle
    request: bytes
    kept: GrantStatus
    ended_ms: int | None
    keysets: tuple[int, ...]

    @property
    def cid(self) -> bytes:
        return self.bundle.grant.cid

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.bundle.grant.windows

    def status(self, now_ms: int) -> GrantStatus:
        return status_at(self.bundle.grant.delegation, self.kept, now_ms)

    def value(self) -> Value:
        return {
            "own": self.own,
            "their": self.their,
            "bundle": self.bundle.signed.raw,
            "request": self.request,
            "status": self.kept.value,
            "ended_ms": self.ended_ms,
            "keysets": list(self.keysets),
        }

    @classmethod
    def from_value(cls, value: Value) -> GrantHeld:
        body = Body.open(value, "a grant held", _KEYS)
        numbers = body.items("keysets", items_max=KEYSETS_KEPT_MAX)
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            _bundle(body.data("bundle")),
            body.data("request", length=CID_BYTES),
            GrantStatus(body.text("status")),
            body.maybe_integer("ended_ms"),
            tuple(n for n in numbers if isinstance(n, int)),
        )


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
    invocation: Invocation
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


class Borrowing:
    """The reader's side of every grant."""

    def __init__(
        self,
        store: Store,
        peers: Peers,
        collections: Collections,
        inbox: Inbox,
        outgoing: Outgoing,
        device: bytes,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._peers = peers
        self._collections = collections
        self._inbox = inbox
        self._outgoing = outgoing
        self._device = device
        self._entropy = entropy
        self._keys: dict[tuple[bytes, tuple[int, ...]], GrantKeys] = {}

    # asking

    def ask(self, tx: Tx, pair: Pair, request: Request, now_ms: int) -> bytes:
        """Keep a request and put it in the outbox; its CID."""
        asked = Asked(
            pair.own, pair.their, request.encode(), RequestState.WAITING, now_ms, None, None
        )
        if self._inbox.add(tx, request.cid, asked):
            args = RequestArgs(pair.their, request)
            self._outgoing.put(tx, pair, Cmd.REQUEST, args.value(), now_ms)
        return request.cid

    def decided(self, tx: Tx, pair: Pair, args: DecideArgs, now_ms: int) -> None:
        """The owner has decided.  Raises GrantRefused for an answer to what was never asked, or
        a bundle that is not what was asked for; nothing is changed then."""
        asked = self._inbox.find(tx, args.request)
        if asked is None or (asked.own, asked.their) != (pair.own, pair.their):
            raise GrantRefused("this answers a request that was not made", Code.UNKNOWN_GRANT)
        if args.bundle is None:
            if asked.state is RequestState.WAITING:
                state = RequestState.REFUSED
                self._inbox.decided(tx, args.request, state, None, args.reason)
            return
        bundle = parse_bundle(args.bundle)
        if asked.state is not RequestState.WAITING:
            if asked.grant == bundle.grant.cid:
                return
            raise GrantRefused("this request was decided already", Code.REPLAY)
        persona = self._peers.persona(tx, pair.own)
        if bundle.grant.delegation.iss != pair.their:
            raise GrantRefused("a bundle is signed by another persona", Code.AUDIENCE)
        check_bundle(
            bundle,
            parse_request(asked.raw),
            reader_key=persona.reader.public,
            now_ms=now_ms,
        )
        held = GrantHeld(pair.own, pair.their, bundle, args.request, GrantStatus.LIVE, None, ())
        if self._store.objects.add_if_new(tx, Kind.GRANT_HELD, held.cid, held.value()):
            self._inbox.decided(tx, args.request, RequestState.GRANTED, held.cid, None)
            accept = AcceptArgs(pair.their, held.cid, bundle.terms.cid)
            self._outgoing.put(tx, pair, Cmd.ACCEPT, accept.value(), now_ms)

    def get(self, tx: Tx, cid: bytes) -> GrantHeld:
        """Raises NotFound."""
        held = self._find(tx, cid)
        if held is None:
            raise NotFound("this node holds no such grant: see `entrenous grants`")
        return held

    def all(self, tx: Tx) -> list[GrantHeld]:
        found = self._store.objects.read_all(tx, Kind.GRANT_HELD, GrantHeld.from_value)
        return [held for _, held in found]

    def _find(self, tx: Tx, cid: bytes) -> GrantHeld | None:
        return self._store.objects.read(tx, Kind.GRANT_HELD, cid, GrantHeld.from_value)

    # keys

    def keyset(self, tx: Tx, pair: Pair, raw: bytes) -> int:
        """Keep a keyset that came; its number.  One that is held already changes nothing.

        Raises GrantRefused, WireError, CryptoError if it is not for a grant of this pair.
        """
        keyset = parse_keyset(raw, pair.their)
        held = self._find(tx, keyset.grant)
        if held is None or (held.own, held.their) != (pair.own, pair.their):
            raise GrantRefused("a keyset is for a grant that is not held", Code.UNKNOWN_GRANT)
        if keyset.n in held.keysets:
            if self._store.objects.get(tx, Kind.KEYSET_HELD, [held.cid, keyset.n]) != raw:
                raise GrantRefused(
                    f"another keyset with the number {keyset.n} was already received", Code.REPLAY
                )
            return keyset.n
        if len(held.keysets) >= KEYSETS_KEPT_MAX:
            raise GrantRefused("this grant has had all the keysets that are kept", Code.TOO_MUCH)
        persona = self._peers.persona(tx, held.own)
        opened = open_keyset(keyset, held.bundle.sealing(), persona.reader)
        if held.keysets:
            # Refused now if it contradicts what is held, rather than at each read.
            self.keys(tx, held).with_keys(opened)
        self._store.objects.put(tx, Kind.KEYSET_HELD, [held.cid, keyset.n], raw)
        self._save(tx, replace(held, keysets=(*held.keysets, keyset.n)))
        return keyset.n

    def keys(self, tx: Tx, held: GrantHeld) -> GrantKeys:
        """Everything that the keysets of a grant open.  Raises NotAllowed if none came yet."""
        name = (held.cid, held.keysets)
        keys = self._keys.get(name)
        if keys is None:
            persona = self._peers.persona(tx, held.own)
            for n in held.keysets:
                raw = self._store.objects.get(tx, Kind.KEYSET_HELD, [held.cid, n])
                if not isinstance(raw, bytes):
                    raise StoreDamaged("a keyset is missing from the store")
                opened = _opened_keyset(raw, held, persona)
                keys = opened if keys is None else keys.with_keys(opened)
            if keys is None:
                raise NotAllowed("the keys of this grant have not come yet: try again shortly")
            if len(self._keys) >= 1024:
                self._keys.clear()
            self._keys[name] = keys
        return keys

    def revoked(self, tx: Tx, pair: Pair, raw: bytes) -> None:
        """The owner has taken a grant back.  Raises GrantRefused, BadSignature."""
        revocation = parse_revocation(raw)
        held = self._find(tx, revocation.dlg)
        if held is None or (held.own, held.their) != (pair.own, pair.their):
            raise GrantRefused("this takes back a grant that is not held", Code.UNKNOWN_GRANT)
        chain = [link.delegation for link in held.bundle.links]
        check_revocation(revocation, chain, held.bundle.root.paths)
        if held.kept is not GrantStatus.REVOKED:
            ended = replace(held, kept=GrantStatus.REVOKED, ended_ms=revocation.t_ms)
            self._save(tx, ended)

    def _save(self, tx: Tx, held: GrantHeld) -> None:
        self._store.objects.put(tx, Kind.GRANT_HELD, held.cid, held.value())

    # reading

    def begin(self, tx: Tx, pair: Pair, window: Window, server: Did, now_ms: int) -> Fetching:
        """Sign the invocation of a read, for the device `server`.

        The grant is the one that opens `window`; failing that, any on this collection, so that
        the owner says why not.  Raises NotAllowed if there is none.
        """
        held = self._grant_for(tx, pair, window, now_ms)
        keys = self.keys(tx, held).apart()
        persona = self._peers.persona(tx, pair.own)
        invocation = issue_invocation(
            persona.key,
            sub=held.bundle.root.delegation.iss,
            cmd=Cmd.READ,
            args=held.bundle.args(window).value(),
            prf=[link.cid for link in held.bundle.links],
            exp=now_ms // 1000 + INVOCATION_LIFE_S,
            nonce=self._entropy.random_bytes(NONCE_BYTES),
            aud=server,
        )
        asked = AskedRead(
            invocation.cid,
            held.bundle.root.cid,
            server,
            persona.did,
            window.first,
            window.last,
        )
        return Fetching(held, persona, keys, window, invocation, asked)

    def _grant_for(self, tx: Tx, pair: Pair, window: Window, now_ms: int) -> GrantHeld:
        granted = [
            held for held in self.all(tx) if (held.own, held.their) == (pair.own, pair.their)
        ]
        of_pair = [held for held in granted if held.keysets]
        of_pair.sort(key=lambda held: held.status(now_ms) is not GrantStatus.LIVE)
        same = [
            held
            for held in of_pair
            if any(window.collection == granted.collection for granted in held.windows)
        ]
        for held in same:
            if any(window in granted for granted in held.windows):
                return held
        for held in (*same, *of_pair):
            return held
        if granted:
            raise NotAllowed("the keys of this grant have not come yet: try again shortly")
        raise NotAllowed(f"{pair.name} has granted nothing to this node: ask first")

    def keep(self, tx: Tx, fetching: Fetching, checked: CheckedWindow) -> int | None:
        """Store a window's pages and keysets; the newest keyset's number, if there is one."""
        owner = fetching.grant.their
        path = fetching.window.collection
        if checked.keysets:
            pair = self._peers.pair(tx, fetching.grant.own, owner)
            for raw in checked.keysets:
                if parse_keyset(raw, owner).grant != fetching.grant.cid:
                    raise RemoteProtocolError("a window brings the keys of another grant")
                self.keyset(tx, pair, raw)
            fetching.grant = self.get(tx, fetching.grant.cid)
            fetching.keys = self.keys(tx, fetching.grant).apart()
        newest = max(fetching.grant.keysets, default=None)
        self._put_pages(tx, owner, path, checked)
        for proof in checked.statements:
            self._store.objects.put(
                tx,
                Kind.STATEMENT,
                ["lent", proof.statement.cid],
                [proof.statement.raw, proof.first, proof.last, list(proof.hashes)],
            )
        return newest

    def _put_pages(self, tx: Tx, owner: str, path: str, checked: CheckedWindow) -> None:
        """Keep the pages of a window; one that was fetched before stays where it is."""
        if not checked.entries:
            return
        wanted = sorted({month_of(entry.day) for entry in checked.entries})
        known = {
            one.raw: one
            for one in self._store.catalogue.read(tx, owner, path, wanted, Stored.from_value)
        }
        next_seq = first_seq = self._store.ledger.counter(tx, _PAGE_COUNTER)
        months: dict[int, list[Value]] = {}
        rows: list[tuple[str, int, bytes, int, bytes]] = []
        for entry, raw, page in zip(checked.entries, checked.raws, checked.pages, strict=True):
            stored = known.get(raw)
            if stored is None:
                stored = self._stored(owner, path, entry, raw, next_seq)
                next_seq += 1
                months.setdefault(month_of(entry.day), []).append(stored.value())
            # Also one that is known: should its bytes be damaged here, they are whole again.
            at = stored.place()
            rows.append((at.path, at.day, at.device, at.seq, page))
        self._store.pages.put_many(tx, rows)
        if not months:
            return
        self._store.ledger.raise_to(tx, _PAGE_COUNTER, next_seq)
        for month, values in months.items():
            self._store.catalogue.append(tx, owner, path, month, values)
        collection = self._collections.find(tx, path, owner)
        if collection is None:
            collection = Collection.new(path, schema_named(checked.entries[0].schema), 0)
        pages = {(b"", b""): next_seq - first_seq}
        self._collections.put(tx, collection.grown(months=months, records=0, pages=pages), owner)

    def _stored(self, owner: str, path: str, entry: PageEntry, raw: bytes, seq: int) -> Stored:
        return Stored(
            owner=owner,
            path=path,
            day=entry.day,
            seq=seq,
            segment=-1,
            index=-1,
            length=entry.length,
            statement=entry.statement,
            origin=b"",
            writer=self._device,
            raw=raw,
        )


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
        if head.dev != certificate.device:
            raise RemoteProtocolError("a segment is signed by another device than the server")
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
    of_statement: dict[bytes, list[tuple[PageEntry, OpenedPage]]] = {}
    for pair in fetching.opened:
        if pair[0].statement is not None:
            of_statement.setdefault(pair[0].statement, []).append(pair)
    lender = fetching.grant.bundle.root.delegation.iss
    provenance = tuple(
        _provenance(proof, of_statement.get(proof.statement.cid, []), lender)
        for proof in fetching.statements
    )
    return Lent(
        lent_batch(fetching.opened),
        fetching.pages,
        fetching.size,
        fetching.windows,
        provenance,
        tuple(fetching.damaged),
    )


def lent_batch(opened: Sequence[tuple[PageEntry, OpenedPage]]) -> Batch | None:
    """The records of opened pages, in order of time, each fact once; None without any page."""
    if not opened:
        return None
    signed = [page.batch for entry, page in opened if entry.statement is not None]
    unsigned = [page.batch for entry, page in opened if entry.statement is None]
    return told_once(opened[0][1].batch.schema, [*signed, *unsigned])


def _provenance(
    proof: StatementProof, found: Sequence[tuple[PageEntry, OpenedPage]], lender: str
) -> Provenance:
    about_lender = proof.statement.sub == lender
    pages = sorted(found, key=lambda pair: pair[0].day)
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


def _opened_keyset(raw: bytes, held: GrantHeld, persona: OwnPersona) -> GrantKeys:
    keyset = parse_keyset(raw, held.their)
    return open_keyset(keyset, held.bundle.sealing(), persona.reader)


def shared_key(fetching: Fetching) -> GrantKey:
    """The key under which the receipts of this read are fingerprinted."""
    return fetching.keys.k_grant

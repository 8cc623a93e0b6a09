"""A client of a running node: what apps, the command line and the demo may use.

    async with connect(home) as client:
        records = await client.read("energy/electricity/load-curve", first, last)

Every method is one operation of `operations/`; what it returns is in `results.py`.  Refusals come
as the errors of `errors.py`, with the sentence that the node said.  Records come as columns, a few
large pieces and not row by row.

One client says one thing at a time; calls made at once wait for each other.  `Client` does not
mind what carries it: the control socket of a running node, or a home that this process has opened
itself (`offline.py`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..protocol.columns import read_columns, write_columns
from ..protocol.errors import WireError
from ..protocol.limits import WELL_KNOWN_BYTES_MAX
from ..protocol.reading import UNSAID, Settings
from ..protocol.record import Batch, concat
from ..protocol.schema import Schema, schema_named
from ..protocol.window import Window
from ..protocol.wire import Body, Value
from .channel import (
    Caller,
    Channel,
    NotRunning,
    SocketChannel,
    open_socket,
    read_as,
    understood,
)
from .control_frame import check_same_user
from .parcel_report import ParcelTaken, ParcelWritten, Waiting
from .results import (
    AllowanceInfo,
    BackedUp,
    CardInfo,
    CollectionInfo,
    Delivered,
    DeliveryInfo,
    Fetched,
    Finding,
    GrantInfo,
    ImportPreview,
    ImportProgress,
    ImportReport,
    ImportSource,
    Invitation,
    Invoked,
    LogInfo,
    LogSummary,
    MandateInfo,
    Paired,
    Peer,
    PersonInfo,
    ProxyInfo,
    RecordRemoved,
    Records,
    RecordsAdded,
    RequestInfo,
    Revoked,
    Source,
    Sourced,
    StandingInfo,
    Status,
    ToldBy,
    Undone,
    VouchAnswer,
    VouchInfo,
)
from .shape import from_value, to_value

__all__ = ["Channel", "Client", "NotRunning", "connect"]

# Damaged pages, statements: of one answer.
SENTENCES_MAX = 1 << 20
_READ_KEYS = ("schema", "pages", "conflicts", "damaged")
_FETCH_KEYS = ("schema", "pages", "bytes", "windows", "provenance", "damaged")


@asynccontextmanager
async def connect(home: Path) -> AsyncGenerator[Client]:
    """The node that runs on `home`.

    Raises NotRunning if none does, ControlError if what answers is not of this user.
    """
    stream = await open_socket(home)
    async with stream:
        check_same_user(stream)
        yield Client(SocketChannel(stream))


class Client(Caller):
    """One method for each operation of a node."""

    # the node

    async def status(self) -> Status:
        return await self._one(Status, "status")

    async def health(self) -> tuple[Finding, ...]:
        """What is wrong that only the node itself can see."""
        return await self._many(Finding, "health")

    async def stop(self) -> None:
        """Ask the node to end in order; it has stopped when the socket closes."""
        await self._call("stop", {})

    # peers

    async def invite(self, label: str | None = None, people: str | None = None) -> Invitation:
        """A link for one use; `label` becomes the name of whoever uses it.

        Whoever uses it knows `people` of the house (names, comma-separated).
        Raises UsageError, NotFound.
        """
        return await self._one(Invitation, "invite", label=label, people=people)

    async def pair(self, link: str, name: str | None = None, people: str | None = None) -> Paired:
        """Answer a link for `people` of the house, and know its maker as `name`.

        Raises UsageError, NotFound, Away, Refused.
        """
        return await self._one(Paired, "pair", link=link, name=name, people=people)

    async def peers(self) -> tuple[Peer, ...]:
        return await self._many(Peer, "peers")

    # who they are

    async def set_card(self, written: Mapping[str, Value]) -> CardInfo:
        """Sign and show the card that is `written`, the mapping of a card's file.

        Raises NotAllowed for a person's node, UsageError.
        """
        return await self._one(CardInfo, "set_card", card=written)

    async def card(self, peer: str | None = None) -> CardInfo:
        """The card of a peer, or this organisation's own.  Raises NotFound."""
        return await self._one(CardInfo, "card", peer=peer)

    async def well_known(self) -> tuple[str | None, str]:
        """The domain that the own card claims, and the document that it has to publish."""
        found = await self._call("well_known", {})
        with understood():
            body = Body.open(found, "a document", ("domain", "document"))
            return body.maybe_text("domain"), body.text("document", chars_max=WELL_KNOWN_BYTES_MAX)

    async def standing(self, peer: str, wait_ms: int = 0) -> StandingInfo:
        """How a peer is known; of one just met, wait up to `wait_ms` to hear.  Raises NotFound."""
        return await self._one(StandingInfo, "standing", peer=peer, wait_ms=wait_ms)

    async def check_domains(self, peer: str | None = None) -> None:
        """Ask the domains of all peers, or of one, now.  Raises NotFound, NotAllowed."""
        await self._call("check_domains", {"peer": peer})

    async def vouch(self, peer: str, to: Sequence[str] | None = None) -> VouchInfo:
        """Vouch for a peer; told to `to` (all acquaintances) if they ask.  Raises NotFound,
        UsageError."""
        return await self._one(VouchInfo, "vouch", peer=peer, to=None if to is None else list(to))

    async def withdraw_vouch(self, peer: str) -> None:
        """Vouch no more.  Raises NotFound."""
        await self._call("withdraw_vouch", {"peer": peer})

    async def vouches(self) -> tuple[VouchInfo, ...]:
        return await self._many(VouchInfo, "vouches")

    async def acquaintances(self) -> tuple[str, ...]:
        """The peers that have shown no card: persons, as far as this node knows."""
        found: list[Value] = []
        await self._call("acquaintances", {}, found.append)
        return tuple(name for name in found if isinstance(name, str))

    async def ask_vouches(
        self, peer: str, of: Sequence[str] | None = None
    ) -> tuple[VouchAnswer, ...]:
        """Ask peers (`of`, or all acquaintances) whether they vouch for `peer`.  It shows them
        whom this person meets.  Raises NotFound, UsageError."""
        return await self._many(
            VouchAnswer, "ask_vouches", peer=peer, of=None if of is None else list(of)
        )

    # the people of the house

    async def people(self) -> tuple[PersonInfo, ...]:
        return await self._many(PersonInfo, "people")

    async def people_add(self, name: str, born: str | None = None) -> PersonInfo:
        """Add one of the house; `born` is YYYY-MM-DD.  Raises UsageError."""
        return await self._one(PersonInfo, "people_add", name=name, born=born)

    async def people_remove(self, name: str) -> None:
        """Raises NotFound, UsageError while something is theirs."""
        await self._call("people_remove", {"name": name})

    async def people_assign(self, path: str, people: str) -> None:
        """Say whose a collection is: names, comma-separated, or `home`.

        Raises NotFound, UsageError.
        """
        await self._call("people_assign", {"path": path, "people": people})

    # acting for another

    async def mandates(self) -> tuple[MandateInfo, ...]:
        """Every mandate that this node gave, holds, or was handed."""
        return await self._many(MandateInfo, "mandates")

    async def proxies(self) -> tuple[ProxyInfo, ...]:
        """Who said that they would act for someone here."""
        return await self._many(ProxyInfo, "proxies")

    async def mandate_ask(self, peer: str, at: str) -> None:
        """Tell `peer` that one would act for them at `at`.  Raises NotFound, UsageError."""
        await self._call("mandate_ask", {"peer": peer, "at": at})

    async def mandate_give(
        self,
        peer: str,
        at: str,
        *,
        office: str,
        commands: Sequence[str],
        exp_s: int | None = None,
        age: int | None = None,
        onward: bool = False,
        under: bytes | str | None = None,
    ) -> MandateInfo:
        """Let `peer` say `commands` to `at` in one's name (or, `under` a mandate, in another's),
        until `exp_s`, or until the person of that relationship is `age` years old.

        Raises NotFound, UsageError, NotAllowed.
        """
        args: dict[str, Value] = {
            "peer": peer,
            "at": at,
            "office": office,
            "commands": list(commands),
            "exp_s": exp_s,
            "age": age,
            "onward": onward,
            "under": under,
        }
        return await self._one(MandateInfo, "mandate_give", **args)

    async def mandate_end(self, mandate: bytes | str) -> bytes:
        """Take a mandate back, or lay it down; its CID.  Raises NotFound, UsageError."""
        return _data(await self._call("mandate_end", {"mandate": mandate}), "an end", "mandate")

    # one's own data

    async def import_(
        self,
        path: Path,
        into: str | None = None,
        progress: Callable[[ImportProgress], None] | None = None,
        settings: Settings = UNSAID,
        people: str | None = None,
    ) -> ImportReport:
        """Import a file, folder or archive.  `settings`: what the files do not say.

        Raises NotFound, NodeError.
        """

        def on_progress(value: Value) -> None:
            if progress is not None:
                progress(from_value(ImportProgress, value))

        args: dict[str, Value] = {
            "path": _path(path),
            "into": into,
            "settings": to_value(settings),
            "people": people,
        }
        return read_as(ImportReport, await self._call("import", args, on_progress=on_progress))

    async def preview(
        self,
        path: Path,
        into: str | None = None,
        settings: Settings = UNSAID,
        people: str | None = None,
    ) -> tuple[ImportPreview, ...]:
        """What `import_` would write; nothing is written."""
        return await self._many(
            ImportPreview,
            "preview",
            path=_path(path),
            into=into,
            settings=to_value(settings),
            people=people,
        )

    async def imports(self) -> tuple[ImportSource, ...]:
        return await self._many(ImportSource, "imports")

    async def undo(self, id: str) -> Undone:
        """Remove what one import brought, and overwrite it.  Raises NotFound, UsageError."""
        return await self._one(Undone, "undo", id=id)

    # declared data

    async def add(self, path: str, batch: Batch) -> RecordsAdded:
        """Add a few records, in order, of which no source has a word; durable once this returns.

        Raises RecordError and NodeError; then nothing of `batch` was stored.
        """
        args: dict[str, Value] = {
            "path": path,
            "schema": batch.schema.name,
            "columns": write_columns(batch),
            "count": len(batch),
        }
        return read_as(RecordsAdded, await self._call("add", args))

    async def remove(
        self, path: str, id: str | None = None, t_ms: int | None = None
    ) -> RecordRemoved:
        """Take out a record that was declared, named by its id or, if it has none, its time.

        Raises NotFound, UsageError, NodeError for one that was not declared here.
        """
        return await self._one(RecordRemoved, "remove", path=path, id=id, t_ms=t_ms)

    async def allow(
        self,
        name: str,
        path: str,
        program: str,
        *,
        exp_s: int,
        per_minute: int,
        schema: str | None = None,
    ) -> AllowanceInfo:
        """Let the local program whose DID is `program` push records to `path` until `exp_s`.

        Raises UsageError, NodeError if `name` may push already.
        """
        return await self._one(
            AllowanceInfo,
            "allow",
            name=name,
            path=path,
            program=program,
            exp_s=exp_s,
            per_minute=per_minute,
            schema=schema,
        )

    async def allowed(self) -> tuple[AllowanceInfo, ...]:
        """Every program that may push, or could once, the oldest first."""
        return await self._many(AllowanceInfo, "allowed")

    async def disallow(self, name: str) -> AllowanceInfo:
        """End what a program may do: once this returns, nothing more comes.  Raises NotFound."""
        return await self._one(AllowanceInfo, "disallow", name=name)

    async def collections(self) -> tuple[CollectionInfo, ...]:
        return await self._many(CollectionInfo, "collections")

    async def read(self, path: str, first: int, last: int, people: str | None = None) -> Records:
        """The records of one's own collection on days `first … last`; of that of `people`, if
        they are named.  Raises NotFound."""
        pieces: list[Batch] = []
        args: dict[str, Value] = {"path": path, "first": first, "last": last, "people": people}
        done = await self._call("read", args, lambda item: pieces.append(_piece(item)))
        with understood():
            body = Body.open(done, "a read", _READ_KEYS)
            return _records(body, pieces)

    async def read_sources(
        self, path: str, first: int, last: int, people: str | None = None
    ) -> Sourced:
        """As `read`, and who told each record.  Raises NotFound."""
        pieces: list[Batch] = []
        tellings: list[tuple[tuple[int, tuple[str, ...]], ...]] = []

        def on_item(item: Value) -> None:
            if isinstance(item, Mapping) and "tellings" in item:
                tellings.extend(read_as(_Tellings, item).tellings)
            else:
                pieces.append(_piece(item))

        args: dict[str, Value] = {"path": path, "first": first, "last": last, "people": people}
        done = await self._call("read_sources", args, on_item)
        with understood():
            body = Body.open(done, "a read", (*_READ_KEYS, "ambiguous", "tellers"))
            return Sourced(
                _records(body, pieces),
                tuple(
                    from_value(ToldBy, item)
                    for item in body.items("tellers", items_max=SENTENCES_MAX)
                ),
                tuple(tellings),
                body.integer("ambiguous"),
            )

    # deliveries

    async def deliver(
        self, path: Path, to: str, into: str | None = None, wait_s: int = 10
    ) -> tuple[Delivered, ...]:
        """Sign the records of a file and hand them to `to`; one delivery for each collection.

        Waits up to `wait_s` for the peer to have stored them; else they stay queued.
        Raises NotFound, UsageError.
        """
        return await self._many(
            Delivered, "deliver", path=_path(path), to=to, into=into, wait_s=wait_s
        )

    async def deliveries(self) -> tuple[DeliveryInfo, ...]:
        return await self._many(DeliveryInfo, "deliveries")

    # grants

    async def ask(
        self,
        to: str,
        items: Sequence[Window],
        *,
        purpose: str,
        terms: Mapping[str, Value],
        exp_s: int,
        refusal: str = "",
        acting_for: str | None = None,
    ) -> bytes:
        """Ask a peer for days of collections until `exp_s`; the request's CID.

        With `acting_for`, in the name of a person of the house or of a peer who gave a mandate.
        `terms` is the mapping of a terms file.  Raises NotFound, UsageError.
        """
        args: dict[str, Value] = {
            "to": to,
            "items": to_value(tuple(items)),
            "purpose": purpose,
            "terms": terms,
            "exp_s": exp_s,
            "refusal": refusal,
            "acting_for": acting_for,
        }
        return _data(await self._call("ask", args), "a request", "request")

    async def inbox(self) -> tuple[RequestInfo, ...]:
        """What was asked of this node, the oldest first."""
        return await self._many(RequestInfo, "inbox")

    async def asked(self) -> tuple[RequestInfo, ...]:
        """What this node asked of others."""
        return await self._many(RequestInfo, "asked")

    async def grant(
        self,
        request: bytes | str,
        windows: Sequence[Window] | None = None,
        exp_s: int | None = None,
        *,
        acting_for: str | None = None,
        others: bool = False,
    ) -> bytes:
        """Grant a request, narrowed if `windows` or `exp_s` are given; the grant's CID.

        `others`: also what belongs to people whom the peer does not know.
        Raises NotFound, UsageError, NotAllowed for more than was asked, or another's.
        """
        args: dict[str, Value] = {
            "request": request,
            "grant": True,
            "windows": None if windows is None else to_value(tuple(windows)),
            "exp_s": exp_s,
            "reason": None,
            "acting_for": acting_for,
            "others": others,
        }
        return _data(await self._call("decide", args), "a decision", "grant")

    async def refuse(
        self, request: bytes | str, reason: str | None = None, acting_for: str | None = None
    ) -> None:
        """Refuse a request.  Raises NotFound, UsageError."""
        args: dict[str, Value] = {
            "request": request,
            "grant": False,
            "windows": None,
            "exp_s": None,
            "reason": reason,
            "acting_for": acting_for,
        }
        await self._call("decide", args)

    async def fetch(self, peer: str, collection: str, first: int, last: int) -> Fetched:
        """Read what a peer lends: verified, stored here, receipted.

        Raises NotAllowed, Refused with the owner's code, Away, NotFound.
        """
        pieces: list[Batch] = []
        args: dict[str, Value] = {
            "from": peer,
            "collection": collection,
            "first": first,
            "last": last,
        }
        done = await self._call("fetch", args, lambda item: pieces.append(_piece(item)))
        with understood():
            body = Body.open(done, "a fetch", _FETCH_KEYS)
            name = body.maybe_text("schema")
            return Fetched(
                None if name is None else _batch(schema_named(name), pieces),
                name,
                body.integer("pages"),
                body.integer("bytes"),
                body.integer("windows"),
                tuple(
                    from_value(Source, item)
                    for item in body.items("provenance", items_max=SENTENCES_MAX)
                ),
                _sentences(body),
            )

    async def grants(self) -> tuple[GrantInfo, ...]:
        """Every grant that this node gave or holds, the oldest first."""
        return await self._many(GrantInfo, "grants")

    async def revoke(self, grant: bytes | str) -> Revoked:
        """Take one grant back.  Raises NotFound, UsageError."""
        return await self._one(Revoked, "revoke", grant=grant, peer=None)

    async def revoke_peer(self, peer: str) -> Revoked:
        """Take back every grant that a peer has.  Raises NotFound."""
        return await self._one(Revoked, "revoke", grant=None, peer=peer)

    async def keep(self, grant: bytes | str) -> None:
        """Confirm a grant that a restore suspended.  Raises NotFound, UsageError."""
        await self._call("keep", {"grant": grant})

    async def delegate(
        self,
        to_did: str,
        grant: bytes | str,
        windows: Sequence[Window],
        terms: Mapping[str, Value],
        exp_s: int,
    ) -> bytes:
        """Sign a sub-delegation of a grant that this node holds; the token."""
        args: dict[str, Value] = {
            "to_did": to_did,
            "grant": grant,
            "windows": to_value(tuple(windows)),
            "terms": terms,
            "exp_s": exp_s,
        }
        return _data(await self._call("delegate", args), "a token", "token")

    async def invoke(
        self,
        peer: str,
        cmd: str,
        args: Mapping[str, Value],
        *,
        proofs: Sequence[bytes] = (),
        token: bytes | None = None,
    ) -> Invoked:
        """Send one raw invocation: `token` as it is, or one signed now for `cmd` and `args`.

        Raises Refused if the peer refuses without a signed answer, or offers pages.
        """
        return await self._one(
            Invoked, "invoke", peer=peer, cmd=cmd, args=args, proofs=list(proofs), token=token
        )

    # the log

    async def log(self) -> tuple[LogInfo, ...]:
        """Every word of the log, in order."""
        return await self._many(LogInfo, "log")

    async def log_verify(self) -> LogSummary:
        """Verify the whole log.  Raises NodeError naming the first row that is wrong."""
        return await self._one(LogSummary, "log_verify")

    async def outbox(self, peer: str | None = None) -> tuple[Waiting, ...]:
        """What waits for `peer`, or for everybody.  Raises NotFound."""
        return await self._many(Waiting, "outbox", peer=peer)

    async def write_parcel(self, peer: str, path: Path) -> ParcelWritten:
        """Write what waits for `peer` to a new file.  Raises NotFound, NodeError."""
        return await self._one(ParcelWritten, "write_parcel", peer=peer, path=_path(path))

    async def take(self, path: Path) -> ParcelTaken:
        """Take a file that a peer wrote for this node.  Raises NotFound, NotAllowed, NodeError."""
        return await self._one(ParcelTaken, "take", path=_path(path))

    async def backup(self, path: Path) -> BackedUp:
        """Write the whole node, encrypted, to a new file.  Raises NodeError."""
        return await self._one(BackedUp, "backup", path=_path(path))


def _path(path: Path) -> str:
    # The node may stand in another folder than we do.
    return str(path.absolute())


def _data(value: Value, what: str, key: str) -> bytes:
    with understood():
        return Body.open(value, what, (key,)).data(key)


@dataclass(frozen=True, slots=True)
class _Tellings:
    """One item of `read_sources`."""

    tellings: tuple[tuple[tuple[int, tuple[str, ...]], ...], ...]


def _records(body: Body, pieces: Sequence[Batch]) -> Records:
    schema = schema_named(body.text("schema"))
    return Records(
        _batch(schema, pieces),
        body.integer("pages"),
        _sentences(body),
        body.integer("conflicts"),
    )


def _sentences(body: Body) -> tuple[str, ...]:
    found = body.items("damaged", items_max=SENTENCES_MAX)
    return tuple(sentence for sentence in found if isinstance(sentence, str))


def _piece(item: Value) -> Batch:
    """Some of the records of a read, as they come."""
    with understood():
        body = Body.open(item, "records", ("schema", "columns", "count"))
        columns = body.data("columns")
        schema = schema_named(body.text("schema"))
        batch, end = read_columns(schema, columns, 0, body.integer("count"))
        if end != len(columns):
            raise WireError("records go on after their columns")
        return batch


def _batch(schema: Schema, pieces: Sequence[Batch]) -> Batch:
    """The pieces of a read as one batch.  Raises RecordError."""
    return pieces[0] if len(pieces) == 1 else concat(schema, pieces)

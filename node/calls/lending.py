"""Lending and borrowing: requests, grants, reads of what a peer lends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...protocol.record import Batch
from ...protocol.schema import schema_named
from ...protocol.window import Window
from ...protocol.wire import Body, Value
from .. import results
from ..channel import (
    Caller,
    read_as,
    understood,
)
from ..shape import from_value, to_value
from .answers import SENTENCES_MAX, batch_of, data_of, piece_of, sentences_of

_FETCH_KEYS = ("schema", "pages", "bytes", "windows", "provenance", "damaged")


class LendingCalls(Caller):
    """Lending and borrowing: requests, grants, reads of what a peer lends."""

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
        processors: Sequence[str] = (),
    ) -> bytes:
        """Ask a peer for days of collections until `exp_s`; the request's CID.

        With `acting_for`, in the name of a person of the house or of a peer who gave a mandate.
        `terms` is the mapping of a terms file; they also name the peers `processors`, who may then
        read for this node what it is granted.  Raises NotFound, UsageError.
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
        if processors:
            args["processors"] = list(processors)
        return data_of(await self._call("ask", args), "a request", "request")

    async def inbox(self) -> tuple[results.grants.RequestInfo, ...]:
        """What was asked of this node, the oldest first."""
        return await self._many(results.grants.RequestInfo, "inbox")

    async def asked(self) -> tuple[results.grants.RequestInfo, ...]:
        """What this node asked of others."""
        return await self._many(results.grants.RequestInfo, "asked")

    async def grant(
        self,
        request: bytes | str,
        windows: Sequence[Window] | None = None,
        exp_s: int | None = None,
        *,
        acting_for: str | None = None,
        others: bool = False,
        retention_days: int | None = None,
        recipients: Sequence[str] | None = None,
        clauses: Sequence[str] = (),
    ) -> bytes:
        """Grant a request, narrowed if `windows` or `exp_s` are given; the grant's CID.

        Terms are narrowed to `retention_days`, to some of the `recipients`, by more `clauses`: then
        the reader has to agree first.

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
            "retention_days": retention_days,
            "recipients": None if recipients is None else list(recipients),
            "clauses": list(clauses) or None,
        }
        return data_of(await self._call("decide", args), "a decision", "grant")

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

    async def fetch(
        self,
        peer: str,
        collection: str,
        first: int,
        last: int,
        *,
        acting_for: str | None = None,
    ) -> results.reads.Fetched:
        """Read what a peer lends: verified, stored here, receipted; or what it lends the peer
        `acting_for`, who lets this node read it.

        Raises NotAllowed, Refused with the owner's code, Away, NotFound.
        """
        more: dict[str, Value] = {} if acting_for is None else {"acting_for": acting_for}
        return await self._lent("fetch", peer, collection, first, last, **more)

    async def kept(
        self, peer: str, collection: str, first: int, last: int
    ) -> results.reads.Fetched:
        """What was read of a peer before and is kept here; nobody is asked.  Raises NotFound."""
        return await self._lent("kept", peer, collection, first, last)

    async def fetch_by_file(
        self, peer: str, collection: str, first: int, last: int
    ) -> results.reads.AskedByFile:
        """Read what a peer lends by files that are carried: `write_parcel`, and `take` what comes.

        Raises NotAllowed, NotFound, UsageError.
        """
        args: dict[str, Value] = {
            "from": peer,
            "collection": collection,
            "first": first,
            "last": last,
        }
        return await self._one(results.reads.AskedByFile, "fetch_by_file", **args)

    async def _lent(
        self, op: str, peer: str, collection: str, first: int, last: int, **more: Value
    ) -> results.reads.Fetched:
        pieces: list[Batch] = []
        args: dict[str, Value] = {
            "from": peer,
            "collection": collection,
            "first": first,
            "last": last,
            **more,
        }
        done = await self._call(op, args, lambda item: pieces.append(piece_of(item)))
        with understood():
            body = Body.open(done, "a fetch", _FETCH_KEYS)
            name = body.maybe_text("schema")
            return results.reads.Fetched(
                None if name is None else batch_of(schema_named(name), pieces),
                name,
                body.integer("pages"),
                body.integer("bytes"),
                body.integer("windows"),
                tuple(
                    from_value(results.reads.Source, item)
                    for item in body.items("provenance", items_max=SENTENCES_MAX)
                ),
                sentences_of(body),
            )

    async def grants(self, at_ms: int | None = None) -> tuple[results.grants.GrantInfo, ...]:
        """Every grant that this node gave or holds, the oldest first; with `at_ms`, those under
        which something might be seen at that moment, as they stood then."""
        return await self._many(results.grants.GrantInfo, "grants", at_ms=at_ms)

    async def revoke(self, grant: bytes | str) -> results.grants.Revoked:
        """Take one grant back; one that was taken back before changes nothing, and is told as
        such.  Raises NotFound, UsageError for an id that names several."""
        return await self._one(results.grants.Revoked, "revoke", grant=grant, peer=None)

    async def revoke_peer(self, peer: str) -> results.grants.Revoked:
        """Take back every grant that a peer has.  Raises NotFound."""
        return await self._one(results.grants.Revoked, "revoke", grant=None, peer=peer)

    async def encrypt_again(
        self, progress: Callable[[results.grants.EncryptingProgress], None] | None = None
    ) -> results.grants.EncryptedAgain:
        """Encrypt again what is claimed, as terms of grants that were taken back say; `progress`
        hears of it.  Cut short, it goes on when it is asked for again, or by itself in a node that
        runs.  Raises NodeError."""

        def on_progress(value: Value) -> None:
            if progress is not None:
                progress(from_value(results.grants.EncryptingProgress, value))

        return read_as(
            results.grants.EncryptedAgain,
            await self._call("encrypt_again", {}, on_progress=on_progress),
        )

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
        return data_of(await self._call("delegate", args), "a token", "token")

    async def invoke(
        self,
        peer: str,
        cmd: str,
        args: Mapping[str, Value],
        *,
        proofs: Sequence[bytes] = (),
        token: bytes | None = None,
    ) -> results.node.Invoked:
        """Send one raw invocation: `token` as it is, or one signed now for `cmd` and `args`.

        Raises Refused if the peer refuses without a signed answer, or offers pages.
        """
        return await self._one(
            results.node.Invoked,
            "invoke",
            peer=peer,
            cmd=cmd,
            args=args,
            proofs=list(proofs),
            token=token,
        )

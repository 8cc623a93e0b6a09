"""Reading under a grant: `fetch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from ...protocol.record import Batch, concat
from ...protocol.window import Window
from ..client import Client
from ..errors import NotAllowed, NotFound, Refused, UsageError
from ..results.reads import Fetched
from .data import All, FormatOption, From, To, Utc
from .days import Span, days_in_words, require_whole_days, span
from .names import short
from .options import USUAL, Options, node_of, zone_of
from .records import Format, json_rows, print_batch
from .screen import Screen
from .sources import tell_records
from .views import say_derived
from .words import counted, left_out_sentence


async def fetch(
    peer: Annotated[str, Parameter(help="Whose data.")],
    collection: Annotated[str, Parameter(help="Its path, as `entrenous grants` lists it.")],
    /,
    *,
    from_: From = None,
    to: To = None,
    format: FormatOption = Format.TABLE,
    utc: Utc = False,
    every: All = False,
    by_file: Annotated[
        bool, Parameter(negative=(), help="Ask with the next file to the peer, not now.")
    ] = False,
    kept: Annotated[
        bool, Parameter(negative=(), help="Show what was read before; ask nobody.")
    ] = False,
    acting_for: Annotated[
        str | None, Parameter(help="Read what it lends this peer, who lets you read it for them.")
    ] = None,
    options: Options = USUAL,
) -> int:
    """Read what a peer lends you, verified against what its source signed.

    Without days, everything that your grants allow.  Each read is receipted by both sides.  With
    --by-file it goes with the next file to the peer (`outbox PEER --to-file`), and `take` brings
    the pages; --kept then shows them.

    Example: entrenous fetch alice energy/electricity/load-curve --format csv
    """
    screen = options.screen
    zone = zone_of(utc)
    days = span(from_, to, zone)
    if by_file and kept:
        raise UsageError("--by-file asks the peer, --kept asks nobody: say one of them")
    if acting_for is not None and (by_file or kept):
        raise UsageError("reading for another (--acting-for) asks the peer now")
    if by_file:
        await _by_file(peer, collection, days, options)
        return 0
    async with node_of(options, network=not kept) as client:
        windows = await _windows(client, peer, collection, days, acting_for, ended=kept)
        found: list[Fetched] = []
        for window in windows:
            if kept:
                lent = await client.kept(peer, window.collection, window.first, window.last)
            else:
                lent = await _fetch(client, peer, window, acting_for)
            found.append(lent)
    whole = _joined(found)
    if screen.json:
        rows = [] if whole.batch is None else list(json_rows(whole.batch))
        screen.show(
            "fetch",
            {
                "peer": peer,
                "path": collection,
                "schema": whole.schema,
                "records": rows,
                "pages": whole.pages,
                "bytes": whole.bytes,
                "windows": whole.windows,
                "provenance": whole.provenance,
                "damaged": whole.damaged,
            },
        )
    elif whole.batch is not None:
        print_batch(whole.batch, format, every=every)
    if not screen.json:
        _tell(screen, whole, windows, kept=kept)
        if lost := days.left_out():
            screen.note(f"left out: {left_out_sentence(lost, days, zone)}")
    return tell_records(screen, 0 if whole.batch is None else len(whole.batch), whole.damaged)


async def _by_file(peer: str, collection: str, days: Span, options: Options) -> None:
    """Let reads wait for the next file to the peer."""
    async with node_of(options) as client:
        windows = await _windows(client, peer, collection, days)
        asked = [
            await client.fetch_by_file(peer, one.collection, one.first, one.last) for one in windows
        ]
    screen, reads = options.screen, sum(one.reads for one in asked)
    screen.show(
        "fetch --by-file",
        {"peer": peer, "path": collection, "windows": windows, "reads": reads},
    )
    spans = "; ".join(days_in_words(one.first, one.last) for one in windows)
    if not reads:
        screen.say(f"These UTC days are being read of {peer} by file already: {spans}.")
        return
    screen.say(
        f"{counted(reads, 'read')} of {collection}, UTC days {spans}: "
        f"{'it goes' if reads == 1 else 'they go'} with the next file to {peer}."
    )
    screen.say(
        f"`entrenous outbox {peer} --to-file FILE` writes it; `entrenous take` brings pages."
    )


async def _windows(
    client: Client,
    peer: str,
    collection: str,
    days: Span,
    principal: str | None = None,
    *,
    ended: bool = False,
) -> list[Window]:
    """The days to read: as they were given, and where they were not, as the grants have them,
    those that have `ended` among them where nobody is asked."""
    if days.first is not None and days.last is not None:
        require_whole_days(days)
        return [Window(collection, days.first_day, days.last_day)]
    found: list[Window] = []
    for window in await _lent(client, peer, collection, principal, ended=ended):
        first, last = max(window.first, days.first_day), min(window.last, days.last_day)
        if window.undated and days.first is None and days.last is None:
            found.append(window)
        elif first <= last and not window.undated:
            found.append(Window(collection, first, last))
    if not found and ended:
        if peer not in {one.name for one in await client.peers()}:
            raise NotFound(f"no peer is called {peer}; `entrenous peers` lists them")
        raise NotFound(f"{peer} has lent nothing of {collection} on these days")
    if not found:
        others = sorted(
            {
                one.principal
                for one in await client.grants()
                if (one.side, one.peer, one.status) == ("held", peer, "live")
                if one.principal not in (None, principal)
            }
        )
        hint = f"; what you read there for another: --acting-for {others[0]}" if others else ""
        raise NotAllowed(
            f"no grant of {peer} on {collection} holds for these days; `entrenous grants` lists "
            f"what you may read{hint}"
        )
    return found


async def _lent(
    client: Client,
    peer: str,
    collection: str,
    principal: str | None = None,
    *,
    ended: bool = False,
) -> list[Window]:
    """What the peer lends of a collection, under grants that hold, or that have ended too."""
    return sorted(
        {
            window
            for grant in await client.grants()
            if grant.side == "held"
            and (grant.peer, grant.principal) == (peer, principal)
            and (ended or grant.status == "live")
            for window in grant.windows
            if window.collection == collection
        }
    )


async def _fetch(client: Client, peer: str, window: Window, principal: str | None) -> Fetched:
    """One read; a refusal also says what would not have been refused."""
    try:
        return await client.fetch(
            peer, window.collection, window.first, window.last, acting_for=principal
        )
    except (Refused, NotAllowed) as error:
        lent = await _lent(client, peer, window.collection, principal)
        if not lent:
            raise
        hint = "; ".join(days_in_words(one.first, one.last) for one in lent)
        sentence = f"{error} (you may read the UTC days {hint})"
        if isinstance(error, Refused):
            raise Refused(sentence, error.code) from error
        raise NotAllowed(sentence) from error


def _joined(found: Sequence[Fetched]) -> Fetched:
    """Several reads as one."""
    batches: list[Batch] = [one.batch for one in found if one.batch is not None]
    return Fetched(
        concat(batches[0].schema, batches).sorted()
        if len(batches) > 1
        else next(iter(batches), None),
        next((one.schema for one in found if one.schema is not None), None),
        sum(one.pages for one in found),
        sum(one.bytes for one in found),
        sum(one.windows for one in found),
        tuple(source for one in found for source in one.provenance),
        tuple(sentence for one in found for sentence in one.damaged),
    )


def _tell(screen: Screen, found: Fetched, windows: Sequence[Window], *, kept: bool = False) -> None:
    """What was read and what vouches for it, beside the result."""
    pages = counted(found.pages, "page")
    days = "; ".join(days_in_words(one.first, one.last) for one in windows)
    if kept:
        screen.note(f"kept of UTC days {days}: {pages}, as last read")
    else:
        screen.note(f"read UTC days {days}: {pages} in {counted(found.windows, 'window')}")
    derived = say_derived(screen, [one.collection for one in windows])
    if not found.provenance and found.pages and not derived:
        screen.note("no source has signed these records: they are as the lender keeps them")
    for source in found.provenance:
        span_text = days_in_words(source.first, source.last)
        who = f"statement {short(source.statement)} of …{source.src[-8:]}"
        if source.verified:
            screen.note(f"verified: {who} on {span_text}")
        else:
            screen.note(f"NOT verified: {who} on {span_text}: {source.reason or 'no reason'}")

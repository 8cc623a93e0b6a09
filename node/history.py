"""History: what a person asks about the past, answered from the log and the stores.

    as of    how each grant stood at a moment
    who      of one collection: who may read it, who read it and when, what was taken back
    history  of one peer: what was asked, decided, granted, read, delivered, shared, taken back;
             and when one of the two became another persona

Each answer names its evidence: rows of this device's log, and the CIDs of what was signed.  What
only stands in a store of this node (when a card came) has none, and none is made up.

All are functions of a transaction over lines and indexes, never over every grant whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..protocol.command import Cmd
from ..protocol.receipt import Answer
from ..protocol.request import parse_request
from ..protocol.trust import GrantStatus
from ..protocol.window import Window, within
from .evidence import ReadMade, Said, cids_of, names_of_rows, reads_in
from .exchange.deliveries import Deliveries, Made, Received
from .followed import followed
from .grants.grant_lines import Event, GrantLine, GrantLines, Happened, Side
from .grants.inbox import Inbox, RequestState
from .grants.lending_on import LendingOn
from .grants.standing_terms import Judged
from .history_lent_on import lent_on_events, readers_below, reading_now
from .log.mentioned import (
    Mentioned,
    MentionedRows,
    collection_named,
    peer_named,
)
from .log.receipts import Way
from .peers.cards import Cards
from .peers.lines import PersonaLines
from .peers.peers import Pair
from .results.history import HistoryEvent
from .shared.shared_records import PROPOSING, SharedRecords
from .store.database import Tx

_DAY_MS = 86_400_000
_WAY = {Side.GIVEN: Way.GIVEN.value, Side.HELD: Way.TAKEN.value}
# Which commands' answers show that this happened to a grant.
_SHOWN_BY: Mapping[Happened, tuple[Cmd, ...]] = {
    Happened.ACCEPTED: (Cmd.ACCEPT,),
    Happened.REVOKED: (Cmd.REVOKE,),
    Happened.RENEWED: (Cmd.RENEW,),
    Happened.DELETE_ASKED: (Cmd.DELETE,),
    Happened.DELETED: (Cmd.DELETED,),
}

Names = Mapping[str, str]
"""What each persona is called here."""


class History:
    """Answers about the past.  `log` is the number of this device's log."""

    def __init__(
        self,
        *,
        lines: GrantLines,
        rows: MentionedRows,
        inbox: Inbox,
        asked: Inbox,
        lending_on: LendingOn,
        deliveries: Deliveries,
        cards: Cards,
        shared: SharedRecords,
        personas: PersonaLines,
        log: int,
    ) -> None:
        self.lines = lines
        self.rows = rows
        self._inbox = inbox
        self._asked = asked
        self._lending_on = lending_on
        self._deliveries = deliveries
        self._cards = cards
        self._shared = shared
        self._personas = personas
        self._log = log
        # What standing rules made of a request when it came.
        self.judged: Callable[[Tx, bytes], Judged | None] = _not_judged
        # When the reader of a grant that was offered declined it, and why.
        self.declined: Callable[[Tx, bytes], tuple[int, str | None] | None] = _not_declined

    # one collection

    def who(self, tx: Tx, path: str, names: Names, now_ms: int) -> list[HistoryEvent]:
        """Who may read `path` and what is below it now, then what happened to it, in order of
        time."""
        lines = [line for line in self.lines.all(tx) if _below(path, line.windows)]
        roots = {line.root: line for line in lines}
        below = (one.collection for line in lines for one in _below(path, line.windows))
        paths = sorted({path, *below})
        found = [row for one in paths for row in self.rows.of(tx, collection_named(one))]
        seen = {(row.log, row.index) for row in found}
        about = self.rows.of_grants(tx, {cid for line in lines for cid in (line.root, line.cid)})
        events: list[HistoryEvent] = []
        became: list[HistoryEvent] = []
        for line in lines:
            # Rows of older versions name no collection: of a grant on these alone it is clear.
            if len(_below(path, line.windows)) == len(line.windows):
                found += [
                    row
                    for row in about[line.root]
                    if row.row.subject is None and (row.log, row.index) not in seen
                ]
            said = Said(about[line.cid])
            status = line.status_at(now_ms)
            if status is GrantStatus.LIVE or status is GrantStatus.SUSPENDED:
                events.append(self._stands(line, status, path, names, said))
            if status is GrantStatus.LIVE and all(one.what in _BEGUN for one in line.events):
                continue  # nothing has become of it
            became += [
                event
                for event in self._of_line(tx, line, names, said, now_ms)
                if event.what in _ENDINGS
            ]
        lent_on = self._lending_on.all(tx)
        events += [
            event
            for event in reading_now(self._lending_on, tx, names, now_ms)
            if _below(path, event.windows)
        ]
        then = [*(self._read_made(read, roots, names) for read in reads_in(found)), *became]
        then += [event for event in lent_on_events(lent_on, names) if _below(path, event.windows)]
        return [*events, *sorted(then, key=lambda event: event.t_ms)]

    def _stands(
        self, line: GrantLine, status: GrantStatus, path: str, names: Names, said: Said
    ) -> HistoryEvent:
        """That a grant holds now: who may read, since when, until when."""
        rows = said.about(Cmd.ACCEPT, line.cid)
        suspended = status is GrantStatus.SUSPENDED
        return HistoryEvent(
            t_ms=line.begins_ms,
            what="may-read",
            way=_WAY[line.side],
            peer=names.get(line.their, line.their),
            windows=_below(path, line.windows),
            purpose=line.purpose,
            grant=line.cid,
            request=line.request,
            until_ms=line.exp_s * 1000,
            note="suspended: nothing is served until it is kept" if suspended else None,
            log=names_of_rows(rows, self._log),
            cids=(line.cid, *cids_of(rows)),
        )

    # one peer

    def of_peer(self, tx: Tx, pair: Pair, names: Names, now_ms: int) -> list[HistoryEvent]:
        """Everything between this node and one peer, in order of time."""
        rows = self.rows.of(tx, peer_named(pair.own, pair.their))
        said = Said(rows)
        lines = [
            line for line in self.lines.all(tx) if (line.own, line.their) == (pair.own, pair.their)
        ]
        roots = {line.root: line for line in lines}
        events = [
            *self._requests(tx, pair, said),
            *(event for line in lines for event in self._of_line(tx, line, names, said, now_ms)),
            *(
                self._read_made(read, roots, names)
                for read in reads_in((*rows, *self._by_others(tx, pair)))
                if read.root in roots or read.their == pair.their
            ),
            *(
                event
                for event in lent_on_events(self._lending_on.all(tx), names)
                if event.peer == pair.name
            ),
            *self._delivered(tx, pair, said),
            *self._shared_words(tx, pair, said),
            *(
                HistoryEvent(shown.heard_ms, "card", "taken", pair.name, cids=(shown.signed.cid,))
                for shown in self._cards.shown(tx, pair)
            ),
            *followed(self._personas, tx, pair, said, self._log),
            *self._refusals(said, pair),
        ]
        return sorted(events, key=lambda event: event.t_ms)

    def _by_others(self, tx: Tx, pair: Pair) -> list[Mentioned]:
        """Rows of those to whom this reader of ours lends on, and who are no peers themselves."""
        readers = readers_below(self._lending_on.all(tx), pair.own, pair.their)
        return [row for one in readers for row in self.rows.of(tx, peer_named(pair.own, one))]

    def _requests(self, tx: Tx, pair: Pair, said: Said) -> Iterator[HistoryEvent]:
        for side, way in ((self._inbox, "given"), (self._asked, "taken")):
            for cid, asked in side.all(tx):
                if (asked.own, asked.their) != (pair.own, pair.their):
                    continue
                request = parse_request(asked.raw)
                rows = said.about(Cmd.REQUEST, cid)
                asking = HistoryEvent(
                    t_ms=asked.t_ms,
                    what="asked",
                    way=way,
                    peer=pair.name,
                    windows=request.items,
                    purpose=request.purpose,
                    request=cid,
                    until_ms=request.exp_s * 1000,
                    note=asked.state.value,
                    log=names_of_rows(rows, self._log),
                    cids=(cid, *cids_of(rows)),
                )
                yield asking
                judged = self.judged(tx, cid) if side is self._inbox else None
                if judged is not None and judged.rule is not None:
                    yield HistoryEvent(
                        t_ms=judged.t_ms,
                        what=f"rule-{judged.does.value}",
                        way=way,
                        peer=pair.name,
                        purpose=request.purpose,
                        request=cid,
                        note=f"{judged.rule}: {judged.why}",
                    )
                decided = said.about(Cmd.DECIDE, cid)
                what = "refused"
                if asked.state is RequestState.DECLINED:
                    what, decided = "declined", said.about(Cmd.DECLINE, asked.grant)
                if asked.state in (RequestState.REFUSED, RequestState.DECLINED):
                    # Of one that was not told yet, the moment is not kept: it came after asking.
                    yield HistoryEvent(
                        t_ms=max((_t_ms(row) for row in decided), default=asked.t_ms),
                        what=what,
                        way=way,
                        peer=pair.name,
                        purpose=request.purpose,
                        request=cid,
                        note=asked.reason,
                        log=names_of_rows(decided, self._log),
                        cids=cids_of(decided),
                    )

    def _delivered(self, tx: Tx, pair: Pair, said: Said) -> Iterator[HistoryEvent]:
        found: list[tuple[Received | Made, str, str, str | None]] = [
            (one, one.src, "taken", None) for one in self._deliveries.received(tx)
        ]
        found += [(one, one.to, "given", one.state) for one in self._deliveries.made(tx)]
        for one, who, way, note in found:
            if who != pair.their:
                continue
            rows = said.about(Cmd.DELIVER, one.statement)
            yield HistoryEvent(
                t_ms=one.t_ms,
                what="delivered",
                way=way,
                peer=pair.name,
                windows=(Window(one.path, one.first, one.last),),
                note=note,
                log=names_of_rows(rows, self._log),
                cids=(one.statement, *cids_of(rows)),
            )

    def _shared_words(self, tx: Tx, pair: Pair, said: Said) -> Iterator[HistoryEvent]:
        """What either side has signed of the records that both keep."""
        for kept in self._shared.all(tx):
            if (kept.own, kept.their) != (pair.own, pair.their):
                continue
            for one in kept.versions:
                version = one.version
                cmd = Cmd.PROPOSE if version.word in PROPOSING else Cmd.ANSWER_RECORD
                rows = said.about(cmd, version.cid) or said.about(Cmd.RETURN, version.cid)
                day = kept.day
                yield HistoryEvent(
                    t_ms=one.t_ms,
                    what=f"shared-{version.word.value}",
                    way="given" if kept.is_ours(version) else "taken",
                    peer=pair.name,
                    windows=(Window(kept.kept, day, day),),
                    note=version.reason or None,
                    log=names_of_rows(rows, self._log),
                    cids=(version.cid, *cids_of(rows)),
                )

    def _refusals(self, said: Said, pair: Pair) -> Iterator[HistoryEvent]:
        """What was asked over a link and refused: by the door, not by a person."""
        for row in said.refused:
            word, subject = row.row.word, row.row.subject
            assert isinstance(word, Answer)
            cmd = "a call" if subject is None else subject.cmd
            collection = None if subject is None else subject.path
            yield HistoryEvent(
                t_ms=word.t_ms,
                what="turned-away",
                way=row.row.way.value,
                peer=pair.name,
                note=" ".join(filter(None, (cmd, collection, f"({word.code.value})"))),
                log=names_of_rows((row,), self._log),
                cids=(word.cid,),
            )

    # both

    def _read_made(
        self, read: ReadMade, roots: Mapping[bytes, GrantLine], names: Names
    ) -> HistoryEvent:
        line = roots.get(read.root)
        paths = () if line is None else tuple({one.collection for one in line.windows})
        path = read.path or (paths[0] if len(paths) == 1 else None)
        windows = () if path is None else (Window(path, read.first, read.last),)
        by = names.get(read.reader, read.reader)
        peer = names.get(read.their, read.their)
        notes = [
            None if by == peer or read.way is Way.TAKEN else f"read by {by}",
            _served_by(read, names),
            None if read.two_sided else "its reader has not signed for the last of it",
            _call_kept(read, self._log),
            None if windows or line is None else f"one of {', '.join(sorted(paths))}",
        ]
        return HistoryEvent(
            t_ms=read.t_ms,
            what="read",
            way=(Way.TAKEN if read.way is Way.TAKEN else Way.GIVEN).value,
            peer=peer,
            windows=windows,
            purpose=None if line is None else line.purpose,
            grant=read.root,
            pages=read.pages,
            bytes=read.size,
            within=None if line is None or not windows else _within(read, windows, line),
            delete_by_ms=None if line is None else read.t_ms + line.retention_days * _DAY_MS,
            note="; ".join(filter(None, notes)) or None,
            log=names_of_rows(read.rows, self._log),
            cids=(read.inv, *cids_of(read.rows)),
        )

    def _of_line(
        self, tx: Tx, line: GrantLine, names: Names, said: Said, now_ms: int
    ) -> Iterator[HistoryEvent]:
        """What became of one grant, the end by the clock among it."""
        events = list(line.events)
        ended = any(one.what in (Happened.REVOKED, Happened.EXPIRED) for one in events)
        if not ended and line.exp_s * 1000 < now_ms:
            events.append(Event(line.exp_s * 1000, Happened.EXPIRED, line.cid))
        taken = line.side is Side.GIVEN and any(one.what is Happened.REVOKED for one in events)
        declined = self.declined(tx, line.cid) if taken else None
        for one in events:
            rows = self._shown(said, line, one.what)
            what, note = _WORDS.get(one.what, one.what.value), None
            if declined is not None and one.what is Happened.REVOKED and declined[0] <= one.t_ms:
                # Its reader did not agree: nothing was taken from anybody.
                what, note = "declined", declined[1]
                rows = said.about(Cmd.DECLINE, line.cid)
            signed = () if one.cid is None else (one.cid,)
            yield HistoryEvent(
                t_ms=one.t_ms,
                what=what,
                way=_WAY[line.side],
                peer=names.get(line.their, line.their),
                windows=line.windows,
                purpose=line.purpose,
                grant=line.cid,
                request=line.request,
                until_ms=line.exp_s * 1000,
                note=note,
                log=names_of_rows(rows, self._log),
                cids=(*signed, *cids_of(rows)),
            )

    def _shown(self, said: Said, line: GrantLine, what: Happened) -> tuple[Mentioned, ...]:
        if what is Happened.GIVEN:
            renewed = said.about(Cmd.RENEW, line.renews)
            return renewed or said.about(Cmd.DECIDE, line.request)
        return tuple(row for cmd in _SHOWN_BY.get(what, ()) for row in said.about(cmd, line.cid))


_WORDS = {
    Happened.GIVEN: "granted",
    Happened.REVOKED: "taken-back",
    Happened.EXPIRED: "ran-out",
}
_BEGUN = frozenset({Happened.GIVEN, Happened.ACCEPTED})
# What ends or limits a grant, of all that becomes of it.
_ENDINGS = (
    "taken-back",
    "declined",
    "ran-out",
    Happened.SUSPENDED.value,
    Happened.KEPT.value,
    Happened.RENEWED.value,
    Happened.DELETE_ASKED.value,
    Happened.DELETED.value,
)


def _served_by(read: ReadMade, names: Names) -> str | None:
    """Which helper served in place of the owner, if one did: devices of helpers have names."""
    name = names.get(read.server)
    if name is None and read.way is not Way.HELPER:
        return None
    whose = "you were" if read.way is Way.HELPER else "they were"
    return f"served by {name or 'a helper'} while {whose} away"


def _call_kept(read: ReadMade, log: int) -> str | None:
    """Where the reader's own signed call stands, of a read that it never signed for."""
    rows = names_of_rows((row for row in read.rows if row.row.call is not None), log)
    return f"its own signed call for it is kept: log prove {rows[-1]}" if rows else None


def _within(read: ReadMade, windows: Sequence[Window], line: GrantLine) -> bool:
    """Whether a read lay within its grant: its days, and while it held."""
    return within(windows, line.windows) and line.status_at(read.t_ms) is GrantStatus.LIVE


def _below(path: str, windows: Sequence[Window]) -> tuple[Window, ...]:
    """Those of `windows` that are of `path`, or of what is below it: a category names what is in
    it, a collection its views, and what is kept as somebody's."""
    return tuple(
        one for one in windows if one.collection == path or one.collection.startswith(path + "/")
    )


def _not_judged(_tx: Tx, _request: bytes) -> Judged | None:
    """There are no standing rules."""
    return None


def _not_declined(_tx: Tx, _grant: bytes) -> tuple[int, str | None] | None:
    """Nobody declined anything."""
    return None


def _t_ms(row: Mentioned) -> int:
    word = row.row.word
    return word.t_ms if isinstance(word, Answer) else word.body.t_ms


def standing_at(lines: Iterable[GrantLine], t_ms: int) -> dict[bytes, GrantLine]:
    """The grants under which something might be seen at `t_ms`: they held, or were suspended."""
    held = (GrantStatus.LIVE, GrantStatus.SUSPENDED)
    return {line.cid: line for line in lines if line.status_at(t_ms) in held}

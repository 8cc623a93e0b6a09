"""The watch: every promise of the design that can be seen from outside, held all week long.

At every look each disk is read as it lies there, whatever its node is doing at that moment, and
held against the book and against the other disks.  So each check is one that holds between any two
commits; what only holds once everything has been said waits for the last look.

    facts       a vault shows all that was promised and nothing that nobody told, each once
    opened      the keys that a reader holds open exactly the granted days, tried on every page
    taken back  nothing is signed as served after a taking back has returned, and what is written
                after it opens with none of the keys that were lent
    logs        verify; what one side keeps of the other's words the other signed, and a window
                that was countersigned stands in both logs
    two-sided   every window of a read is countersigned, but possibly its last
    once        no command was acted on twice, no delivery is kept twice
    names       what was said under a mandate stands with both names where it was said and heard
    quotas      a peer has no more requests waiting than it may
    in clear    no value, name, path or persona on a disk, in a backup, a parcel or a node's log

The watch remembers what it has seen, so what burnt with a machine still counts for the others.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path

from ...crypto.errors import EntrenousError
from ...node.errors import NotFound
from ...node.exchange.acting import REQUESTS_WAITING_MAX
from ...node.grants.inbox import Asked, RequestState
from ...node.log.receipts import Logged, Way
from ...node.store.database import Tx
from ...protocol.errors import Code
from ...protocol.receipt import Answer, Receipt
from ...protocol.trust import GrantStatus
from ..dice import Dice
from ..invariants import Home, Name, Pairing, Whole, day_keys, opens
from ..machine import Machine
from ..world import World
from .book import Book
from .files import DAYS, FIRST, Slice, facts_of
from .home import PATHS

NEEDLES_A_LOOK = 6
NEEDLE_CHARS_MIN = 8
CLOCKS_MS = 60_000


class Watch:
    """Looks at a world; what it finds wrong is a complaint."""

    def __init__(self, world: World, book: Book, home: Machine, slices: Slice) -> None:
        self._world = world
        self._book = book
        self._home = home
        self._dice: Dice = world.dice.fork("watch")
        self._signed: set[tuple[str, str, bytes]] = set()
        self._taken: set[tuple[str, str, bytes]] = set()
        self._sent: defaultdict[str, dict[tuple[bytes, int], set[Name]]] = defaultdict(dict)
        self._secrets = sorted(_texts_of(slices))
        self.files: list[Path] = []
        self._complained: set[str] = set()
        self.looks = 0
        # The pages that there were when a taking back was first seen to have returned.
        self._before: dict[bytes, set[bytes]] = {}
        # When the person's machine burnt; what was said before may be known to one side only.
        self._fire_ms = 0
        self._backed_up: Set[Pairing] = set()
        self._burning: Set[Pairing] = set()
        # Pairings that burnt with it, as the other side knows them still.
        self.burnt = set[Pairing]()

    async def look(self, *, last: bool = False) -> None:
        """Hold every disk against everything that must be so now."""
        self.looks += 1
        homes = [await self._read(one, last=last) for one in self._world.machines.values()]
        self._remember(homes)
        whole = Whole(homes, self.burnt)
        checks: list[Callable[[], Iterator[str]]] = [
            whole.two_sided,
            whole.opened,
            lambda: self._logs(homes, last=last),
            lambda: self._taken_back(homes),
            lambda: self._closed(homes),
            lambda: self._once(homes),
            lambda: self._quotas(homes),
        ]
        if last:
            checks += [whole.outboxes, whole.both_paired]
            checks += [lambda: self._names(homes), lambda: self._settled(homes)]
        for check in checks:
            for sentence in check():
                self._complain(sentence)
        await self._facts()
        await self._in_clear(last=last)

    async def before_backup(self, machine: Machine) -> None:
        """Whom a machine knows now, it knows when it is restored."""
        self._backed_up = (await self._read(machine, last=False)).pairs

    async def before_loss(self, machine: Machine) -> None:
        """What a machine has signed and sent is remembered when it burns."""
        self._fire_ms = machine.clock.now_ms() + CLOCKS_MS
        burning = await self._read(machine, last=False)
        self._burning = burning.pairs
        self._remember([burning])

    async def after_restore(self, machine: Machine) -> None:
        """What the backup held is there; a pairing made after it is known to the peer alone."""
        pairs = (await self._read(machine, last=False)).pairs
        if self._backed_up - pairs:
            self._complain(f"a restored {machine.name} does not know whom it was paired with")
        self.burnt = {(their, own) for own, their in self._burning - pairs}
        await self.look()

    async def _read(self, machine: Machine, *, last: bool) -> Home:
        node = machine.at_rest()
        # A log grows all week; its signatures are tried at some looks, and at the last.
        verify = last or self._dice.chance(0.15)
        home = await machine.disk.read(lambda tx: Home(machine, node, tx, verify=verify))
        self._sent[machine.name].update(home.sent)
        home.sent = self._sent[machine.name]
        return home

    def _complain(self, sentence: str) -> None:
        if sentence not in self._complained:
            self._complained.add(sentence)
            self._world.complain(sentence)

    def _remember(self, homes: Sequence[Home]) -> None:
        for home in homes:
            for word in home.words:
                if word.way in (Way.GIVEN, Way.HELPED):
                    self._signed.add((word.own, word.their, word.word.cid))
                elif word.way is Way.TAKEN:
                    self._taken.add((word.their, word.own, word.word.cid))

    # logs

    def _logs(self, homes: Sequence[Home], *, last: bool) -> Iterator[str]:
        for home in homes:
            if home.log_fault is not None:
                yield f"the log of {home.name} does not verify: {home.log_fault}"
            for word in home.words:
                name = (word.own, word.their, word.word.cid)
                if word.way is Way.TAKEN and (word.their, word.own, word.word.cid) not in (
                    self._signed
                ):
                    yield f"{home.name} keeps a word that its peer did not keep ({word.index})"
                served = word.way is Way.GIVEN and word.two_sided
                if served and name not in self._taken:
                    yield f"a window that {home.name} served is not in its reader's log"

    def _taken_back(self, homes: Sequence[Home]) -> Iterator[str]:
        (home,) = (one for one in homes if one.name == self._home.name)
        for word in home.words:
            if word.way is not Way.GIVEN or not isinstance(word.word, Receipt):
                continue
            lending = self._book.lendings.get(word.word.body.dlg)
            if lending is None or lending.done_ms is None:
                continue
            if word.index >= (lending.words if lending.log == home.log_number else 0):
                yield f"{home.name} served under a grant that was taken back"
        for cid, lending in self._book.lendings.items():
            given = home.given.get(cid)
            if given is None and not lending.forgotten:
                yield f"{home.name} forgot a grant that it gave"
            over = (GrantStatus.REVOKED, GrantStatus.SUSPENDED, GrantStatus.EXPIRED)
            if given is not None and lending.done_ms and given.status(home.now_ms) not in over:
                yield f"{home.name} forgot that it took a grant back"

    def _closed(self, homes: Sequence[Home]) -> Iterator[str]:
        (home,) = (one for one in homes if one.name == self._home.name)
        pages = {entry.page_id for entry, _ in home.pages}
        keys = {cid: one for reader in homes for cid, one in reader.keys.items()}
        for cid, lending in self._book.lendings.items():
            if lending.done_ms is None or cid not in keys:
                continue
            before = self._before.setdefault(cid, pages)
            later = [one for one in home.pages if one[0].page_id not in before]
            for entry, ciphertext in later:
                if any(opens(entry, ciphertext, key) for key in day_keys(keys[cid], entry.day)):
                    yield f"{lending.reader} opens what was written after its grant was taken back"

    def _once(self, homes: Sequence[Home]) -> Iterator[str]:
        for home in homes:
            done = Counter(
                (word.their, word.word.inv)
                for word in home.words
                if word.way is Way.GIVEN
                and isinstance(word.word, Answer)
                and word.word.code is Code.OK
            )
            twice = sum(count > 1 for count in done.values())
            if twice:
                yield f"{home.name} acted {twice} times on what it had done before"
            if len(home.deliveries) != len(set(home.deliveries)):
                yield f"{home.name} keeps a delivery twice"

    def _quotas(self, homes: Sequence[Home]) -> Iterator[str]:
        for home in homes:
            waiting = Counter(
                (asked.own, asked.their)
                for asked in home.inbox.values()
                if asked.state is RequestState.WAITING
            )
            if any(count > REQUESTS_WAITING_MAX for count in waiting.values()):
                yield f"{home.name} has more requests of one peer waiting than it may"

    # what only holds once everything has been said

    def _names(self, homes: Sequence[Home]) -> Iterator[str]:
        heard = {word.acted for home in homes for word in _acted(home.words, Way.TAKEN)}
        for home in homes:
            said = list(_acted(home.words, Way.GIVEN))
            for acted in {word.acted for word in said if word.code is Code.OK} - heard:
                if not any(word.t_ms < self._fire_ms for word in said if word.acted == acted):
                    yield f"what {home.name} was told under a mandate is in no other log"
        by_name = {home.name: home for home in homes}
        for (proxy, at), count in self._book.acted.items():
            if not list(_acted(by_name[at.split()[0]].words, Way.GIVEN)):
                yield f"{at} logged none of {count} words said for {proxy} with both names"

    def _settled(self, homes: Sequence[Home]) -> Iterator[str]:
        """Requests and grants stand alike on both sides, but for what burnt on one of them."""
        by_persona = {own: home for home in homes for own, _ in home.pairs}
        (home,) = (one for one in homes if one.name == self._home.name)
        for asker in homes:
            for cid, asked in asker.asked.items():
                if by_persona.get(asked.their) is not home or asked.t_ms < self._fire_ms:
                    continue
                theirs = home.inbox.get(cid)
                if theirs is None and asked.state is not RequestState.REFUSED:
                    yield f"a request of {asker.name} never arrived"
                elif theirs is not None and not _settled_alike(asked, theirs):
                    yield f"a request of {asker.name} is {asked.state}, but there {theirs.state}"
        for cid, asked in home.inbox.items():
            if asked.grant is None or asked.t_ms < self._fire_ms:
                continue
            given, reader = home.given[asked.grant], by_persona.get(asked.their)
            theirs = None if reader is None else reader.asked.get(cid)
            if theirs is not None and theirs.state is RequestState.DECLINED:
                # Nobody holds what its reader did not agree to; its owner has ended it.
                if given.kept is not GrantStatus.REVOKED:
                    yield f"a grant of {home.name} was declined, and is {given.kept}"
                continue
            if theirs is not None and theirs.state is RequestState.OFFERED:
                continue
            held = None if reader is None else reader.held.get(asked.grant)
            if held is None:
                yield f"a grant of {home.name} never arrived"
            elif (given.kept is GrantStatus.REVOKED) is not (held.kept is GrantStatus.REVOKED):
                yield f"a grant of {home.name} is {given.kept}, but there {held.kept}"

    # what a vault shows

    async def _facts(self) -> None:
        (home,) = (m for m in self._world.machines.values() if m.name == self._home.name)
        node = home.at_rest()
        for path in PATHS:
            try:
                reading = await node.vault.read(path, FIRST, FIRST + DAYS)
            except NotFound:
                facts = frozenset[tuple[int, str, int]]()
            except EntrenousError as error:
                self._complain(f"{path} cannot be read: {error}")
                continue
            else:
                facts = facts_of(reading.batch)
                if reading.damaged:
                    self._complain(f"{len(reading.damaged)} pages of {path} are damaged")
            if missing := self._book.promised[path] - facts:
                self._complain(f"{len(missing)} facts of {path} that were promised are gone")
            if facts - self._book.tried[path]:
                self._complain(f"{path} shows a fact twice, or one that nobody told")
        received = await home.disk.read(
            lambda tx: {one.statement for one in node.deliveries.received(tx)}
        )
        if self._book.statements - received:
            self._complain("a delivery that was confirmed is not there")

    # nothing in clear

    async def _in_clear(self, *, last: bool) -> None:
        lines, self._world.lines = self._world.lines, []
        told = "\n".join(lines).encode()
        machine = self._dice.pick(list(self._world.machines.values()))
        machines = list(self._world.machines.values()) if last else [machine]
        some = self._dice.shuffled(self._secrets)
        needles = some[: 3 * NEEDLES_A_LOOK] if last else some[:NEEDLES_A_LOOK]
        spelled = {form: text for text in needles for form in forms_of(text)}
        for text in self._secrets:  # a log is small: all of them are looked for
            if text.encode() in told:
                self._complain(f"{text!r} stands in clear in a log")
        places: list[tuple[str, bytes]] = []
        for one in machines:
            places.append((f"the disk of {one.name}", await one.disk.read(_bytes_of)))
        files, self.files = self.files, []
        places += [(path.suffix or path.name, path.read_bytes()) for path in files if path.exists()]
        for where, data in places:
            for form, text in spelled.items():
                if form in data:
                    self._complain(f"{text!r} stands in clear in {where}")


def _settled_alike(asked: Asked, theirs: Asked) -> bool:
    """Whether both sides of a request say the same of it.  What its asker declined, or has not
    agreed to yet, was granted on harder terms where it was decided."""
    offered = asked.state in (RequestState.OFFERED, RequestState.DECLINED)
    stands = RequestState.GRANTED if offered else asked.state
    return (stands, asked.grant) == (theirs.state, theirs.grant)


def _acted(words: Sequence[Logged], way: Way) -> Iterator[Answer]:
    """The answers of one way that name a principal and a proxy."""
    for word in words:
        if word.way is way and isinstance(word.word, Answer) and word.word.acted is not None:
            yield word.word


def _texts_of(slices: Slice) -> set[str]:
    """What must stand nowhere: labels and counterparties of the bank, paths, the house's names."""
    columns: Mapping[str, Sequence[object]] = slices.bank(0, DAYS - 1).columns
    texts = {str(text) for name in ("label", "counterparty") for text in columns[name] if text}
    texts |= set(PATHS) | {"bank of rose", "dpv:ServiceProvision", "nothing is sold on"}
    return {text for text in texts if len(text) >= NEEDLE_CHARS_MIN}


def forms_of(text: str) -> Iterator[bytes]:
    """A text as it may stand in bytes."""
    data = text.encode()
    yield data
    yield text.encode("utf-16-le")
    yield data.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + data).rstrip(b"=")
        yield coded[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]


def _bytes_of(tx: Tx) -> bytes:
    """Everything on a disk."""
    tables = tx.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    parts: list[bytes] = []
    for (table,) in tables:
        for row in tx.execute(f'SELECT * FROM "{table}"'):
            parts += [
                cell if isinstance(cell, bytes) else str(cell).encode()
                for cell in row
                if isinstance(cell, bytes | str)
            ]
    return b"\0".join(parts)

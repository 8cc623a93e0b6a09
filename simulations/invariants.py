"""Invariants: what must hold in a world in which everything has been said.

Each is a check over all nodes, on what lies on their disks, by other means than those by which it
came there: one side's store is held against the other's, and every page is tried with every key.

    outboxes      are empty once every peer is there
    pairs         are known on both sides
    logs          verify; what one side keeps of the other's words, the other signed and kept
    two-sided     every window of a read is countersigned, but possibly its last
    calls         beside the window that was not, and no other word, stands the reader's signed call
    taken back    no window of a grant was signed after its taking back was confirmed
    closed        what was written after a taking back opens with no key of its reader
    opened        a reader's keys open exactly the granted days of the generations it was sent
    both sides    grants and requests stand alike on both sides; readers hold the newest keys
    delivered     what was confirmed as handed back is there
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence, Set

from ..crypto.errors import CryptoError, EntrenousError
from ..crypto.keys import DayKey
from ..node.grants.grant_given import GrantGiven
from ..node.grants.grant_held import GrantHeld
from ..node.grants.inbox import RequestState
from ..node.log.receipts import Way
from ..node.node import Node
from ..node.peers.outgoing import message_of
from ..node.store.database import Tx
from ..node.store.objects import Kind
from ..node.vault.stored import Stored
from ..protocol.day import day_of
from ..protocol.keyset import GrantKeys
from ..protocol.page import PageEntry, open_page, parse_entry
from ..protocol.read_call import parse_call_of
from ..protocol.receipt import Receipt
from ..protocol.trust import GrantStatus
from .machine import Machine
from .scenarios.story import Story
from .world import World

# (path, epoch, generation): what one set of keys is for.
Name = tuple[str, bytes, bytes]
# (own persona, the peer's), as one of the two sees it.
Pairing = tuple[str, str]


class Home:
    """What lies on one machine's disk, read once."""

    def __init__(self, machine: Machine, node: Node, tx: Tx, *, verify: bool = True) -> None:
        self.name = machine.name
        self.log_number = node.keystore.log_number
        self.node = node
        self.now_ms = machine.clock.now_ms()
        self.waiting = waiting_of(node, tx)
        self.pairs = {(pair.own, pair.their) for pair in node.peers.all(tx)}
        self.words = node.receipts.all(tx)
        self.given = {grant.cid: grant for grant in node.lending.all(tx)}
        self.held = {grant.cid: grant for grant in node.borrowing.all(tx)}
        self.inbox = dict(node.inbox.all(tx))
        self.asked = dict(node.asked.all(tx))
        self.deliveries = [one.statement for one in node.deliveries.received(tx)]
        self.received = set(self.deliveries)
        self.keys = {
            cid: node.borrowing.keys(tx, held) for cid, held in self.held.items() if held.keysets
        }
        self.pages = list(_pages(node, tx))
        self.sent = dict(_sent(node, tx))
        self.log_fault: str | None = None
        try:
            if verify:
                node.receipts.verify(tx)
        except EntrenousError as error:
            self.log_fault = str(error)


def waiting_of(node: Node, tx: Tx) -> Counter[Pairing]:
    """How many words wait in a node's outbox, by (own persona, the peer's)."""
    messages = map(message_of, node.store.outbox.all(tx))
    return Counter((message.own, message.their) for message in messages)


def _pages(node: Node, tx: Tx) -> Iterator[tuple[PageEntry, bytes]]:
    for collection in node.vault.collections.all(tx):
        stored: Sequence[Stored] = node.vault.stored(tx, collection.path, 0, 65_535)
        for one, ciphertext in node.vault.ciphertexts(tx, stored):
            if ciphertext is not None:
                yield parse_entry(one.raw), ciphertext


def _sent(node: Node, tx: Tx) -> Iterator[tuple[tuple[bytes, int], set[Name]]]:
    """What each keyset opens, by (grant, number), as its owner wrote it down."""
    for key, value in node.store.objects.all(tx, Kind.KEYSET_SENT):
        match key, value:
            case [bytes(grant), int(n)], list(names):
                yield (grant, n), {_name(name) for name in names}
            case _:
                raise AssertionError("a keyset that was sent is kept in another form")


def _name(value: object) -> Name:
    match value:
        case [str(path), bytes(epoch), bytes(gen)]:
            return path, epoch, gen
        case _:
            raise AssertionError("a set of keys is named in another form")


async def read_homes(world: World) -> list[Home]:
    """What lies on the disks of a world."""
    homes: list[Home] = []
    for machine in world.machines.values():
        node = machine.at_rest()

        def look(tx: Tx, machine: Machine = machine, node: Node = node) -> Home:
            return Home(machine, node, tx)

        homes.append(await machine.disk.read(look))
    return homes


async def check_world(world: World, stories: Sequence[Story]) -> None:
    """Hold the world against every invariant; each that fails is a complaint."""
    homes = await read_homes(world)
    whole = Whole(homes)
    for check in CHECKS:
        for sentence in check(whole):
            world.complain(sentence)
    for about in (whole.taken_back, whole.closed, whole.delivered):
        for sentence in about(stories):
            world.complain(sentence)


# What this home's device signed: for itself, and for those whom it helps.
_SERVED_HERE = (Way.GIVEN, Way.HELPED)


class Whole:
    """All homes, and whose persona is whose.

    `burnt` are pairings that only the other side can still know: theirs were made after the last
    backup of a machine that was lost.
    """

    def __init__(self, homes: Sequence[Home], burnt: Set[Pairing] = frozenset()) -> None:
        self.homes = homes
        self.burnt = burnt
        self.by_name = {home.name: home for home in homes}
        self.of_persona = {own: home for home in homes for own, _ in home.pairs}

    def outboxes(self) -> Iterator[str]:
        for home in self.homes:
            count = sum(n for pairing, n in home.waiting.items() if pairing not in self.burnt)
            if count:
                yield f"{home.name} still has {count} words in its outbox"

    def both_paired(self) -> Iterator[str]:
        for home in self.homes:
            for own, their in sorted(home.pairs):
                other = self.of_persona.get(their)
                known = other is not None and (their, own) in other.pairs
                if not known and (own, their) not in self.burnt:
                    yield f"{home.name} is paired with a persona that does not know of it"

    def logs(self) -> Iterator[str]:
        signed = {
            (word.own, word.their, word.word.cid)
            for home in self.homes
            for word in home.words
            if word.way in _SERVED_HERE
        }
        for home in self.homes:
            if home.log_fault is not None:
                yield f"the log of {home.name} does not verify: {home.log_fault}"
            for word in home.words:
                if word.way is Way.TAKEN and (word.their, word.own, word.word.cid) not in signed:
                    yield f"{home.name} keeps a word that its peer did not keep ({word.index})"

    def calls(self) -> Iterator[str]:
        for home in self.homes:
            for word in home.words:
                unsigned = (
                    isinstance(word.word, Receipt)
                    and word.word.one_sided
                    and word.way is not Way.TAKEN
                )
                if unsigned and word.subject is not None and word.call is None:
                    yield f"{home.name} has not kept the call of a read that was not signed for"
                if not unsigned and word.call is not None:
                    yield f"{home.name} keeps the call of a read that was signed for"
                if isinstance(word.word, Receipt) and word.call is not None:
                    parse_call_of(word.call, word.word.body)

    def two_sided(self) -> Iterator[str]:
        for home in self.homes:
            reads: defaultdict[bytes, dict[int, Receipt]] = defaultdict(dict)
            for word in home.words:
                if not isinstance(word.word, Receipt):
                    continue
                if word.way is Way.TAKEN and not word.two_sided:
                    yield f"{home.name} keeps a receipt that it did not sign ({word.index})"
                if word.way in _SERVED_HERE:
                    reads[word.word.body.inv][word.word.body.window] = word.word
            for windows in reads.values():
                for number, receipt in windows.items():
                    if receipt.one_sided and number != max(windows):
                        yield f"{home.name} served on without a countersignature"

    def opened(self) -> Iterator[str]:
        for reader in self.homes:
            for owner in self.homes:
                yield from _opened_of(reader, owner)

    def grants(self) -> Iterator[str]:
        for home in self.homes:
            for cid, given in home.given.items():
                reader = self.of_persona.get(given.their)
                held = None if reader is None else reader.held.get(cid)
                if held is None:
                    if reader is None or not _declined(reader, given):
                        yield f"a grant of {home.name} never arrived"
                    continue
                yield from _alike(home, given, held)

    def requests(self) -> Iterator[str]:
        for home in self.homes:
            for cid, asked in home.asked.items():
                person = self.of_persona.get(asked.their)
                theirs = None if person is None else person.inbox.get(cid)
                if theirs is None:
                    yield f"a request of {home.name} never arrived"
                elif asked.state is RequestState.DECLINED:
                    if person is None or theirs.grant is None or not _over(person, theirs.grant):
                        yield f"{home.name} declined what is still granted there"
                elif (asked.state, asked.grant) != (theirs.state, theirs.grant):
                    yield f"a request of {home.name} is {asked.state}, but there {theirs.state}"

    def taken_back(self, stories: Sequence[Story]) -> Iterator[str]:
        for story in stories:
            for revoked in story.revoked:
                home = self.by_name[revoked.owner]
                if home.given[revoked.grant].kept is not GrantStatus.REVOKED:
                    yield f"{home.name} forgot that it took a grant back"
                for word in home.words:
                    if (
                        word.way is Way.GIVEN
                        and isinstance(word.word, Receipt)
                        and word.word.body.dlg == revoked.grant
                        and word.index >= revoked.log_size
                    ):
                        yield f"{home.name} served under a grant that was taken back"

    def closed(self, stories: Sequence[Story]) -> Iterator[str]:
        """What came after the last grant of a story was taken back, on the very days of it."""
        for story in stories:
            if story.lent is not None or len(story.delivered) < 2:  # still lent, or not so far
                continue
            late, _ = story.delivered[-1]
            owner, reader = self.by_name[story.person.name], self.by_name[story.source.name]
            for entry, ciphertext in owner.pages:
                if entry.statement == late and any(
                    opens(entry, ciphertext, key)
                    for keys in reader.keys.values()
                    for key in day_keys(keys, entry.day)
                ):
                    yield f"{reader.name} opens what came to {owner.name} after its grant ended"

    def delivered(self, stories: Sequence[Story]) -> Iterator[str]:
        for story in stories:
            for statement, _ in story.delivered:
                if statement not in self.by_name[story.person.name].received:
                    yield f"a delivery to {story.person.name} was confirmed and is not there"


CHECKS: Sequence[Callable[[Whole], Iterator[str]]] = (
    Whole.outboxes,
    Whole.both_paired,
    Whole.logs,
    Whole.two_sided,
    Whole.calls,
    Whole.opened,
    Whole.grants,
    Whole.requests,
)


def _declined(reader: Home, given: GrantGiven) -> bool:
    """Whether `reader` did not agree to the terms under which this was granted."""
    asked = None if given.request is None else reader.asked.get(given.request)
    return (
        asked is not None
        and asked.state is RequestState.DECLINED
        and given.kept is GrantStatus.REVOKED
    )


def _over(owner: Home, grant: bytes) -> bool:
    return owner.given[grant].kept is GrantStatus.REVOKED


def _alike(home: Home, given: GrantGiven, held: GrantHeld) -> Iterator[str]:
    """One grant, as its two sides keep it."""
    revoked = given.kept is GrantStatus.REVOKED
    if revoked is not (held.kept is GrantStatus.REVOKED):
        yield f"a grant of {home.name} is {given.kept}, but there {held.kept}"
    if not revoked and given.n and (given.acknowledged != given.n or given.n not in held.keysets):
        yield f"a reader of {home.name} has not the newest keys of its grant"


def _opened_of(reader: Home, owner: Home) -> Iterator[str]:
    """Try every key of `reader` on every page of `owner`: the set opened is the set granted."""
    grants = {cid: keys for cid, keys in reader.keys.items() if cid in owner.given}
    for cid, keys in grants.items():
        if any((cid, n) not in owner.sent for n in reader.held[cid].keysets):
            yield f"{reader.name} holds keys that {owner.name} does not know to have been sent"
            continue
        wanted = _granted(owner, reader.held[cid])
        opened = {
            entry.page_id
            for entry, ciphertext in owner.pages
            if any(opens(entry, ciphertext, key) for key in day_keys(keys, entry.day))
        }
        if opened - wanted:
            yield f"{reader.name} opens {len(opened - wanted)} pages of {owner.name} not granted"
        if wanted - opened:
            yield f"{reader.name} cannot open {len(wanted - opened)} pages that it was granted"


def _granted(owner: Home, held: GrantHeld) -> set[bytes]:
    """The pages that a reader should be able to open, by the keysets that it said it holds."""
    names = set[Name]().union(*(owner.sent[held.cid, n] for n in held.keysets))
    last_day = day_of(held.bundle.grant.exp_s * 1000)
    return {
        entry.page_id
        for entry, _ in owner.pages
        if (entry.path, entry.epoch, entry.gen) in names
        and entry.day <= last_day
        and any(w.collection == entry.path and w.first <= entry.day <= w.last for w in held.windows)
    }


def day_keys(keys: GrantKeys, day: int) -> Iterator[DayKey]:
    """Every key of that day that these keys give, of whatever path and generation."""
    for found in keys.sets:
        try:
            yield keys.day_key(found.path, found.epoch, found.gen, day)
        except CryptoError:
            continue


def opens(entry: PageEntry, ciphertext: bytes, key: DayKey) -> bool:
    try:
        open_page(entry, ciphertext, key)
    except CryptoError:
        return False
    return True

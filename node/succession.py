"""Succession: a device is lost or stolen, and left behind; every persona that it had is followed.

    words ▸ next keys ▸ one unit of work: each persona of this home is followed by its next
                          each pair has a new key, its peer is owed to hear who we are now
                          what was lent is given again, what was borrowed waits to be
                          invites that wait are void, mandates end, the card is signed anew
                        … then, peer by peer, as whom it knows us:  /persona/succeed
    peer  ▸ the promise it has held since the two met ▸ one unit of work: the pair goes on with the
            new persona, and with the device that its certificate names; the old is refused

The device that was left behind has every key that was on it and none that follows: it cannot open
what is written after (another epoch), sign as who we are (another persona), or say who follows (the
words).  Until a peer has heard, it cannot know; the outbox says it as soon as that peer is there.

Everything here is a function of a transaction.

Source: formats.md, "Identity"; docs/adr/0024-succession.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..crypto.digest import sha256
from ..crypto.entropy import Entropy
from ..crypto.keys import PersonaKey, RecoverySecret
from ..crypto.recovery import digest_after, half_key_of_next, key_after, next_keys
from ..protocol.command import SucceedArgs
from ..protocol.did import Did
from ..protocol.errors import Code, GrantRefused
from ..protocol.limits import DEVICES_MAX
from ..protocol.persona import make_succession
from ..protocol.succession import Step, follow, next_pair_key
from ..protocol.wire import Value
from .checkpoint import UNWATCHED, Checkpoint
from .errors import UsageError
from .grants.borrowing import Borrowing
from .grants.given_again import Again, GivenAgain
from .grants.lent_on_left import LentOnLeft
from .household.mandates import Mandates
from .keystore import NEXT_DIGESTS, Keystore
from .peers.cards import Cards
from .peers.lines import PersonaLines, Taken
from .peers.peer_devices import PeerDevices
from .peers.peers import OwnPersona, Pair, Peers
from .steps import SuccessionStep
from .store.database import Tx
from .store.objects import Kind, Objects

# A list for `init`, then for each restore and each removal a round of lists, of which a device
# takes the one of its place among the person's devices, so that no two take the same.  Whoever has
# lost more has had bad years.
LISTS_MAX = 1_024
LISTS_AT_ONCE = DEVICES_MAX


@dataclass(frozen=True, slots=True)
class Succeeded:
    """What was done: `left` grants on paid terms that are off were not given again."""

    personas: int
    peers: int
    given: int
    left: int
    held: int
    invites: int
    mandates: int


def lists_after(number: int) -> int:
    """The first list of the round after that of list `number`."""
    return (number // LISTS_AT_ONCE + 1) * LISTS_AT_ONCE


class Succession:
    """Both sides of a persona that is followed."""

    def __init__(
        self,
        *,
        objects: Objects,
        peers: Peers,
        lines: PersonaLines,
        devices: PeerDevices,
        lending: GivenAgain,
        borrowing: Borrowing,
        lent_on_left: LentOnLeft,
        mandates: Mandates,
        cards: Cards,
        keystore: Keystore,
        entropy: Entropy,
        void_invites: Callable[[Tx], int],
        checkpoint: Checkpoint = UNWATCHED,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._lines = lines
        self._devices = devices
        self._lending = lending
        self._borrowing = borrowing
        self._lent_on_left = lent_on_left
        self._mandates = mandates
        self._cards = cards
        self._keystore = keystore
        self._entropy = entropy
        self._void_invites = void_invites
        self._checkpoint = checkpoint

    # ours

    def succeed(self, tx: Tx, recovery: RecoverySecret, now_ms: int) -> Succeeded:
        """Let every persona of this home be followed by the one that it promised.

        The keystore of this node has the new epoch and the new list of next keys already.
        Raises UsageError if the words are not those of this home, NodeError: nothing is changed.
        """
        own = [
            (first, persona)
            for first, persona in self._peers.lines(tx)
            if first != self._peers.device_persona(tx)  # it is left behind with its device
        ]
        keys = self._next_keys(recovery, [persona for _, persona in own])
        steps: dict[Did, tuple[OwnPersona, OwnPersona]] = {}
        for first, persona in own:
            key = keys[persona.inception.next_digest]
            after = digest_after(recovery, key.public)
            steps[first] = self._peers.succeed(tx, first, key, after, now_ms)
        pairs = self._peers.all(tx)
        followed = [self._step(tx, pair, *steps[pair.own], now_ms) for pair in pairs]
        self._checkpoint.reached(SuccessionStep.STEPPED)
        again = [self._lending.follow(tx, pair, now_ms) for pair in followed]
        held = self._borrowing.suspend_left(tx, followed, now_ms)
        self._rekey(tx, again, now_ms)
        self._lending.begin_epoch(tx, now_ms)
        self._checkpoint.reached(SuccessionStep.GIVEN_AGAIN)
        self._cards.sign_again(tx, now_ms)
        mandates = self._mandates.leave(tx, {old.did for old, _ in steps.values()}, now_ms)
        for pair in followed:
            # To be told who follows is to be introduced.
            self._objects.delete(tx, Kind.SETTING, ["introduce", pair.own, pair.their])
        invites = self._void_invites(tx)
        given, left = sum(one.given for one in again), sum(one.left for one in again)
        return Succeeded(len(own), len(pairs), given, left, held, invites, mandates)

    def _next_keys(
        self, recovery: RecoverySecret, personas: Iterable[OwnPersona]
    ) -> dict[bytes, PersonaKey]:
        """The next key of each persona, by the digest that it promised.  Raises UsageError.

        A persona that followed another promised what follows from it; others one of a list.
        """
        found: dict[bytes, PersonaKey] = {}
        wanted: set[bytes] = set()
        for persona in personas:
            key, promised = key_after(recovery, persona.key.public), persona.inception.next_digest
            if sha256(key.public) == promised:
                found[promised] = key
            else:
                wanted.add(promised)
        # Another device of this person may be some lists ahead.
        top = lists_after(self._keystore.next_list) + LISTS_AT_ONCE
        found |= next_keys(recovery, wanted, range(min(top, LISTS_MAX)), NEXT_DIGESTS)
        if not found.keys() >= wanted:
            raise UsageError("these are not the recovery words of this home; nothing was changed")
        return found

    def _step(self, tx: Tx, pair: Pair, old: OwnPersona, new: OwnPersona, now_ms: int) -> Pair:
        """The pair goes on as our new persona; the peer is owed to hear of it."""
        succession = make_succession(old.did, new.key)
        # Another device that leaves the same one behind takes the very same step.
        half = half_key_of_next(new.key, pair.own, pair.their)
        step = Step(succession, new.inception, half)
        return self._lines.stepped(tx, pair, step, next_pair_key(pair.key, step), now_ms)

    def _rekey(self, tx: Tx, again: Iterable[Again], now_ms: int) -> None:
        self._lending.rekey(tx, {path for one in again for path in one.paths}, now_ms)

    # the peer's

    def heard(self, tx: Tx, pair: Pair, args: SucceedArgs, now_ms: int) -> Value:
        """A peer says who it is now.  Said again, nothing changes.

        Raises CapabilityError for a persona that was not promised, GrantRefused.
        """
        args.cert.check(now_ms)
        ahead = follow(pair.inception, args.steps)
        if not ahead:
            return "known"
        key = self._lines.key_known_as(tx, pair, args.to)
        for step in ahead:
            if self._peers.first_of(tx, step.new) != step.new:
                raise GrantRefused("this persona has followed another already", Code.REPLAY)
            self._lines.keep_heard(tx, pair, Taken(step, key, now_ms))
            self._peers.followed(tx, pair.their, step.new)
            key = next_pair_key(key, step)
            pair = replace(pair, inception=step.inception, their_before=pair.theirs)
        # What the old persona has certified may be in other hands.
        key = self._lines.after(tx, pair, args.to, key)
        fresh = replace(pair, certificate=args.cert, key=key)
        self._peers.save(tx, fresh)
        self._devices.forget(tx, fresh)
        self._borrowing.suspend_left(tx, [fresh], now_ms)
        self._lent_on_left.note(tx, fresh)
        self._mandates.leave(tx, fresh.their_before, now_ms)
        again = self._lending.follow(tx, fresh, now_ms)
        self._rekey(tx, [again], now_ms)
        self._checkpoint.reached(SuccessionStep.HEARD)
        return "known"

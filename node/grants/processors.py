"""Processors: a reader's processor reads from the owner of the data, whom it does not know.

    owner      lets in who shows an unbroken chain, as the persona at its root, and as no other
    processor  says for whom it processes; keeps what they lend on to it, and where the owner is

What the two have then is a pair that only reads (`Pair.reads_only`), at both ends; at the owner it
lets in as long as a chain that was shown holds, which is looked at whenever the processor greets.

Everything here is a function of a transaction; the way to the owner is `exchange/showing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...crypto.entropy import Entropy
from ...crypto.keys import PairKey
from ...protocol.command import Cmd, LendArgs, PairReadArgs, PairReadOut
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.grant import parse_bundle
from ...protocol.invocation import Invocation, issue_invocation
from ...protocol.limits import INVOCATION_LIFE_S, LENT_ON_HERE_MAX, READING_CHAINS_MAX
from ...protocol.persona import parse_certificate, parse_inception
from ...protocol.processor import may_process
from ...protocol.showing import LINKS, VerifiedShowing, check_processor, owner_shown, reading_key
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import NotAllowed, UsageError
from ..peers.peers import Pair, Peers, fit_name
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .borrowing import Borrowing
from .grant_held import GrantHeld
from .lending_on import LendingOn
from .lent_on import LentOnSide

_K_BYTES = 32
_NONCE_BYTES = 16
# What a processor calls the owner of what it reads: its customer's name, and the end of the DID.
_TAIL = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """A chain that this node is about to show, and its half of the key."""

    invocation: Invocation
    held: GrantHeld
    k: bytes

    def __repr__(self) -> str:
        return f"<showing a chain to {self.held.their}>"


class Processors:
    """Both ends of a processor's reading."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        lending_on: LendingOn,
        borrowing: Borrowing,
        entropy: Entropy,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._lending_on = lending_on
        self._borrowing = borrowing
        self._entropy = entropy

    # the owner of the data

    def admit(self, tx: Tx, shown: VerifiedShowing, now_ms: int) -> Value:
        """Let in who shows a chain that holds; who we are to it.  Said again, answered again.

        Raises GrantRefused if the terms of the grant do not name it; CapabilityError.
        """
        bundle = shown.bundle
        root = self._lending_on.root(tx, bundle.root.cid)
        name = check_processor(bundle, root.bundle.terms)
        giver = self._peers.pair(tx, root.own, root.their)
        persona = self._peers.persona(tx, root.own)
        if persona.did != bundle.root.delegation.iss:
            raise GrantRefused("another persona has followed the one of this grant", Code.REVOKED)
        found = self._peers.find(tx, root.own, shown.inception.did)
        if found is not None and not found.reads_only:
            raise GrantRefused("these two are paired: greet as such", Code.REPLAY)
        self._lending_on.lodge(tx, giver, bundle, now_ms)
        self._under(tx, root.own, shown.inception.did, bundle.grant.cid, now_ms)
        k = self._entropy.random_bytes(_K_BYTES)
        key = reading_key(
            k_reader=shown.args.k,
            k_owner=k,
            reader=shown.inception,
            owner=persona.inception,
            dlg=bundle.grant.cid,
        )
        pair = Pair(
            name=fit_name(name),
            own=root.own,
            inception=shown.inception,
            certificate=shown.certificate,
            key=key,
            addresses=(),
            withdrawn=frozenset(),
            paired_ms=now_ms,
            own_after=giver.own_after,
            reads_only=True,
        )
        if found is None:
            self._peers.add(tx, pair)
        else:
            self._peers.save(tx, replace(pair, name=found.name))
        certificate = persona.certificate.signed.raw
        return PairReadOut(persona.inception.signed.raw, certificate, k).value()

    def lets_in(self, tx: Tx, pair: Pair, now_ms: int) -> bool:
        """Whether a chain that this processor has shown here holds now."""
        return any(self._holds(tx, cid, now_ms) for cid in self._chains(tx, pair.own, pair.their))

    def _under(self, tx: Tx, own: Did, their: Did, cid: bytes, now_ms: int) -> None:
        """Keep that the chain `cid` was shown; those that have ended are left out."""
        known = [one for one in self._chains(tx, own, their) if one != cid]
        holding = [one for one in known if self._holds(tx, one, now_ms)]
        if len(holding) >= READING_CHAINS_MAX:
            raise GrantRefused("too many chains of one processor hold here", Code.TOO_MUCH)
        self._objects.put(tx, Kind.READING_CHAINS, [own, their], [*holding, cid])

    def _chains(self, tx: Tx, own: Did, their: Did) -> list[bytes]:
        value = self._objects.get(tx, Kind.READING_CHAINS, [own, their])
        return [one for one in value if isinstance(one, bytes)] if isinstance(value, list) else []

    def _holds(self, tx: Tx, cid: bytes, now_ms: int) -> bool:
        one = self._lending_on.find(tx, LentOnSide.HERE, cid)
        return one is not None and self._lending_on.status(tx, one, now_ms) is GrantStatus.LIVE

    # the processor

    def process_for(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """From now on, take what `pair` lends on to this node.  Raises UsageError if it does."""
        if self._processes_for(tx, pair):
            raise UsageError(f"this node processes for {pair.name} already")
        self._objects.put(tx, Kind.PROCESSES_FOR, [pair.own, pair.their], now_ms)

    def stop_for(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """Take no more from `pair`; what was lent on stays readable.  Raises UsageError."""
        if not self._processes_for(tx, pair):
            raise UsageError(f"this node does not process for {pair.name}")
        # Said, and not only missing: another device of this person would bring it back.
        self._objects.put(tx, Kind.PROCESSES_FOR, [pair.own, pair.their], [now_ms])

    def _processes_for(self, tx: Tx, pair: Pair) -> bool:
        since = self._objects.get(tx, Kind.PROCESSES_FOR, [pair.own, pair.their])
        return isinstance(since, int)

    def processing_for(self, tx: Tx) -> list[tuple[Pair, int]]:
        """For whom this node processes, and since when."""
        found: list[tuple[Pair, int]] = []
        for name, since in self._objects.all(tx, Kind.PROCESSES_FOR):
            match name, since:
                case [str(own), str(their)], int(t_ms):
                    found.append((self._peers.pair(tx, own, their), t_ms))
                case _:
                    pass
        return found

    def lent(self, tx: Tx, pair: Pair, args: LendArgs, now_ms: int) -> Value:
        """A peer lends on to this node, its processor.  Raises GrantRefused, CapabilityError,
        WireError, BadSignature."""
        if not self._processes_for(tx, pair):
            raise GrantRefused(
                "this node does not process for the one who lends on to it", Code.UNKNOWN_GRANT
            )
        bundle = parse_bundle(args.bundle)
        delegation = bundle.grant.delegation
        if len(bundle.links) != LINKS:
            raise GrantRefused("what was lent on is not lent on again", Code.COMMAND)
        if delegation.aud != pair.own_now:
            raise GrantRefused("this was lent on to somebody else", Code.AUDIENCE)
        if may_process(bundle.terms, delegation.aud) is None:
            raise GrantRefused("the terms of this grant do not name this node", Code.TERMS)
        inception, certificate = parse_inception(args.inception), parse_certificate(args.cert)
        owner = bundle.root.delegation.iss
        if (inception.did, certificate.persona) != (owner, owner):
            raise GrantRefused("this introduces another than the owner of the data", Code.AUDIENCE)
        # Whom the owner let in was another where another persona has followed it: they begin anew.
        own = pair.own_now
        known = self._peers.find(tx, own, owner)
        if known is None or (known.reads_only and known.own != own):
            self._peers.add(
                tx,
                Pair(
                    name=fit_name(f"{pair.name}/{owner[-_TAIL:]}"),
                    own=own,
                    inception=inception,
                    certificate=certificate,
                    # In place of the key that the two will have: nothing was said under it.
                    key=PairKey(self._entropy.random_bytes(_K_BYTES)),
                    addresses=args.addresses,
                    withdrawn=frozenset(),
                    paired_ms=now_ms,
                    reads_only=True,
                ),
            )
        elif known.reads_only:
            # It may listen elsewhere now, or have another device.
            newest = max(certificate, known.certificate, key=lambda one: one.exp_s)
            addresses = args.addresses or known.addresses
            self._peers.save(tx, replace(known, certificate=newest, addresses=addresses))
        held = self._borrowing.find(tx, bundle.grant.cid)
        if held is None:
            self._make_room(tx, pair)
            self._borrowing.hold_for(tx, pair, bundle, now_ms)
        elif held.keyed != (pair.own, pair.their):
            raise GrantRefused("this was lent on by another than the one who says it", Code.REPLAY)
        return "kept"

    def held_of(self, tx: Tx, pair: Pair) -> int:
        """How many grants `pair` has lent on to this node, ended or not."""
        count = self._objects.get(tx, Kind.SETTING, _counted(pair))
        return count if isinstance(count, int) else 0

    def _make_room(self, tx: Tx, pair: Pair) -> None:
        held = self.held_of(tx, pair)
        if held >= LENT_ON_HERE_MAX:
            raise GrantRefused(f"this node holds {held} grants of one peer already", Code.TOO_MUCH)
        self._objects.put(tx, Kind.SETTING, _counted(pair), held + 1)

    def to_show(self, tx: Tx, pair: Pair, held: GrantHeld, now_ms: int) -> Shown:
        """The word in which this node shows the owner of the data, `pair`, a chain that it holds.

        Raises NotAllowed for a grant that no chain stands above.
        """
        if not held.bundle.chain:
            raise NotAllowed("this grant was not lent on: there is no chain to show")
        persona = self._peers.persona(tx, held.own)
        k = self._entropy.random_bytes(_K_BYTES)
        raw, inception = held.bundle.signed.raw, persona.inception.signed.raw
        args = PairReadArgs(raw, inception, persona.certificate.signed.raw, k)
        invocation = issue_invocation(
            persona.key,
            sub=persona.did,
            cmd=Cmd.PAIR_READ,
            args=args.value(),
            prf=(),
            exp=now_ms // 1000 + INVOCATION_LIFE_S,
            nonce=self._entropy.random_bytes(_NONCE_BYTES),
            aud=pair.certificate.device,
        )
        return Shown(invocation, held, k)

    def let_in(self, tx: Tx, pair: Pair, shown: Shown, out: PairReadOut, now_ms: int) -> None:
        """The owner has let this node in: keep the key of the two.  Raises WireError,
        BadSignature, CapabilityError for an answer of somebody else."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        owner = shown.held.bundle.root.delegation.iss
        inception, certificate = owner_shown(out, owner, pair.device, now_ms)
        persona = self._peers.persona(tx, shown.held.own)
        key = reading_key(
            k_reader=shown.k,
            k_owner=out.k,
            reader=persona.inception,
            owner=inception,
            dlg=shown.held.cid,
        )
        now = replace(
            fresh, inception=inception, certificate=certificate, key=key, paired_ms=now_ms
        )
        self._peers.save(tx, now)
        self._objects.put(tx, Kind.SETTING, _shown_to(shown.held.cid), True)

    def fresh(self, tx: Tx, pair: Pair) -> Pair:
        """The pair as it is kept now.  Raises NotFound."""
        return self._peers.pair(tx, pair.own, pair.their)

    def forget_shown(self, tx: Tx, held: GrantHeld) -> None:
        """The owner does not know this chain any more."""
        self._objects.delete(tx, Kind.SETTING, _shown_to(held.cid))

    def was_shown(self, tx: Tx, held: GrantHeld) -> bool:
        """Whether the owner has let this node in under this chain.  Raises NotAllowed where it
        was lent on to a persona that another has followed."""
        if self._peers.persona(tx, held.own).did != held.bundle.grant.delegation.aud:
            raise NotAllowed(
                "this was lent on to who this node was before it lost a device: whoever lends on "
                "to it must ask the owner of the data anew, naming who it is now"
            )
        return self._objects.has(tx, Kind.SETTING, _shown_to(held.cid))


def _counted(pair: Pair) -> Value:
    return ["processed-for", pair.own, pair.their]


def _shown_to(cid: bytes) -> Value:
    return ["chain-shown", cid]

"""Meeting: an invite is given out, scanned once, and two nodes are paired.

The inviter keeps the invite's secret until it is spent.  Whoever scans the link dials the device
it names, proves to know the secret, and says who it is; in one unit of work the inviter spends the
secret, makes its persona and keeps the pair.  If the answer is lost, the same scanner asking again
gets the same answer.  The scanner keeps its persona before it asks, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...crypto.entropy import Entropy
from ...crypto.keys import PairKey
from ...protocol.cid import CID_BYTES
from ...protocol.command import SECRET_BYTES, Cmd, PairAnswer, PairOpenArgs
from ...protocol.did import Did, check_did
from ...protocol.errors import Code, GrantRefused
from ...protocol.invocation import Invocation, issue_invocation
from ...protocol.limits import ADDRESSES_MAX, INVOCATION_LIFE_S
from ...protocol.pairing import (
    Introduction,
    Invite,
    OpenInvite,
    device_did,
    introduction,
    pair_key,
)
from ...protocol.trust import VerifiedMeeting
from ...protocol.wire import Body, Value
from ..config import Role
from ..household.household import Household, People, numbers_of
from ..peers.peers import OwnPersona, Pair, Peers, clean_name, fit_name
from ..store.database import Tx
from ..store.objects import Kind, Objects

INVITE_LIFE_S = 86_400
# Invites that wait at one time: each is a secret that opens a pairing.
INVITES_OPEN_MAX = 1_024
_K_BYTES = 32
_NONCE_BYTES = 16
_KEYS = ("secret", "exp_s", "label", "spent_by", "own", "their", "k")


@dataclass(frozen=True, slots=True)
class KeptInvite:
    """An invite of ours.  Once spent: by which inception, for which pair, with which half key."""

    secret: bytes
    exp_s: int
    label: str | None
    spent_by: bytes | None
    own: Did | None
    their: Did | None
    k: bytes | None

    def __repr__(self) -> str:
        return f"<invite {'spent' if self.spent_by else 'open'}, until {self.exp_s}>"

    def value(self) -> Value:
        return {name: getattr(self, name) for name in _KEYS}

    @classmethod
    def from_value(cls, value: Value) -> KeptInvite:
        body = Body.open(value, "an invite in the store", _KEYS)
        own, their = body.maybe_text("own"), body.maybe_text("their")
        return cls(
            body.data("secret", length=SECRET_BYTES),
            body.integer("exp_s"),
            body.maybe_text("label"),
            body.maybe_data("spent_by", length=CID_BYTES),
            None if own is None else check_did(own),
            None if their is None else check_did(their),
            body.maybe_data("k", length=_K_BYTES),
        )


@dataclass(frozen=True, slots=True)
class Scanning:
    """A link that this node has scanned and not yet heard an answer to."""

    invite: Invite
    name: str
    persona: OwnPersona
    k: bytes

    def __repr__(self) -> str:
        return f"<scanning an invite as {self.name}>"


class Meeting:
    """Both sides of pairing."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        entropy: Entropy,
        device: bytes,
        role: Role,
        name: str,
        introduce: Callable[[Tx, Pair, int], None],
    ) -> None:
        """`introduce` is done in the unit of work that keeps a new pair."""
        self._introduce_new = introduce
        self._objects = objects
        self._household = Household(objects)
        self._peers = peers
        self._entropy = entropy
        self._device = device
        self._role = role
        self._name = name

    # the inviter

    def invite(
        self,
        tx: Tx,
        addresses: Sequence[str],
        label: str | None,
        now_ms: int,
        people: People = (),
    ) -> Invite:
        """Make an invite: one use, 24 hours.  Raises UsageError for a label that cannot be shown.

        The persona that is made when it is used stands for `people` of the house.
        Expired invites that nobody used are forgotten here.
        """
        waiting = 0
        for name, value in self._objects.all(tx, Kind.INVITE):
            kept = KeptInvite.from_value(value)
            if kept.spent_by is None and kept.exp_s * 1000 <= now_ms:
                self._objects.delete(tx, Kind.INVITE, name)
                self._objects.delete(tx, Kind.SETTING, ["invite-for", name])
            elif kept.spent_by is None:
                waiting += 1
        if waiting >= INVITES_OPEN_MAX:
            raise GrantRefused(f"{waiting} invites wait to be used already", Code.TOO_MUCH)
        secret = self._entropy.random_bytes(SECRET_BYTES)
        kept = KeptInvite(
            secret,
            now_ms // 1000 + INVITE_LIFE_S,
            None if label is None else clean_name(label),
            None,
            None,
            None,
            None,
        )
        self._objects.add(tx, Kind.INVITE, secret, kept.value())
        if people:
            self._objects.add(tx, Kind.SETTING, ["invite-for", secret], list(people))
        return Invite(self._device, tuple(addresses[:ADDRESSES_MAX]), secret, kept.exp_s)

    def void(self, tx: Tx) -> int:
        """Nobody is met by an invite that waits: it names a device that serves no more; how
        many."""
        void = 0
        for name, value in self._objects.all(tx, Kind.INVITE):
            if isinstance(name, bytes) and KeptInvite.from_value(value).spent_by is None:
                self._objects.delete(tx, Kind.INVITE, name)
                void += 1
        return void

    def open_invites(self, tx: Tx, secret: bytes) -> tuple[OpenInvite, ...]:
        """The invite that `secret` opens, as the door looks at it; none if there is none."""
        value = self._objects.get(tx, Kind.INVITE, secret)
        if value is None:
            return ()
        kept = KeptInvite.from_value(value)
        return (OpenInvite(kept.secret, kept.exp_s, kept.spent_by),)

    def met(
        self, tx: Tx, verified: VerifiedMeeting, addresses: Sequence[str], now_ms: int
    ) -> PairAnswer:
        """Spend the invite and keep the pair; the answer.  Said again, the same answer."""
        kept = KeptInvite.from_value(self._objects.get(tx, Kind.INVITE, verified.invite.secret))
        scanner = verified.scanner
        if kept.spent_by is not None and kept.own is not None and kept.k is not None:
            persona = self._peers.persona(tx, kept.own)
            return self._introduce(persona, kept.k, addresses)
        people = self._objects.get(tx, Kind.SETTING, ["invite-for", kept.secret])
        persona = self._persona(tx, now_ms, numbers_of(people))
        k = self._entropy.random_bytes(_K_BYTES)
        name = kept.label or fit_name(scanner.name)
        self._keep(tx, persona, scanner, name, now_ms, kept.secret, k)
        spent = replace(
            kept,
            spent_by=scanner.inception.signed.cid,
            own=persona.did,
            their=scanner.inception.did,
            k=k,
        )
        self._objects.put(tx, Kind.INVITE, kept.secret, spent.value())
        return self._introduce(persona, k, addresses)

    # the scanner

    def scan(
        self, tx: Tx, invite: Invite, name: str | None, now_ms: int, people: People = ()
    ) -> Scanning:
        """Make or find the persona with which to answer `invite`; one made now is for `people`.

        The same link scanned again uses the same persona, so that a lost answer can be had again.
        """
        if name is not None:
            name = clean_name(name)
        value = self._objects.get(tx, Kind.SCAN, invite.secret)
        match value:
            case [str(did), bytes(k), str(kept_name)]:
                persona = self._peers.persona(tx, Did(did))
                return Scanning(invite, name or kept_name, persona, k)
            case _:
                persona = self._persona(tx, now_ms, people)
                k = self._entropy.random_bytes(_K_BYTES)
                self._objects.add(tx, Kind.SCAN, invite.secret, [persona.did, k, name or ""])
                return Scanning(invite, name or "", persona, k)

    def ask(self, scanning: Scanning, addresses: Sequence[str], now_ms: int) -> Invocation:
        """The invocation of `/pair/open`, for the device that the link names."""
        persona = scanning.persona
        args = PairOpenArgs(
            scanning.invite.secret,
            persona.inception.signed.raw,
            persona.certificate.signed.raw,
            self._name,
            scanning.k,
            tuple(addresses[:ADDRESSES_MAX]),
        )
        return issue_invocation(
            persona.key,
            sub=persona.did,
            cmd=Cmd.PAIR_OPEN,
            args=args.value(),
            prf=(),
            exp=now_ms // 1000 + INVOCATION_LIFE_S,
            nonce=self._entropy.random_bytes(_NONCE_BYTES),
            aud=device_did(scanning.invite),
        )

    def answered(self, tx: Tx, scanning: Scanning, answer: PairAnswer, now_ms: int) -> Pair:
        """The inviter has answered: keep the pair.  Raises what `introduction` raises."""
        inviter = introduction(answer, device=scanning.invite.device, now_ms=now_ms)
        found = self._peers.find(tx, scanning.persona.did, inviter.inception.did)
        if found is not None and not found.reads_only:
            return found
        pair = self._pair(
            scanning.persona,
            inviter,
            scanning.name or fit_name(inviter.name),
            now_ms,
            pair_key(
                scanning.invite.secret,
                k_scanner=scanning.k,
                k_inviter=answer.k,
                inception_scanner=scanning.persona.inception.signed.cid,
                inception_inviter=inviter.inception.signed.cid,
            ),
        )
        addresses = inviter.addresses or scanning.invite.addresses
        kept = self._peers.add(tx, replace(pair, addresses=addresses))
        self._introduce_new(tx, kept, now_ms)
        self._objects.delete(tx, Kind.SCAN, scanning.invite.secret)
        return kept

    # both

    def _persona(self, tx: Tx, now_ms: int, people: People) -> OwnPersona:
        if self._role is Role.ORGANISATION:
            return self._peers.public_persona(tx, now_ms)
        persona = self._peers.new_persona(tx, now_ms)
        self._household.give_persona(tx, persona.did, people)
        return persona

    def _introduce(self, persona: OwnPersona, k: bytes, addresses: Sequence[str]) -> PairAnswer:
        return PairAnswer(
            persona.inception.signed.raw,
            persona.certificate.signed.raw,
            self._name,
            k,
            tuple(addresses[:ADDRESSES_MAX]),
        )

    def _keep(
        self,
        tx: Tx,
        persona: OwnPersona,
        scanner: Introduction,
        name: str,
        now_ms: int,
        secret: bytes,
        k: bytes,
    ) -> Pair:
        found = self._peers.find(tx, persona.did, scanner.inception.did)
        if found is not None and not found.reads_only:
            raise GrantRefused("these two personas are paired already", Code.REPLAY)
        key = pair_key(
            secret,
            k_scanner=scanner.k,
            k_inviter=k,
            inception_scanner=scanner.inception.signed.cid,
            inception_inviter=persona.inception.signed.cid,
        )
        kept = self._peers.add(tx, self._pair(persona, scanner, name, now_ms, key))
        self._introduce_new(tx, kept, now_ms)
        return kept

    @staticmethod
    def _pair(
        persona: OwnPersona, other: Introduction, name: str, now_ms: int, key: PairKey
    ) -> Pair:
        return Pair(
            name=name,
            own=persona.did,
            inception=other.inception,
            certificate=other.certificate,
            key=key,
            addresses=other.addresses,
            withdrawn=frozenset(),
            paired_ms=now_ms,
        )

"""A reader's own keys in a program that asks for more than it was lent.

It opens a reader's home with the reader's passphrase, as a dishonest organisation could, takes the
persona's key and the grant from it, and signs what the honest program would not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ...crypto.entropy import Entropy
from ...node.grants.grant_held import GrantHeld
from ...node.keystore import Keystore
from ...node.peers.peers import OwnPersona, Pair
from ...node.store.connection import open_reader
from ...node.store.home import Home
from ...node.store.objects import Kind, Objects
from ...node.store.sealer import Sealer
from ...node.store.transaction import SqliteTx
from ...protocol.capability import Delegation, issue_delegation, issue_invocation
from ...protocol.cid import cid_text
from ...protocol.command import Cmd
from ...protocol.did import Did
from ...protocol.grant import Under, read_policy
from ...protocol.limits import INVOCATION_LIFE_S
from ...protocol.window import Window
from ...protocol.wire import Value

NONCE_BYTES = 16
_SUB_GRANT_S = 3_600


@dataclass(frozen=True, slots=True)
class HostileReader:
    """What a reader's home holds about one owner: its persona, the pair, the grants."""

    persona: OwnPersona
    pair: Pair
    grants: tuple[GrantHeld, ...]
    entropy: Entropy

    @classmethod
    def open(
        cls, home: Path, passphrase: str, owner: str, entropy: Entropy, *, grants: bool = True
    ) -> Self:
        """Read the home of a reader; `owner` is the name it has for the person.

        Without `grants`, that of someone to whom nothing was lent.
        """
        keystore = Keystore.open(passphrase.encode(), Home(home).keystore.read_bytes())
        objects = Objects(Sealer(keystore.store, keystore.index, entropy))
        connection = open_reader(Home(home).database)
        try:
            found = cls._read(SqliteTx(connection), objects, owner, entropy)
            assert found.grants or not grants, "this home holds no grant of the person"
            return found
        finally:
            connection.close()

    @classmethod
    def _read(cls, tx: SqliteTx, objects: Objects, owner: str, entropy: Entropy) -> Self:
        pairs = [Pair.from_value(value) for _, value in objects.all(tx, Kind.PAIR)]
        pair = next(pair for pair in pairs if pair.name == owner)
        grants = [GrantHeld.from_value(value) for _, value in objects.all(tx, Kind.GRANT_HELD)]
        persona = OwnPersona.from_value(objects.get(tx, Kind.PERSONA, pair.own))
        return cls(
            persona, pair, tuple(grant for grant in grants if grant.their == pair.their), entropy
        )

    @property
    def root(self) -> Delegation:
        """The delegation that the owner signed."""
        return self.grants[0].bundle.root.delegation

    def read(self, window: Window, now_ms: int) -> bytes:
        """A token that reads `window` under the grant."""
        args = self.grants[0].bundle.args(window).value()
        return self.token(Cmd.READ, args, (self.root,), self.pair, now_ms)

    def command(self, cmd: str, window: Window, now_ms: int) -> bytes:
        """A token for another command, with the grant as its proof."""
        args = self.grants[0].bundle.args(window).value()
        return self.token(cmd, args, (self.root,), self.pair, now_ms)

    def lend_on(self, to: Did, window: Window, now_ms: int) -> Delegation:
        """A sub-delegation of `window`, however wide, to another persona."""
        root = self.grants[0].bundle.root
        terms = self.grants[0].bundle.terms
        return issue_delegation(
            self.persona.key,
            aud=to,
            sub=root.delegation.iss,
            cmd=Cmd.READ,
            pol=read_policy([window], root.policy.purpose, terms.cid, Under(0, terms.cid)),
            exp=now_ms // 1000 + _SUB_GRANT_S,
            nonce=self.entropy.random_bytes(NONCE_BYTES),
        )

    def token(
        self,
        cmd: str,
        args: Mapping[str, Value],
        chain: Sequence[Delegation],
        to: Pair,
        now_ms: int,
    ) -> bytes:
        """Any invocation under any chain, signed by this persona, for the device of `to`."""
        return issue_invocation(
            self.persona.key,
            sub=chain[0].iss,
            cmd=cmd,
            args=args,
            prf=[link.cid for link in chain],
            exp=now_ms // 1000 + INVOCATION_LIFE_S,
            nonce=self.entropy.random_bytes(NONCE_BYTES),
            aud=to.certificate.device,
        ).raw


def read_args(window: Window, of: HostileReader) -> Mapping[str, Value]:
    """The arguments of a read under a sub-delegation of the grant that `of` holds."""
    bundle = of.grants[0].bundle
    args = dict(bundle.args(window).value())
    return {**args, "under": [cid_text(bundle.terms.cid)]}

"""What a reader asks for that it was not granted, signed as its own node would never sign it.

Each is answered with one code, by which the story knows that the right check refused it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...crypto.keys import PersonaKey
from ...node.node import Node
from ...node.peers.peers import Pair
from ...protocol.command import AcceptArgs, Cmd
from ...protocol.did import did_of
from ...protocol.grant import Bundle, ReadArgs, issue_sub_grant
from ...protocol.invocation import Invocation, issue_invocation
from ...protocol.limits import INVOCATION_LIFE_S
from ...protocol.window import Window

NONCE_BYTES = 16


async def another_command(
    grant: bytes, window: Window, node: Node, pair: Pair
) -> tuple[Invocation, Sequence[bytes]]:
    """A grant on reading, shown to do something else."""
    bundle = await _bundle(node, grant)
    invocation = await _invocation(node, pair, bundle, window, cmd="/record/erase")
    return invocation, [bundle.grant.delegation.raw]


async def wider_sub_grant(
    grant: bytes, wider: Window, node: Node, pair: Pair
) -> tuple[Invocation, Sequence[bytes]]:
    """More days than were granted, lent on to somebody who asks for them."""
    bundle = await _bundle(node, grant)
    persona = await node.store.database.read(lambda tx: node.peers.persona(tx, pair.own))
    delegate = PersonaKey.generate(node.entropy)
    sub = issue_sub_grant(
        persona.key,
        bundle.links,
        aud=did_of(delegate.public),
        windows=[wider],
        terms=bundle.terms,
        exp_s=bundle.grant.exp_s,
        nonce=node.entropy.random_bytes(NONCE_BYTES),
    )
    root = bundle.grant.policy
    args = ReadArgs(wider, root.purpose, root.terms, (bundle.terms.cid,)).value()
    invocation = issue_invocation(
        delegate,
        sub=pair.their,
        cmd=Cmd.READ,
        args=args,
        prf=[bundle.grant.cid, sub.cid],
        exp=node.clock.now_ms() // 1000 + INVOCATION_LIFE_S,
        nonce=node.entropy.random_bytes(NONCE_BYTES),
        aud=pair.certificate.device,
    )
    return invocation, [bundle.grant.delegation.raw, sub.delegation.raw]


async def acceptance(grant: bytes, node: Node, pair: Pair) -> Invocation:
    """The reader's word that it accepts a grant."""
    bundle = await _bundle(node, grant)
    persona = await node.store.database.read(lambda tx: node.peers.persona(tx, pair.own))
    return issue_invocation(
        persona.key,
        sub=persona.did,
        cmd=Cmd.ACCEPT,
        args=AcceptArgs(pair.their, grant, bundle.terms.cid).value(),
        prf=(),
        exp=node.clock.now_ms() // 1000 + INVOCATION_LIFE_S,
        nonce=node.entropy.random_bytes(NONCE_BYTES),
        aud=pair.certificate.device,
    )


async def _bundle(node: Node, grant: bytes) -> Bundle:
    held = await node.store.database.read(lambda tx: node.borrowing.get(tx, grant))
    return held.bundle


async def _invocation(
    node: Node, pair: Pair, bundle: Bundle, window: Window, *, cmd: str
) -> Invocation:
    persona = await node.store.database.read(lambda tx: node.peers.persona(tx, pair.own))
    return issue_invocation(
        persona.key,
        sub=pair.their,
        cmd=cmd,
        args=bundle.args(window).value(),
        prf=[bundle.grant.cid],
        exp=node.clock.now_ms() // 1000 + INVOCATION_LIFE_S,
        nonce=node.entropy.random_bytes(NONCE_BYTES),
        aud=pair.certificate.device,
    )

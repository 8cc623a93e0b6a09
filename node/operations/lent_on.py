"""What was lent on, as `grants` lists it: at the one who lends on, and at the owner of the data."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.did import Did
from ...protocol.trust import GrantStatus
from ..grants.lent_on import LentOn
from ..grants.lent_on_again import family
from ..node import Node
from ..results.grants import GrantInfo, Revoked, RevokedBefore
from ..store.database import Tx
from .as_of import ReadCounts
from .household import names_of
from .operation import shorts


def lent_on_infos(
    node: Node, tx: Tx, found: Sequence[LentOn], reads: ReadCounts, now_ms: int
) -> list[GrantInfo]:
    """What a proxy reads for another: at the one who lends it on, and at the owner of the data."""
    names = names_of(node, tx)

    def called(did: Did) -> str:
        # A peer is named by who it was when the two met.
        return names.get(did) or names.get(node.peers.first_of(tx, did), did)

    short = shorts(one.cid for one in found)
    return [
        GrantInfo(
            id=one.cid,
            short=short[one.cid],
            side="lent-on",
            peer=called(one.reader),
            windows=one.windows,
            purpose=one.bundle.terms.purpose,
            terms=one.bundle.terms,
            exp_s=one.bundle.grant.exp_s,
            status=node.lending_on.status(tx, one, now_ms).value,
            issued_ms=one.t_ms,
            ended_ms=one.ended_ms,
            reads=reads.of(one.root, one.reader),
            acknowledged=0 < one.n == one.acknowledged,
            chain=tuple(link.delegation.raw for link in one.bundle.links),
            principal=called(one.giver),
            deletion="said" if one.deleted else None if one.asked_ms is None else "owed",
            deletion_ms=one.deleted.t_ms if one.deleted else one.asked_ms,
            turned_away=node.lending_on.why_turned_away(tx, one),
        )
        for one in found
    ]


def lent_on_taken_back(node: Node, tx: Tx, cid: bytes, now_ms: int) -> Revoked:
    """Take back what was lent on as `cid`, with what it goes on from and what goes on from it.

    Raises NotFound.
    """
    one = node.lending_on.one(tx, cid)
    over = family(node.lending_on, node.lending.lines, tx, one)
    ended = GrantStatus.REVOKED
    # Some ended with the grant that they are of.
    before = [it for it in over if node.lending_on.status(tx, it, now_ms) is ended]
    standing = [it for it in over if it not in before]
    taken = [node.lending_on.revoke(tx, it.cid, now_ms) for it in standing]
    return Revoked(
        tuple(revocation.cid for revocation, _ in taken),
        # The last rotation is the one whose survivors stay.
        taken[-1][1] if taken else 0,
        (),
        grants=tuple(it.cid for it in standing),
        before=tuple(RevokedBefore(it.cid, _ended_ms(node, tx, it)) for it in before),
    )


def _ended_ms(node: Node, tx: Tx, one: LentOn) -> int | None:
    """When it ended, by itself or with the grant that it is of."""
    root = node.lending.find(tx, one.root)
    return one.ended_ms if one.ended_ms is not None or root is None else root.ended_ms

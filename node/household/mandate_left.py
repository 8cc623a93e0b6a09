"""A mandate that ends because one of those it names was followed by another persona.

Giver and proxy know each other by other personas than those that the mandate names: that one of
these was followed, the other cannot see.  So it is told, signed by who the teller was there, as the
mandate was.
"""

from __future__ import annotations

from collections.abc import Collection

from ...protocol.command import MandateEndArgs
from ...protocol.mandate import make_end
from ..errors import NotFound
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from .mandate_kept import MandateKept, Side


def end_left(
    tx: Tx, peers: Peers, kept: MandateKept, dids: Collection[str], now_ms: int
) -> tuple[Pair, MandateEndArgs] | None:
    """Whom to tell, and what, that a mandate of ours ended with our persona in `dids`; None if
    nobody has to be told by us."""
    mandate = kept.mandate
    signer = mandate.giver if kept.side is Side.GIVEN else mandate.proxy
    if kept.side is Side.LODGED or signer not in dids or kept.own is None or kept.their is None:
        return None
    pair = peers.find(tx, kept.own, kept.their)
    try:
        was = peers.persona_as(tx, signer)
    except NotFound:
        return None  # it is the peer's
    if pair is None:
        return None
    end = make_end(was.key, mandate=kept.cid, t_ms=now_ms)
    return pair, MandateEndArgs(pair.their, end.signed.raw)

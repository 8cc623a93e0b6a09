"""What `--json` prints of peers: how they met, who they are, what they may fill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

STANDING = (
    "how the peer is known: `level` (`domain`, `vouched` or `unknown`), `domain` (that names its "
    "key, or null), `vouchers` (your peers that vouch for it), `why` (it is not known by domain, "
    "or null), `looks_like` (your peers whose names its own may be taken for)"
)

PEERS: Final[Mapping[str, Shape]] = {
    "invite": one(link="for one use; whoever reads it can use it", exp_s="until when it works"),
    "pair": one(name="what the peer is called here", did="the peer's persona", standing=STANDING),
    "meet": one(
        link="where this node is, or null if a peer was met",
        exp_s="until when the link says so, or null",
        name="what the peer that was met is called here, or null",
        did="its persona now, or null",
    ),
    "peers": lines(
        name="what the peer is called here",
        people="for whom of the house it knows this node; empty: the home",
        own="the persona by which it knows this node",
        their="its persona",
        addresses="multiaddrs to try",
        paired_ms="when the two met",
        connected="whether a connection is open",
        outbox="messages still to be handed over",
        standing=STANDING,
        stored_bytes="what it has filled of this node's disk",
        quota_bytes="what it may fill",
        followed="how often another persona has followed its own: a device of its was lost",
        follows="how often this node has become another persona towards it",
        forks="contradictions of its log that were kept: see `log forks`",
        unheard="whether it has not heard yet who this node is now",
    ),
    "quota": one(
        peer="what the peer is called here",
        used_bytes="what it has filled of this node's disk",
        most_bytes="what it may fill",
        own="whether that was set for this peer",
    ),
    "card": one(
        peer="whose card, null for your own",
        cid="the card as signed",
        did="the persona that signed it",
        n="its number; a higher one replaces it",
        t_ms="when it was signed, by its signer's clock",
        name="what it calls itself",
        domain="the domain that it claims, or null",
        who="`legal_name`, `registration`, `address`, `contact`, `data_protection`",
        earns="how it earns",
        holds="what it holds: `collection`, `what`, `purpose`, `retention`, `legal_basis`",
        keeps_back="what it does not hand back: `what`, `why`",
        processors="who works for it: `name`, `country`, `purpose`",
        incidents="what went wrong: `date`, `what`, `people` (null if not counted), `done`",
        standing="how it is known, as in `peers`; null for your own",
        versions="each version that came, the newest last: `n`, `heard_ms`, `changes` (`field`, "
        "`before`, `after`; null where there was or is none)",
        frugality="what it asked for against what its purposes need, as in `terms frugality`; null "
        "for your own",
    ),
    "card check": one(
        name="what the card calls you",
        domain="the domain that it claims, or null",
        bytes="its size",
    ),
    "card well-known": one(
        domain="the domain that your card claims, or null", document="what it has to publish"
    ),
    "vouch": one(
        peer="for whom",
        about="its persona",
        t_ms="since when",
        told="the peers that are told if they ask",
    ),
    "vouch --withdraw": one(peer="for whom no more"),
    "vouch (list)": lines(
        peer="for whom",
        about="its persona",
        t_ms="since when",
        told="the peers that are told if they ask",
    ),
}

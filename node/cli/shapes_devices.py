"""What `--json` prints of this person's devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

DEVICES: Final[Mapping[str, Shape]] = {
    "devices": lines(
        name="what you call it",
        device="its DID",
        this="whether it is the one that answers",
        state="`used`; `waiting` for you to confirm it; `left` behind",
        since_ms="when it joined",
        synced_ms="when this device last had all that it had, or null",
        connected="whether the two are linked now",
        serves="of this device, whether it serves peers now; of others null",
        serves_within_s="how long it may serve without having spoken with another, or null",
        why="why it does not serve, or what of it was not taken, or null",
    ),
    "init --join": one(
        home="the folder", name="what the node is called", device="the DID of this device"
    ),
    "devices invite": one(link="the link, for one device, once", exp_s="until when it can be used"),
    "devices confirm": one(name="what you call the new device", device="its DID"),
    "devices remove": one(
        device="the DID of the device that is left behind",
        at_ms="when",
        personas="personas that were followed by their next",
        peers="peers that are told",
        given="grants that were given again",
        left="grants on paid terms that are off: not given again",
        held="grants held that their owners give again",
        invites="open invites that are void",
        mandates="mandates that ended",
        others="your other devices, which hear of it from this one",
    ),
    "devices sync": one(answered="devices that answered", devices="other devices that there are"),
}

"""What `--json` prints of the node itself: set up, looked at, backed up, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

RUNNING: Final[Mapping[str, Shape]] = {
    "init": one(
        home="the folder of the new home",
        name="its name",
        role="`person` or `organisation`",
        words="the recovery words; they are shown this once and kept nowhere",
    ),
    "up": one(
        home="the folder",
        device="the DID of this device",
        addresses="multiaddrs under which it can be dialled",
    ),
    "doctor": lines(
        check="what was looked at",
        state="`ok`, `note` or `wrong`",
        sentence="what was found",
        remedy="what to do, empty if nothing",
    ),
    "status": one(
        name="the name of this node",
        role="`person` or `organisation`",
        device="the DID of this device",
        home="the folder",
        running="whether a node runs on this home",
        addresses="multiaddrs under which it can be dialled",
        connected="peers with an open connection",
        peers="peers it is paired with",
        collections="collections in the vault",
        grants_given="grants given that hold now",
        grants_held="grants held that hold now",
        suspended="grants suspended until their owner confirms them",
        outbox="messages still to be handed over",
        log_size="words in the log",
        log_number="the number of the log",
        rollback="what this node can know about having been set back, in words",
        version="the version of this program",
    ),
}

KEEPING: Final[Mapping[str, Shape]] = {
    "backup": one(path="the file", bytes="its size"),
    "restore": one(
        home="the folder",
        made_ms="when the backup was made",
        peers="peers that came back",
        collections="collections that came back",
        pages="pages that came back",
        suspended="grants that wait for `keep`",
        left="the device that was left behind, or null",
    ),
    "delegate": one(token="the delegation as signed (base64)", id="its CID"),
    "invoke": one(
        code="how the peer answered",
        out="what it answered",
        token="the invocation as signed (base64)",
    ),
    "stop": one(stopped="true"),
}

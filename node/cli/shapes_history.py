"""What `--json` prints of the past: who may read what, who read it, what was taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

_EVENT = {
    "t_ms": "when",
    "what": "`may-read`, `asked`, `refused`, `granted`, `accepted`, `read`, `renewed`, "
    "`suspended`, `kept`, `ran-out`, `taken-back`, `declined`, `lent-on`, `delete-asked`, "
    "`deleted`, `delivered`, `card`, `followed`, `turned-away`, `rule-grant`, `rule-queue`, "
    "`rule-refuse`, `shared-proposed`, `shared-accepted`, `shared-disputed`, `shared-withdrawn`",
    "way": "`given`: this node's data; `taken`: the peer's",
    "peer": "with whom",
    "windows": "the days: `collection`, `first`, `last`",
    "purpose": "what for, or null",
    "grant": "the grant, or null",
    "request": "the request, or null",
    "until_ms": "until when it holds or held, or null",
    "pages": "of a read: pages, else null",
    "bytes": "of a read: their size, encrypted, else null",
    "within": "of a read: whether it lay within its grant; null where that is not known",
    "delete_by_ms": "of a read: by when its terms want it deleted, or null",
    "note": "what else there is to say, or null",
    "log": "rows of this device's log that show it",
    "cids": "what was signed",
}

HISTORY: Final[Mapping[str, Shape]] = {
    "who": lines(**_EVENT),
    "history": lines(**_EVENT),
    "renew": one(
        grant="the grant that goes on, or is asked for; with --always, the one that is renewed",
        renews="the grant that it goes on from",
        request="the request for it, if it was asked of its owner, or null",
        windows="the days: `collection`, `first`, `last`",
        exp_s="until when, or null",
        always="renewed by itself: `each_s` at a time, `until_s` at most; or null",
    ),
}

"""What `--json` prints of the people of a house, and of who acts for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

_PERSON = {
    "name": "what they are called here",
    "number": "the number that stands in paths: `…/p2`",
    "born": "their day of birth, or null",
    "collections": "what is theirs",
    "peers": "the peers who know them",
}

_MANDATE = {
    "id": "the mandate",
    "short": "as much of its id as is needed to name it",
    "side": "`given`, `held`, or `lodged` with this node",
    "principal": "for whom is acted",
    "proxy": "who acts",
    "at": "towards whom",
    "office": "`parent`, `proxy` or `guardian`",
    "commands": "what the proxy may say",
    "onward": "whether the proxy may pass it on",
    "passed_on": "how many mandates stand above it",
    "exp_s": "until when",
    "status": "`live`, `expired` or `revoked`",
    "t_ms": "when it came here",
    "ended_ms": "when it was taken back, or null",
    "peers": "whose requests it is for; empty: anyone's",
    "purposes": "for which purposes; empty: any",
    "collections": "on which collections, and what is below them; empty: any",
    "until_s": "until when what is granted under it may last, or null",
}

HOUSE: Final[Mapping[str, Shape]] = {
    "people": lines(**_PERSON),
    "people add": one(**_PERSON),
    "people remove": one(name="who is not of the house any more"),
    "people assign": one(path="the collection", people="whose it is, as was said"),
    "mandates": lines(**_MANDATE),
    "mandate ask": one(peer="for whom one would act", at="where"),
    "mandate give": one(**_MANDATE),
    "mandate give --may read": one(
        grant="what was lent on; `revoke` takes it back",
        peer="who reads",
        at="whose data",
        windows="the days: `collection`, `first`, `last`",
        exp_s="until when",
        left_out="hours of your own days that whole UTC days leave out, in words",
    ),
    "mandate again": one(**_MANDATE),
    "mandate revoke": one(
        mandate="the mandate that holds no longer",
        before_ms="when it had ended already, which changes nothing; null if it ended now",
    ),
}

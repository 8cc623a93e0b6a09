"""What `--json` prints of data that goes to peers: delivered, asked for, lent, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

_REQUEST = {
    "id": "the request",
    "short": "as much of its id as is needed to name it",
    "peer": "who asks, or is asked",
    "items": "what is asked for: `collection`, `first`, `last`",
    "purpose": "what for, a DPV term",
    "terms": "`purpose`, `retention_days`, `recipients`, `remuneration`, `clauses`",
    "exp_s": "until when it is asked for",
    "state": "`waiting`, `granted`, `refused`; `offered` with other terms, `declined`; asked for "
    "another, `ended` with its mandate; decided for another, `sent`, or `failed` and why",
    "t_ms": "when it was asked",
    "refusal": "what follows from a no, in the asker's words",
    "grant": "the grant that came of it, or null",
    "reason": "why it was refused, or null",
    "standing": "of the peer, as in `peers`",
    "people": "for whom of the house this peer knows this node; empty: the home",
    "principal": "for whom this node asked, or decides; null if for itself",
    "decided_by": "who decided it for the owner of this node, null if the owner did",
    "marks": "`label` of the purpose, `tied`, `asked` and `refused` (how often), `rule` and `why` "
    "of the standing terms, `changes` and `offered` days of an answer, `frugality`; null for what "
    "waits elsewhere",
}

_PROCESSING = {
    "peer": "for whom",
    "t_ms": "since when",
    "grants": "how many grants it has lent on here, ended or not",
}

EXCHANGE: Final[Mapping[str, Shape]] = {
    "deliver": lines(
        statement="what this node signed over the records",
        path="the collection",
        peer="to whom",
        records="how many",
        first="first day",
        last="last day",
        parts="sealed parts",
        state="`queued`, `stored` or `refused`",
        reason="why it was refused, or null",
    ),
    "deliveries": lines(
        statement="what its source signed",
        way="`in` or `out`",
        peer="from or to whom",
        path="the collection",
        first="first day",
        last="last day",
        records="how many",
        t_ms="when",
        state="`queued`, `stored` or `refused`",
        new="taken in: records that nobody had told before; null if not counted",
        same="taken in: records that others had told; null if not counted",
        differing="taken in: records that others had told with other content; null if not counted",
        ambiguous="taken in: records that might be the same as others; null if not counted",
        same_as="who had told those that are the same, and how many",
        erased="of one that came in, records left out because they had been erased here",
    ),
    "ask": one(
        request="the request",
        peer="who is asked",
        items="what is asked for: `collection`, `first`, `last`",
        exp_s="until when",
        left_out="hours of your own days that whole UTC days leave out, in words",
    ),
    "inbox": lines(
        **_REQUEST,
        choices="of one that waits for you: what each answer gives away, as in `choices`; else "
        "null",
    ),
    "asked": lines(**_REQUEST),
    "decide": one(
        request="the request",
        decision="`granted` or `refused`",
        grant="the grant, or null",
        windows="what was given: `collection`, `first`, `last`",
        exp_s="until when, or null",
        left_out="hours of your own days that whole UTC days leave out, in words",
    ),
    "fetch": one(
        peer="who lends",
        path="the collection",
        schema="what the records look like, null if nothing came",
        records="the records, as in `read`",
        pages="pages that came",
        bytes="their size, encrypted",
        windows="windows they came in, each with its receipt",
        provenance="for each statement of a source: `statement`, `src`, `first`, `last`, "
        "`verified`, `reason`",
        damaged="a sentence for each page that did not open",
    ),
    "fetch --by-file": one(
        peer="who lends",
        path="the collection",
        windows="the days: `collection`, `first`, `last`",
        reads="reads that wait for the next file and did not wait before: one a year of days",
    ),
    "lend-on": one(
        grant="what was lent on; `revoke` takes it back",
        peer="who reads",
        of="whose data",
        windows="the days: `collection`, `first`, `last`",
        exp_s="until when",
    ),
    "processing": lines(**_PROCESSING),
    "processing add": one(**_PROCESSING),
    "processing remove": one(**_PROCESSING),
    "grants": lines(
        id="the grant",
        short="as much of its id as is needed to name it",
        side="`given`, `held`, or `lent-on`: read by a proxy for whom it was granted to",
        peer="who reads, or who lends",
        windows="the days: `collection`, `first`, `last`",
        purpose="what for",
        terms="as in `inbox`",
        exp_s="until when",
        status="`live`, `not-yet`, `expired`, `revoked` or `suspended`",
        issued_ms="when it was given, null if not known",
        ended_ms="when it ended, or null",
        reads="reads in the log",
        acknowledged="whether the reader holds the keys that are current",
        accepted_ms="when its reader agreed to it, or null",
        chain="its delegations as signed (base64), root first",
        decided_by="who gave it for the owner of this node, null if the owner did",
        principal="for whom its reader reads, null if for itself",
        renews="the grant that it goes on from, or null",
        renewed_by="the grant that goes on from it, or null",
        deletion="what was read: `owed` if its reader is asked to delete it, `said` if it says "
        "that it did, else null",
        deletion_ms="since when, or null",
        helpers="who may serve it while its owner is away",
        turned_away="of what is lent on: who did not take it, and why; empty if nobody said so",
        why="who lost a device and is another persona since, where it ended or waits by that; else "
        "empty",
    ),
    "keep": one(grant="the grant that holds again"),
    "revoke": one(
        revocations="what was signed, one for each grant",
        survivors="other grants that got new keys",
        still="grants under which the same reader goes on reading some of the same days",
        not_heard="helpers that may serve until they hear of it: `peer`, `until_ms`",
        grants="what was taken back, in the order of `revocations`",
        before="what was named and had been taken back already, which changes nothing: `grant`, "
        "`ended_ms`",
    ),
}

"""What `--json` prints of terms: purposes, agreements whole, standing terms and what they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

TERMS: Final[Mapping[str, Shape]] = {
    "terms show": one(
        id="the request or grant",
        kind="`request`, `offer` (an answer that waits for you) or `grant`",
        side="of a request `in` or `out`, of a grant `given` or `held`",
        peer="the other side",
        assigner="whose data it is, a DID",
        assignee="who reads, a DID",
        windows="the days: `collection`, `first`, `last`",
        terms="as in `inbox`",
        label="the purpose in words, null if it is not known",
        exp_s="until when",
        state="as in `inbox` or `grants`",
        clauses="for each clause `text`, `force` by our own reckoning, `claimed` as its writer "
        "marked it, `in_words`",
        held_to="sentences of what this program enforces under every grant",
        licence="the sentence that this is a licence, never a transfer",
        changes="how the terms are less than those that were asked for, a sentence each",
        odrl="the policy in JSON-LD; alone with `--odrl`",
    ),
    "terms purposes": lines(
        id="the purpose, as it is written in a request",
        label="in words, in the language that was chosen",
        under="the purposes of which it is a special case",
    ),
    "terms standing": one(
        ask_again_days="within how many days of a refusal the same is refused again, or null",
        rules="the rules in their order, as in a file",
    ),
    "terms standing check": one(
        does="`grant`, `queue` or `refuse`",
        rule="the rule that says so, null if none is for it",
        why="one sentence",
        windows="what would be granted: `collection`, `first`, `last`",
        exp_s="until when, or null",
        changes="how it is less than what was asked, a sentence each",
    ),
    "ask --check": one(
        peer="who told its standing terms",
        heard_ms="when",
        does="what they would do with it, `grant`, `queue` or `refuse`; null: they show you none",
        why="one sentence",
        windows="what would be granted: `collection`, `first`, `last`",
        exp_s="until when, or null",
        changes="how it is less than what would be asked, a sentence each",
    ),
    "terms standing of": one(
        peer="who told them",
        heard_ms="when",
        rules="the rules that it shows to you, as in a file; empty: none",
    ),
    "terms frugality": one(
        peer="who asks",
        asked="fields of records that it asked for",
        needed="those of them that its purposes need",
        percent="needed of asked, null if nothing could be reckoned",
        left_out="collections that could not be reckoned",
        lines="for each purpose and collection `schema`, `asked`, `needed` (null: not reckoned)",
    ),
    "terms accept": one(request="the request", grant="the grant"),
    "terms decline": one(request="the request", reason="what the owner is told, or null"),
}

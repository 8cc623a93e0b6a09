"""What `--json` prints of the words exchanged with peers: logged, waiting, carried by file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

WORDS: Final[Mapping[str, Shape]] = {
    "log": lines(
        index="its place in the log",
        kind="`receipt` or `answer`",
        peer="with whom",
        way="`given` (this node served) or `taken`",
        grant="the grant that was read under, or null",
        collections="collections that were read",
        window="the number of the window, or null",
        first="first day, or null",
        last="last day, or null",
        pages="pages",
        bytes="bytes, encrypted",
        two_sided="whether both have signed",
        t_ms="when",
        code="how it was answered, or null",
        principal="for whom was acted, null if nobody acted for another",
        proxy="who acted for them, or null",
        id="the word's own name, for `log prove`",
        cmd="of an answer: the command that it answers, or null",
        helper="the helper that served in the owner's place, or null",
        helped="for whom this node served as a helper, or null",
    ),
    "log verify": one(
        number="how often this node was restored",
        size="words in the log",
        root="the root of its tree, hexadecimal",
        receipts="receipts that both have signed",
        one_sided="receipts that the reader has not signed",
        answers="answers",
        gaps="words of a peer that follow one which is not here",
        checkpoints="checkpoints that are kept, each held against the leaves",
        cosigned="leaves in the largest that a witness has cosigned",
    ),
    "outbox": lines(
        peer="for whom it waits",
        cmd="the command that waits, or null for answers",
        answers="answers to what they said by file",
        windows="windows of pages that they read by file",
        signatures="signatures for windows that they lent by file",
        bytes="of the parts of a delivery",
        tries="how often it was tried over the network",
        due_ms="when it is tried next, or null",
        given_up="whether it is said over the network no more: what came in answer was none",
    ),
    "outbox --again": one(
        peer="for whom",
        again="how many messages that were given up are tried again",
    ),
    "outbox --to-file": one(
        path="the file",
        peer="who can open it",
        number="which file for this peer it is",
        calls="commands in it",
        answers="answers in it",
        left="commands that had no room",
        until_s="until when it can be taken",
        bytes="its size",
        windows="windows of pages in it",
        signatures="signatures for windows in it",
        notes="a sentence for each read by file that was given up",
    ),
    "take": one(
        peer="who wrote it",
        number="which of their files it is",
        made_ms="when it was written",
        before="true: it was taken before, and nothing was changed",
        items="what was in it: `cmd`, `answer`, `fate` (`done`, `before`, `refused`, `later`), "
        "`reason`, `window` (null, or `path`, `first`, `last`, `number`, `final`, `pages`: with "
        "`answer` one that came, else one of ours that was signed for)",
    ),
}

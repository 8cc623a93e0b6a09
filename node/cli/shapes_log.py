"""What `--json` prints of the witnessed log: witnesses, checkpoints, proofs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

LOG: Final[Mapping[str, Shape]] = {
    "log checkpoint": one(
        note="the signed note, as C2SP writes it",
        size="leaves of the log",
        root="the root over them, hexadecimal",
        published="whether it is padded and shown to the witnesses",
        cosigned="peers that have cosigned it",
    ),
    "log witnesses": lines(
        peer="who",
        side="`ours`: they witness this log; `theirs`: this node witnesses theirs",
        state="ours: `asked`, `witness`, `refused`; theirs: `asked`, `allowed`, `ended`, "
        "`suspended` (since a restore)",
        size="leaves in the newest checkpoint that was cosigned",
        cosigned_ms="when, or null",
        older_ms="when their log came back with an older state, or null",
        forks="contradictions of their log that were kept",
        reason="why they refuse, or null",
    ),
    "log forks": lines(
        peer="whose log",
        judgement="`fork`: two roots of one size; `unproven`: the one was not shown to "
        "continue the other; `closed`: of a log that another had followed",
        t_ms="when it was shown",
        kept="the signed note that was cosigned",
        shown="the signed note that contradicts it",
        succession="of a closed log, the signed object by which another follows it; or null",
    ),
    "log check": one(
        kind="`receipt` or `answer`",
        id="the word that the proof is about",
        index="its place in the log",
        log="the log, by its key in hexadecimal",
        log_device="the DID of the device whose log it is",
        log_persona="the persona that this device acted as",
        size="leaves of the log in the checkpoint",
        root="the root over them, hexadecimal",
        server="the DID of the device that signed the word first",
        server_persona="the persona that certified this device",
        reader="the persona that read, or null",
        two_sided="whether the reader has signed",
        called="whether the reader's own signed call is in the file, where it has not signed",
        granted="whether the grant that was read under is in the file, signed by `server_persona`",
        shows_for_whom="whether it follows that the device served for `server_persona`: by the "
        "grant or by the call",
        grant="the grant that was read under, or null",
        window="the number of the window, or null",
        first="first day, or null",
        last="last day, or null",
        pages="pages",
        bytes="bytes, encrypted",
        code="how it was answered, or null",
        t_ms="when, by the clock of the device that signed first",
        witnesses="who cosigned the checkpoint: `key` (hexadecimal) and `time_s`",
        proves="what the file proves, in sentences",
        does_not_prove="what it does not, in sentences",
    ),
}

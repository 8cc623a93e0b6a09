"""What `--json` prints of shared records: both copies, their history, proofs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

_COPY = (
    "`state` (`held`, `proposed`, `disputed`, `settled`), `said`, `record` as `read` prints it or "
    "null, and of the newest version `version`, `n`, `word`, `reason`, `t_ms`"
)
_SHARED = {
    "id": "the CID of its first version; that of any other names it too",
    "peer": "with whom",
    "path": "the collection, as both sides name it",
    "kept": "the collection, as this node keeps it",
    "schema": "what it is",
    "record": "its id, or its time (UTC) if it has none",
    "state": "`agreed`, `asks` (they wait for you), `asked` (you for them), `crossed` (both), "
    "`disputed`, `apart` or `left` (they have erased their copies)",
    "agree": "whether both hold the same",
    "differing": "the fields in which the copies differ",
    "mine": f"your copy: {_COPY}; while you have said nothing, `show` has what your vault holds",
    "theirs": "their copy, likewise",
    "told": "the statement that it was delivered under, or null",
    "refused": "why they did not take your last version, or null",
    "versions": "how many versions both have signed, refused ones included",
    "brought": "whether it came with an export: to be shown and proven, not to be spoken of",
}

SHARED: Final[Mapping[str, Shape]] = {
    "shared": lines(**_SHARED),
    "shared show": one(**_SHARED),
    "shared propose": one(**_SHARED),
    "shared accept": one(**_SHARED),
    "shared dispute": one(**_SHARED),
    "shared withdraw": one(**_SHARED),
    "shared history": lines(
        id="the CID of the version",
        by="`you` or `them`",
        n="its number along that copy",
        word="`proposed`, `accepted`, `disputed` or `withdrawn`",
        answers="the version that it accepts or disputes, or null",
        record="that copy from then on, as `read` prints records, or null for none",
        changed="the fields in which it differs from that copy before",
        reason="what was said with it",
        t_ms="when it was signed, by its signer's clock",
        state="`said` (not heard yet), `heard` or `refused`",
        refusal="why it was refused, or null",
    ),
    "shared check": one(
        path="the collection",
        schema="what the record is",
        record="its id, or its time (UTC)",
        agree="whether both signed the same record",
        accepted="the version by which one side accepts the other's newest, or null",
        whole="whether both whole histories are in the file",
        versions="how many versions are in it",
        told="the statement that the record was delivered under, or null",
        sides="the two: `persona`, `personas` (each as which it appears, in order), `said`, "
        "`record` or null, and of the newest version `version`, "
        "`n`, `word`, `reason`, `t_ms`",
        proves="what it proves, a sentence each",
        does_not_prove="what it does not prove",
    ),
}

"""The negative vectors: `tests/vectors/ucan/negative.json`, made here byte for byte.

    python -m entrenous.tests.protocol.negative_vectors

Each case is a whole token, or an invocation with its proofs, that must be refused; with the code
that travels and the class of the fault.  The controls are accepted: without them a judge that
refuses everything would pass.  What the file says, and how to use it from another program, is in
its README.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from entrenous.tests.protocol import negative_bytes, negative_chains, negative_claims
from entrenous.tests.protocol.forge import KEYS, NOW_S, SEEDS, did
from entrenous.tests.protocol.negative_case import Case

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "ucan" / "negative.json"

SOURCES = (negative_bytes, negative_claims, negative_chains)


def cases() -> list[Case]:
    return [case for source in SOURCES for case in source.cases()]


def render() -> str:
    """The file as it is published."""
    found = cases()
    content = {
        "about": "UCAN 1.0.0: tokens to refuse, and controls to accept.  See README.md.",
        "now_s": NOW_S,
        "principals": {
            name: {"seed": (bytes([seed]) * 32).hex(), "did": did(KEYS[name])}
            for name, seed in SEEDS.items()
        },
        "controls": [_entry(case) for case in found if case.code is None],
        "refused": [_entry(case) for case in found if case.code is not None],
    }
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def _entry(case: Case) -> dict[str, object]:
    entry: dict[str, object] = {"name": case.name, "kind": case.kind}
    if case.code is not None:
        entry |= {"class": case.fault, "code": case.code.value}
    entry["token"] = base64.b64encode(case.token).decode()
    if case.kind != "delegation":
        entry["proofs"] = [base64.b64encode(proof).decode() for proof in case.proofs]
    return entry


if __name__ == "__main__":
    VECTORS.write_text(render(), "utf-8")
    print(f"{VECTORS.name}: {len(cases())} cases")

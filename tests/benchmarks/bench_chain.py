"""A chain of two delegations and an invocation: from the bytes that came to "this is allowed".

    cold   all three tokens are new: read strictly, three signatures, two policies
    warm   the delegations were seen before, as they are in every read but the first
    beside libsodium's Ed25519 verification, which nobody can go below; biscuit-python (Rust, a
           token with two blocks of its own) and npm's iso-ucan (the same tokens), where installed

Run alone: `python -m entrenous.tests.benchmarks.bench_chain`.
"""

from __future__ import annotations

import base64
import importlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from entrenous.crypto.keys import DeviceKey, PersonaKey, verify_signature
from entrenous.protocol.capability import parse_invocation, verify_chain
from entrenous.protocol.command import Cmd
from entrenous.protocol.delegation import forget_delegations
from entrenous.protocol.did import did_of
from entrenous.protocol.grant import ReadArgs, issue_grant, issue_sub_grant
from entrenous.protocol.invocation import issue_invocation
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.tests.benchmarks.figure import Figure

INTEROP = Path(__file__).resolve().parents[1] / "interop"
COLD_GOAL_MS = 1.0
WARM_GOAL_VERIFICATIONS = 2.0
OWNER, READER, WORKER = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3))
DEVICE = DeviceKey(bytes(32))
NOW_MS = 1_800_000_000_000
END_S = 4_102_444_800
WINDOW = Window("energy/electricity/load-curve", 20_000, 20_364)

_nonces = count()


@dataclass(frozen=True, slots=True)
class Question:
    """One call's tokens, as they travel."""

    invocation: bytes
    proofs: tuple[bytes, ...]


def _terms(recipient: str) -> Terms:
    clause = Clause("no resale", Force.PROMISED)
    return Terms("dpv:ServiceProvision", 30, (recipient,), None, (clause,))


def _nonce() -> bytes:
    return next(_nonces).to_bytes(16, "big")


def question() -> Question:
    """An owner's grant, a sub-delegation of it, and a read under both."""
    terms, under = _terms("reader"), _terms("worker")
    root = issue_grant(
        OWNER,
        aud=did_of(READER.public),
        windows=[WINDOW],
        terms=terms,
        exp_s=END_S,
        nonce=_nonce(),
    )
    sub = issue_sub_grant(
        READER,
        [root],
        aud=did_of(WORKER.public),
        windows=[WINDOW],
        terms=under,
        exp_s=END_S,
        nonce=_nonce(),
    )
    args = ReadArgs(WINDOW, terms.purpose, terms.cid, (under.cid,))
    invocation = issue_invocation(
        WORKER,
        sub=did_of(OWNER.public),
        cmd=Cmd.READ,
        args=args.value(),
        prf=[root.cid, sub.cid],
        exp=END_S,
        nonce=_nonce(),
        aud=did_of(DEVICE.public),
    )
    return Question(invocation.raw, (root.delegation.raw, sub.delegation.raw))


def _decide(asked: Question) -> None:
    verify_chain(parse_invocation(asked.invocation), asked.proofs, now_ms=NOW_MS)


def _cold(asked: Question) -> None:
    forget_delegations()
    _decide(asked)


def _median_ms(step: Callable[[], object], rounds: int) -> float:
    step()
    spent: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        spent.append((time.perf_counter() - start) * 1_000)
    return median(spent)


def _verification_ms(rounds: int) -> float:
    message = bytes(500)
    signature = OWNER.sign(message)
    return _median_ms(lambda: verify_signature(OWNER.public, message, signature), rounds)


def _biscuit_ms(rounds: int) -> float | None:
    """A token of an authority and two blocks that narrow it: read, verified, authorised."""
    try:
        biscuit: Any = importlib.import_module("biscuit_auth")  # no types; not a dependency
    except ImportError:
        return None
    keys = biscuit.KeyPair()
    token = biscuit.BiscuitBuilder(
        'right("owner", "/record/read"); purpose("dpv:ServiceProvision")'
    ).build(keys.private_key)
    for _ in range(2):
        block = biscuit.BlockBuilder(
            'check if collection("energy/electricity/load-curve"), from($f), to($t), '
            "$f >= 20000, $t <= 20364"
        )
        token = token.append(block)
    raw = bytes(token.to_bytes())
    question = (
        'collection("energy/electricity/load-curve"); from(20000); to(20364); '
        'allow if right("owner", "/record/read")'
    )

    def step() -> None:
        read = biscuit.Biscuit.from_bytes(raw, keys.public_key)
        asking = biscuit.AuthorizerBuilder(question)
        limits = asking.limits()
        limits.max_time = timedelta(seconds=1)  # its own, 1 ms, is too short for a busy machine
        asking.set_limits(limits)
        asking.build(read).authorize()

    return _median_ms(step, rounds)


def _iso_ucan_ms(asked: Question, rounds: int) -> float | None:
    node = shutil.which("node")
    if node is None or not (INTEROP / "node_modules" / "iso-ucan").is_dir():
        return None

    def packed(token: bytes) -> str:
        return base64.b64encode(token).decode()

    said = subprocess.run(
        [node, "chain_speed.mjs"],
        cwd=INTEROP,
        input=json.dumps(
            {
                "now": NOW_MS // 1000,
                "rounds": rounds,
                "token": packed(asked.invocation),
                "proofs": [packed(proof) for proof in asked.proofs],
            }
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return median(json.loads(said.stdout))


def run(smoke: bool) -> list[Figure]:
    rounds = 20 if smoke else 1_000
    asked = question()
    verification = _verification_ms(rounds)
    cold = _median_ms(lambda: _cold(asked), rounds)
    warm = _median_ms(lambda: _decide(asked), rounds)
    one = "one Ed25519 verification"
    figures = [
        Figure(one, verification, "ms", note="libsodium; the reference", less_is_better=True),
        Figure(
            "cold two-hop chain",
            cold,
            "ms",
            goal=COLD_GOAL_MS,
            ratio=cold / verification,
            against=one,
            note="three tokens read, three signatures, two policies",
            less_is_better=True,
        ),
        Figure(
            "warm two-hop chain",
            warm,
            "ms",
            goal=WARM_GOAL_VERIFICATIONS * verification,
            ratio=warm / verification,
            against=one,
            note="delegations seen before; the goal is two verifications of this run",
            less_is_better=True,
        ),
    ]
    others = {
        "biscuit-python, two blocks": _biscuit_ms(rounds),
        "iso-ucan, the same tokens": _iso_ucan_ms(asked, max(5, rounds // 20)),
    }
    figures += [
        Figure(name, ms, "ms", ratio=ms / cold, against="cold two-hop chain", less_is_better=True)
        for name, ms in others.items()
        if ms is not None
    ]
    return figures


def _show(figures: Sequence[Figure]) -> None:
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} of {figure.against}"
        print(f"{figure.name:<32} {figure.value:>8.3f} {figure.unit}  goal {figure.goal}  {ratio}")


if __name__ == "__main__":
    _show(run(smoke=False))

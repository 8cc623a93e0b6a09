"""What a witness makes of a head, case by case; and from one log to the next."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import LogSigningKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.merkle import Tree, leaf_hash
from entrenous.protocol.checkpoint_note import TreeHead
from entrenous.protocol.errors import WireError
from entrenous.protocol.limits import LOG_SUCCESSIONS_MAX
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import VERSION, Value
from entrenous.protocol.witness import (
    SHOWN_IN,
    Judgement,
    closing,
    follows,
    judge,
    make_log_succession,
    parse_log_succession,
)

ENTROPY = SeededEntropy(b"witness")
LOGS = [LogSigningKey.generate(ENTROPY) for _ in range(4)]
KEY = LOGS[0].public
LEAVES = [leaf_hash(b"%d" % i) for i in range(256)]
FORKED = LEAVES[:100] + [leaf_hash(b"forked %d" % i) for i in range(100, 256)]


def head(size: int, leaves: list[bytes] = LEAVES) -> TreeHead:
    return TreeHead(KEY, size, Tree(leaves[:size]).root)


def proof(old: int, new: int, leaves: list[bytes] = LEAVES) -> list[bytes]:
    return Tree(leaves[:new]).consistency_proof(old)


CASES: dict[str, tuple[TreeHead | None, TreeHead, int, list[bytes], Judgement]] = {
    "the first": (None, head(64), 0, [], Judgement.NEXT),
    "the first, empty": (None, head(0), 0, [], Judgement.NEXT),
    "the first, with a proof": (None, head(64), 0, [bytes(32)], Judgement.UNPROVEN),
    "the first, said to be known": (None, head(128), 64, proof(64, 128), Judgement.ELSEWHERE),
    "the same": (head(64), head(64), 64, [], Judgement.SAME),
    "the same, as at a start": (head(64), head(64), 0, [], Judgement.SAME),
    "the next": (head(64), head(128), 64, proof(64, 128), Judgement.NEXT),
    "the next but two": (head(64), head(256), 64, proof(64, 256), Judgement.NEXT),
    "after nothing": (head(0), head(64), 0, [], Judgement.NEXT),
    "a rolled-back log": (head(128), head(64), 64, [], Judgement.OLDER),
    "a truncated log": (head(128), head(64), 128, [], Judgement.OLDER),
    "another of one size": (head(128), head(128, FORKED), 128, [], Judgement.FORK),
    "one that goes another way": (
        head(128),
        head(192, FORKED),
        128,
        proof(128, 192, FORKED),
        Judgement.UNPROVEN,
    ),
    "a proof of the honest log": (
        head(128),
        head(192, FORKED),
        128,
        proof(128, 192),
        Judgement.UNPROVEN,
    ),
    "no proof": (head(64), head(192), 64, [], Judgement.UNPROVEN),
    "a proof from elsewhere": (head(64), head(256), 128, proof(128, 256), Judgement.ELSEWHERE),
}


@pytest.mark.parametrize("what", CASES)
def test_a_head_is_judged(what: str) -> None:
    kept, shown, old, hashes, expected = CASES[what]
    found = judge(kept, shown, old, hashes)
    assert found is expected
    assert found.cosigned == (found in (Judgement.SAME, Judgement.NEXT))
    assert found.evidence == (found in (Judgement.FORK, Judgement.UNPROVEN))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 4)), max_size=12),
)
def test_no_two_heads_that_are_cosigned_contradict_each_other(
    steps: list[tuple[int, bool, int]],
) -> None:
    """Whatever is shown, in whatever order: all that was cosigned is one log."""
    kept: TreeHead | None = None
    cosigned: list[TreeHead] = []
    for place, forked, old_place in steps:
        leaves = FORKED if forked else LEAVES
        size, old = place * SHOWN_IN, min(old_place, place) * SHOWN_IN
        shown = head(size, leaves)
        if judge(kept, shown, old, proof(old, size, leaves)).cosigned:
            kept = shown
            cosigned.append(shown)
    assert any(
        all(one == head(one.size, leaves) for one in cosigned) for leaves in (LEAVES, FORKED)
    )


def test_a_common_witness_sees_sizes_and_roots_and_no_leaf() -> None:
    """Between multiples of 64, no hash of a consistency proof is that of a leaf, or of a few."""
    small = {node for level in range(6) for node in Tree(LEAVES).whole(level)}
    for new in range(0, 257, SHOWN_IN):
        for old in range(0, new + 1, SHOWN_IN):
            assert not small & set(proof(old, new)) - {Tree(LEAVES[:64]).root}


# --- from one log to the next ---------------------------------------------------------------------


def test_a_succession_is_signed_by_both_logs() -> None:
    made = make_log_succession(LOGS[0], LOGS[1])
    assert parse_log_succession(made.signed.raw) == made
    body = {"v": VERSION, "old": LOGS[0].public, "new": LOGS[1].public}
    for keys in ((LOGS[0], LOGS[2]), (LOGS[2], LOGS[1]), (LOGS[1], LOGS[0])):
        with pytest.raises(BadSignature):
            parse_log_succession(sign(Signed.LOG_SUCCESSION, body, *keys).raw)
    same = {"v": VERSION, "old": LOGS[0].public, "new": LOGS[0].public}
    with pytest.raises(WireError):
        parse_log_succession(sign(Signed.LOG_SUCCESSION, same, LOGS[0], LOGS[0]).raw)


def test_one_log_follows_another_through_those_between() -> None:
    chain = [make_log_succession(LOGS[i], LOGS[i + 1]).signed.raw for i in range(3)]
    known = [LOGS[0].public]
    assert follows(LOGS[1].public, known, chain)
    assert follows(LOGS[3].public, known, chain)
    assert not follows(LOGS[3].public, known, chain[:2])
    assert not follows(LOGS[3].public, known, chain[1:])
    assert not follows(LOGS[0].public, [LOGS[3].public], chain)
    circle = [*chain, make_log_succession(LOGS[3], LOGS[0]).signed.raw]
    assert not follows(sha256(b"nobody"), known, circle)
    with pytest.raises(WireError):
        follows(LOGS[1].public, known, [chain[0]] * (LOG_SUCCESSIONS_MAX + 1))


def test_as_many_successions_are_followed_as_a_log_may_name() -> None:
    made = make_log_succession(LOGS[0], LOGS[1]).signed.raw
    assert follows(LOGS[1].public, [LOGS[0].public], [made] * LOG_SUCCESSIONS_MAX)
    # the log that is known is found wherever it stands among those known, and none follows itself
    known = [LOGS[3].public, LOGS[0].public]
    assert follows(LOGS[1].public, known, [made])
    assert not follows(LOGS[0].public, known, [made])
    assert not follows(LOGS[1].public, [], [made])
    assert not follows(LOGS[1].public, known, [])


def test_a_succession_of_another_form_is_none() -> None:
    body: dict[str, Value] = {"v": VERSION, "old": LOGS[0].public, "new": LOGS[1].public}
    other: tuple[dict[str, Value], ...] = (
        {"old": LOGS[0].public[1:]},
        {"new": LOGS[1].public + b"x"},
        {"v": 2},
        {"more": bytes(512)},
    )
    for changed in other:
        with pytest.raises(WireError):
            parse_log_succession(sign(Signed.LOG_SUCCESSION, {**body, **changed}, *LOGS[:2]).raw)
    with pytest.raises(WireError):
        parse_log_succession(sign(Signed.LOG_SUCCESSION, body, LOGS[0]).raw)


def test_the_succession_that_closes_a_log_is_found_among_others() -> None:
    chain = [make_log_succession(LOGS[i], LOGS[i + 1]).signed.raw for i in range(3)]
    assert closing(LOGS[1].public, chain) == chain[1]
    assert closing(LOGS[3].public, chain) is None

"""What the words of helping refuse, at their edges."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from entrenous.crypto.digest import sha256
from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.command import Cmd, parse_args, parse_out
from entrenous.protocol.command_help import PAGE_ID_BYTES, STATE_BYTES, join_ids
from entrenous.protocol.command_parts import digest_text
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import WireError
from entrenous.protocol.limits import HELP_BYTES_MAX, HELP_IDS_MAX, PART_BYTES_MAX
from entrenous.protocol.wire import Value
from entrenous.tests.protocol.spec_helped import lease

TO = did_of(PersonaKey(bytes(32)).public)
DIGEST = digest_text(sha256(b"x"))
PATH = "energy/electricity/load-curve"
WHERE = "/ip4/192.0.2.9/tcp/4001"
MOST = [[DIGEST, PART_BYTES_MAX]] * (HELP_BYTES_MAX // PART_BYTES_MAX)


def keep(*parts: Value) -> Mapping[str, Value]:
    return {"v": 1, "to": TO, "parts": list(parts)}


def have(first: int = 3, last: int = 4, path: str = PATH, ids: bytes = b"") -> Mapping[str, Value]:
    return {"v": 1, "to": TO, "path": path, "from": first, "until": last, "ids": ids}


def serves(name: str) -> Mapping[str, Value]:
    raw = lease().signed.raw
    return {"v": 1, "to": TO, "cert": raw, "addresses": [WHERE], "name": name}


def decide(device: Value, *addresses: str) -> Mapping[str, Value]:
    told: list[Value] = list(addresses)
    return {"v": 1, "to": TO, "device": device, "addresses": told, "reason": None}


def ids(count: int) -> bytes:
    return join_ids([n.to_bytes(PAGE_ID_BYTES, "big") for n in range(count)])


TAKEN: list[tuple[Cmd, Mapping[str, Value]]] = [
    (Cmd.HELPER_KEEP, keep([DIGEST, 1])),
    (Cmd.HELPER_KEEP, keep(*MOST)),
    (Cmd.HELPER_HAVE, have(3, 3)),
    (Cmd.HELPER_HAVE, have(ids=ids(HELP_IDS_MAX))),
    (Cmd.HELPER_SERVES, serves("a")),
    (Cmd.HELPER_DECIDE, decide(None)),
    (Cmd.HELPER_DECIDE, decide(TO)),
    (Cmd.HELPER_DECIDE, decide(TO, WHERE)),
]
REFUSED: list[tuple[Cmd, Mapping[str, Value], str]] = [
    (Cmd.HELPER_KEEP, keep(), "parts"),
    (Cmd.HELPER_KEEP, keep([DIGEST, 0]), "is not"),
    (Cmd.HELPER_KEEP, keep([DIGEST, True]), "is not"),
    (Cmd.HELPER_KEEP, keep([DIGEST, PART_BYTES_MAX + 1]), "is not"),
    (Cmd.HELPER_KEEP, keep(*MOST, [DIGEST, 1]), "parts"),
    (Cmd.HELPER_HAVE, have(4, 3), "from is after until"),
    (Cmd.HELPER_HAVE, have(path="No Path"), "a collection is"),
    (Cmd.HELPER_HAVE, have(ids=ids(HELP_IDS_MAX + 1)), "too many"),
    (Cmd.HELPER_HAVE, have(ids=ids(2)[:-1]), "16 bytes each"),
    (Cmd.HELPER_SERVES, serves(""), "name"),
    (Cmd.HELPER_DECIDE, decide(None, WHERE), "listens nowhere"),
]


@pytest.mark.parametrize(("cmd", "args"), TAKEN)
def test_a_word_of_helping_at_its_edge_is_taken(cmd: Cmd, args: Mapping[str, Value]) -> None:
    assert parse_args(cmd, args).value() == args


@pytest.mark.parametrize(("cmd", "args", "why"), REFUSED)
def test_a_word_of_helping_beyond_its_edge_is_refused(
    cmd: Cmd, args: Mapping[str, Value], why: str
) -> None:
    with pytest.raises(WireError, match=why):
        parse_args(cmd, args)


def test_what_a_helper_answers_is_told_by_digests_and_ids_of_16_bytes() -> None:
    state = bytes(16)
    assert len(state) == STATE_BYTES == PAGE_ID_BYTES
    assert parse_out(Cmd.HELPER_KEEP, state) == state
    assert parse_out(Cmd.HELPER_HAVE, ids(3)) == ids(3)
    for cmd, out in (
        (Cmd.HELPER_KEEP, state[:-1]),
        (Cmd.HELPER_KEEP, "x" * STATE_BYTES),
        (Cmd.HELPER_HAVE, ids(3)[:-1]),
        (Cmd.HELPER_HAVE, ids(2) + ids(1)),
    ):
        with pytest.raises(WireError):
            parse_out(cmd, out)

"""docs/session.md shows the tables and limits that run; run as a script, this file writes it."""

from __future__ import annotations

import re
from pathlib import Path

from entrenous.protocol import limits
from entrenous.protocol.call import CALL, CallState
from entrenous.protocol.diagram import state_diagram
from entrenous.protocol.frame import Kind
from entrenous.protocol.hello import STREAM, StreamState

DOC = Path(__file__).resolve().parents[2] / "docs" / "session.md"
LIMITS = [
    "FRAME_BYTES_MAX",
    "HELLO_BYTES_MAX",
    "UNPAIRED_FRAME_BYTES_MAX",
    "UNPAIRED_CALLS_OPEN_MAX",
    "CALLS_OPEN_MAX",
    "WINDOW_BYTES_MAX",
    "WINDOW_PAGES_MAX",
    "PART_BYTES_MAX",
    "DELIVERY_PARTS_MAX",
    "CHAIN_MAX",
    "PINGS_MAX",
    "HELLO_MS",
    "FRAME_MS",
    "FRAME_RATE_BYTES",
    "CALL_MS",
    "WINDOW_MS",
    "PING_WAITING_MS",
    "PING_IDLE_MS",
    "PING_REPLY_MS",
    "PINGS_WINDOW_MS",
]
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def drawn(text: str) -> str:
    """`text` with each marked block made again from the code."""
    blocks = {
        "stream": _mermaid(state_diagram(STREAM, StreamState.FRESH, StreamState.LISTENING)),
        "call": _mermaid(state_diagram(CALL, CallState.ASKED)),
        "limits": "| limit | value |\n|---|---|\n"
        + "".join(f"| `{name}` | {getattr(limits, name):,} |\n" for name in LIMITS),
    }
    return _BLOCK.sub(lambda found: found[1] + blocks[found[2]] + found[3], text)


def _mermaid(diagram: str) -> str:
    return f"```mermaid\n{diagram}\n```\n"


def test_the_document_is_current() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert len(_BLOCK.findall(text)) == 3
    assert text == drawn(text), f"run: python {Path(__file__).name} in its folder"


def test_the_document_names_every_kind() -> None:
    text = DOC.read_text(encoding="utf-8")
    for kind in Kind:
        assert f"| `{kind.value}` |" in text


def test_a_diagram_shows_every_step() -> None:
    diagram = state_diagram(CALL, CallState.ASKED)
    for (before, event), after in CALL.items():
        line = next(
            line
            for line in diagram.splitlines()
            if line.strip().startswith(f"{before} --> {after}:")
        )
        assert event.value in line
    assert "ended --> [*]" in diagram
    assert "[*] --> asked" in diagram


if __name__ == "__main__":
    DOC.write_text(drawn(DOC.read_text(encoding="utf-8")), encoding="utf-8")

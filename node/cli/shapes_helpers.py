"""What `--json` prints of helpers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

HELPERS: Final[Mapping[str, Shape]] = {
    "helpers": lines(
        peer="who",
        side="`ours`: it serves for this node; `theirs`: this node serves for it",
        state="ours: `asked`, `helper`, `refused`, `removed` (and has not heard yet); theirs: "
        "`asked`, `allowed`, `ended`",
        readers="to whom it may serve, by name",
        pages="pages that this node keeps for it",
        bytes="their bytes, encrypted",
        asked_ms="when it was asked",
        until_ms="when the last lease ends, or null",
        reason="why it refuses, or null",
    ),
    "helpers add": one(peer="who is asked", readers="to whom alone it may serve; all, if empty"),
    "helpers remove": one(
        peer="who serves no more",
        until_ms="until when it may at most, if it does not hear of it; or null",
    ),
    "helpers allow": one(peer="for whom this node serves"),
    "helpers refuse": one(peer="for whom it does not", reason="why, or null"),
}

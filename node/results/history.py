"""What `who` and `history` answer: what happened, each with what shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ...protocol.window import Window

# Beside a field that is named `bytes`.
Cid: TypeAlias = bytes


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One thing that happened, or stands.

    `way` is "given" for what is this node's, "taken" for what is the peer's.  `until_ms` is until
    when it holds or held; `pages`, `bytes` are those of a read, `within` whether that lay within
    its grant, and `delete_by_ms` by when its terms want it deleted.

    `log` are rows of this device's log that show it (`7`; `0/7` in a log before this device's),
    `cids` what was signed.
    """

    t_ms: int
    what: str
    way: str
    peer: str
    windows: tuple[Window, ...] = ()
    purpose: str | None = None
    grant: Cid | None = None
    request: Cid | None = None
    until_ms: int | None = None
    pages: int | None = None
    bytes: int | None = None
    within: bool | None = None
    delete_by_ms: int | None = None
    note: str | None = None
    log: tuple[str, ...] = ()
    cids: tuple[Cid, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewed:
    """What came of renewing: `grant` goes on from `renews`, or was asked for by `request`.

    `always`: `each_s` and `until_s`, where it is renewed by itself from now on.
    """

    grant: bytes
    renews: bytes
    request: bytes | None
    windows: tuple[Window, ...]
    exp_s: int | None
    always: dict[str, int] | None

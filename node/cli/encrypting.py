"""Encrypting again, as it is looked on at: how many pages are done, on a terminal."""

from __future__ import annotations

import sys

from ..client import Client
from ..results.grants import EncryptingProgress
from .screen import Screen


class Progress:
    """One line on stderr that moves, on a terminal only."""

    def __init__(self, screen: Screen) -> None:
        self._on = sys.stderr.isatty() and not screen.json

    def __call__(self, one: EncryptingProgress) -> None:
        if self._on:
            ended = one.done >= one.pages
            text = "" if ended else f"encrypting again: {one.done:,} of {one.pages:,} pages"
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


async def encrypted_again(client: Client, screen: Screen) -> int:
    """Wait until all that terms want is encrypted again; how many pages that were.

    Whoever presses Ctrl-C waits no longer: a node that runs goes on by itself, and else the same
    command goes on.
    """
    return (await client.encrypt_again(Progress(screen))).pages

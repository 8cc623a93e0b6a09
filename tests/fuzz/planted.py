"""Targets with a fault in each: what `test_fuzz.py` demands that both engines find."""

from __future__ import annotations

import time
from itertools import count
from typing import Final

from .target import Target

_NUMBERS = count()
# Held, so that what the fault takes is not given back before it is measured.
_HELD: list[bytearray] = []


def _crash(data: bytes) -> object:
    if data[:1] == b"b" and data[1:2] == b"u" and data[2:3] == b"g":
        raise IndexError("planted")
    return None


def _slow(data: bytes) -> object:
    return sum(n * n for n in range(3_000_000)) if data[:1] == b"s" else None


def _large(data: bytes) -> object:
    if data[:1] == b"m":
        _HELD.append(bytearray(b"\1") * (300 * 1024 * 1024))
        raise ValueError("a refusal that took much to say")
    return None


def _fickle(data: bytes) -> object:
    return next(_NUMBERS) if len(data) > 1 else None


def _speechless(data: bytes) -> object:
    if data[:1] == b"e":
        raise ValueError
    return None


def _unspeakable(data: bytes) -> object:
    raise ValueError(f"no {chr(0xD800)}" if data[:1] == b"u" else "no")


def _hang(data: bytes) -> object:
    while data[:1] == b"h":
        time.sleep(0.01)
    return None


def _row(name: str, run: object, seed: bytes) -> Target:
    assert callable(run)
    cpu_s = 0.05 if name == "planted-slow" else 5.0
    return Target(name, run, (), lambda: [seed], (ValueError,), cpu_s=cpu_s, bytes_max=64)


TARGETS: Final = {
    target.name: target
    for target in (
        _row("planted-crash", _crash, b"bu."),
        _row("planted-slow", _slow, b"."),
        _row("planted-hang", _hang, b"."),
        _row("planted-large", _large, b"."),
        _row("planted-fickle", _fickle, b"..."),
        _row("planted-speechless", _speechless, b"."),
        _row("planted-unspeakable", _unspeakable, b"."),
    )
}

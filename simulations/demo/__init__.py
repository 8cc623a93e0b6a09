"""The demo: three real nodes, a person, a bank and an energy supplier, and the whole story."""

from __future__ import annotations

from .command import demo

__all__ = ["demo"]

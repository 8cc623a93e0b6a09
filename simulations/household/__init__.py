"""A generated household: what a family's institutions would hand out, with the answers beside it.

A life is drawn from a seed (`life`), lived day by day (`routine`, `regular`, `illness`, `load`),
and told by the institutions that saw it, each in its own true format (`simulations.formats`).
The answers are counted while it is lived, never read back from the files.
"""

from __future__ import annotations

from .generate import SEED_MAX, SOURCES, UNTIL, generate

__all__ = ["SEED_MAX", "SOURCES", "UNTIL", "generate"]

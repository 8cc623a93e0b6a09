"""Keys that a reader lends on: of what it holds, exactly the days that it passes on.

A sub-delegation opens nothing by itself: the pages are closed with keys of the owner's tree.  The
one who lends on holds nodes of that tree, and derives from them the minimal cover of the narrower
days, in every generation that it holds; going down is all that a node allows, so it cannot give
more than it has.  What it holds of no generation, it leaves out.

Source: formats.md, "Grant" (Keyset, sub-delegation); ADR 14.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..crypto.key_tree import TreeNode, derive_cover
from .keyset import PathKeys
from .window import Window, joined, opened_until


def keys_lent_on(
    held: Iterable[PathKeys], windows: Sequence[Window], exp_s: int
) -> tuple[PathKeys, ...]:
    """Of the sets `held`, the nodes that open the days of `windows` and no others, until the day
    of `exp_s`; sets of which nothing is left are left out."""
    found: list[PathKeys] = []
    for one in held:
        wanted = joined(opened_until((w for w in windows if w.collection == one.path), exp_s))
        nodes: list[TreeNode] = []
        for window in wanted:
            for node in one.nodes:
                first, last = max(window.first, node.first), min(window.last, node.last)
                if first <= last:
                    nodes.extend(derive_cover(node, first, last))
        if nodes:
            found.append(PathKeys(one.path, one.epoch, one.gen, tuple(nodes)))
    return tuple(found)

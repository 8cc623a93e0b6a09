"""A daemon that tells which tasks it runs: on SIGUSR1 it writes them, counted, into a file.

    python tests/hostile/watched_daemon.py FILE --home …

Nothing of the program is changed; trio is asked from outside, by a signal.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import trio

from entrenous.node.daemon import main


def counted(root: trio.lowlevel.Task) -> dict[str, int]:
    """The tasks from `root` down, by the function that each runs."""
    found: Counter[str] = Counter()
    waiting = [root]
    while waiting:
        task = waiting.pop()
        found[task.name] += 1
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return dict(found)


def tell(file: Path) -> None:
    def on_signal(_number: int, _frame: object) -> None:
        root = trio.lowlevel.current_root_task()
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps({} if root is None else counted(root)))
        os.replace(draft, file)

    signal.signal(signal.SIGUSR1, on_signal)


if __name__ == "__main__":
    tell(Path(sys.argv.pop(1)))
    main()

"""A daemon that tells how many tasks it runs: on SIGUSR1 it writes the number into a file.

    python tests/hostile/watched_daemon.py FILE --home …

Nothing of the program is changed; trio is asked from outside, by a signal.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import trio

from entrenous.node.daemon import main


def tell(file: Path) -> None:
    def on_signal(_number: int, _frame: object) -> None:
        living = trio.lowlevel.current_statistics().tasks_living
        draft = file.with_suffix(".new")
        draft.write_text(str(living))
        os.replace(draft, file)

    signal.signal(signal.SIGUSR1, on_signal)


if __name__ == "__main__":
    tell(Path(sys.argv.pop(1)))
    main()

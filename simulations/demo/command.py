"""`entrenous demo`: sets the scene, tells the story, and looks at what is left afterwards."""

from __future__ import annotations

import json as _json
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter
from rich.console import Console

from ...crypto.entropy import Entropy, SystemEntropy
from ...crypto.errors import EntrenousError
from .aftermath import aftermath
from .processes import DemoFailed, DemoHome, new_home, running
from .report import Step, Story
from .sources import sources_of
from .story import Actor, Cast, Source, tell

DEFAULT_SEED = 2026


def demo(
    *,
    bank: Annotated[Path | None, Parameter(help="An OFX file that the bank hands back.")] = None,
    energy: Annotated[
        Path | None, Parameter(help="A Green Button file that the energy supplier hands back.")
    ] = None,
    seed: Annotated[
        int, Parameter(help="Which generated household the files are of, where none is given.")
    ] = DEFAULT_SEED,
    json: Annotated[
        bool, Parameter(help="Print one object: a key for each step, and `ok`.")
    ] = False,
) -> int:
    """Show the whole story between three real nodes, in about a minute.

    A bank and an energy supplier hand a person's data back; the person lends thirty days of a
    load curve, sees the proof of what was read, and takes it back.  Unless files are given, they
    are those of a generated household: its bank's last statement and its meter's last two months,
    held against its known answers.  The three homes are made in a temporary folder and removed
    afterwards.

    Example: entrenous demo --bank statement.ofx --energy usage.xml
    """
    folder = Path(tempfile.mkdtemp(prefix="entrenous-demo-"))
    story = Story()
    try:
        return _told(folder, story, bank, energy, seed, as_json=json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(
    folder: Path,
    story: Story,
    bank: Path | None,
    energy: Path | None,
    seed: int,
    *,
    as_json: bool,
) -> int:
    progress = Console(stderr=True)
    try:
        sources = sources_of(folder, bank, energy, seed)
        trio.run(_play, folder, sources, story, progress, SystemEntropy())
    except* (EntrenousError, DemoFailed, OSError) as errors:
        for error in errors.exceptions:
            progress.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print(_json.dumps(story.value(), ensure_ascii=False))
    else:
        story.table(Console())
    sys.stdout.flush()
    return 0 if story.ok else 1


async def _play(
    folder: Path,
    sources: tuple[Source, Source],
    story: Story,
    progress: Console,
    entropy: Entropy,
) -> None:
    progress.print("three homes are made …")
    homes: list[DemoHome] = []
    for name in ("person", "bank", "energy"):
        organisation = name != "person"
        homes.append(
            await trio.to_thread.run_sync(
                partial(new_home, folder, name, entropy, organisation=organisation)
            )
        )

    def done(step: Step) -> None:
        progress.print(f"{'✓' if step.ok else '✗'} {step.title}", highlight=False)

    async with AsyncExitStack() as stack:
        progress.print("three nodes start …")
        actors = [Actor(home, await stack.enter_async_context(running(home))) for home in homes]
        person, bank, energy = actors
        cast = Cast(person, bank, energy, *sources, entropy)
        await tell(cast, story, done)
    if story.ok:
        # All processes have ended: what is left is what lies in the files.
        await trio.to_thread.run_sync(lambda: aftermath(cast, story.steps[-1]))

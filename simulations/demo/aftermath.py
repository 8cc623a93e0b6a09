"""After the processes have ended: what can be done with what lies in the files.

The adversary is given the person's whole database with its catalogue opened, and everything in the
supplier's home.  It tries every key on every page; what opens must be what was granted, and no
page that was written after the grant was taken back may be among it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...crypto.key_tree import FIRST_GENERATION
from ...crypto.unlock import open_with_passphrase
from ...node.store.home import Home
from ...protocol.day import date_of
from ...protocol.wire import Value, decode
from ..adversary import attack
from ..stolen import Files, Loot
from .processes import DemoHome
from .report import Step
from .story import Cast

_KEYSTORE_BYTES_MAX = 4 * 1024 * 1024


def aftermath(cast: Cast, step: Step) -> None:
    """Hold what the supplier's keys open against what it was given; the facts go to `step`."""
    person, energy = cast.person.home, cast.energy.home
    stolen = Loot.of(_files(energy), _keystore(energy))
    findings = attack(_files(person), _keystore(person), [stolen])
    window = cast.given
    entries = {page: entry for page, entry in findings.pages.items() if entry is not None}
    later = {
        page
        for page, entry in entries.items()
        if entry.gen != FIRST_GENERATION and window.first <= entry.day <= window.last
    }
    days = sorted({entries[page].day for page in findings.opened})
    step.expect(findings.kept, "the supplier's keys do not open exactly what was granted")
    step.expect(bool(later), "no page was written after the grant was taken back")
    step.expect(not later & findings.opened, "a page written afterwards opens with an old key")
    step.tell(
        f"every key of the supplier's home on every page of the person's: "
        f"{len(findings.opened)} of {len(findings.pages)} open, "
        f"{date_of(days[0])} to {date_of(days[-1])}, exactly those granted"
        if days
        else "no page opens with the supplier's keys",
        tries=findings.tries,
        pages=len(findings.pages),
        opened=len(findings.opened),
        granted=len(findings.expected),
    )
    step.tell(
        f"{len(later)} pages of these days were written afterwards: "
        f"{len(later & findings.opened)} open",
        written_after=len(later),
        opened_of_those=len(later & findings.opened),
    )


def _files(home: DemoHome) -> Files:
    return Files.of(Home(home.folder).database)


def _keystore(home: DemoHome) -> Mapping[str, Value]:
    sealed = Path(Home(home.folder).keystore).read_bytes()
    opened = decode(
        open_with_passphrase(home.passphrase.encode(), sealed), bytes_max=_KEYSTORE_BYTES_MAX
    )
    assert isinstance(opened, Mapping)
    return opened

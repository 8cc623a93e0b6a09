"""Results: what the operations of a node answer, as a client sees it.

Days are those of `protocol/day.py` (UTC), times are milliseconds or seconds as the name ends, CIDs
are 36 bytes.  `short` is the shortest text that names the same thing here and now; every operation
that takes an id takes it, or any longer part of it.

A module of this package is loaded when something of it is first looked at (PEP 562): a command asks
one or two questions, and should not wait for the answers to all the others to be made into classes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from . import accounts as accounts
    from . import deliveries as deliveries
    from . import devices as devices
    from . import erasure as erasure
    from . import export as export
    from . import grants as grants
    from . import helpers as helpers
    from . import history as history
    from . import household as household
    from . import imports as imports
    from . import log as log
    from . import node as node
    from . import parcels as parcels
    from . import peers as peers
    from . import reads as reads
    from . import records as records
    from . import shared as shared
    from . import terms as terms
    from . import views as views
else:

    def __getattr__(name: str) -> ModuleType:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            raise AttributeError(f"there are no results of {name!r}") from None

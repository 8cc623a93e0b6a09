"""How a node asks a domain for its document: the port, and what may go wrong.

One class of the daemon does it over HTTPS (`network/https.py`); simulated worlds and tests have
their own.  A node without one asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..errors import NodeError


class DomainSilent(NodeError):
    """No document could be had from the domain; the message is a sentence that says why."""


class DomainWithout(NodeError):
    """The domain answered, as itself, that it has no such document."""


class WellKnown(Protocol):
    """Fetches `https://DOMAIN/.well-known/entrenous`."""

    async def fetch(self, domain: str) -> bytes:
        """The document's bytes; within seconds, and bounded.

        Raises DomainSilent, DomainWithout, and nothing else.
        """
        ...


@dataclass(slots=True)
class LoadedLater:
    """A `WellKnown` whose libraries are loaded when a domain is first asked: most starts of a node
    ask none."""

    load: Callable[[], WellKnown]
    _loaded: WellKnown | None = None

    async def fetch(self, domain: str) -> bytes:
        if self._loaded is None:
            self._loaded = self.load()
        return await self._loaded.fetch(domain)


def over_https() -> WellKnown:
    """What asks domains over HTTPS, on the internet."""
    from .https import HttpsWellKnown

    return HttpsWellKnown()

"""Helped: for whom, and to whom, a link serves that was let in by a shelf."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.did import Did
from ...protocol.persona import Certificate


@dataclass(frozen=True, slots=True)
class Helped:
    """On whose behalf a link serves whom: the persona `owner` that `reader` knows, the lease that
    was shown on it, and the pair `own`, `their` by which the shelf was brought."""

    owner: Did
    reader: Did
    own: Did
    their: Did
    lease: Certificate

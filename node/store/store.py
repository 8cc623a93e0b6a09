"""The store of one node: the database, and what each table of it means.

`Store` joins them so that the rest of the node is handed one thing.  It adds no behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ...crypto.entropy import Entropy
from ...crypto.keys import IndexKey, LogKey, StoreKey
from .catalogue import Catalogue
from .database import Database
from .ledger import Ledger
from .log import Log
from .mentions import Mentions
from .objects import Objects
from .outbox import Outbox
from .pages import Pages
from .sealer import Sealer
from .segments import Segments
from .stamps import Stamps


@dataclass(frozen=True, slots=True)
class Store:
    """Everything a node keeps, behind one database."""

    database: Database
    sealer: Sealer
    objects: Objects
    pages: Pages
    catalogue: Catalogue
    segments: Segments
    outbox: Outbox
    ledger: Ledger
    log: Log
    mentions: Mentions
    stamps: Stamps

    @classmethod
    def over(
        cls,
        database: Database,
        *,
        store_key: StoreKey,
        index_key: IndexKey,
        log_key: LogKey,
        log_number: int,
        entropy: Entropy,
    ) -> Self:
        """The store in `database`, whose rows are sealed under these keys."""
        sealer = Sealer(store_key, index_key, entropy)
        stamps = Stamps(sealer)
        return cls(
            database=database,
            sealer=sealer,
            objects=Objects(sealer, stamps),
            pages=Pages(sealer),
            catalogue=Catalogue(sealer, stamps),
            segments=Segments(sealer),
            outbox=Outbox(sealer),
            ledger=Ledger(sealer),
            log=Log(sealer, log_key, log_number),
            mentions=Mentions(sealer),
            stamps=stamps,
        )

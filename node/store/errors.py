"""Errors of the store.  The message is one sentence that a person can act on."""

from __future__ import annotations

from ...crypto.errors import EntrenousError


class StoreError(EntrenousError):
    """The store could not do what was asked; nothing of it was stored."""


class StoreInterrupted(StoreError):
    """What was asked was cut short: whether it was stored is not known; it may be asked again."""


class StoreConflict(StoreError):
    """A row breaks a rule of the schema: a name is taken, a value is missing."""


class StoreClosed(StoreError):
    """The store, or the transaction, has ended."""


class StoreTooNew(StoreError):
    """The home was written by a newer program than this one."""


class StoreDamaged(StoreError):
    """A file or a row of the store is not what was written there."""


class LogBroken(StoreError):
    """The log does not lead to its own root."""

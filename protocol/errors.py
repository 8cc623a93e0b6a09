"""Errors of the protocol floor, arranged by who is to blame, and the codes that travel."""

from __future__ import annotations

from enum import StrEnum

from ..crypto.errors import EntrenousError


class Code(StrEnum):
    """How an answer names its outcome (formats.md, "Session").  Stable on the wire."""

    OK = "ok"
    MALFORMED = "malformed"
    VERSION = "version"
    UNPAIRED = "unpaired"
    UNKNOWN_GRANT = "unknown-grant"
    EXPIRED = "expired"
    NOT_YET = "not-yet"
    AUDIENCE = "audience"
    COMMAND = "command"
    DAYS = "days"
    COLLECTION = "collection"
    PURPOSE = "purpose"
    TERMS = "terms"
    REPLAY = "replay"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    TOO_MUCH = "too-much"
    BUSY = "busy"


class ProtocolError(EntrenousError):
    """Root of what this floor raises."""


class WireError(ProtocolError):
    """Bytes from outside are not in the form, or not within the limits, that the formats name."""


class VersionError(WireError):
    """The other side speaks a version that this one does not."""


class LocalProtocolError(ProtocolError):
    """Our own program asked for something that the protocol does not allow now."""


class RemoteProtocolError(ProtocolError):
    """The peer did something that the protocol does not allow now."""

    def __init__(self, message: str, code: Code = Code.MALFORMED) -> None:
        super().__init__(message)
        self.code = code


class CapabilityError(ProtocolError):
    """A token or a chain of tokens does not give what is asked."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code


class GrantRefused(ProtocolError):
    """The request is well formed and is refused."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code


class RecordError(ProtocolError):
    """A record, a path or a day is not what its schema allows."""


class StatementError(ProtocolError):
    """What a source signed does not match what came with it."""


class ReaderError(ProtocolError):
    """A file cannot be read; the message names the file and the place."""

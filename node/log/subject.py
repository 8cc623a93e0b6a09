"""What a word in the log is about: the command that was said, and the thing or collection it named.

An answer names the invocation that it answers and nothing else, and a receipt names a grant and not
the collection.  So each row of the log keeps, beside the word, what whoever looks for evidence asks
for.  It is this node's own note: nobody signed it, and `log verify` does not need it.  Rows that
older versions wrote have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...crypto.errors import CryptoError
from ...protocol.command import (
    AcceptArgs,
    AnswerRecordArgs,
    Cmd,
    DecideArgs,
    DeclineArgs,
    DeleteArgs,
    DeletedArgs,
    DeliverArgs,
    KeysArgs,
    ProposeArgs,
    RenewArgs,
    RequestArgs,
    ReturnArgs,
    RevokeArgs,
    SucceedArgs,
    parse_args,
)
from ...protocol.errors import ProtocolError
from ...protocol.keyset import grant_of
from ...protocol.revocation import parse_revocation
from ...protocol.shared_record import parse_version
from ...protocol.wire import Value


@dataclass(frozen=True, slots=True)
class Subject:
    """The command, the CID of what it names (a request, a grant, a statement, a version of a shared
    record), and the collection."""

    cmd: str
    cid: bytes | None = None
    path: str | None = None

    def value(self) -> Value:
        return [self.cmd, self.cid, self.path]

    @classmethod
    def from_value(cls, value: Value) -> Subject | None:
        """What `value` gave; None for a row that has none."""
        match value:
            case [str(cmd), bytes() | None as cid, str() | None as path]:
                return cls(cmd, cid, path)
            case _:
                return None


def subject_of(cmd: str, args: Mapping[str, Value]) -> Subject:
    """What a call is about.  A call that is not understood names nothing, and is logged as well."""
    if cmd == Cmd.READ:
        path = args.get("collection")
        return Subject(cmd, None, path if isinstance(path, str) else None)
    try:
        return Subject(cmd, _named(cmd, args))
    except (ProtocolError, CryptoError):
        return Subject(cmd[:64])


def _named(cmd: str, args: Mapping[str, Value]) -> bytes | None:
    match parse_args(cmd, args):
        case RequestArgs(request=request):
            return request.cid
        case DecideArgs(request=cid) | AcceptArgs(grant=cid) | DeliverArgs(statement=cid):
            return cid
        case RenewArgs(grant=cid) | DeleteArgs(grant=cid) | DeclineArgs(grant=cid):
            return cid
        case DeletedArgs(deletion=deletion):
            return deletion.dlg
        case SucceedArgs(steps=steps):
            return steps[-1].succession.signed.cid
        case KeysArgs(keyset=raw):
            return grant_of(raw)
        case RevokeArgs(revocation=raw):
            return parse_revocation(raw).dlg
        case ProposeArgs(version=raw) | AnswerRecordArgs(version=raw) | ReturnArgs(version=raw):
            return parse_version(raw).cid
        case _:
            return None

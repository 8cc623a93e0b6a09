"""The call behind a receipt: what a reader signed to get the pages that it never signed for.

A receipt that its reader did not countersign is the server's word alone.  The reader's own word is
the invocation of the read: its persona signed what it asked for, for what purpose, under which
grant and terms, at which device.  It is kept beside the newest window that was not signed for, and
goes into the proof of it.  It shows that the reader asked; not that the pages arrived.

Source: formats.md, "Reading, receipts, log": "the signed invocation stands".
"""

from __future__ import annotations

from .command import Cmd
from .errors import WireError
from .grant import ReadArgs, parse_read_args
from .invocation import Invocation, parse_invocation
from .limits import READ_CALL_BYTES_MAX
from .receipt import ReceiptBody


def parse_call_of(raw: bytes, body: ReceiptBody) -> Invocation:
    """Read the call of the read that `body` is a receipt of, and verify its signature.

    Raises WireError for a call that is not that of this read, CapabilityError, RecordError,
    BadSignature.
    """
    if len(raw) > READ_CALL_BYTES_MAX:
        raise WireError("the call of a read has a few hundred bytes, not this many")
    call = parse_invocation(raw)
    args = asked_by(call)
    belongs = (
        call.cid == body.inv
        and call.cmd == Cmd.READ
        and call.iss == body.reader
        and call.aud == body.server
        and call.prf[:1] == (body.dlg,)
        and args.window.first <= body.first
        and body.last_day <= args.window.last
    )
    if not belongs:
        raise WireError("a call is not the one behind this receipt")
    return call


def asked_by(call: Invocation) -> ReadArgs:
    """What a read asked for, and what for.  Raises WireError, RecordError."""
    return parse_read_args(call.args)

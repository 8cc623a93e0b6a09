"""After a grant was given: what the commands `/grant/renew`, `/grant/delete`, `/grant/deleted` say.

    owner   /grant/renew     a new delegation goes on where the one that is named ends
    owner   /grant/delete    what was read of these days is to be deleted, as the terms say
    reader  /grant/deleted   it is gone, signed

Source: ADR 25; formats.md, "Where keys come from", "Revocation".
"""

from __future__ import annotations

from dataclasses import dataclass

from .cid import cid_from_text, cid_text
from .command_parts import recipient
from .deletion import Deletion, parse_deletion
from .did import Did
from .limits import SIGNED_BYTES_MAX, WINDOWS_MAX
from .window import Window, window_from_value
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class RenewArgs:
    """`grant` is the CID of the delegation that is renewed; `bundle` carries the one after it."""

    to: Did
    grant: bytes
    bundle: bytes

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "grant": cid_text(self.grant),
            "bundle": self.bundle,
        }


@dataclass(frozen=True, slots=True)
class DeleteArgs:
    """What was read of `windows` under `grant` (CID) is to be deleted.

    `erased`: its owner has erased the data, so that no other grant keeps it.
    """

    to: Did
    grant: bytes
    windows: tuple[Window, ...]
    erased: bool

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "grant": cid_text(self.grant),
            "windows": [window.value() for window in self.windows],
            "erased": self.erased,
        }


@dataclass(frozen=True, slots=True)
class DeletedArgs:
    """`deletion` is the signed object, verified."""

    to: Did
    deletion: Deletion

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "deletion": self.deletion.signed.raw}


def renew_args(body: Body) -> RenewArgs:
    bundle = body.data("bundle", bytes_max=SIGNED_BYTES_MAX)
    return RenewArgs(recipient(body), cid_from_text(body.text("grant")), bundle)


def delete_args(body: Body) -> DeleteArgs:
    windows = tuple(
        window_from_value(item, body.what)
        for item in body.items("windows", items_max=WINDOWS_MAX, items_min=1)
    )
    grant = cid_from_text(body.text("grant"))
    return DeleteArgs(recipient(body), grant, windows, body.flag("erased"))


def deleted_args(body: Body) -> DeletedArgs:
    deletion = parse_deletion(body.data("deletion", bytes_max=SIGNED_BYTES_MAX))
    return DeletedArgs(recipient(body), deletion)

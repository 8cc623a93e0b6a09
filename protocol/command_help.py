"""Helping: what the commands `/helper/…` say and answer.

    owner  ──/helper/ask────▸ helper     will you keep encrypted pages of mine, or not any more?
    helper ──/helper/decide─▸ owner      yes, on this device, at these addresses; or no
    owner  ──/helper/keep───▸ helper     what is to be served, in parts after the call (`helped.py`)
    owner  ──/helper/have───▸ helper     these pages there are of these days, and no others
    owner  ──/helper/over───▸ helper     a grant has ended: nothing more is served under it
    helper ──/helper/receipt▸ owner      a window that was served, as both signed it
    owner  ──/helper/serves─▸ reader     who may serve while the owner is away, and where; or nobody

Source: docs/adr/0032-helpers.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .address import check_addresses
from .cid import cid_from_text, cid_text
from .collection import check_path
from .command_parts import digest_from_text, digest_text, recipient
from .day import UNDATED
from .did import Did, check_did
from .errors import RecordError, WireError
from .limits import (
    ADDRESSES_MAX,
    HELP_BYTES_MAX,
    HELP_IDS_MAX,
    LINE_CHARS_MAX,
    PART_BYTES_MAX,
    READ_CALL_BYTES_MAX,
    SIGNED_BYTES_MAX,
    TEXT_CHARS_MAX,
    TOKEN_BYTES_MAX,
)
from .wire import VERSION, Body, Value

PAGE_ID_BYTES = 16
# A digest over what a helper keeps for one owner.
STATE_BYTES = 16


@dataclass(frozen=True, slots=True)
class HelperAskArgs:
    """Whether the recipient is to serve for the sender while that is away."""

    to: Did
    helps: bool

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "helps": self.helps}


@dataclass(frozen=True, slots=True)
class HelperDecideArgs:
    """Whether the sender serves for the recipient; with which `device`, dialled at `addresses`."""

    to: Did
    device: Did | None
    addresses: tuple[str, ...]
    reason: str | None

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "device": self.device,
            "addresses": list(self.addresses),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class HelperKeepArgs:
    """`parts` are (SHA-256, length) of what follows the call, in order: see `helped.py`."""

    to: Did
    parts: tuple[tuple[bytes, int], ...]

    def value(self) -> dict[str, Value]:
        parts: list[Value] = [[digest_text(digest), length] for digest, length in self.parts]
        return {"v": VERSION, "to": self.to, "parts": parts}


@dataclass(frozen=True, slots=True)
class HelperHaveArgs:
    """The ids of all pages that there are of `path`, from day `first` to day `last` inclusive."""

    to: Did
    path: str
    first: int
    last: int
    ids: tuple[bytes, ...]

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "path": self.path,
            "from": self.first,
            "until": self.last,
            "ids": b"".join(self.ids),
        }


@dataclass(frozen=True, slots=True)
class HelperOverArgs:
    """The grant of this CID has ended."""

    to: Did
    grant: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "grant": cid_text(self.grant)}


@dataclass(frozen=True, slots=True)
class HelperReceiptArgs:
    """A window that was served: under which lease, in answer to which signed call, and what both
    sides signed, or the server alone."""

    to: Did
    lease: bytes
    call: bytes
    receipt: bytes

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "lease": self.lease,
            "call": self.call,
            "receipt": self.receipt,
        }


@dataclass(frozen=True, slots=True)
class HelperServesArgs:
    """The device of the lease `cert` may serve while the sender is away, at these addresses; its
    owner is called `name` by the sender.  Without `addresses` it does not any more."""

    to: Did
    cert: bytes
    addresses: tuple[str, ...]
    name: str

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "cert": self.cert,
            "addresses": list(self.addresses),
            "name": self.name,
        }


def ask_args(body: Body) -> HelperAskArgs:
    return HelperAskArgs(recipient(body), body.flag("helps"))


def decide_args(body: Body) -> HelperDecideArgs:
    device = body.maybe_text("device")
    addresses = check_addresses(body.items("addresses", items_max=ADDRESSES_MAX), "a helper")
    if device is None and addresses:
        raise WireError("a helper that does not serve listens nowhere")
    return HelperDecideArgs(
        recipient(body),
        None if device is None else check_did(device),
        addresses,
        body.maybe_text("reason", chars_max=TEXT_CHARS_MAX),
    )


def keep_args(body: Body) -> HelperKeepArgs:
    parts: list[tuple[bytes, int]] = []
    for part in body.items("parts", items_max=HELP_BYTES_MAX // PART_BYTES_MAX, items_min=1):
        match part:
            case [str(digest), int(length)] if (
                not isinstance(length, bool) and 0 < length <= PART_BYTES_MAX
            ):
                parts.append((digest_from_text(digest), length))
            case _:
                raise WireError("a part for a helper is not [sha256, bytes up to 1 MiB]")
    return HelperKeepArgs(recipient(body), tuple(parts))


def have_args(body: Body) -> HelperHaveArgs:
    first = body.integer("from", high=UNDATED)
    last = body.integer("until", high=UNDATED)
    if first > last:
        raise WireError("pages for a helper: from is after until")
    try:
        path = check_path(body.text("path"))
    except RecordError as error:
        raise WireError(str(error)) from error
    return HelperHaveArgs(recipient(body), path, first, last, ids_out(body.value("ids")))


def over_args(body: Body) -> HelperOverArgs:
    return HelperOverArgs(recipient(body), cid_from_text(body.text("grant")))


def receipt_args(body: Body) -> HelperReceiptArgs:
    return HelperReceiptArgs(
        recipient(body),
        body.data("lease", bytes_max=TOKEN_BYTES_MAX),
        body.data("call", bytes_max=READ_CALL_BYTES_MAX),
        body.data("receipt", bytes_max=SIGNED_BYTES_MAX),
    )


def serves_args(body: Body) -> HelperServesArgs:
    return HelperServesArgs(
        recipient(body),
        body.data("cert", bytes_max=TOKEN_BYTES_MAX),
        check_addresses(body.items("addresses", items_max=ADDRESSES_MAX), "a helper"),
        body.text("name", chars_max=LINE_CHARS_MAX, chars_min=1),
    )


def state_out(out: Value) -> bytes:
    """A digest over what the helper keeps for this owner.  Raises WireError."""
    if not isinstance(out, bytes) or len(out) != STATE_BYTES:
        raise WireError("what a helper keeps is told by a digest of 16 bytes")
    return out


def ids_out(out: Value) -> tuple[bytes, ...]:
    """Ids of pages, one after the other, ascending.  Raises WireError."""
    if not isinstance(out, bytes) or len(out) % PAGE_ID_BYTES:
        raise WireError("the ids of pages have 16 bytes each")
    ids = split_ids(out)
    if len(ids) > HELP_IDS_MAX or list(ids) != sorted(set(ids)):
        raise WireError("the ids of pages are too many, or do not ascend")
    return ids


def lacking_out(out: Value) -> bytes:
    """The ids of the pages that the helper lacks.  Raises WireError."""
    return join_ids(ids_out(out))


def split_ids(joined: bytes) -> tuple[bytes, ...]:
    return tuple(joined[at : at + PAGE_ID_BYTES] for at in range(0, len(joined), PAGE_ID_BYTES))


def join_ids(ids: Sequence[bytes]) -> bytes:
    return b"".join(ids)

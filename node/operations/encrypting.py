"""Encrypting again what a grant opened that was taken back, where its terms say so: to look on."""

from __future__ import annotations

from ...protocol.wire import Value
from ..results.grants import EncryptedAgain, EncryptingProgress
from ..shape import to_value
from .operation import Args, Emit, Host


async def encrypt_again(host: Host, args: Args, emit: Emit) -> Value:
    """Go on with everything that is claimed, until all of it is done."""
    again = host.node.reencryption
    pages = await host.node.store.database.read(again.pages_waiting)
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done = min(done + more, pages)
        emit.progress(to_value(EncryptingProgress(done, pages)))

    await again.work(tell)
    return to_value(EncryptedAgain(pages))

"""`entrenous quota`: how much a peer may fill of this node's disk."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..errors import UsageError
from ..sizes import size_of, spelled_size
from .options import USUAL, Options, node_of


async def quota(
    peer: str,
    size: Annotated[
        str | None, Parameter(help="How much it may fill in all, as `500 MB`; 0: nothing more.")
    ] = None,
    /,
    *,
    usual: Annotated[bool, Parameter(help="As much as every peer, as config.toml says.")] = False,
    options: Options = USUAL,
) -> None:
    """Show how much of your disk a peer has filled and may fill, or change it.

    What it has brought stays.  What would pass its quota is refused, and the peer is told so.

    Example: entrenous quota bank "500 MB"
    """
    if usual and size is not None:
        raise UsageError("a size or --usual, not both")
    async with node_of(options) as client:
        if usual or size is not None:
            found = await client.set_quota(peer, None if size is None else size_of(size))
        else:
            found = await client.quota(peer)
    whose = "set for this peer" if found.own else "as for every peer"
    options.screen.show("quota", found)
    options.screen.say(
        f"{peer} has filled {spelled_size(found.used_bytes)} of "
        f"{spelled_size(found.most_bytes)} ({whose})."
    )

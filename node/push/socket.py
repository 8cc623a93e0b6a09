"""Where the push socket stands, and who may open it.

    push_socket = "auto"     beside the control socket, for this user only
    push_socket = "/run/entrenous/push.sock", push_group = "sensors"
                             for members of that group too, in a folder that they can enter

The socket is made under another name, given its group and mode, and only then moved to its place:
nobody meets it half closed.
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from ..config import Config
from ..errors import HomeError, UsageError
from ..store.home import FILE_MODE

AUTO = "auto"
NO_GROUP = "none"
GROUP_MODE = 0o660
BACKLOG = 128
# A unix socket's path has at most 108 bytes on Linux and 104 elsewhere; ours is moved into place.
PATH_BYTES_MAX = 96


@asynccontextmanager
async def push_socket(control: Path, config: Config) -> AsyncGenerator[trio.SocketListener]:
    """Listen for as long as the context lasts.  `control`: where the control socket stands.

    Raises UsageError for settings that do not go together, HomeError.
    """
    path = push_path(control, config)
    group = _group(config)
    listening = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    draft = path.with_name(f".{path.name}")
    try:
        draft.unlink(missing_ok=True)
        await listening.bind(str(draft))  # nobody connects before it listens
        if group is not None:
            os.chown(draft, -1, group)
            draft.chmod(GROUP_MODE)
        else:
            draft.chmod(FILE_MODE)
        listening.listen(BACKLOG)
        draft.replace(path)
    except OSError as error:
        listening.close()
        draft.unlink(missing_ok=True)
        raise HomeError(f"the push socket {path} cannot be made: {error.strerror}") from error
    try:
        async with trio.SocketListener(listening) as listener:
            yield listener
    finally:
        path.unlink(missing_ok=True)


def push_path(control: Path, config: Config) -> Path:
    """The place of the socket.  Raises UsageError, HomeError."""
    if config.push_socket == AUTO:
        if config.push_group != NO_GROUP:
            raise UsageError(
                "the setting push_group needs push_socket: a path in a folder that the group "
                "can enter"
            )
        return control.with_suffix(".push")
    path = Path(config.push_socket)
    if not path.is_absolute() or len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise UsageError(
            f"the setting push_socket is an absolute path of at most {PATH_BYTES_MAX} bytes"
        )
    try:
        folder = path.parent.stat()
        there = path.lstat() if path.is_symlink() or path.exists() else None
    except OSError as error:
        raise HomeError(f"the folder of the push socket: {error.strerror}") from error
    open_to_others = folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX
    if open_to_others or folder.st_uid not in (0, os.geteuid()):
        raise HomeError(
            f"{path.parent} can be changed by others: the push socket needs a folder of your own"
        )
    if there is not None and not stat.S_ISSOCK(there.st_mode):
        raise HomeError(f"{path} is something else than a socket; it is left as it is")
    return path


def socket_path(listener: trio.SocketListener) -> Path:
    """Where a listening unix socket stands."""
    return Path(str(listener.socket.getsockname()))


def _group(config: Config) -> int | None:
    if config.push_group == NO_GROUP:
        return None
    try:
        return grp.getgrnam(config.push_group).gr_gid
    except KeyError:
        raise UsageError(f"there is no group {config.push_group} (push_group)") from None

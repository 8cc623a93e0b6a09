"""How the machine runs a node: `unit`, `completion`.

A *user* unit runs the node of whoever is logged in, with its home where it is.  A *system* unit
runs it under an account of its own, for a home server or an organisation, and closes everything
that a node does not need: it sees its own home and nothing else of the disk, and may not gain
rights.  In both the passphrase comes as a service credential, never as an argument.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..errors import Exit, UsageError
from .options import USUAL, Options
from .visible import visible

Shell = Literal["bash", "zsh", "fish"]

_USER_UNIT = """\
# A systemd user unit for entrenous.
#
#   entrenous unit > ~/.config/systemd/user/entrenous.service
#   systemd-creds --user encrypt --name=entrenous.passphrase - ~/.config/entrenous.cred
#       (type the passphrase, then Ctrl-D twice)
#   systemctl --user enable --now entrenous
#   loginctl enable-linger      (so that it runs while you are logged out)

[Unit]
Description=entrenous: your personal data network node
Documentation=man:systemd.exec(5)

[Service]
ExecStart={command} up --home {home}
LoadCredentialEncrypted=entrenous.passphrase:%h/.config/entrenous.cred
Restart=on-failure
RestartSec=5
# wrong usage, no home, locked: starting again would not help
RestartPreventExitStatus=2 3 4
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""

_SYSTEM_UNIT = """\
# A systemd system unit for entrenous: a node under an account of its own.
#
#   useradd --system --home-dir {home} --shell /usr/sbin/nologin {account}
#   install -d -o {account} -g {account} -m 700 {home}
#   sudo -u {account} entrenous init --home {home}
#   entrenous unit --system > /etc/systemd/system/entrenous.service
#   systemd-creds encrypt --name=entrenous.passphrase - /etc/entrenous.cred
#       (type the passphrase, then Ctrl-D twice)
#   systemctl enable --now entrenous
#
# Commands reach it as its account:
#   sudo -u {account} XDG_RUNTIME_DIR=/run/entrenous entrenous status --home {home}

[Unit]
Description=entrenous: a personal data network node
Documentation=man:systemd.exec(5)
Wants=network-online.target
After=network-online.target

[Service]
User={account}
ExecStart={command} up --home {home}
LoadCredentialEncrypted=entrenous.passphrase:/etc/entrenous.cred
Environment=XDG_RUNTIME_DIR=/run/entrenous
RuntimeDirectory=entrenous
RuntimeDirectoryMode=0700
Restart=on-failure
RestartSec=5
# wrong usage, no home, locked: starting again would not help
RestartPreventExitStatus=2 3 4
UMask=0077
LimitNOFILE=4096
LimitCORE=0
# what it was measured to need, with room; beyond it something is wrong
MemoryMax=1G
TasksMax=64
# the disk is there to read its program; what it may write is its home
ProtectSystem=strict
ReadWritePaths={home}
ProtectHome={protect_home}
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""
# The home of a system service.  That of whoever types the command is closed to its account.
_SYSTEM_HOME = Path("/var/lib/entrenous")
# Where accounts of people live: a system service does not look there, unless its home or its
# program is there.
_HOMES_OF_PEOPLE = (Path("/home"), Path("/root"), Path("/run/user"))


async def unit(
    *,
    system: Annotated[
        bool,
        Parameter(help="For the whole machine, under an account of its own.", show_default=False),
    ] = False,
    account: Annotated[str, Parameter(help="With --system: the account.")] = "entrenous",
    options: Options = USUAL,
) -> int:
    """Print a systemd unit that keeps the node running: for this user, or for the machine.

    With --system the home is /var/lib/entrenous, unless --home or ENTRENOUS_HOME names another.

    Example: entrenous unit > ~/.config/systemd/user/entrenous.service
    """
    if system:
        named = options.home or os.environ.get("ENTRENOUS_HOME")
        home = options.folder.absolute() if named else _SYSTEM_HOME
        text = system_unit(own_command(), home, account)
    else:
        text = user_unit(own_command(), options.folder.absolute())
    print(text, end="")
    return Exit.DONE


def user_unit(command: tuple[str, ...], home: Path) -> str:
    """The user unit that runs `command` on `home`.  Raises UsageError."""
    return _USER_UNIT.format(command=_words(command), home=_quoted(str(home)))


def system_unit(command: tuple[str, ...], home: Path, account: str) -> str:
    """The system unit that runs `command` on `home` as `account`.  Raises UsageError."""
    if not account.isascii() or not account.replace("-", "").replace("_", "").isalnum():
        raise UsageError("an account is named by letters, digits, - and _")
    if _among_people(home):
        protect_home = "no"
    else:
        protect_home = "read-only" if _among_people(Path(command[0])) else "yes"
    return _SYSTEM_UNIT.format(
        command=_words(command),
        home=_quoted(str(home)),
        account=account,
        protect_home=protect_home,
    )


def _among_people(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _HOMES_OF_PEOPLE)


async def completion(
    shell: Annotated[Shell, Parameter(help="Which shell the script is for.")],
    /,
    *,
    options: Options = USUAL,
) -> int:
    """Print a script that lets your shell complete commands and options.

    Example: entrenous completion bash > ~/.local/share/bash-completion/completions/entrenous
    """
    from .app import make_app

    print(make_app().generate_completion(shell=shell), end="")
    return Exit.DONE


def own_command() -> tuple[str, ...]:
    """How this program is started, by absolute paths."""
    script = Path(sys.argv[0])
    if script.name == "entrenous" and os.access(script, os.X_OK):
        return (str(script.absolute()),)
    return (sys.executable, "-m", "entrenous.node.cli")


def _words(command: tuple[str, ...]) -> str:
    return " ".join(_quoted(word) for word in command)


def _quoted(word: str) -> str:
    """A word as systemd reads it: % and $ stand for themselves, spaces do not end it."""
    if visible(word) != word.replace("\\", "\\\\"):
        raise UsageError("a path with control characters does not fit into a unit")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or " " in word else word

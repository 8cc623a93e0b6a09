"""The table of commands, and the help that lists them all.

Commands of other packages come by the entry points `entrenous.commands`, services by
`entrenous.services`; a built-in name is never replaced.  This module imports no library: the list
is what a stranger asks for first, and should not wait.
"""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PROGRAM_IS = "Your data stays yours, and you lend it out by grants."

# group -> (command, where, one line)
COMMANDS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "Your node": (
        ("init", "house:init", "Make a home: keys, a passphrase, recovery words."),
        ("up", "house:up", "Run the node until it is stopped."),
        ("stop", "house:stop", "Stop the node that runs on this home."),
        ("status", "house:status", "Show how the node is."),
        ("backup", "house:backup", "Write the whole node, encrypted, to one file."),
        ("restore", "house:restore", "Make a home from a backup and the recovery words."),
        ("devices", "devices:devices_app", "List your devices, or let one join."),
        ("unit", "service:unit", "Print a systemd unit that keeps the node running."),
        ("doctor", "doctor:doctor", "Say what is wrong with the node, and what to do."),
        (
            "completion",
            "service:completion",
            "Print a script that lets your shell complete commands.",
        ),
    ),
    "Peers": (
        ("invite", "meet:invite", "Make a link with which one other node can pair with yours."),
        ("pair", "meet:pair", "Pair with the node that made a link."),
        ("meet", "meet_again:meet", "Find a peer again after both of you lost your machines."),
        ("peers", "meet:peers", "List the nodes that yours is paired with."),
        ("quota", "quota:quota", "Show or set how much of your disk a peer may fill."),
        ("card", "card:card_app", "Show what an organisation says of itself, or write it."),
        ("vouch", "vouch:vouch", "Vouch for an organisation to the people you know."),
    ),
    "Your household": (
        ("people", "household:people_app", "List the people of your household, or add one."),
        ("mandates", "household:mandates", "List who may act for whom, until when."),
        ("mandate", "household:mandate_app", "Let somebody act for you, or act for somebody."),
    ),
    "Your data": (
        ("import", "data:import_", "Put files that you were given into your vault."),
        ("imports", "data:imports_app", "List what was imported, or undo an import."),
        ("add", "declare:add_app", "Put a record into your vault that no file has."),
        ("remove", "declare:remove", "Take out a record that was added."),
        ("collections", "data:collections", "List what your vault holds."),
        ("views", "views:views", "List your views: sums, bands, chosen fields."),
        ("view", "views:view_app", "Make a view of a collection, or remove one."),
        ("read", "data:read", "Read your own records."),
        ("erase", "erase:erase", "Erase a record, a collection or everything, for good."),
        ("erased", "erase:erased_app", "List what was erased, or let it come again."),
        ("export", "export:export", "Write your data to a folder, in clear and verifiable."),
        ("deliver", "data:deliver", "Hand data back to the person it is about."),
        ("deliveries", "data:deliveries", "List data that was handed to you, or by you."),
    ),
    "Programs": (
        ("allow", "programs:allow", "Let a program on this machine add records."),
        ("allowed", "programs:allowed", "List the programs that may, and what they brought."),
        ("disallow", "programs:disallow", "End what a program may do, at once."),
        ("push", "programs:push", "Add records as a program that was allowed to."),
    ),
    "Lending": (
        ("ask", "ask:ask", "Ask a peer to lend you days of their data."),
        ("asked", "ask:asked", "List what you asked of others."),
        ("inbox", "lend:inbox", "List the requests that wait for your decision."),
        ("choices", "views:choices", "Show what each answer to a request gives away."),
        ("decide", "lend:decide", "Grant or refuse a request."),
        ("terms", "terms:terms_app", "Show terms, or write what you accept in general."),
        ("fetch", "fetch:fetch", "Read what a peer lends you."),
        ("lend-on", "processing:lend_on", "Let your processor read what you were granted."),
        ("processing", "processing:processing_app", "Say for whom this node processes."),
        ("grants", "grants:grants", "List who may see what, until when."),
        ("who", "history:who", "Say who may read a collection, and who has read it."),
        ("history", "history:history", "Tell everything between you and a peer."),
        ("revoke", "grants:revoke", "Take a grant back, or all grants of a peer."),
        ("renew", "renewal:renew", "Let a grant go on for longer, once or by itself."),
        ("helpers", "helpers:helpers_app", "Let a peer serve for you while you are away."),
        ("keep", "grants:keep", "Confirm a grant that a restore suspended."),
    ),
    "Correcting together": (
        ("shared", "shared:shared_app", "List, propose and answer changes of shared records."),
    ),
    "Money": (
        ("accounts", "accounts:accounts_app", "Show what is owed, and say that it was paid."),
    ),
    "Without a network": (
        ("outbox", "parcels:outbox", "List what waits for whom, or write it to a file."),
        ("take", "parcels:take", "Take what a peer wrote to a file for you."),
    ),
    "Proof": (
        ("log", "log:log_app", "List what was signed, verify it, prove it; witnesses."),
        ("delegate", "proof:delegate", "Sign a sub-delegation of a grant that you hold."),
        ("invoke", "proof:invoke", "Send one raw invocation to a peer."),
    ),
}


def overview() -> str:
    """What `entrenous --help` prints, within 80 columns."""
    lines = [
        "Usage: entrenous COMMAND [OPTIONS]",
        "",
        PROGRAM_IS,
        "",
        "First steps:",
        "  entrenous init --name Home      make a home, write down its recovery words",
        "  entrenous up                    run it; then, in another terminal:",
        "  entrenous import FILE           put a file that you were given into it",
        "  entrenous demo                  or watch the whole story with three nodes",
    ]
    for title, commands in COMMANDS.items():
        lines += ["", title, *(f"  {name:<13}{line}" for name, _, line in commands)]
    for title, more in (("Services", services()), ("More", other_commands())):
        if not more:
            continue
        lines += ["", title, *(f"  {one.name:<13}{first_line(one)}" for one in more)]
    lines += [
        "",
        "`entrenous COMMAND --help` explains a command, with an example.",
        "--home DIR (or ENTRENOUS_HOME) names the node; --json prints for programs.",
        "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no such thing,",
        "4 not allowed, 5 the other side is away and it is queued.",
    ]
    return "\n".join(lines)


def other_commands() -> list[EntryPoint]:
    """The commands that other packages bring, by name."""
    return _found("entrenous.commands", set(command_names()))


def services() -> list[EntryPoint]:
    """The services that are installed, by name: what a person does with what their vault holds."""
    others = {one.name for one in other_commands()}
    return _found("entrenous.services", others.union(command_names()))


def _found(group: str, taken: set[str]) -> list[EntryPoint]:
    # Loaded late: it takes longer than the whole of this table.
    from importlib.metadata import entry_points

    found = {one.name: one for one in entry_points(group=group)}
    return [found[name] for name in sorted(found.keys() - taken)]


def _spec_of(module: str) -> ModuleSpec | None:
    """Where a module is; unlike `importlib.util.find_spec`, without loading what it stands in."""
    name, spec = "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, None if spec is None else spec.submodule_search_locations)
        if spec is None:
            return None
    return spec


def first_line(found: EntryPoint) -> str:
    """The first line of what a command of another package says of itself, without loading it."""
    try:
        spec = _spec_of(found.module)
        if spec is None or spec.origin is None:
            return ""
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (ImportError, OSError, SyntaxError, ValueError):
        return "(it cannot be loaded)"
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=found.attr) | ast.AsyncFunctionDef(name=found.attr):
                return (ast.get_docstring(node) or "").partition("\n")[0]
            case ast.Assign(targets=[ast.Name(id=found.attr)], value=ast.Call(keywords=given)):
                # A group of commands: an App, whose `help` is a text.
                texts = (one.value for one in given if one.arg == "help")
                return next((str(t.value) for t in texts if isinstance(t, ast.Constant)), "")
            case _:
                pass
    return ""


def command_names() -> tuple[str, ...]:
    """The built-in commands, in the order in which help lists them."""
    return tuple(name for commands in COMMANDS.values() for name, _, _ in commands)

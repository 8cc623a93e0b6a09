"""Cards: `card PEER`, `card show`, `card set`, `card check`, `card well-known`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

from cyclopts import App, Parameter

from ...protocol.card import Card, Change, Item, card_from_mapping, one_line
from ...protocol.did import did_of
from ...protocol.domain import domain_from_text, shown_domain
from ...protocol.errors import ProtocolError
from ...protocol.limits import CARD_BYTES_MAX
from ...protocol.wire import Value, encode
from ..errors import UsageError
from ..results.peers import CardInfo
from .days import moment
from .options import USUAL, Options, node_of
from .screen import Screen
from .standing_words import show_standing
from .terms_words import frugality_in_words
from .words import counted
from .written_file import read_mapping

card_app = App(name="card", help="Show what an organisation says of itself, or write it.")
# What a card is checked with where no node is opened: nobody's key, the first number.
_NOBODY = did_of(bytes(32))
# A signed card is its body, a label and a signature.
_SIGNATURE_BYTES = 96

Peer = Annotated[str, Parameter(help="Whose card.")]
Changes = Annotated[bool, Parameter(help="What changed, and when.")]
File = Annotated[Path, Parameter(help="A YAML, TOML or JSON file; docs/cli.md says what is in it.")]


@card_app.default
async def card(peer: Peer, /, *, changes: Changes = False, options: Options = USUAL) -> None:
    """Show what a peer says of itself: who it is, how it earns, what it holds of you.

    It is the peer's own word, signed by its key; nobody else has checked it.

    Example: entrenous card bank --changes
    """
    await _show(peer, changes=changes, options=options)


@card_app.command
async def show(
    peer: Annotated[str | None, Parameter(help="Whose card; without it, your own.")] = None,
    /,
    *,
    changes: Changes = False,
    options: Options = USUAL,
) -> None:
    """Show your organisation's own card, or that of a peer.

    Example: entrenous card show
    """
    await _show(peer, changes=changes, options=options)


@card_app.command(name="set")
async def set_(file: File, /, *, options: Options = USUAL) -> None:
    """Sign a card for your organisation, and show it to everyone you are paired with.

    Example: entrenous card set card.yaml
    """
    written = _read(file)
    _checked(written, file)
    async with node_of(options) as client:
        made = await client.set_card(written)
    screen = options.screen
    screen.show("card", _as_json(made))
    screen.say(f"Your card says what {file.name} says; your peers are told.")
    if made.card.domain is not None:
        screen.say(
            f"`entrenous card well-known` prints what {shown_domain(made.card.domain)} has to "
            "publish."
        )


@card_app.command
async def check(file: File, /, *, options: Options = USUAL) -> None:
    """Look whether a file makes a card, and show it as others will see it.  Nothing is signed.

    Example: entrenous card check card.yaml
    """
    found = _checked(_read(file), file)
    size = len(encode(found.value())) + _SIGNATURE_BYTES
    screen = options.screen
    screen.show("card check", {"name": found.name, "domain": found.domain, "bytes": size})
    _show_card(screen, found)
    screen.say(f"A card of {size:,} bytes; it may have {CARD_BYTES_MAX:,}.")


@card_app.command(name="well-known")
async def well_known(*, options: Options = USUAL) -> None:
    """Print the document by which your domain says that your key is yours.

    Publish it at https://YOUR-DOMAIN/.well-known/entrenous as application/json.

    Example: entrenous card well-known > .well-known/entrenous
    """
    async with node_of(options) as client:
        domain, document = await client.well_known()
    screen = options.screen
    screen.show("card well-known", {"domain": domain, "document": document})
    if screen.json:
        return
    # Exactly as it is to be published, whatever the width of a terminal.
    print(document, end="", flush=True)
    if domain is None:
        screen.note("Your card claims no domain yet: write `domain: example.org` in its file.")
    else:
        screen.note("To be published as application/json, without a redirect, at")
        screen.note(f"  https://{domain}/.well-known/entrenous")


# --- reading a file -------------------------------------------------------------------------------


def _read(file: Path) -> Mapping[str, Value]:
    """The mapping in `file`, its domain in the one form.  Raises NotFound, UsageError."""
    found = dict(read_mapping(file, what="a card", bytes_max=4 * CARD_BYTES_MAX))
    domain = found.get("domain")
    if isinstance(domain, str):
        try:
            found["domain"] = domain_from_text(domain)
        except ProtocolError as error:
            raise UsageError(str(error)) from error
    return cast("Mapping[str, Value]", found)


def _checked(written: Mapping[str, object], file: Path) -> Card:
    """The card that `written` makes, but for its key and number.  Raises UsageError."""
    try:
        found = card_from_mapping(written, did=_NOBODY, n=1, t_ms=0, name=file.stem)
    except ProtocolError as error:
        raise UsageError(str(error)) from error
    if len(encode(found.value())) + _SIGNATURE_BYTES > CARD_BYTES_MAX:
        raise UsageError(f"this makes a card of more than {CARD_BYTES_MAX:,} bytes")
    return found


# --- showing --------------------------------------------------------------------------------------


async def _show(peer: str | None, *, changes: bool, options: Options) -> None:
    async with node_of(options) as client:
        found = await client.card(peer)
    screen = options.screen
    screen.show("card", _as_json(found))
    if screen.json:
        return
    if changes:
        _show_changes(screen, found)
        return
    if found.peer is None:
        screen.say("Your card, as your peers see it")
    elif found.peer == found.card.name:
        screen.say(f"{found.peer} says of itself")
    else:
        screen.say(f"{found.peer}, which calls itself {found.card.name}, says of itself")
    if found.standing is not None:
        show_standing(screen, found.standing)
    _show_card(screen, found.card)
    newest = found.versions[-1]
    screen.say()
    if found.frugality is not None and found.frugality.lines:
        # The one line of this page that is not its own word.
        screen.say(f"Of you it {frugality_in_words(found.frugality)}.")
    screen.say(f"Signed {moment(found.card.t_ms)}, came {moment(newest.heard_ms)}.")
    if newest.changes:
        several = counted(len(newest.changes), "thing")
        screen.say(f"{several} changed then: `entrenous card {found.peer} --changes`.")


def _as_json(found: CardInfo) -> dict[str, object]:
    card = found.card
    return {
        "peer": found.peer,
        "cid": found.cid,
        **{key: value for key, value in card.value().items() if key != "v"},
        "standing": found.standing,
        "versions": list(found.versions),
        "frugality": found.frugality,
    }


def _show_card(screen: Screen, card: Card) -> None:
    who = card.who
    screen.fact("name", card.name)
    if card.domain is not None:
        screen.fact("domain", shown_domain(card.domain))
    screen.fact("who", who.legal_name)
    for label, value in (
        ("registered", who.registration),
        ("address", who.address),
        ("contact", who.contact),
        ("about data", who.data_protection),
    ):
        if value is not None:
            screen.fact(label, value)
    screen.fact("earns", card.earns)
    screen.say()
    _show_list(screen, "It holds of you", "It says that it holds nothing of you.", card.holds)
    _show_list(
        screen, "It does not hand back", "It says that it hands back all of it.", card.keeps_back
    )
    _show_list(screen, "Who works for it", "It says that nobody else works on it.", card.processors)
    _show_list(screen, "What went wrong", "It names no incident.", card.incidents)


def _show_list(screen: Screen, title: str, empty: str, items: Sequence[Item]) -> None:
    if not items:
        screen.say(empty)
        return
    screen.say(title)
    for item in items:
        screen.say(f"  - {one_line(item)}")


def _show_changes(screen: Screen, found: CardInfo) -> None:
    told = [version for version in found.versions if version.changes]
    if not told:
        screen.say("It has said the same since it first came.")
    for version in reversed(told):
        screen.say(f"Came {moment(version.heard_ms)}")
        for change in version.changes:
            screen.fact(*_change_in_words(change))


def _change_in_words(change: Change) -> tuple[str, str]:
    label = {"before": "no longer", "after": "new", "both": "changed"}
    kind = "after" if change.before is None else "before" if change.after is None else "both"
    what = change.field.replace("_", " ")
    if kind == "both":
        return label[kind], f"{what}: {change.before}, now: {change.after}"
    return label[kind], f"{what}: {change.after if kind == 'after' else change.before}"

"""Terms: `terms ID`, `terms purposes`, `terms standing …`, `terms frugality`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

from cyclopts import App, Parameter

from ...protocol.errors import ProtocolError
from ...protocol.limits import STANDING_BYTES_MAX
from ...protocol.standing_terms_file import standing_from_mapping, standing_value
from ...protocol.terms import Clause, Force
from ...protocol.terms_narrowing import differences, narrowed
from ...protocol.wire import Value
from ..errors import Exit, NotFound, UsageError
from ..grants.vocabulary import purposes as known_purposes
from ..results.grants import RequestInfo
from ..results.terms import Frugality, TermsInfo
from .days import days_in_words, moment
from .json_form import plain
from .names import find, short
from .options import USUAL, Options, node_of
from .requests import now_ms, request_named
from .screen import Screen
from .terms_words import frugality_in_words
from .words import show_request, show_terms, shown_id
from .written_file import read_mapping

terms_app = App(name="terms", help="Show terms whole, and write what you accept in general.")
standing_app = App(name="standing", help="What you accept in general, as rules that you write.")
terms_app.command(standing_app)

# The keys of a rule in the order of docs/terms.md.
_RULE_KEYS = (
    *("level", "peers", "purposes", "collections", "paid", "days", "retention_days", "life_days"),
    *("undated", "recipients", "clauses", "beyond", "reason", "ask_again_days", "shown"),
)

Language = Annotated[Literal["en", "fr"], Parameter(name="--lang", help="English or French.")]
Id = Annotated[str, Parameter(help="A request or a grant, or the first characters of its id.")]
Odrl = Annotated[bool, Parameter(help="Print the ODRL policy in JSON-LD, and nothing else.")]


RetentionDays = Annotated[
    int | None, Parameter(name="--retention", help="They may keep it for so many days at most.")
]
Recipients = Annotated[
    tuple[str, ...],
    Parameter(name="--recipient", help="Of those it would go to, this one only.", negative=""),
]
NoRecipients = Annotated[bool, Parameter(help="They may pass it on to nobody.")]
MoreClauses = Annotated[
    tuple[str, ...], Parameter(name="--clause", help="They promise this too.", negative="")
]


@dataclass(frozen=True, slots=True)
class Harder:
    """How a decision binds the reader harder than it asked; nothing: as it asked."""

    retention_days: int | None
    recipients: tuple[str, ...]
    no_recipients: bool
    clauses: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.retention_days is not None or bool(
            self.recipients or self.no_recipients or self.clauses
        )

    @property
    def chosen(self) -> tuple[str, ...] | None:
        """The recipients that are left; None for all."""
        return self.recipients or (() if self.no_recipients else None)


def show_harder(screen: Screen, harder: Harder, request: RequestInfo) -> None:
    """What the other side has to agree to, if anything.  Raises UsageError."""
    if not harder:
        return
    asked = request.terms
    if harder.no_recipients and harder.recipients:
        raise UsageError("--recipient and --no-recipients do not go together")
    try:
        made = narrowed(
            asked,
            retention_days=harder.retention_days,
            recipients=None
            if harder.chosen is None
            else [one for one in asked.recipients if one in harder.chosen],
            clauses=[Clause(text, Force.PROMISED) for text in harder.clauses],
        )
    except ProtocolError as error:
        raise UsageError(str(error)) from error
    for change in differences(asked, made):
        screen.fact("narrowed", change)
    if made != asked:
        screen.say(f"{request.peer} can read once it has agreed to these terms.")


@terms_app.default
async def terms(
    id: Id, /, *, odrl: Odrl = False, lang: Language = "en", options: Options = USUAL
) -> None:
    """Show the terms of a request or grant: what for, what is enforced, what is only promised.

    What is enforced is reckoned by this program, whatever the other side wrote beside a clause.

    Example: entrenous terms 5hr7q2ka
    """
    await _show(options, id, odrl=odrl, lang=lang)


@terms_app.command
async def show(
    id: Id, /, *, odrl: Odrl = False, lang: Language = "en", options: Options = USUAL
) -> None:
    """Show the terms of a request or grant.

    Example: entrenous terms show 5hr7q2ka --odrl
    """
    await _show(options, id, odrl=odrl, lang=lang)


async def _show(options: Options, id: str, *, odrl: bool, lang: Literal["en", "fr"]) -> None:
    async with node_of(options) as client:
        found = await client.terms(id, lang)
    screen = options.screen
    if odrl:
        # As it is, for a program: never broken at the width of a terminal.
        print(json.dumps(plain(found.odrl), indent=None if screen.json else 2), flush=True)
        return
    screen.show("terms show", found)
    if not screen.json:
        _show_terms(screen, found)


def _show_terms(screen: Screen, found: TermsInfo) -> None:
    ways = {
        "given": f"You lend to {found.peer}",
        "held": f"{found.peer} lends to you",
        "in": f"{found.peer} asks you",
        "out": f"You asked {found.peer}",
    }
    offered = ", and was offered in answer" if found.kind == "offer" else ""
    screen.say(f"{ways[found.side]}{offered} ({found.kind} {short(found.id)}, {found.state})")
    # ODRL's words, as --odrl has them: who lends, and who is lent to
    screen.fact("assigner", found.assigner)
    screen.fact("assignee", found.assignee)
    for window in found.windows:
        screen.fact("for", f"{window.collection}, {days_in_words(window.first, window.last)}")
    show_terms(screen, found.terms)
    screen.fact("until", moment(found.exp_s * 1000))
    for change in found.changes:
        screen.fact("narrowed", change)
    for sentence in found.held_to:
        screen.fact("enforced", sentence)
    screen.say(found.licence)


@terms_app.command
def purposes(*, lang: Language = "en", options: Options = USUAL) -> None:
    """List the purposes that this program knows, each under those that it is a special case of.

    A request may name another one; it is shown as unknown.

    Example: entrenous terms purposes --lang fr
    """
    known, screen = known_purposes(), options.screen
    found = [
        {"id": one.id, "label": one.labels[lang], "under": list(one.under)}
        for one in known.by_id.values()
    ]
    screen.show_lines("terms purposes", found)
    if screen.json:
        return
    below: dict[str, list[str]] = {}
    for one in known.by_id.values():
        for wider in one.under or ("",):
            below.setdefault(wider, []).append(one.id)

    def tree(above: str, depth: int) -> None:
        for id in below.get(above, ()):
            screen.say(f"{'  ' * depth}{known.shown(id, lang)}")
            tree(id, depth + 1)

    tree("", 0)


@terms_app.command
async def frugality(
    peer: Annotated[str, Parameter(help="Who asks.")], /, *, options: Options = USUAL
) -> None:
    """Show how much of what a peer asked for its purposes need, and what the figure is made of.

    Example: entrenous terms frugality bank
    """
    async with node_of(options) as client:
        found = await client.frugality(peer)
    screen = options.screen
    screen.show("terms frugality", {"peer": peer, **_fields(found)})
    if screen.json:
        return
    if not found.lines:
        screen.say(f"{peer} has asked for nothing yet.")
        return
    screen.say(f"{peer} {frugality_in_words(found)}")
    for line in found.lines:
        if line.needed is None:
            needed = "not reckoned" if line.schema else "nothing of this is in your vault"
        else:
            needed = f"needs {', '.join(line.needed) or 'nothing of it'}"
        screen.entry(
            line.collection,
            f"for {known_purposes().shown(line.purpose)}",
            f"asks for {', '.join(line.asked) or 'what is not known here'}",
            needed,
        )


def _fields(found: Frugality) -> dict[str, object]:
    return {
        "asked": found.asked,
        "needed": found.needed,
        "percent": found.percent,
        "left_out": found.left_out,
        "lines": found.lines,
    }


# --- standing terms -------------------------------------------------------------------------------


@standing_app.default
async def standing(*, options: Options = USUAL) -> None:
    """Show the rules that decide requests for you.

    Example: entrenous terms standing
    """
    await _standing(options)


@standing_app.command(name="show")
async def standing_show(*, options: Options = USUAL) -> None:
    """Show the rules that decide requests for you.

    Example: entrenous terms standing show
    """
    await _standing(options)


async def _standing(options: Options) -> None:
    async with node_of(options) as client:
        value = await client.standing_terms()
    options.screen.show("terms standing", value)
    _show_rules(options.screen, value, "You have no standing terms: every request waits for you.")


@standing_app.command(name="set")
async def standing_set(
    file: Annotated[Path, Parameter(help="A YAML, TOML or JSON file; docs/terms.md explains it.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Put the rules of a file in force, in place of all that were.

    What waits already goes on waiting: `terms standing check` says what the rules make of it.

    Example: entrenous terms standing set standing.yaml
    """
    written = read_mapping(file, what="standing terms", bytes_max=STANDING_BYTES_MAX)
    try:
        value = standing_value(standing_from_mapping(written))
    except ProtocolError as error:
        raise UsageError(str(error)) from error
    async with node_of(options) as client:
        made = await client.set_standing_terms(cast("Mapping[str, Value]", value))
    options.screen.show("terms standing", made)
    _show_rules(options.screen, made, "No standing terms any more: every request waits for you.")


@standing_app.command(name="check")
async def standing_check(
    request: Annotated[str, Parameter(help="The request, or the first characters of its id.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Say what the rules make of a request.  Nothing is decided.

    Example: entrenous terms standing check 5hr7q2ka
    """
    async with node_of(options) as client:
        found = await client.check_standing_terms(request)
    screen = options.screen
    screen.show("terms standing check", found)
    says = {"grant": "It would be granted", "queue": "It waits for you", "refuse": "It is refused"}
    screen.say(f"{says[found.does]}: {found.why}")
    for window in found.windows:
        screen.fact("gives", f"{window.collection}, {days_in_words(window.first, window.last)}")
    if found.exp_s is not None:
        screen.fact("until", moment(found.exp_s * 1000))
    for change in found.changes:
        screen.fact("narrowed", change)


@standing_app.command(name="of")
async def standing_of(
    peer: Annotated[str, Parameter(help="Whom to ask.")],
    /,
    *,
    kept: Annotated[
        bool, Parameter(help="Show what it told when it was last asked; ask nobody.")
    ] = False,
    options: Options = USUAL,
) -> None:
    """Ask a peer which of its standing terms it shows to you, before you draft a request.

    `ask --check` says what they make of a draft.

    Example: entrenous terms standing of alice
    """
    async with node_of(options, network=not kept) as client:
        found = await (client.standing_told(peer) if kept else client.ask_standing_terms(peer))
    options.screen.show("terms standing of", found)
    if kept:
        options.screen.say(f"As {peer} told it on {moment(found.heard_ms)}.")
    _show_rules(options.screen, {"rules": found.rules}, f"{peer} shows no standing terms to you.")


def _show_rules(screen: Screen, value: Value, empty: str) -> None:
    if screen.json or not isinstance(value, Mapping):
        return
    rules = value.get("rules")
    again = value.get("ask_again_days")
    if isinstance(again, int):
        screen.say(f"Who asks the same within {again:,} days of a refusal is refused.")
    if not isinstance(rules, (list, tuple)) or not rules:
        screen.say(empty if again is None else "No rules besides: every other request waits.")
        return
    for number, rule in enumerate(rules, 1):
        if isinstance(rule, Mapping):
            keys = sorted(rule, key=_place)
            said = [f"{key}: {_said(rule[key])}" for key in keys if _says(key, rule[key])]
            screen.entry(str(number), f"{rule.get('name')}: {rule.get('does')}", *said)


def _place(key: str) -> int:
    """Where `key` of a rule is shown: as docs/terms.md has them, what it does not name last."""
    return _RULE_KEYS.index(key) if key in _RULE_KEYS else len(_RULE_KEYS)


def _says(key: str, value: Value) -> bool:
    if key in ("name", "does") or value == "any":
        return False
    # 0 says something: not kept beyond its use, asked again at once.
    return value is not None and value is not False and value != [] and value != ()


def _said(value: Value) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return "yes" if value is True else str(value)


# --- answers that wait for you --------------------------------------------------------------------


async def settle_offer(
    options: Options, id: str, reason: str | None, *, accept: bool, yes: bool
) -> int:
    """Agree to an answer with other terms than you asked for, or do not: `decide ID accept`."""
    screen = options.screen
    async with node_of(options) as client:
        asked = await client.asked()
        cid = find(id, [one.id for one in asked], "request of yours", "entrenous asked")
        request = request_named(asked, id)
        if request.state != "offered":
            raise UsageError(f"this request was not answered with other terms: {request.state}")
        found = await client.terms(cid)
    if not screen.json:
        _show_terms(screen, found)
    question = "Agree to these terms?" if accept else f"Decline what {request.peer} offers?"
    if not screen.confirm(question, yes=yes):
        screen.note("Nothing was decided; the offer still waits.")
        return Exit.FAILED
    async with node_of(options) as client:
        if accept:
            grant = await client.accept_offer(cid)
            screen.show("terms accept", {"request": cid, "grant": grant})
            screen.say(f"Agreed: {short(grant)}.  Its keys are asked for.")
        else:
            await client.decline_offer(cid, reason)
            screen.show("terms decline", {"request": cid, "reason": reason})
            screen.say(f"Declined; {request.peer} is told.")
    return Exit.DONE


def show_offers(screen: Screen, offers: list[RequestInfo]) -> None:
    """The answers that wait for you, in a list."""
    for one in offers:
        changes = () if one.marks is None else one.marks.changes
        windows = one.items if one.marks is None else one.marks.offered
        screen.entry(
            shown_id(one),
            f"{one.peer} would lend it to you on other terms than you asked for",
            *(f"{item.collection}, {days_in_words(item.first, item.last)}" for item in windows),
            *changes,
        )
    if offers:
        screen.say(
            "`entrenous terms ID` shows the terms, `entrenous decide ID accept` or `decline` "
            "decides."
        )


def named_offer(offers: list[RequestInfo], id: str) -> RequestInfo | None:
    """The one of `offers` that `id` names, if it is one of them.  Raises UsageError."""
    try:
        return request_named(offers, id)
    except NotFound:
        return None


def show_offer(screen: Screen, one: RequestInfo) -> None:
    """One answer that waits for you, in full."""
    show_request(screen, one, None, now_ms())
    screen.say(f"`entrenous decide {shown_id(one)} accept` or `decline` decides it.")

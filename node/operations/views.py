"""Operations on views, and on what each answer to a request gives away."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.errors import ProtocolError
from ...protocol.period import name_of
from ...protocol.request import parse_request
from ...protocol.view import BANDS_MAX, FIELDS_MAX, Band, View
from ...protocol.view_path import is_view
from ...protocol.view_words import view_of_words, word_of
from ...protocol.window import Window
from ...protocol.wire import Value
from ..errors import NotFound, UsageError
from ..grants.expansion import expanded
from ..node import Node
from ..results.views import ViewInfo, ViewRemoved, ViewWaiting
from ..shape import to_value
from ..store.database import Tx
from ..views.choices import choices as choices_of
from ..views.kept import ViewKept
from .operation import Args, Emit, Host


async def views(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    await node.views.catch_up()

    def unit(tx: Tx) -> list[ViewInfo]:
        return [_info(node, tx, kept) for kept in node.views.kept.all(tx)]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def view_add(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    source = args.collection("source")
    collection = await node.store.database.read(lambda tx: node.vault.collections.get(tx, source))
    try:
        view = view_of_words(
            args.text("view"),
            source,
            collection.schema,
            name=args.maybe_text("name"),
            figure=args.maybe_text("figure"),
            bands=_bands(args.items("bands", BANDS_MAX)),
            fields=_texts(args.items("fields", FIELDS_MAX)),
            rule=args.maybe_text("rule"),
            late_days=args.maybe_integer("late_days"),
            again_days=args.maybe_integer("again_days"),
        )
    except ProtocolError as error:
        raise UsageError(str(error)) from error
    kept = await node.views.add(view)
    return to_value(await node.store.database.read(lambda tx: _info(node, tx, kept)))


async def view_remove(host: Host, args: Args, emit: Emit) -> Value:
    path = args.collection("path")
    return to_value(ViewRemoved(path, await host.node.views.remove(path)))


async def view_release(host: Host, args: Args, emit: Emit) -> Value:
    """Publish one period as it is now: a correction that is held back, or what is incomplete."""
    node = host.node
    path, first = args.collection("path"), args.integer("first")
    kept = await node.store.database.read(lambda tx: node.views.get(tx, path))
    if await node.views.catch_up(only=path, release=(first,)) == 0:
        raise NotFound("nothing of this period waits but its end: see `entrenous views`")
    return to_value(await node.store.database.read(lambda tx: _info(node, tx, kept)))


async def choices(host: Host, args: Args, emit: Emit) -> Value:
    """What each way of answering a request gives away."""
    node = host.node
    await node.views.catch_up()

    def unit(tx: Tx) -> tuple[str, list[Window], Sequence[View]]:
        request = args.id("request", (cid for cid, _ in node.inbox.all(tx)), "request")
        asked = node.inbox.get(tx, request)
        wanted = parse_request(asked.raw)
        items = expanded(tx, node.vault.collections, node.household, asked.own, wanted.items)
        made = [kept.view for kept in node.views.kept.all(tx)]
        return wanted.purpose, [one for one in items if not is_view(one.collection)], made

    purpose, windows, made = await node.store.database.read(unit)
    for choice in await choices_of(node.vault, node.views.rules, made, windows, purpose):
        await emit.item(to_value(choice))
    return None


def _info(node: Node, tx: Tx, kept: ViewKept) -> ViewInfo:
    view = kept.view
    collection = node.vault.collections.find(tx, view.path)
    waiting: list[ViewWaiting] = []
    periods = 0
    for month in node.views.months(tx, view):
        found = node.views.kept.month(tx, view.path, month)
        periods += sum(not one.out for one in found.periods.values())
        period = view.every.period
        waiting += [
            ViewWaiting(first, "" if period is None else name_of(period, first), why)
            for first, why in found.waiting.items()
        ]
    return ViewInfo(
        path=view.path,
        source=view.source,
        view=word_of(view),
        schema=view.tells.name,
        records=0 if collection is None else collection.records,
        periods=periods,
        waiting=tuple(waiting),
        figure=None if view.figure is None else view.figure.value,
        bands=tuple(band.name for band in view.bands),
        fields=view.fields,
        rule=view.rule,
        late_days=view.late_days,
        again_days=view.again_days,
        made_ms=kept.made_ms,
        lent=len(node.lending.live_on(tx, view.path, node.clock.now_ms())),
        trouble=node.views.trouble.get(view.path),
    )


def _bands(items: Sequence[Value]) -> list[Band]:
    found: list[Band] = []
    for item in items:
        match item:
            case [str(name), None]:
                found.append(Band(name, None))
            case [str(name), [int(mantissa), int(scale)]]:
                found.append(Band(name, (mantissa, scale)))
            case _:
                raise UsageError("a band is a name and the figure at which it ends")
    return found


def _texts(items: Sequence[Value]) -> list[str]:
    if not all(isinstance(item, str) for item in items):
        raise UsageError("fields are named by texts")
    return [item for item in items if isinstance(item, str)]

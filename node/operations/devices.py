"""Operations on this person's devices: who they are, letting one join, keeping them in step."""

from __future__ import annotations

from ...protocol.did import did_of
from ...protocol.joining import CODE_DIGITS, join_link
from ...protocol.limits import LINE_CHARS_MAX, TIME_S_MAX
from ...protocol.persona import parse_certificate
from ...protocol.wire import Value
from ..devices.own_device import OwnDevice
from ..devices.own_devices import SERVES_WITHIN_S
from ..errors import NotAllowed, UsageError
from ..node import Node
from ..results.devices import DeviceInfo, DeviceJoined, DeviceLink, DevicesSynced
from ..shape import to_value
from ..steps import JoinStep
from ..store.database import Tx
from .operation import Args, Emit, Host


async def devices(host: Host, args: Args, emit: Emit) -> Value:
    """Every device of this person, and those that wait to join."""
    found = await host.node.store.database.read(lambda tx: _devices(host.node, tx))
    for one in found:
        await emit.item(to_value(one))
    return None


def _devices(node: Node, tx: Tx) -> list[DeviceInfo]:
    found = [_info(node, tx, row) for row in node.own_devices.all(tx)]
    if not found:
        found = [_alone(node)]
    for one in node.enrolling.waiting(tx, node.clock.now_ms()):
        found.append(
            DeviceInfo(
                name=one.name or "device",
                device=parse_certificate(one.cert or b"").device,
                this=False,
                state="waiting",
                since_ms=node.clock.now_ms(),
                synced_ms=None,
                connected=False,
                serves=None,
                serves_within_s=one.serves_within_s,
                why="it waits until you confirm it: `entrenous devices confirm` and the digits "
                "that it shows",
            )
        )
    return found


def _alone(node: Node) -> DeviceInfo:
    return DeviceInfo(
        name=node.config.name,
        device=did_of(node.keystore.device.public),
        this=True,
        state="used",
        since_ms=0,
        synced_ms=None,
        connected=False,
        serves=node.log_head.serves,
        serves_within_s=None,
        why=node.log_head.refusal(""),
    )


def _info(node: Node, tx: Tx, row: OwnDevice) -> DeviceInfo:
    this = row.device == node.own_devices.device
    refused = [
        f"{name}: {why}"
        for (device, name), why in sorted(node.keeping.refused.items())
        if device == row.device
    ]
    open_to = {their for _, their in node.links.connected}
    return DeviceInfo(
        name=row.name,
        device=row.device,
        this=this,
        state="left" if row.left else "used",
        since_ms=row.since_ms,
        synced_ms=None if this else node.own_devices.synced_ms(tx, row.device),
        connected=row.persona in open_to,
        serves=node.log_head.serves if this else None,
        serves_within_s=row.serves_within_s,
        why=node.log_head.refusal("") if this else "; ".join(refused[:4]) or None,
    )


async def device_invite(host: Host, args: Args, emit: Emit) -> Value:
    """Make a link by which one device can join."""
    node = host.node
    given_s = args.maybe_integer("serves_within_s")
    within_s = SERVES_WITHIN_S if given_s is None else _seconds(given_s)
    now_ms = node.clock.now_ms()
    invite = await node.store.database.write(
        lambda tx: node.enrolling.invite(tx, node.addresses(), within_s or None, now_ms)
    )
    return to_value(DeviceLink(join_link(invite), invite.exp_s))


async def device_confirm(host: Host, args: Args, emit: Emit) -> Value:
    """Take the device that shows these digits among this person's."""
    node = host.node
    code = "".join(args.text("code", LINE_CHARS_MAX).split()).replace("-", "")
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
        raise UsageError(f"the new device shows {CODE_DIGITS} digits: give them all")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> OwnDevice | None:
        row = node.enrolling.confirm(tx, code, now_ms)
        node.checkpoint.reached(JoinStep.GIVEN)
        return row

    row = await node.store.database.write(unit)
    if row is None:
        raise NotAllowed(
            "no device that waits shows these digits; nothing was given.  After three wrong ones "
            "the link is void: whoever waits may not be the machine in front of you"
        )
    node.checkpoint.reached(JoinStep.CONFIRMED)
    node.keeping.hurry()
    node.outgoing.notify()
    return to_value(DeviceJoined(row.name, row.device))


async def device_change(host: Host, args: Args, emit: Emit) -> Value:
    """Rename a device, or say how long it may serve without speaking with another (0: always)."""
    node, now_ms = host.node, host.node.clock.now_ms()
    device = args.text("device", LINE_CHARS_MAX)
    name = args.maybe_text("name", LINE_CHARS_MAX)
    given_s = args.maybe_integer("serves_within_s")
    within = None if given_s is None else _seconds(given_s)

    def unit(tx: Tx) -> None:
        row = node.own_devices.named(tx, device)
        serves = row.serves_within_s if within is None else within or None
        node.own_devices.change(tx, row, now_ms, name=name or row.name, serves_within_s=serves)
        node.keeping.look_at_lease(tx)

    await node.store.database.write(unit)
    node.keeping.hurry()
    return None


async def devices_sync(host: Host, args: Args, emit: Emit) -> Value:
    """Fetch from every other device now."""
    node = host.node
    others = await node.store.database.read(node.own_devices.others)
    answered = await node.keeping.fetch_all()
    return to_value(DevicesSynced(answered, len(others)))


def _seconds(given_s: int) -> int:
    if not 0 <= given_s <= TIME_S_MAX:
        raise UsageError("a device serves alone for some seconds, or always: 0")
    return given_s

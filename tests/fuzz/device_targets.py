"""Targets: rows from another device of the same person.  It is one's own, and it may be stolen.

An input is the name of a space and one row of it.  The row is taken by a node that has rows of its
own, in a unit of work that is undone afterwards.  What must hold: it is refused by an error that
keeps this space from the others and no more, or taken; what was taken can be told on, and taken
again it changes nothing.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Final, NamedTuple

import trio
from trio.testing import MockClock

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import EntrenousError
from entrenous.node.config import Config, Role
from entrenous.node.devices.space import Space, Taking
from entrenous.node.grants.erased_asked import asked_value
from entrenous.node.keystore import Keystore
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.peers.domain_looks import Look
from entrenous.node.peers.peers import Pair
from entrenous.node.store.connection import open_writer
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreError
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.objects import Kind
from entrenous.node.store.transaction import commit_group
from entrenous.node.vault.sealing import pieces_of
from entrenous.protocol.command import HelperDecideArgs, PairDeviceArgs
from entrenous.protocol.errors import WireError
from entrenous.protocol.mandate import Office
from entrenous.protocol.mandate_limits import Limits
from entrenous.protocol.sepa import Creditor
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode, encode
from entrenous.tests.node.paid_town import IBAN, PER_READ, fetch, lend_paid
from entrenous.tests.node.several_devices import another, in_step
from entrenous.tests.node.shared_town import CONTACTS, bank_and_ada, client_of
from entrenous.tests.node.test_erasure import PAYMENTS, payments
from entrenous.tests.node.test_views import DAILY
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    EPOCH_MS,
    Party,
    a_town,
    ask,
    meet,
    settle,
)

from .healing import healing
from .target import Form, Target, require

_NOW_MS: Final = EPOCH_MS + 86_400_000
# What a space raises for a row that is none: it is refused, and the others go on.  Nothing of the
# node's own ends a fetch: StoreError does, and so must not come of what another device says.
_LISTED: Final = (EntrenousError,)


class _StillClock:
    def now_ms(self) -> int:
        return _NOW_MS


class _Home(NamedTuple):
    """A node with rows of every kind, and these rows as they travel."""

    node: Node
    connection: sqlite3.Connection
    rows: tuple[tuple[str, Value], ...]


class _UndoneError(Exception):
    """The unit of work of one input is over."""


async def _lived(found: list[tuple[str, Value]]) -> Keystore:
    """A person's life in large, told as rows; the keystore of their device."""
    async with a_town(b"rows of devices") as town:
        ada, bank = await bank_and_ada(town)
        volt = await town.party("volt", Role.ORGANISATION)
        await meet(ada, volt)
        await ada.fill(CURVE, DAY, 10)
        await lend_paid(ada, volt, PER_READ)
        await _lend_on(ada, bank, volt)
        laptop = await another(town, ada, "laptop")
        await fetch(volt, ada)
        await client_of(ada).shared_propose(
            "bank", CONTACTS, "c1", changes=(("addresses", "2 New Street"),), reason=""
        )
        card = {"who": {"legal_name": "The Bank"}, "earns": "Fees."}
        await bank.write(lambda tx: bank.node.cards.write(tx, card, "bank", bank.now_ms))
        await _more(ada)
        await ada.node.rows.catch_up()
        await in_step(ada, laptop)
        found.extend(await ada.read(lambda tx: _rows_of(ada.node, tx)))
        return ada.node.keystore


async def _lend_on(ada: Party, bank: Party, volt: Party) -> None:
    """The bank reads for Ada what the utility lends her."""
    await meet(bank, volt)
    await volt.fill(CURVE, DAY, 2)
    days = Window(CURVE, DAY, DAY + 1)
    request, exp_s = await ask(ada, volt, days), ada.now_ms // 1000 + DAY_S
    given = await volt.write(
        lambda tx: volt.node.lending.grant(tx, request, [days], exp_s, volt.now_ms)
    )
    to, at = await bank.peer("ada"), await bank.peer("volt")
    await bank.write(lambda tx: bank.node.proxies.ask(tx, to, at, bank.now_ms))
    await settle()
    node, now_ms = ada.node, ada.now_ms
    proxy, owner = await ada.peer("bank"), await ada.peer("volt")

    def unit(tx: Tx) -> None:
        held = node.borrowing.get(tx, given.cid)
        node.lending_on.lend_on(
            tx,
            held,
            node.borrowing.keys(tx, held),
            proxy,
            node.proxies.known_as(tx, proxy, owner, now_ms),
            windows=[days],
            exp_s=exp_s,
            now_ms=now_ms,
        )

    await ada.write(unit)
    await settle()


async def _more(ada: Party) -> None:
    node, now_ms = ada.node, ada.now_ms
    batch = payments(("aaaaaaa1", DAY, "x"), ("bbbbbbb2", DAY, "y"))
    await node.vault.write(PAYMENTS, batch.schema, pieces_of(batch), origin=b"file")
    await node.erasing.erase_record(PAYMENTS, "aaaaaaa1")
    await node.views.add(DAILY)
    bank = await ada.peer("bank")

    def unit(tx: Tx) -> None:
        node.household.add(tx, "Ann")
        look = Look(None, now_ms, 1, "silent")
        name: Value = [bank.their, "example.org"]
        node.store.objects.put(tx, Kind.DOMAIN_LOOK, name, look.value())
        node.household.assign(tx, CURVE, (1,), now_ms)
        node.invoices.set_creditor(tx, Creditor("Ada", IBAN))
        (given,) = node.lending.all(tx)
        node.paid_terms.switch_off(tx, [given], now_ms)
        node.mandates.give_home(
            tx,
            bank,
            office=Office.PROXY,
            limits=Limits(),
            exp_s=now_ms // 1000 + DAY_S,
            now_ms=now_ms,
        )
        _help(node, tx, bank, now_ms)
        node.lending.revoke(tx, given.cid, now_ms)
        asked = asked_value({Window(CURVE, DAY, DAY + 1): now_ms})
        node.store.objects.put(tx, Kind.ERASED_ASKED, given.cid, asked)
        node.processors.process_for(tx, bank, now_ms)
        reading = replace(bank, own=bank.their, name="reads", reads_only=True)
        node.peers.add(tx, reading)
        node.reencryption.claim(tx, bytes(36), [Window(CURVE, 0, DAY)])
        listens = ("/ip4/10.0.0.1/tcp/1",)
        told = PairDeviceArgs(bank.own, bank.certificate.signed.raw, listens)
        node.peer_devices.told(tx, bank, told, now_ms)
        node.keeping.note(tx, now_ms)

    await ada.write(unit)


def _help(node: Node, tx: Tx, bank: Pair, now_ms: int) -> None:
    """The bank serves for Ada."""
    node.helpers.add(tx, bank, (), now_ms)
    args = HelperDecideArgs(bank.own, bank.certificate.device, ("/ip4/10.0.0.1/tcp/1",), None)
    node.helpers.decided(tx, bank, args, now_ms)
    (helper,) = node.helpers.willing(tx)
    (given,) = node.lending.all(tx)
    reader = node.peers.pair(tx, given.own, given.their)
    node.helpers.lease(tx, helper, reader, [given], now_ms)


def _rows_of(node: Node, tx: Tx) -> list[tuple[str, Value]]:
    found: list[tuple[str, Value]] = []
    for name in sorted(dict(node.handing_over.digests(tx)), key=node.keeping.turn):
        rows = node.handing_over.named(name).rows(tx)
        found += [(name, row) for row in list(rows.values())[:2]]
    return found


@cache
def _home() -> _Home:
    rows: list[tuple[str, Value]] = []
    keystore = trio.run(_lived, rows, clock=MockClock(autojump_threshold=0))
    ground = Ground(
        InlineDatabase(None),
        MemoryNetwork(keystore.device, MemoryWorld(b"fuzz")),
        _StillClock(),
        SeededEntropy(b"fuzz"),
        InlineOffload(),
    )
    node, connection = Node(ground, keystore, Config(name="ada")), open_writer(None)
    _unit(connection, lambda tx: node.own_devices.begin(tx, [], _NOW_MS))
    for name, row in rows:
        _unit(connection, lambda tx, of=name, one=row: _take(node, tx, of, one))
    return _Home(node, connection, tuple(rows))


def _unit(connection: sqlite3.Connection, unit: Callable[[Tx], object]) -> None:
    (answer,) = commit_group(connection, (unit,))
    answer.unwrap()


def _take(node: Node, tx: Tx, name: str, row: Value) -> int:
    return node.handing_over.named(name).take(tx, [row], Taking(_NOW_MS))


def _row(data: bytes) -> object:
    """`[name of a space, row]`."""
    home = _home()
    match decode(data, bytes_max=len(data)):
        case [str(name), row]:
            space = home.node.handing_over.named(name)
        case _:
            raise WireError("not a row of a space")

    def unit(tx: Tx) -> None:
        try:
            _taken(space, tx, row)
        except StoreError as error:
            require(False, f"another device ends a fetch: {error}")
        raise _UndoneError

    (answer,) = commit_group(home.connection, (unit,))
    try:
        answer.unwrap()
    except _UndoneError:
        return name
    return None


def _taken(space: Space, tx: Tx, row: Value) -> None:
    taking = Taking(_NOW_MS)
    space.take(tx, [row], taking)
    ids = space.ids(tx)
    require(list(ids) == sorted(set(ids)), "the ids of a space do not ascend")
    require(space.take(tx, [row], taking) == 0, "what was taken changes something again")
    require(list(space.ids(tx)) == list(ids), "what was taken again is another row")


def _seeds(*names: str) -> Iterable[bytes]:
    """Rows of these spaces; of pages by the beginning of their names."""
    return [
        encode([name, row])
        for name, row in _home().rows
        if name in names or name.partition("/")[0] in names
    ]


def _target(name: str, covers: tuple[str, ...], *spaces: str) -> Target:
    return Target(
        name,
        healing(_row),
        tuple(one if "." in one else f"node.devices.{one}" for one in covers),
        lambda: _seeds(*spaces),
        _LISTED,
        form=Form.VALUE,
        bytes_max=16_384,
        cpu_s=10.0,
    )


TARGETS: Final = (
    _target(
        "rows-of-lines",
        (
            *("line_rows", "epoch_space", "own_device", "own_devices", "peer_device_space"),
            *("node.peers.pair", "node.peers.peer_devices"),
        ),
        *(
            "family",
            "devices",
            "peer-devices",
            "personas",
            "personas-left",
            "follows",
            "epochs",
            "pairs",
        ),
        *("pairs", "steps-said", "steps-heard", "inceptions-left"),
    ),
    _target(
        "rows-of-grants",
        ("shared_rows", "row_spaces", "joins", "lent_on_rows", "deletion_rows", "reading_rows"),
        *("requests", "keysets-sent", "revoked", "grants-given", "R", "grants-held"),
        *("keysets-held", "grant-lines", "lent-on", "statements", "delivered", "imports"),
        *("erased-asked", "reading-pairs", "processing-for"),
    ),
    _target(
        "rows-of-choices",
        ("chosen_space", "household_rows", "acquaintance_rows"),
        *("standing", "creditor", "paid-off", "people", "whose", "personas-of-people"),
        *("public-persona", "card", "cards-shown", "domain-looks", "vouches-given"),
        "vouches-heard",
    ),
    _target(
        "rows-of-money-and-mandates",
        ("money_rows", "mandate_rows", "node.money.paid_reads"),
        *("payments", "invoices", "waivers", "paid-reads", "mandates", "mandate-ends"),
        *("proxies", "decided-for", "asked-under", "sent-for"),
    ),
    _target(
        "rows-of-views-and-shared-records",
        ("view_rows", "shared_record_space"),
        *("views", "view-periods", "shared-records"),
    ),
    _target("rows-of-helpers", ("helper_rows", "node.helping.helper"), "helpers", "leases"),
    _target(
        "rows-of-pages",
        ("page_spaces", "erased_rows"),
        *("pages", "again", "over", "erased", "rows-gone"),
    ),
)

"""Operations: the whole story through two clients, and arguments that are not what they must be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from entrenous.crypto.errors import EntrenousError
from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.errors import NodeError, NotFound, Refused, UsageError
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import OPERATIONS, Host, named, perform, shorts
from entrenous.node.results.deliveries import DeliveryState
from entrenous.node.store.home import Home
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.command import Cmd
from entrenous.protocol.grant import ReadArgs
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.simulations.files import energy_file
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, settle

TERMS: dict[str, Value] = {"retention_days": 30, "clauses": ["no resale"]}


def host_of(party: Party, folder: Path = Path("/nowhere"), *, running: bool = True) -> Host:
    return Host(party.node, Home(folder), running=running, version="test")


def client_of(party: Party, *, running: bool = True) -> Client:
    return Client(DirectChannel(host_of(party, running=running)))


class Nothing:
    """An `Emit` that keeps what it is told."""

    def __init__(self) -> None:
        self.items: list[Value] = []

    async def item(self, value: Value) -> None:
        self.items.append(value)

    def progress(self, value: Value) -> None:
        self.items.append(value)


async def two(town: Town) -> tuple[Party, Party, Client, Client]:
    alice = await town.party("alice")
    volt = await town.party("volt", Role.ORGANISATION)
    owner, reader = client_of(alice), client_of(volt)
    invitation = await owner.invite("supplier")
    paired = await reader.pair(invitation.link, "alice")
    assert paired.name == "alice"
    return alice, volt, owner, reader


async def lent(owner: Client, reader: Client, window: Window, exp_s: int) -> str:
    """Ask for `window` and have it granted whole; the grant's short id."""
    request = await reader.ask(
        "alice", [window], purpose="dpv:ServiceProvision", terms=TERMS, exp_s=exp_s
    )
    await settle()
    grant = await owner.grant(request)
    await settle()
    return next(one.short for one in await owner.grants() if one.id == grant)


async def test_story(autojump_clock: object, tmp_path: Path) -> None:
    """Pair, deliver, ask, decide, fetch, revoke: each as a client sees it."""
    async with a_town() as town:
        alice, _, owner, reader = await two(town)
        assert [peer.name for peer in await owner.peers()] == ["supplier"]

        file = energy_file(3, days=40)
        path = tmp_path / file.name
        path.write_bytes(file.data)
        (made,) = await reader.deliver(path, "alice")
        assert made.state is DeliveryState.STORED
        (collection,) = await owner.collections()
        assert (collection.path, collection.records) == (made.path, made.records)
        assert (collection.first, collection.last) == (made.first, made.last)
        assert [one.way for one in await owner.deliveries()] == ["in"]
        assert [(one.way, one.state) for one in await reader.deliveries()] == [
            ("out", DeliveryState.STORED)
        ]
        records = await owner.read(collection.path, made.first, made.last)
        assert len(records.batch) == made.records
        assert records.damaged == ()

        window = Window(collection.path, made.first + 5, made.first + 9)
        exp_s = alice.now_ms // 1000 + 20 * 86_400
        asked = await reader.ask(
            "alice", [window], purpose="dpv:ServiceProvision", terms=TERMS, exp_s=exp_s
        )
        await settle()
        (request,) = await owner.inbox()
        assert (request.id, request.peer, request.state) == (asked, "supplier", "waiting")
        assert request.terms.clauses[0].text == "no resale"
        grant = await owner.grant(request.short)
        await settle()
        (held,) = await reader.grants()
        assert (held.id, held.side, held.status, held.acknowledged) == (grant, "held", "live", True)
        assert (await reader.asked())[0].grant == grant

        fetched = await reader.fetch("alice", window.collection, window.first, window.last)
        assert fetched.batch is not None
        assert fetched.batch == records.batch.slice(
            records.batch.times.index(fetched.batch.times[0]),
            records.batch.times.index(fetched.batch.times[-1]) + 1,
        )
        assert [one.verified for one in fetched.provenance] == [True]
        with pytest.raises(Refused, match="refuses") as refused:
            await reader.fetch("alice", window.collection, window.first, window.last + 1)
        assert refused.value.code == "days"

        (given,) = await owner.grants()
        assert given.reads == 1
        done = await owner.revoke(given.short)
        assert len(done.revocations) == 1
        await settle()
        with pytest.raises(Refused) as refused:
            await reader.fetch("alice", window.collection, window.first, window.last)
        assert refused.value.code == "revoked"
        for client, way in ((owner, "given"), (reader, "taken")):
            assert (await client.log_verify()).receipts == 1
            (receipt,) = [one for one in await client.log() if one.kind == "receipt"]
            assert (receipt.way, receipt.two_sided, receipt.grant) == (way, True, grant)
            assert receipt.collections == (window.collection,)
        status = await owner.status()
        assert (status.connected, status.peers, status.grants_given) == (1, 1, 0)


async def test_a_peer_loses_every_grant_at_once(autojump_clock: object) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await two(town)
        await alice.fill(CURVE, DAY - 10, 10)
        exp_s = alice.now_ms // 1000 + 86_400
        for first in (DAY - 10, DAY - 5):
            await lent(owner, reader, Window(CURVE, first, first + 2), exp_s)
        done = await owner.revoke_peer("supplier")
        assert len(done.revocations) == 2
        assert (done.survivors, done.still) == (0, ())
        assert [one.status for one in await owner.grants()] == ["revoked", "revoked"]
        assert (await owner.revoke_peer("supplier")).revocations == ()


async def test_a_category_becomes_the_collections_in_it(autojump_clock: object) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await two(town)
        await alice.fill(CURVE, DAY - 3, 3)
        exp_s = alice.now_ms // 1000 + 86_400
        await lent(owner, reader, Window("energy", DAY - 3, DAY - 1), exp_s)
        assert (await owner.grants())[0].windows == (Window(CURVE, DAY - 3, DAY - 1),)


async def test_raw_invocations_are_answered_with_codes(autojump_clock: object) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await two(town)
        await alice.fill(CURVE, DAY - 3, 3)
        exp_s = alice.now_ms // 1000 + 86_400
        await lent(owner, reader, Window(CURVE, DAY - 3, DAY - 1), exp_s)
        (held,) = await reader.grants()
        wider = ReadArgs(Window(CURVE, DAY - 4, DAY - 1), held.purpose, held.terms.cid).value()
        said = await reader.invoke("alice", Cmd.READ, wider, proofs=held.chain)
        assert said.code == "days"
        again = await reader.invoke("alice", "", {}, proofs=held.chain, token=said.token)
        assert again.code in ("days", "replay")
        said = await reader.invoke("alice", "/record/erase", {})
        assert said.code == "command"
        # A sub-delegation is a token of ours, which the peer alone cannot use: it is not paired.
        token = await reader.delegate(
            (await owner.peers())[0].own,
            held.short,
            [Window(CURVE, DAY - 3, DAY - 3)],
            {"purpose": held.purpose, "retention_days": 1},
            exp_s,
        )
        assert token != held.chain[0]


async def test_a_suspended_grant_serves_again_once_kept(autojump_clock: object) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await two(town)
        await alice.fill(CURVE, DAY - 3, 3)
        grant = await lent(
            owner, reader, Window(CURVE, DAY - 3, DAY - 1), alice.now_ms // 1000 + 86_400
        )
        with pytest.raises(UsageError, match="live, not suspended"):
            await owner.keep(grant)
        suspended = await alice.write(lambda tx: alice.node.lending.suspend_all(tx, alice.now_ms))
        assert suspended == 1
        with pytest.raises(Refused) as refused:
            await reader.fetch("alice", CURVE, DAY - 3, DAY - 1)
        assert refused.value.code == "suspended"
        await owner.keep(grant)
        await settle()
        assert (await reader.fetch("alice", CURVE, DAY - 3, DAY - 1)).pages == 3


async def test_without_a_network_what_needs_one_says_so(autojump_clock: object) -> None:
    async with a_town() as town:
        alone = client_of(await town.party("alice"), running=False)
        for call in (alone.invite(), alone.pair("entrenous:x"), alone.fetch("bank", CURVE, 1, 2)):
            with pytest.raises(NodeError, match="entrenous up"):
                await call
        with pytest.raises(NodeError, match="no node runs"):
            await alone.stop()
        assert (await alone.status()).running is False


BAD: Sequence[tuple[str, Value, type[EntrenousError]]] = (
    ("status", {"more": 1}, UsageError),
    ("status", [], UsageError),
    ("read", {}, UsageError),
    ("read", {"path": "../../etc", "first": 0, "last": 1}, UsageError),
    ("read", {"path": CURVE, "first": 2, "last": 1}, UsageError),
    ("read", {"path": CURVE, "first": 0, "last": 65_536}, UsageError),
    ("read", {"path": CURVE, "first": True, "last": 1}, UsageError),
    ("read", {"path": CURVE, "first": 0, "last": 1}, NotFound),
    ("import", {"path": "relative"}, UsageError),
    ("import", {"path": "/no/such/file"}, NotFound),
    ("undo", {"id": "zz"}, UsageError),
    ("pair", {"link": "https://example.org"}, UsageError),
    ("deliver", {"path": "/x", "to": "nobody"}, NotFound),
    ("decide", {"request": "abc", "grant": True}, UsageError),
    ("decide", {"request": "abcdefgh", "grant": True}, NotFound),
    ("decide", {"request": b"x" * 36, "grant": False}, NotFound),
    ("decide", {"request": "abcdefgh", "grant": False, "exp_s": 1}, UsageError),
    ("revoke", {}, UsageError),
    ("revoke", {"grant": "abcdefgh", "peer": "x"}, UsageError),
    ("revoke", {"peer": "nobody"}, NotFound),
    ("ask", {"to": "x", "items": [], "purpose": "p", "terms": {}, "exp_s": 1}, UsageError),
    (
        "ask",
        {"to": "x", "items": [[CURVE, 1]], "purpose": "p", "terms": {}, "exp_s": 1},
        UsageError,
    ),
    ("invoke", {"peer": "x", "cmd": "/a", "args": {}, "proofs": [1]}, UsageError),
    ("nothing-of-this-name", {}, UsageError),
)


async def test_arguments_are_refused_with_a_sentence(autojump_clock: object) -> None:
    async with a_town() as town:
        party = await town.party("alice")
        for op, args, error in BAD:
            with pytest.raises(error) as refused:
                await perform(host_of(party), op, args, Nothing())
            assert "\n" not in str(refused.value), op
        assert await party.read(party.node.store.outbox.count) == 0


async def test_a_fault_of_ours_is_a_sentence_and_not_the_end(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_town() as town:
        party = await town.party("alice")

        def broken() -> None:
            raise RuntimeError("a secret detail")

        monkeypatch.setattr(party.node, "addresses", broken)
        with pytest.raises(NodeError, match="its log says where") as refused:
            await perform(host_of(party), "status", {}, Nothing())
        assert "secret" not in str(refused.value)


def test_ids_are_as_short_as_they_can_be_and_lead_back() -> None:
    cids = [cid_of(bytes([i])) for i in range(60)]
    short = shorts(cids)
    for cid, text in short.items():
        assert named(text, cids, "grant") == cid
        assert named(cid_text(cid), cids, "grant") == cid
        assert named(cid_text(cid)[7:], cids, "grant") == cid
        assert len(text) >= 13
    with pytest.raises(UsageError, match="60 ids"):
        named("bafyre", cids, "grant")
    with pytest.raises(UsageError, match="6 or more"):
        named("bafyr", cids, "grant")


def test_every_operation_has_a_method() -> None:
    """What can be asked can be asked of a client."""
    methods = {"import": "import_", "decide": "grant", "decide_for": "grant_for"}
    for op in OPERATIONS:
        assert callable(getattr(Client, methods.get(op, op)))

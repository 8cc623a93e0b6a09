"""The client: records as columns, errors as they were said, answers that are not answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.node.channel import error_from_value
from entrenous.node.client import Client
from entrenous.node.control_frame import ControlError
from entrenous.node.errors import Away, Exit, NodeError, NotAllowed, NotFound, Refused, UsageError
from entrenous.node.operations import data
from entrenous.node.operations.operation import error_value
from entrenous.node.results.grants import GrantInfo, RequestInfo
from entrenous.node.results.imports import Imported, Skipped
from entrenous.node.results.imports import Report as ImportReport
from entrenous.node.results.log import LogInfo
from entrenous.node.results.node import Status
from entrenous.node.results.peers import Level, StandingInfo
from entrenous.node.results.records import CollectionInfo
from entrenous.node.shape import from_value, to_value
from entrenous.protocol.errors import Code, GrantRefused, ProtocolError, WireError
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode, encode
from entrenous.tests.node.two_nodes import readings


class Scripted:
    """A channel that answers what a test says, through the codec."""

    def __init__(self, items: list[Value], done: Value) -> None:
        self.items = items
        self.done = done

    async def call(
        self,
        op: str,
        args: Mapping[str, Value],
        on_item: Callable[[Value], None],
        on_progress: Callable[[Value], None],
    ) -> Value:
        for item in self.items:
            on_item(_crossed(item))
        return _crossed(self.done)


def _crossed(value: Value) -> Value:
    return decode(encode(value), bytes_max=1 << 24)


def labels(count: int, size: int) -> Batch:
    """Transactions with long texts."""
    return Batch(
        TRANSACTION,
        {
            "id": [f"{i:08}" for i in range(count)],
            "time": [i * 1000 for i in range(count)],
            "offset_min": [0] * count,
            "amount": [(-i, 2) for i in range(count)],
            "currency": ["EUR"] * count,
            "label": ["x" * size] * count,
            "counterparty": [None] * count,
            "kind": ["DEBIT"] * count,
        },
    ).check()


@pytest.mark.parametrize(
    "batch",
    [
        Batch.empty(TRANSACTION),
        labels(1, 1),
        labels(data.ROWS_AT_A_TIME, 1),
        labels(data.ROWS_AT_A_TIME + 1, 1),
        readings(46_000, 800),
    ],
    ids=lambda batch: f"{len(batch)}",
)
async def test_records_come_as_they_were(batch: Batch) -> None:
    done: Value = {
        "schema": batch.schema.name,
        "pages": 3,
        "conflicts": 1,
        "damaged": ["a sentence"],
    }
    items = list(data.columns_items(batch))
    records = await Client(Scripted(items, done)).read("a/b", 0, 1)
    assert records.batch == batch
    assert (records.pages, records.conflicts, records.damaged) == (3, 1, ("a sentence",))


def test_a_piece_is_small_whatever_its_texts_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "COLUMNS_BYTES_MAX", 10_000)
    batch = labels(500, 200)
    sizes: list[int] = []
    for item in data.columns_items(batch):
        assert isinstance(item, Mapping)
        columns = item["columns"]
        assert isinstance(columns, bytes)
        sizes.append(len(columns))
    assert len(sizes) > 10
    assert max(sizes) <= 10_000


@pytest.mark.parametrize(
    ("error", "kind", "exit"),
    [
        (NodeError("a"), NodeError, Exit.FAILED),
        (UsageError("a"), UsageError, Exit.USAGE),
        (NotFound("a"), NotFound, Exit.NOT_FOUND),
        (NotAllowed("a"), NotAllowed, Exit.NOT_ALLOWED),
        (Away("a"), Away, Exit.AWAY),
        (Refused("a", "revoked"), Refused, Exit.NOT_ALLOWED),
        (GrantRefused("a", Code.DAYS), Refused, Exit.NOT_ALLOWED),
        (WireError("a"), NodeError, Exit.FAILED),
    ],
)
def test_errors_cross_with_their_exit_codes(
    error: NodeError, kind: type[NodeError], exit: Exit
) -> None:
    there = error_from_value(_crossed(error_value(error)))
    assert type(there) is kind
    assert there.exit == exit
    assert str(there) == "a"
    if isinstance(there, Refused):
        assert there.code in ("revoked", "days")


@pytest.mark.parametrize(
    ("items", "done"),
    [
        ([], None),
        ([], {"schema": "meter-reading/1", "pages": 1}),
        ([], {"schema": 1, "pages": 1, "conflicts": 0, "damaged": []}),
        (
            [{"schema": "meter-reading/1", "columns": b"", "count": 1}],
            {"schema": "meter-reading/1", "pages": 1, "conflicts": 0, "damaged": []},
        ),
        (
            [{"schema": "meter-reading/1", "columns": 1, "count": 1}],
            {"schema": "meter-reading/1", "pages": 1, "conflicts": 0, "damaged": []},
        ),
        ([b""], {"schema": "meter-reading/1", "pages": 1, "conflicts": 0, "damaged": []}),
        ([], {"schema": "no-such/1", "pages": 1, "conflicts": 0, "damaged": []}),
    ],
)
async def test_an_answer_in_another_form_is_an_error_of_ours(
    items: list[Value], done: Value
) -> None:
    with pytest.raises(ControlError, match="another form"):
        await Client(Scripted(items, done)).read("a/b", 0, 1)


async def test_a_list_with_a_stranger_in_it_is_refused() -> None:
    strangers: list[Value] = [None, {}, {"path": "a"}, "text", []]
    for item in strangers:
        with pytest.raises(ControlError, match="another form"):
            await Client(Scripted([item], None)).collections()


# --- results as values ----------------------------------------------------------------------------

TERMS = Terms("dpv:X", 3, ("a",), None, (Clause("b", Force.PROMISED),))
THINGS = (
    CollectionInfo("a/b", "meter-reading/1", 2, 1, None, 5),
    Status("n", "person", "d", ("/ip4/1",), *([0] * 8), 1, "r", "v", True),  # type: ignore[arg-type]  # eight counts
    RequestInfo(
        b"i",
        "s",
        "p",
        (Window("a", 1, 2),),
        "dpv:X",
        TERMS,
        1,
        "waiting",
        2,
        "",
        None,
        "because",
        StandingInfo(Level.VOUCHED, None, ("ann",), "why", ()),
    ),
    GrantInfo(
        b"i", "s", "given", "p", (), "dpv:X", TERMS, 1, "live", None, 3, 0, False, (b"a", b"b")
    ),
    LogInfo(0, "answer", "p", "given", None, (), None, None, None, 0, 0, False, 1, "ok"),
    ImportReport(
        (Imported("i", "f", "r", "p", 1, 1, 0, 0, False, ("note",)),), (Skipped("f", "why"),)
    ),
)


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_a_result_crosses_as_it_is(thing: object) -> None:
    value = _crossed(to_value(thing))
    assert from_value(type(thing), value) == thing
    assert isinstance(value, dict)
    for key in value:
        with pytest.raises(WireError):
            from_value(type(thing), {name: value[name] for name in value if name != key})
    with pytest.raises(WireError):
        from_value(type(thing), {**value, "more": 1})


VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=3) | st.binary(max_size=3) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=VALUES, key=st.sampled_from(sorted(GrantInfo.__slots__)))
def test_what_is_read_is_what_would_be_written(value: Value, key: str) -> None:
    """A field of another type never comes through as something else."""
    good = to_value(THINGS[3])
    assert isinstance(good, dict)
    changed: dict[str, Value] = {**good, key: value}
    with suppress(ProtocolError):
        assert to_value(from_value(GrantInfo, changed)) == changed

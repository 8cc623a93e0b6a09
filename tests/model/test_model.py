"""The state machine: a few histories of it, and that it finds what is wrong.

`make model` lives histories for ten minutes, `make model ARGS=--smoke` for one.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from entrenous.tests.model.compare import Difference
from entrenous.tests.model.machines import Impatient
from entrenous.tests.model.openings import OPENINGS, TWO_DEVICES
from entrenous.tests.model.planted import BY_CHANCE, PLANTED
from entrenous.tests.model.running import run
from entrenous.tests.model.who_may import Grant, WhoMay

# Of two devices; the others are played by `make model`.
PLAYED = ("two devices take back apart", "what waits is kept on one device")
GRANT = Grant(b"g", "ana", "volt", "energy/gas/load-curve", 46_000, 46_102, 1_800_000_000_000)


def test_nodes_do_as_the_model_says() -> None:
    reached = run(1, 2, steps=15)
    assert reached["door: served"]
    assert reached["pages opened"]
    assert reached["keys tried by the adversary"]


def test_the_same_seed_gives_the_same_histories() -> None:
    assert run(7, 1, steps=6) == run(7, 1, steps=6)


@pytest.mark.parametrize("name", [*sorted(OPENINGS.keys() - TWO_DEVICES), *PLAYED])
def test_an_opening_shows_no_difference(name: str) -> None:
    reached = run(1, 1, steps=1, openings=(name,))
    assert reached[f"opening: {name}"] == reached["rule: end"] == 1


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_fault_is_found(name: str) -> None:
    planted = PLANTED[name]
    with planted.fault(), pytest.raises((Difference, Impatient)):
        run(1, 1, steps=1, openings=(planted.opening,))


@pytest.mark.parametrize(("name", "number"), BY_CHANCE.items())
def test_chance_finds_a_planted_fault(name: str, number: int) -> None:
    kinds = frozenset({"lend", "write", "read", "take back", "restore"})
    with PLANTED[name].fault(), pytest.raises((Difference, Impatient)):
        run(number, 40, steps=12, kinds=kinds, openings=("",))


# --- the model itself -----------------------------------------------------------------------------


def test_what_came_after_the_end_does_not_open() -> None:
    model = WhoMay()
    model.lend(GRANT)
    model.write("ana", GRANT.path, range(46_101, 46_104), 0, 0)
    model.take_back(b"g")
    model.write("ana", GRANT.path, range(46_101, 46_104), 1, 0)
    ended = model.grants[b"g"]
    assert [page.name[2:] for page in model.pages if model.opens(ended, page)] == [
        (46_101, 0),
        (46_102, 0),
    ]
    assert not model.may_read(ended, 46_101, 46_101, 0)


def test_a_restored_owner_has_forgotten_and_waits() -> None:
    model = WhoMay()
    model.lend(GRANT)
    then = model.photograph("ana", said=True)
    model.take_back(b"g")
    model.write("ana", GRANT.path, range(46_101, 46_102), 0, 0)
    model.restore("ana", then)
    model.write("ana", GRANT.path, range(46_101, 46_102), 1, 0)
    waiting = model.grants[b"g"]
    assert [page.slot for page in model.pages] == [1]
    assert not waiting.revoked
    assert not model.may_read(waiting, 46_101, 46_101, 0)
    assert not model.opens(waiting, model.pages[0])
    model.keep(b"g")
    assert model.may_read(model.grants[b"g"], 46_101, 46_101, 0)
    assert model.opens(model.grants[b"g"], model.pages[0])


def test_what_one_device_kept_waits_on_the_other_until_they_meet() -> None:
    model = WhoMay()
    model.lend(GRANT)
    model.restore("ana", model.photograph("ana", said=True))
    model.meet()
    model.part()
    model.keep(b"g", "ana")
    kept = model.grants[b"g"]
    assert [form.live for form in model.as_known("ana", kept)] == [True]
    assert [form.live for form in model.as_known("ana's other", kept)] == [False]
    model.parted = model.tick + 1
    assert {form.live for form in model.as_known("ana's other", kept)} == {True, False}
    model.meet()
    assert [form.live for form in model.as_known("ana's other", kept)] == [True]


def test_what_is_kept_where_its_end_was_not_heard_opens_what_is_written_there() -> None:
    model = WhoMay()
    model.lend(replace(GRANT, by="ana"))
    model.restore("ana", model.photograph("ana", said=True))
    model.meet()
    model.part()
    model.take_back(b"g", "ana's other")
    model.keep(b"g", "ana")
    for slot, device in enumerate(("ana", "ana's other")):
        model.write("ana", GRANT.path, range(46_101, 46_102), slot, 0, device)
    one = model.grants[b"g"]
    assert [page.by for page in model.pages if model.opens(one, page)] == ["ana"]
    assert [form.live for form in model.as_known("ana", one)] == [True]
    assert [form.revoked for form in model.as_known("ana's other", one)] == [True]
    model.meet()
    assert not any(form.live for form in model.as_known("ana", one))

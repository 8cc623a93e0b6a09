"""What fuzzing kept is run again; every module that reads from outside has a target; faults are
found.

The long runs are `make fuzz`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from entrenous.protocol.cid import cid_from_text
from entrenous.protocol.errors import WireError
from entrenous.protocol.wire import decode, encode
from entrenous.tests.fuzz import cbor_mutation, libfuzzer
from entrenous.tests.fuzz.minimised import reached
from entrenous.tests.fuzz.planted import TARGETS as PLANTED
from entrenous.tests.fuzz.table import TARGETS
from entrenous.tests.fuzz.target import Form, Refused, attempt

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
FLOORS = ("crypto", "protocol", "node", "apps")

# Modules that turn bytes or text into values, as `readers()` finds them, and have no target, with
# the reason.  What reads only what this program wrote itself, sealed under its own key, is here.
_OWN_ROWS = "rows of our own store, sealed under its key"
_OWN_FILES = "files of the home, written by this program for its owner only"
WITHOUT = {
    **dict.fromkeys(
        (
            *(
                "node.push.allowances",
                "node.vault.collection",
                "node.household.deciding_for",
                "node.exchange.deliveries",
            ),
            *("node.erasure.erasure", "node.export.reimport", "node.helping.shelf_pages"),
            *(
                "node.grants.deletion_duty",
                "node.log.subject",
                "node.grants.offered",
                "node.grants.reencryption",
            ),
            *("node.grants.renewal", "node.grants.standing_terms", "node.views.kept"),
            *(
                "node.peers.domain_looks",
                "node.grants.grant_given",
                "node.grants.grant_held",
                "node.household.household",
            ),
            *("node.money.invoices", "node.money.paid_terms", "node.money.payments"),
            *(
                "node.grants.inbox",
                "node.vault.journal",
                "node.grants.lent_on",
                "node.household.mandate_kept",
                "node.exchange.meeting",
            ),
            *(
                "node.parcels.book",
                "node.exchange.quotas",
                "node.parcels.reads_by_file",
            ),
            *("node.store.objects", "node.store.transaction"),
            *(
                "node.vault.stored",
                "node.imports.told_before",
                "node.peers.lines",
                "node.shared.kept",
                "node.peers.vouches",
                "node.household.waiting_for",
            ),
        ),
        _OWN_ROWS,
    ),
    **dict.fromkeys(
        ("node.channel", "node.joining", "node.opening", "node.store.backup"), _OWN_FILES
    ),
    "node.devices.keeping": "rows that another device of the same person sealed to this one",
    **dict.fromkeys(
        ("protocol.fields_needed", "protocol.purposes", "protocol.view_words"),
        "tables of the package, read once, held by tests of their own",
    ),
    "node.vault.facts": "records of our own vault",
    "node.imports.plan": "hands files to readers",
    "node.cli.history": "moments, as `node.imports.spelled_time` reads them",
    "node.network.libp2p_parts": "libp2p's own formats",
    "node.parcels.fetching": "an offer, as `protocol.offer` reads it",
    "node.push.client": "frames, as `protocol.push` reads them",
    "node.small_file": "bytes, as those who asked for them parse them",
    "node.store.aiosqlite": "a connection to our own store",
}


def _inputs(name: str) -> list[Path]:
    folders = (HERE / "corpus" / name, HERE / "crashes" / name)
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_kept_is_read_or_refused(name: str) -> None:
    target = TARGETS[name]
    for data in [*target.seeds(), *(path.read_bytes() for path in _inputs(name))]:
        attempt(target, data)


def test_the_corpus_is_small_and_of_targets() -> None:
    kept = [path for path in (HERE / "corpus").rglob("*") if path.is_file()]
    kept += [path for path in (HERE / "crashes").rglob("*") if path.is_file()]
    sizes = [path.stat().st_size for path in kept]
    assert sum(sizes) < 3 * 1024 * 1024
    assert max(sizes) <= 16 * 1024
    assert {path.parent.name for path in kept} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_reads_something_and_reaches_what_it_covers(name: str) -> None:
    """Else it would stand at the door and test nothing."""
    target = TARGETS[name]
    seeds = list(target.seeds())
    found = [attempt(target, seed) for seed in seeds]
    assert any(not isinstance(one, Refused) for one in found), found
    files = {step[0] for seed in seeds for step in reached(target, seed)}
    for module in target.covers:
        path = "/entrenous/" + module.replace(".", "/")
        assert any(name.endswith((f"{path}.py", f"{path}/__init__.py")) for name in files), module


# --- every reader has a target --------------------------------------------------------------------

# Calls by which bytes or text from somewhere become values.
_CALLS = {
    *("decode", "loads", "compose", "unpack", "unpack_from", "iter_unpack", "ZipFile"),
    *("Connection", "ParserCreate", "b64decode", "urlsafe_b64decode", "fullmatch", "decompressobj"),
}
_NAMES = ("parse_", "read_", "decode_", "open_envelope", "from_value", "from_bytes", "from_text")


def _module(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def readers() -> Iterator[str]:
    """Modules below the floors that read, by what they call and define."""
    for floor in FLOORS:
        for path in sorted((REPOSITORY / floor).rglob("*.py")):
            if any(_reads(node) for node in ast.walk(ast.parse(path.read_text()))):
                yield _module(path)


def _reads(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name.startswith(_NAMES)
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name):
            return called.id in _CALLS
        # `text.decode()` reads no format.
        return isinstance(called, ast.Attribute) and called.attr in _CALLS - {"decode"}
    return False


def test_every_module_that_reads_has_a_target() -> None:
    covered = {module for target in TARGETS.values() for module in target.covers}
    found = set(readers())
    assert not sorted(found - covered - set(WITHOUT)), "a reader without a target in tests/fuzz"
    assert not sorted(set(WITHOUT) - found), "no reader any more: take it out of WITHOUT"
    assert not sorted(set(WITHOUT) & covered), "it has a target: take it out of WITHOUT"


# Functions of modules that have a target, which no seed of a target calls, with the reason.
NOT_CALLED = {
    "protocol.parcel_head.read_of": "one map of a token, as `protocol.invocation` reads it",
    "protocol.reading.read_with": "what readers are to have, not one of them",
    "node.devices.enrolling.from_row": _OWN_ROWS,
    "node.log.witnesses.from_row": _OWN_ROWS,
    "node.log.witnessing.from_row": _OWN_ROWS,
    "node.helping.shelves.from_row": _OWN_ROWS,
}
_TAKES = {"bytes", "str", "Value", "Body"}


def reading_functions() -> Iterator[str]:
    """Functions by whose names and arguments bytes, text or values from somewhere are read."""
    for floor in FLOORS:
        for path in sorted((REPOSITORY / floor).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and _is_reading(node):
                    yield f"{_module(path)}.{node.name}"


def _is_reading(node: ast.FunctionDef) -> bool:
    taken = [one for one in node.args.args if one.arg not in ("self", "cls")]
    if not taken or taken[0].annotation is None:
        return False
    words = set(re.findall(r"\w+", ast.unparse(taken[0].annotation)))
    named = node.name.startswith(("parse_", "read_", "open_", "decode", "from_"))
    ends = node.name.endswith(("_args", "_out")) and not node.name.startswith("_")
    return bool(words & _TAKES) and (named or ends or "_from_" in node.name)


def _called() -> set[str]:
    """What the seeds of all targets call, by module and name."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and "/entrenous/" in name:
            module = name.rpartition("/entrenous/")[2].removesuffix(".py").replace("/", ".")
            found.add(f"{module.removesuffix('.__init__')}.{frame.f_code.co_name}")

    # What makes the seeds reads too, and not what a target would.
    given = [(target, target.seeds()) for target in TARGETS.values()]
    old = sys.getprofile()
    sys.setprofile(note)
    try:
        for target, seeds in given:
            # What a test before this one had read is remembered, and would not be called.
            cid_from_text.cache_clear()
            for seed in seeds:
                attempt(target, seed)
    finally:
        sys.setprofile(old)
    return found


def test_every_function_that_reads_is_called_by_a_target() -> None:
    """A module may read in ten ways: each has a seed that goes there."""
    found = {one for one in reading_functions() if one.rpartition(".")[0] not in WITHOUT}
    called = _called()
    assert not sorted(found - called - set(NOT_CALLED)), "no seed of a target comes here"
    assert not sorted(set(NOT_CALLED) - found), "no such function any more"
    assert not sorted(set(NOT_CALLED) & called), "it is called: take it out of NOT_CALLED"


# --- faults are found -----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["guided", "plain"])
def test_planted_faults_are_found(engine: str, tmp_path: Path) -> None:
    if engine == "guided" and not libfuzzer.is_here():
        engine = "plain"  # atheris is built for some machines only; the other engine finds them too
    options = ["--seconds", "20", "--jobs", "1", "--hang", "2", "--work", tmp_path / "work"]
    options += ["--crashes", tmp_path / "crashes", *(["--plain"] if engine == "plain" else [])]
    command = [sys.executable, "-m", "entrenous.tests.fuzz", "--planted", *map(str, options)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    kept = {path.parent.name for path in (tmp_path / "crashes").rglob("*") if path.is_file()}
    assert kept == set(PLANTED), ran.stdout + ran.stderr


def _is_value(data: bytes) -> bool:
    try:
        return encode(decode(data)) == data
    except WireError:
        return False  # an integer out of bounds


def test_a_mutated_value_is_canonical_and_another() -> None:
    data = encode({"a": [1, b"x" * 40, encode([1, "two"])], "b": {"c": None}})
    found = {cbor_mutation.mutated(data, seed, 4096, lambda raw: raw + b"!") for seed in range(200)}
    assert len(found) > 50
    whole = [one for one in found if one is not None and _is_value(one)]
    assert len(whole) > len(found) * 3 // 4
    assert any(one and len(one) < len(data) for one in found)
    with pytest.raises(WireError):
        decode(b"\xff")
    assert cbor_mutation.mutated(b"\xff", 1, 10, bytes) is None


def test_values_are_changed_as_values() -> None:
    """A target of the form VALUE has seeds that are values: else its mutator does nothing."""
    for target in TARGETS.values():
        if target.form is Form.VALUE:
            for seed in target.seeds():
                decode(seed, bytes_max=1 << 20)

"""The policy language: what holds, what does not, what is not in it at all."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.canonical import Link, Value
from entrenous.protocol import limits
from entrenous.protocol.errors import CapabilityError, Code, WireError
from entrenous.protocol.policy import Quantified, parse_policy
from entrenous.protocol.selector import UNRESOLVED, parse_selector

ARGS: Mapping[str, Value] = {
    "from": 45_000,
    "to": 45_029,
    "yes": True,
    "one": 1,
    "none": None,
    "text": "energy-audit",
    "bytes": b"\x01\x02\x03",
    "link": Link(b"\x01q"),
    "list": [1, 2, {"b": 3}],
    "empty": [],
    "map": {"a": 1, "b": 2},
    "odd key.": {'"q"': "quoted", "\\": "slash"},
    "_u1": "name",
}


def holds(*statements: Value) -> bool:
    try:
        parse_policy(list(statements)).require(ARGS)
    except CapabilityError:
        return False
    return True


@pytest.mark.parametrize(
    "statement",
    [
        ["==", ".from", 45_000],
        ["==", ".list", [1, 2, {"b": 3}]],
        ["==", ".link", Link(b"\x01q")],
        ["!=", ".one", 2],
        ["!=", ".one", True],
        ["!=", ".yes", 1],
        ["!=", ".text", b"energy-audit"],
        ["!=", ".list", [True, 2, {"b": 3}]],
        # A key that a map lacks is null (UCAN, "Validation"); only what lies beyond it fails.
        ["==", ".missing", None],
        ["!=", ".missing", 1],
        ["<", ".from", 45_001],
        ["<=", ".from", 45_000],
        [">", ".from", 44_999],
        [">=", ".from", 45_000],
        ["like", ".text", "*"],
        ["like", ".text", "energy-*"],
        ["like", ".text", "e*g*-*t"],
        ["like", ".text", "energy-audit"],
        ["not", ["like", ".text", "energy-\\*"]],
        ["and", []],
        ["or", []],
        ["or", [["==", ".one", 7], ["==", ".one", 1]]],
        ["all", ".empty", ["==", ".", 1]],
        ["all", ".map", [">", ".", 0]],
        ["any", ".map", ["==", ".", 2]],
        ["any", ".list", ["==", ".b", 3]],
        ["not", ["any", ".bytes", ["==", ".", 1]]],
    ],
)
def test_holds(statement: Value) -> None:
    assert holds(statement)


@pytest.mark.parametrize(
    "statement",
    [
        ["==", ".one", True],
        ["==", ".yes", 1],
        ["==", ".one", "1"],
        ["==", ".bytes", "\x01\x02\x03"],
        ["==", ".missing.deeper", None],
        ["!=", ".missing.deeper", 1],
        ["!=", ".list[7]", 1],
        ["<", ".text", 5],
        [">=", ".yes", 0],
        ["<=", ".none", 5],
        [">", ".missing", 0],
        ["like", ".text", "energy"],
        ["like", ".text", "*audi"],
        ["like", ".text", "energy-audit*audit"],
        ["like", ".text", "energy*audit*audit"],
        ["like", ".text", "energy*-*-*audit"],
        ["like", ".text", "energy*energy*audit"],
        ["like", ".one", "*"],
        ["like", ".bytes", "*"],
        ["or", [["==", ".one", 7], ["==", ".one", 8]]],
        ["any", ".empty", ["==", ".", 1]],
        ["all", ".text", ["==", ".", 1]],
        ["any", ".bytes", ["==", ".", 1]],
        ["all", ".missing", ["==", ".", 1]],
        ["all", ".list", [">", ".", 0]],
    ],
)
def test_does_not_hold(statement: Value) -> None:
    assert not holds(statement)


def nested(depth: int, name: str = "not") -> Value:
    statement: Value = ["==", ".", 1]
    for _ in range(depth - 1):
        match name:
            case "not":
                statement = [name, statement]
            case "and" | "or":
                statement = [name, [statement]]
            case _:
                statement = [name, ".", statement]
    return statement


NONE: list[Value] = []
NO_KEYS: dict[str, Value] = {}
NOT_A_POLICY: list[Value] = [
    None,
    {},
    "==",
    ["==", ".a", 1],
    [[]],
    [[1, ".a", 1]],
    [["===", ".a", 1]],
    [["in", ".a", [1]]],
    [["=", ".a", 1]],
    [["exists", ".a"]],
    [["", ".a", 1]],
    [["AND", []]],
    [["==", ".a"]],
    [["==", ".a", 1, 2]],
    [["==", 1, ".a"]],
    [["<", ".a", "1"]],
    [["<", ".a", True]],
    [["<", ".a", None]],
    [["like", ".a", 1]],
    [["like", ".a", "x" * (limits.PATTERN_CHARS_MAX + 1)]],
    [["not"]],
    [["not", [["==", ".a", 1]]]],
    [["not", ["==", ".a", 1], ["==", ".a", 2]]],
    [["and", ["==", ".a", 1]]],
    [["or", {}]],
    [["or", [["==", ".a", 1], ["unknown", ".a", 1]]]],
    [["and", [], []]],
    [["all", ".a"]],
    [["all", ".a", []]],
    [["all", ".a", [["==", ".", 1]]]],
    [["any", "a", ["==", ".", 1]]],
    *([nested(limits.POLICY_DEPTH_MAX + 1, name)] for name in ("not", "and", "or", "all", "any")),
    [["==", ".a", 1]] * (limits.POLICY_STATEMENTS_MAX + 1),
]


@pytest.mark.parametrize("policy", NOT_A_POLICY, ids=lambda policy: repr(policy)[:60])
def test_what_is_not_in_the_language_is_refused(policy: Value) -> None:
    with pytest.raises(WireError):
        parse_policy(policy)


def test_an_operator_that_is_no_text_is_refused_as_such() -> None:
    for name in (1, None, b"not", NONE):
        with pytest.raises(WireError, match="an operator of a policy is text"):
            parse_policy([[name, ".a", 1]])


def test_the_limits_themselves_are_allowed() -> None:
    parse_policy([["==", "." + "a" * (limits.SELECTOR_CHARS_MAX - 1), 1]])
    parse_policy([["==", ".a" * limits.SELECTOR_STEPS_MAX, 1]])
    parse_policy([["like", ".a", "x" * limits.PATTERN_CHARS_MAX]])
    for name in ("not", "and", "or", "all", "any"):
        parse_policy([nested(limits.POLICY_DEPTH_MAX, name)])
    parse_policy([["==", ".a", 1]] * limits.POLICY_STATEMENTS_MAX)


# --- selectors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        (".from", 45_000),
        ("._u1", "name"),
        ('.["odd key."]["\\"q\\""]', "quoted"),
        ('.["odd key."]["\\\\"]', "slash"),
        (".list[0]", 1),
        (".list[-1].b", 3),
        (".list[1:]", [2, {"b": 3}]),
        (".list[:-2]", [1]),
        (".list[1:2]", [2]),
        (".list[]", [1, 2, {"b": 3}]),
        (".map[]", [1, 2]),
        (".bytes[2]", 3),
        (".bytes[1:]", b"\x02\x03"),
        (".missing", None),
        (".list[9]?", None),
        (".list[9]???", None),
        (".text.deeper?", None),
        (".text[0]?", None),
    ],
)
def test_selector(selector: str, value: Value) -> None:
    assert parse_selector(selector).resolve(dict(ARGS), free) == value


@pytest.mark.parametrize(
    "selector",
    [".list[3]", ".list[-4]", ".list.b", ".text[0]", ".one[]", ".bytes[]", ".none.a", ".a.b",
     ".a?.b", ".map[0]", ".list[0][0]"],
)  # fmt: skip
def test_selector_that_leads_nowhere(selector: str) -> None:
    assert parse_selector(selector).resolve(dict(ARGS), free) is UNRESOLVED


@pytest.mark.parametrize(
    "selector",
    ["", "a", "..", ".a..b", ".a.", ".a b", ".a-b", ".1", "[0]", ".[", ".[0", ".[x]", ".[0:1:2]",
     ".[:]", ".[--1]", ".[1234567890]", '.["a', '.["a\\n"]', ".['a']", ".a | .b", ".a[0].[1]", "?",
     ".?", ".a!", ".*", ".a\n", ".é", "." + "a" * limits.SELECTOR_CHARS_MAX,
     ".a" * (limits.SELECTOR_STEPS_MAX + 1), None, 1, b".a"],
)  # fmt: skip
def test_what_is_not_a_selector_is_refused(selector: Value) -> None:
    with pytest.raises(WireError):
        parse_selector(selector)


def free(steps: int) -> None:
    """A meter that never runs out."""
    assert steps >= 0


# --- cost and blame -------------------------------------------------------------------------------


def test_a_policy_that_multiplies_is_stopped() -> None:
    every = ["all", ".rows", ["and", [["==", ".", 0]] * 400]]
    with pytest.raises(CapabilityError, match="costs too much") as refused:
        parse_policy([every]).require({"rows": [0] * 10_000})
    assert refused.value.code is Code.TOO_MUCH
    slices = [["!=", ".rows" + "[0:]" * 15, 1]] * limits.POLICY_STATEMENTS_MAX
    with pytest.raises(CapabilityError, match="costs too much"):
        parse_policy(slices).require({"rows": [0] * 10_000})
    deep = [["==", ".rows", [0] * 10_000]] * 100
    with pytest.raises(CapabilityError, match="costs too much"):
        parse_policy(deep).require({"rows": [0] * 10_000})


def test_what_a_quantifier_costs_is_counted_to_the_statement() -> None:
    inner = ["and", [["==", ".", 0], ["not", ["==", ".", 1]]]]
    (_, found) = parse_policy([["==", ".a", 1], ["all", ".rows", inner]]).statements
    assert isinstance(found, Quantified)
    assert found.size == 5
    # 10,000 elements, 5 statements and the step of the selector: what is left decides to the step.
    rows = limits.POLICY_STEPS_MAX // 5
    policy = parse_policy([["all", ".rows", inner]])
    policy.require({"rows": [0] * rows})
    with pytest.raises(CapabilityError, match="costs too much"):
        policy.require({"rows": [0] * (rows + 1)})


@pytest.mark.parametrize("rows", [[0] * 9_999, {str(n): 0 for n in range(9_999)}], ids=type)
def test_a_deep_comparison_is_counted_to_the_value(rows: Value) -> None:
    """Ten comparisons of 9,999 values and of what holds them: 100,000 steps, the limit."""
    statement = ["==", ".rows", rows]
    parse_policy([statement] * 10).require({"rows": rows})
    with pytest.raises(CapabilityError, match="costs too much"):
        parse_policy([*[statement] * 10, ["==", ".none", []], ["==", ".rows", rows]]).require(
            {"rows": rows, "none": []}
        )


@pytest.mark.parametrize("rows", [[NONE] * 4_999, {str(n): NONE for n in range(4_999)}], ids=type)
def test_values_inside_of_values_are_counted(rows: Value) -> None:
    """Each list or map costs one step and one for each thing in it, to the step."""
    args: dict[str, Value] = {"rows": rows, "nine": [0] * 9, "none": NONE, "map": NO_KEYS}
    whole: list[Value] = [*[["==", ".rows", rows]] * 10, ["==", ".nine", [0] * 9]]
    parse_policy(whole).require(args)
    for more in (["==", ".none", NONE], ["==", ".map", NO_KEYS]):
        with pytest.raises(CapabilityError, match="costs too much"):
            parse_policy([*whole, more]).require(args)


def test_a_star_that_is_meant_stands_where_it_stood() -> None:
    policy = parse_policy([["like", ".a", "a*b\\*c"]])
    policy.require({"a": "axxb*c"})
    for text in ("a*xbc", "axb\\*c", "axbxc"):
        with pytest.raises(CapabilityError):
            policy.require({"a": text})


def test_a_place_is_counted_from_either_end() -> None:
    for place, value in ((0, 7), (1, 8), (-1, 8), (-2, 7)):
        parse_policy([["==", f".a[{place}]", value]]).require({"a": [7, 8]})
    for place in (2, -3):
        with pytest.raises(CapabilityError):
            parse_policy([["!=", f".a[{place}]", 9]]).require({"a": [7, 8]})


def test_a_pattern_costs_by_the_length_of_the_text() -> None:
    """One step, and one more for each 64 characters."""
    texts: list[Value] = [["like", ".text", "*"]] * 500
    for chars, steps in ((63, 1), (64, 2), (128, 3)):
        rows = limits.POLICY_STEPS_MAX - 500 * steps
        # `all` over a list of so many costs so many, for it and its statement: two each.
        filler: Value = ["all", ".rows", ["==", ".", 0]]
        args: dict[str, Value] = {"text": "x" * chars, "rows": [0] * (rows // 2)}
        parse_policy([*texts, filler]).require(args)
        with pytest.raises(CapabilityError, match="costs too much"):
            parse_policy([*texts, ["like", ".text", "*"], filler]).require(args)


def test_a_pattern_cannot_backtrack() -> None:
    policy = parse_policy([["like", ".a", "*a" * 128]])
    with pytest.raises(CapabilityError, match="does not allow"):
        policy.require({"a": "a" * 30_000 + "b"})


def test_the_alternative_that_came_furthest_is_blamed() -> None:
    """Wherever it stands among the others, and a single statement has come nowhere."""
    further: Value = ["and", [["==", ".collection", "power"], ["==", ".from", 99]]]
    other: Value = ["==", ".purpose", "audit"]
    for either in ([other, further], [further, other]):
        with pytest.raises(CapabilityError) as refused:
            parse_policy([["or", either]]).require({"collection": "power", "from": 1})
        assert refused.value.code is Code.DAYS


GRANT = [
    ["==", ".purpose", "audit"],
    ["==", ".terms", "T"],
    [
        "or",
        [
            ["and", [["==", ".collection", "gas"], [">=", ".from", 10], ["<=", ".to", 20]]],
            ["and", [["==", ".collection", "power"], [">=", ".from", 30], ["<=", ".to", 40]]],
        ],
    ],
]
READ: Mapping[str, Value] = {
    "collection": "power", "from": 30, "to": 40, "purpose": "audit", "terms": "T",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "code", "selector"),
    [
        ({"purpose": "marketing"}, Code.PURPOSE, ".purpose"),
        ({"terms": "U"}, Code.TERMS, ".terms"),
        ({"collection": "water"}, Code.COLLECTION, ".collection"),
        ({"to": 41}, Code.DAYS, ".to"),
        ({"from": 29}, Code.DAYS, ".from"),
        ({"from": "30"}, Code.DAYS, ".from"),
        ({"collection": "gas"}, Code.DAYS, ".to"),
    ],
)
def test_a_refusal_names_what_it_is_about(
    changed: Mapping[str, Value], code: Code, selector: str
) -> None:
    policy = parse_policy(GRANT)
    policy.require(READ)
    with pytest.raises(CapabilityError) as refused:
        policy.require({**READ, **changed})
    assert refused.value.code is code
    assert str(refused.value).endswith(selector)


# --- properties -----------------------------------------------------------------------------------

leaves: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.text("ab*\\", max_size=3),
    st.binary(max_size=2),
)
values: st.SearchStrategy[Value] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
selectors = st.sampled_from([".", ".a", ".b?", ".a.b", ".[0]?", ".a[-1]", ".a[]", '.["b"][1:]'])


def as_list(*parts: Value) -> Value:
    return list(parts)


statements: st.SearchStrategy[Value] = st.recursive(
    st.one_of(
        st.builds(as_list, st.sampled_from(["==", "!="]), selectors, values),
        st.builds(as_list, st.sampled_from(["<", "<=", ">", ">="]), selectors, st.integers(-3, 3)),
        st.builds(as_list, st.just("like"), selectors, st.text("ab*\\", max_size=4)),
    ),
    lambda inner: st.one_of(
        st.builds(as_list, st.just("not"), inner),
        st.builds(as_list, st.sampled_from(["and", "or"]), st.lists(inner, max_size=3)),
        st.builds(as_list, st.sampled_from(["all", "any"]), selectors, inner),
    ),
    max_leaves=4,
)
arguments = st.dictionaries(st.sampled_from("ab"), values, max_size=2)


def allows(policy: Value, args: Mapping[str, Value]) -> bool:
    try:
        parse_policy(policy).require(args)
    except CapabilityError:
        return False
    return True


@given(st.lists(statements, max_size=3), st.lists(statements, max_size=3), arguments)
def test_a_statement_more_never_allows_more(
    policy: list[Value], more: list[Value], args: dict[str, Value]
) -> None:
    assert allows(policy + more, args) == (allows(policy, args) and allows(more, args))


@given(statements, arguments)
def test_not_inverts(statement: Value, args: dict[str, Value]) -> None:
    if depth_of(statement) < limits.POLICY_DEPTH_MAX:
        assert allows([["not", statement]], args) is not allows([statement], args)


def depth_of(statement: Value) -> int:
    assert isinstance(statement, list)
    inner = [part for part in statement[1:] if isinstance(part, list)]
    return 1 + max((depth_of(part) for part in inner if part), default=0)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_matches_as_its_definition_says(pattern: str, text: str) -> None:
    assert allows([["like", ".a", pattern]], {"a": text}) == slowly(pattern, text)


def slowly(pattern: str, text: str) -> bool:
    """The definition, by every way to place the first wildcard."""
    if "*" not in pattern:
        return pattern == text
    head, tail = pattern.split("*", 1)
    return text.startswith(head) and any(
        slowly(tail, text[start:]) for start in range(len(head), len(text) + 1)
    )

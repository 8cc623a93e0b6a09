"""Mutants: one module with one small fault put in, by its syntax tree.

A fault is what a hand slips into: a comparison one off, a condition the wrong way round, `and` for
`or`, a raise forgotten, two arguments exchanged.  What only changes a sentence is left alone, and
so are docstrings, annotations and decorators: no test should hold a program to its wording.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.  `name` is stable while the line is: module, line, kind, what stands there now."""

    module: str
    name: str
    line: int
    # Where what was changed ends: Python notes the lines of a long condition, and not that of its
    # `if`.
    last: int
    # The function it stands in, with its class: `Session.receive`; empty outside of functions.
    place: str
    # Whether it stands in the body of a function: then it can be put into a running program.
    in_function: bool
    _build: Callable[[], ast.Module] = field(repr=False, compare=False)

    @property
    def tree(self) -> ast.Module:
        """The module with the fault, made anew each time."""
        return self._build()


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    seen: dict[str, int] = {}
    for site in _sites(tree):
        for kind, change in _changes(site.node):
            node = copy.deepcopy(site.node)
            before = _shown(node)
            change(node)
            after = "nothing" if isinstance(node, ast.Pass) else _shown(node)
            line = _line(site.node)
            name = f"{module}:{line} {kind}: {_short(before)} -> {_short(after)}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name += f" ({seen[name]})"
            build = partial(_built, tree, site.path, change)
            last = max(line, _last(site.node))
            yield Mutant(module, name, line, last, site.place, site.in_function, build)


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}"
    return ast.unparse(node)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else line[:67] + "…"


# --- where ----------------------------------------------------------------------------------------

Path = tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class _Site:
    node: ast.AST
    path: Path
    place: str
    in_function: bool


def _sites(tree: ast.Module) -> list[_Site]:
    found: list[_Site] = []
    _walk(_Site(tree, (), "", False), found)
    return sorted(found, key=lambda site: _line(site.node))


def _line(node: ast.AST) -> int:
    """An operator or a module has none, a `for` inside of an expression that of its name."""
    return getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 0)


def _last(node: ast.AST) -> int:
    """The last line of `node`, of its condition if it has a body."""
    match node:
        case ast.If() | ast.While():
            return node.test.end_lineno or 0
        case ast.comprehension():
            return max((one.end_lineno or 0 for one in node.ifs), default=0)
        case _:
            return getattr(node, "end_lineno", None) or 0


def _walk(site: _Site, found: list[_Site]) -> None:
    found.append(site)
    node, place = site.node, site.place
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        place = f"{place}.{node.name}".removeprefix(".")
    for name, value in ast.iter_fields(node):
        if name in _SKIPPED_FIELDS or _is_wording(node, name):
            continue
        # A default is evaluated where the function is defined, its body when it is called.
        enters = isinstance(node, ast.FunctionDef | ast.Lambda) and name == "body"
        within = site.in_function or enters
        if isinstance(value, list):
            for number, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # fields of a tree
                if isinstance(item, ast.AST) and not _is_docstring(item):
                    _walk(_Site(item, (*site.path, (name, number)), place, within), found)
        elif isinstance(value, ast.AST):
            _walk(_Site(value, (*site.path, (name, None)), place, within), found)


_SKIPPED_FIELDS = ("decorator_list", "annotation", "returns", "bases", "ctx", "names")


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_wording(node: ast.AST, name: str) -> bool:
    """The sentence of an error, an assertion that is for the type checker, what a repr shows."""
    if isinstance(node, ast.Assert | ast.JoinedStr):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in ("__repr__", "__str__")
    return isinstance(node, ast.Raise) and name == "cause"


def _built(tree: ast.Module, path: Path, change: Change) -> ast.Module:
    """`tree`, changed at the node that `path` leads to; what is not on the way there is shared."""
    changed = copy.copy(tree)
    node: ast.AST = changed
    for name, place in path:
        value = getattr(node, name)
        child: ast.AST = copy.copy(value if place is None else value[place])
        if place is None:
            setattr(node, name, child)
        else:
            setattr(node, name, [*value[:place], child, *value[place + 1 :]])
        node = child
    # A change may reach into the lists of its node.
    node.__dict__.update(copy.deepcopy(node).__dict__)
    change(node)
    ast.fix_missing_locations(node)
    return changed


# --- what -----------------------------------------------------------------------------------------

Change = Callable[[ast.AST], None]


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare():
            for place, op in enumerate(node.ops):
                for other in SWAPS.get(type(op), ()):
                    yield "comparison", _set_in("ops", place, other)
        case ast.BoolOp():
            yield "boolean", _set("op", SWAPS[type(node.op)][0]())
        case ast.BinOp() if type(node.op) in SWAPS and not _texts(node):
            yield "arithmetic", _set("op", SWAPS[type(node.op)][0]())
        case ast.AugAssign() if type(node.op) in SWAPS:
            yield "arithmetic", _set("op", SWAPS[type(node.op)][0]())
        case ast.UnaryOp(op=ast.Not()):
            yield "condition", _becomes(node.operand)
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", _becomes(node.operand)
        case ast.If() | ast.While() | ast.IfExp():
            yield "condition", _negated("test")
        case ast.comprehension():
            for place in range(len(node.ifs)):
                yield "condition", _negated("ifs", place)
        case ast.Constant():
            yield from _constants(node)
        case ast.Return() if node.value is not None and not _is_none(node.value):
            yield "return", _set("value", ast.Constant(None))
        case ast.Raise():
            yield "statement", _becomes(ast.Pass())
        case ast.Expr(value=ast.Call() | ast.Await() | ast.YieldFrom()):
            yield "statement", _becomes(ast.Pass())
        case ast.Break():
            yield "jump", _becomes(ast.Continue())
        case ast.Continue():
            yield "jump", _becomes(ast.Break())
        case ast.Call(func=ast.Name(id="min" | "max")):
            return  # the order is nothing to them
        case ast.Call() if len(node.args) >= 2 and _distinct(node.args[0], node.args[1]):
            yield "arguments", _exchanged
        case _:
            return


def _constants(node: ast.Constant) -> Iterator[tuple[str, Change]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", _set("value", not value)
    elif isinstance(value, int):
        yield "constant", _set("value", value + 1)
        if value > 0:
            yield "constant", _set("value", value - 1)
    elif isinstance(value, bytes):
        yield "constant", _set("value", value + b"\x00")


def _texts(node: ast.BinOp) -> bool:
    """Whether `node` joins texts: a minus there is no fault that anyone could miss."""
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _distinct(a: ast.AST, b: ast.AST) -> bool:
    plain = (ast.Name, ast.Attribute)
    return isinstance(a, plain) and isinstance(b, plain) and ast.dump(a) != ast.dump(b)


def _set(name: str, value: object) -> Change:
    return lambda node: setattr(node, name, value)


def _set_in(name: str, place: int, kind: type[ast.AST]) -> Change:
    def change(node: ast.AST) -> None:
        getattr(node, name)[place] = kind()

    return change


def _negated(name: str, place: int | None = None) -> Change:
    def change(node: ast.AST) -> None:
        test = getattr(node, name)
        if place is None:
            setattr(node, name, ast.UnaryOp(ast.Not(), test))
        else:
            test[place] = ast.UnaryOp(ast.Not(), test[place])

    return change


def _becomes(other: ast.AST) -> Change:
    """Turn the node itself into another: its parent need not be known."""

    def change(node: ast.AST) -> None:
        location = {name: getattr(node, name) for name in _LOCATION}
        node.__class__ = type(other)
        node.__dict__.clear()
        node.__dict__.update(copy.deepcopy(other).__dict__)
        node.__dict__.update(location)

    return change


_LOCATION = ("lineno", "col_offset", "end_lineno", "end_col_offset")


def _exchanged(node: ast.AST) -> None:
    assert isinstance(node, ast.Call)
    node.args[0], node.args[1] = node.args[1], node.args[0]

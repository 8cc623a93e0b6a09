"""A budget as it is drawn in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ....node.service import visible
from ...drawn import Bar, Cell, Column, Ink, Paper, Said, prose, table
from ...exact import ONE, shown
from ...local_days import in_words, month_of
from .categories import GROUPS, OWN, UNKNOWN
from .recurring import Series
from .sorting import Sorted
from .sums import Budget, By, Row, Span
from .words import plain

ROWS_MAX = 25
_NARROW = 76
_HEADINGS = {By.CATEGORY: "category", By.MONTH: "month", By.PAYEE: "payee"}


def draw_budget(
    found: Budget, span: Span, by: By, only: str | None, compared: int, paper: Paper
) -> list[str]:
    """One currency: a sentence with the total, the lines, and what is beside them."""
    lines = prose(_head(found, span, only, compared), paper, Ink.STRONG)
    rows, cells = _rows(found, by, only), list[Sequence[Cell]]()
    # A share is one of what was spent, not of what is left after something came back.
    tops = [row.spent for row, depth in rows if not depth]
    total = max(sum(spent for spent in tops if spent > 0), 1)
    most = max((row.spent for row, _ in rows), default=0)
    with_usual = by is By.CATEGORY and compared > 0
    for row, depth in rows[:ROWS_MAX]:
        cells.append(_line(row, depth, by, total, most, with_usual=with_usual))
    columns = [
        Column(_HEADINGS[by], cut=True),
        Column(found.currency, right=True),
        *([] if by is By.MONTH else [Column("share", right=True)]),
        Column("", bar=True),
        *([Column("usual", right=True), Column("change", right=True)] if with_usual else []),
        *([Column("payments", right=True)] if by is not By.CATEGORY else []),
    ]
    if cells:
        lines += ["", *table(columns, cells, paper)]
    if (left := len(rows) - ROWS_MAX) > 0:
        rest = sum(row.spent for row, _ in rows[ROWS_MAX:])
        lines += prose(f"… and {left:,} more, {money(rest, found)} in all", paper, Ink.FAINT)
    lines += _beside(found, only, paper)
    return lines


def draw_recurring(series: Sequence[Series], as_of: str, paper: Paper) -> list[str]:
    """What recurs: what runs, then what has ended."""
    lines: list[str] = []
    currencies = {one.currency for one in series}
    own = [one for one in series if one.next and one.category in OWN]
    running = [one for one in series if one.next and one.category not in OWN]
    for title, some in (
        ("You pay", [one for one in running if one.amount < 0]),
        ("You receive", [one for one in running if one.amount > 0]),
        ("Between your own accounts", [one for one in own if one.amount < 0]),
        ("Ended", [one for one in series if not one.next]),
    ):
        if not some:
            continue
        columns: tuple[Column, ...] = (
            Column(title, cut=True),
            Column("category"),
            Column("every"),
            Column(min(currencies) if len(currencies) == 1 else "", right=True),
            Column("last" if title == "Ended" else "next"),
            Column("dearer since"),
        )
        if paper.columns < _NARROW:  # the last is the one to do without
            columns = columns[:-1]
        rows = [_recurs(one, with_currency=len(currencies) > 1)[: len(columns)] for one in some]
        lines += [*table(columns, rows, paper), ""]
    note = f"As the payments up to {as_of} show it; what is next is worked out, not known."
    return [*lines, *prose(note, paper, Ink.FAINT)]


def _recurs(one: Series, *, with_currency: bool) -> Sequence[Cell]:
    rise = one.rises[-1] if one.rises else None
    dearer = ""
    if rise is not None:
        dearer = f"+{shown(rise.after - rise.before)} ({month_of(rise.date)})"
    amount = shown(abs(one.amount))
    return (
        visible(one.payee),
        Said(one.category or "?", Ink.FAINT if one.category else Ink.WARM),
        one.in_words,
        f"{amount} {one.currency}" if with_currency else amount,
        str(one.next or one.last),
        Said(dearer, Ink.UP),
    )


def draw_reasons(payments: Sequence[Sorted], more: int, paper: Paper) -> list[str]:
    """Why each of some payments is where it is."""
    lines: list[str] = []
    for one in payments:
        payment, verdict = one.payment, one.verdict
        amount = f"{shown(payment.amount)} {payment.currency}"
        lines.append(
            f"{paper.inked(one.category or UNKNOWN, Ink.STRONG)}  {payment.date}  {amount}"
        )
        words = f": {verdict.words}" if verdict.words else ""
        told = "; ".join(sorted(visible(file) for file in payment.files))
        lines += [
            f"  {visible(payment.label)}",
            f"  because   {verdict.how}{words}" + (f" ({one.other})" if one.other else ""),
            f"  told by   {told}",
            paper.inked(f"  id        {visible(payment.id)}", Ink.FAINT),
            "",
        ]
    if more:
        lines += prose(f"… and {more:,} more; more words, or an id, name fewer", paper, Ink.FAINT)
    else:
        lines = lines[:-1]
    return lines


def money(amount: int, found: Budget) -> str:
    """`1,234.50 EUR`."""
    return f"{shown(amount)} {found.currency}"


def _head(found: Budget, span: Span, only: str | None, compared: int) -> str:
    total = found.total
    what = "" if only is None else f" on {only}"
    when = f"In {in_words(span.month)}" if span.month else f"From {span.first} to {span.last}"
    sentence = f"{when} you spent {money(total.spent, found)}{what}, in {_payments(total)}"
    if total.received:
        sentence += f"; {money(total.received, found)} came back"
    if total.usual is None:
        return f"{sentence}."
    change = total.spent - total.usual
    than = f"usual ({money(total.usual, found)}, the median of the {compared} months before)"
    if shown(change) in ("0.00", "-0.00"):
        return f"{sentence}. That is as much as {than}."
    more = "more" if change > 0 else "less"
    return f"{sentence}. That is {money(abs(change), found)} {more} than {than}."


def _rows(found: Budget, by: By, only: str | None) -> list[tuple[Row, int]]:
    """The lines with how far each is set in: categories of a group stand under it."""
    if by is not By.CATEGORY:
        return [(row, 0) for row in found.rows]
    grouped = {part: row.name for row in found.groups for part in GROUPS[row.name]}
    rows: list[tuple[Row, int]] = [(row, 0) for row in found.rows if row.name not in grouped]
    if only in GROUPS:
        return [(row, 0) for row in found.rows]
    rows += [(row, 0) for row in found.groups]
    rows += [] if found.unknown is None else [(found.unknown, 0)]
    rows.sort(key=lambda pair: (-pair[0].spent, pair[0].name))
    lines: list[tuple[Row, int]] = []
    for row, depth in rows:
        lines.append((row, depth))
        parts = GROUPS.get(row.name, ()) if row in found.groups else ()
        lines += [(one, 1) for one in found.rows if one.name in parts]
    return lines


def _line(
    row: Row, depth: int, by: By, total: int, most: int, *, with_usual: bool
) -> Sequence[Cell]:
    faint = Ink.FAINT if depth else Ink.PLAIN
    name = f"{'  ' * depth}{visible(row.name)}"
    ink = Ink.WARM if row.name == UNKNOWN else faint
    cells: list[Cell] = [Said(name, ink), Said(shown(row.spent), faint)]
    if by is not By.MONTH:
        cells.append(Said(_share(row.spent, total), faint))
    cells.append(Bar(row.spent, most, Ink.FAINT if depth else Ink.BAR))
    if with_usual:
        usual = row.usual or 0
        change = row.spent - usual
        sign = "+" if change > 0 else ""
        cells.append(Said(shown(usual), Ink.FAINT))
        said = "" if abs(change) * 200 < ONE else f"{sign}{shown(change)}"
        cells.append(Said(said, Ink.UP if change > 0 else Ink.DOWN))
    if by is not By.CATEGORY:
        cells.append(Said(f"{row.payments:,}", Ink.FAINT))
    return cells


def _share(part: int, total: int) -> str:
    return "" if part <= 0 else f"{(200 * part + total) // (2 * total)} %"


def _beside(found: Budget, only: str | None, paper: Paper) -> list[str]:
    lines: list[str] = []
    if found.unknown is not None and found.largest:
        largest = ", ".join(f"{visible(row.name)} {shown(row.spent)}" for row in found.largest)
        # Words and nothing else: it is there to be pasted into a shell.
        name = plain(found.largest[0].name).strip().upper()
        lines += ["", *prose(f"Not categorised, the largest: {largest}.", paper, Ink.WARM)]
        hint = f'Say what it is: entrenous budget rule "{name}" CATEGORY'
        lines += prose(hint, paper, Ink.FAINT)
    if only is None and (found.income or found.moved):
        parts = [f"{money(found.income, found)} came in"] if found.income else []
        if found.moved:
            parts.append(
                f"{money(found.moved, found)} moved between your own accounts, which is not counted"
            )
        lines += ["", *prose(f"{'; '.join(parts)}.", paper)]
    return lines


def _payments(row: Row) -> str:
    return "1 payment" if row.payments == 1 else f"{row.payments:,} payments"

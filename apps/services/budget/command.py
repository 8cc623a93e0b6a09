"""`entrenous budget`, and the rules that a person adds."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from ....node.service import Exit, Host, NotFound, UsageError
from ...drawn import Ink, Paper, prose
from ...exact import text
from ...local_days import (
    Zone,
    date_named,
    first_of,
    last_of,
    local,
    month_of,
    months_later,
    zone_in_words,
    zone_named,
)
from .categories import categories_of
from .payments import Ledger, ledger
from .pictures import draw_budget, draw_reasons, draw_recurring
from .recurring import Series, recurring
from .rules import BadRules, Rules, own_rule, own_rules
from .shapes import SHAPES
from .sorting import Sorted, sort_payments
from .sums import Budget, By, Row, Span, budgets, months_before
from .words import plain

RULES_FILE: Final = "budget.toml"
_REASONS_MAX: Final = 20
_HEAD: Final = """\
# Your own rules for `entrenous budget`; they win over the built-in ones.
#
#   words      what has to stand in the label or the payee: whole words, side by side; accents,
#              capitals and signs do not matter; the longest that is found decides
#   category   what it is then; `entrenous budget rule --help` lists them
#   for        (may be left out) only where money moved so: in, out, card, debit, transfer, cash,
#              check, fee, interest
"""

Month = Annotated[str | None, Parameter(help="One month (2026-10); the last full one without.")]
From = Annotated[str | None, Parameter(name="--from", help="First day (YYYY-MM-DD).")]
To = Annotated[str | None, Parameter(name="--to", help="Last day (YYYY-MM-DD), included.")]
Category = Annotated[str | None, Parameter(help="One category only, or food: what is eaten.")]
Lines = Annotated[
    Literal["category", "month", "payee"] | None, Parameter(name="--by", help="What the lines are.")
]
For = Annotated[str | None, Parameter(name="--for", help="Whose of your household, or home.")]
ZoneName = Annotated[str | None, Parameter(name="--zone", help="Whose days (Europe/Paris).")]


async def budget(
    host: Host,
    /,
    *,
    month: Month = None,
    from_: From = None,
    to: To = None,
    category: Category = None,
    by: Lines = None,
    recurring: Annotated[
        bool, Parameter(help="What recurs: how often, how much, when next, what got dearer.")
    ] = False,
    why: Annotated[
        str | None, Parameter(help="Why a payment is where it is: its id, or words of its label.")
    ] = None,
    for_: For = None,
    zone: ZoneName = None,
) -> int:
    """See what you spent, on what: the last full month, by category.

    Payments are those of your vault, each once, however many files tell of it. What moves between
    your own accounts is not counted; what comes back reduces its category; currencies stay apart.
    Months are those of your time zone.

    Example: entrenous budget --category food --month 2026-10
    """
    try:
        where = zone_named(zone)
        only = None if category is None else categories_of(category)
        rules = Rules(own_rules(host.own_text(RULES_FILE) or ""))
        async with host.node() as client:
            book = await ledger(client, for_, where)
        _require_some(book, for_)
        payments = sort_payments(book.payments, rules, book.own_ibans)
        if why is not None:
            return _why(host, payments, why)
        if recurring:
            return _recurring(host, book, payments)
        today = local(host.now_ms, where).date()
        lines = By(by) if by else By.CATEGORY if category is None else By.PAYEE
        span = _span(payments, month, from_, to, today, lines)
    except ValueError as error:
        raise UsageError(str(error)) from None
    before = months_before(span, book.payments[0].date)
    found = budgets(payments, span, lines, only, before)
    host.show(
        SHAPES["budget"],
        {
            "by": lines.value,
            "category": category,
            "first": span.first.isoformat(),
            "last": span.last.isoformat(),
            "zone": _zone_words(span, where),
            "compared": before,
            "currencies": [_currency_json(one) for one in found],
            "conflicts": book.conflicts,
            "damaged": book.damaged,
        },
    )
    paper = paper_of(host)
    drawn: list[str] = []
    for one in found:
        drawn += [*draw_budget(one, span, lines, category, len(before), paper), ""]
    if not found:
        raise NotFound(_nothing_in(span, book))
    host.draw([*drawn, *prose(_days_words(span, book, today, where), paper, Ink.FAINT)])
    return _told(host, book)


async def rule(
    host: Host,
    words: Annotated[str, Parameter(help="Words that stand in the label or the payee.")],
    category: Annotated[str, Parameter(help="The category that it is then.")],
    /,
    *,
    means: Annotated[
        str, Parameter(help="Only for: in, out, card, debit, transfer, cash, check, fee, interest.")
    ] = "any",
) -> int:
    """Say what some words on a bank's line mean; your rule wins over the built-in ones.

    It is kept in budget.toml in your home, which you may write yourself. Categories: groceries,
    restaurants, housing, energy, telecoms, transport, health, insurance, leisure, clothing,
    education, children, taxes, savings, gifts, fees, income, transfers, other.

    Example: entrenous budget rule "LE PETIT COMPTOIR" restaurants
    """
    try:
        kept = host.own_text(RULES_FILE)
        rules = own_rules(kept or "")
        new = own_rule(words, category, means)
    except BadRules as error:
        raise UsageError(str(error)) from None
    same = [one for one in rules if (one.words, one.bound) == (new.words, new.bound)]
    replaced = same[-1].category if same else None
    if replaced != category:
        host.keep_text(
            RULES_FILE,
            f"{(kept or _HEAD).rstrip()}\n\n{_rule_text(words, new.category, new.bound)}",
        )
        rules.append(new)
    told = {
        "words": new.words.strip(),
        "category": category,
        "rules": len(rules),
        "replaced": replaced,
    }
    host.show(SHAPES["budget rule"], told)
    was = f" (it was {replaced})" if replaced not in (None, category) else ""
    host.draw([f"“{new.words.strip()}” is {category} from now on{was}, in the past too."])
    return Exit.DONE


def paper_of(host: Host) -> Paper:
    """What a budget is drawn on."""
    return Paper(host.columns, host.colour, host.blocks)


def _rule_text(words: str, category: str, bound: str) -> str:
    # A text of JSON is one of TOML too, but for DEL.
    spelled = json.dumps(" ".join(words.replace("\x7f", " ").split()), ensure_ascii=False)
    only = f'for = "{bound}"\n' if bound != "any" else ""
    return f'[[rule]]\nwords = {spelled}\ncategory = "{category}"\n{only}'


def _require_some(book: Ledger, whose: str | None) -> None:
    if not book.payments:
        raise NotFound(
            "there are no payments in your vault yet: import your bank's file first, "
            "`entrenous import statement.ofx`"
            if whose is None
            else f"there are no payments of {whose} in your vault; `entrenous collections` lists "
            "what there is"
        )


def _span(
    payments: Sequence[Sorted],
    month: str | None,
    first: str | None,
    last: str | None,
    today: datetime.date,
    by: By,
) -> Span:
    """The days that were asked for; by default the last full month in which anything was paid.

    Raises ValueError.
    """
    if month is not None and (first or last):
        raise ValueError("say --month, or --from and --to")
    known = [one.payment.date for one in payments]
    if month is not None:
        return Span(first_of(month), last_of(month))
    if first is not None or last is not None:
        start = date_named(first) if first else known[0]
        end = date_named(last) if last else max(known[-1], start)
        if end < start:
            raise ValueError("--from is after --to")
        return Span(start, end)
    full = [date for date in known if month_of(date) < month_of(today)]
    chosen = month_of(full[-1] if full else known[-1])
    if by is By.MONTH:
        earliest = max(months_later(chosen, -11), month_of(known[0]))
        return Span(first_of(earliest), last_of(chosen))
    return Span(first_of(chosen), last_of(chosen))


def _why(host: Host, payments: Sequence[Sorted], named: str) -> int:
    """The payments of that id, or with these words, the latest first."""
    words = plain(named)
    found = [one for one in payments if one.payment.id == named] or [
        one
        for one in payments
        if words in one.payment.line or (len(named) >= 6 and one.payment.id.startswith(named))
    ]
    if not found or not words.strip():
        raise NotFound(f"no payment has this id or these words: {named}")
    shown = found[::-1][:_REASONS_MAX]
    more = len(found) - len(shown)
    host.show(
        SHAPES["budget --why"], {"payments": [_reason_json(one) for one in shown], "more": more}
    )
    host.draw(draw_reasons(shown, more, paper_of(host)))
    return Exit.DONE


def _recurring(host: Host, book: Ledger, payments: Sequence[Sorted]) -> int:
    found = recurring(payments)
    as_of = book.payments[-1].date.isoformat()
    told = {
        "as_of": as_of,
        "series": [_series_json(one) for one in found],
        "damaged": book.damaged,
    }
    host.show(SHAPES["budget --recurring"], told)
    if found:
        host.draw(draw_recurring(found, as_of, paper_of(host)))
    else:
        host.draw(["Nothing recurs yet, as far as these payments show."])
    return _told(host, book)


def _told(host: Host, book: Ledger) -> int:
    """What to know before one relies on it."""
    if book.conflicts and not host.json:
        host.note(
            f"{book.conflicts:,} payments were told with different amounts by different sources; "
            "`entrenous read COLLECTION --sources` names them"
        )
    for sentence in book.damaged:
        host.note(f"damaged: {sentence}")
    return Exit.FAILED if book.damaged else Exit.DONE


def _nothing_in(span: Span, book: Ledger) -> str:
    days = span.month or f"{span.first} to {span.last}"
    known = f"{book.payments[0].date} to {book.payments[-1].date}"
    return f"there are no payments in {days}; your vault has those of {known}"


def _days_words(span: Span, book: Ledger, today: datetime.date, zone: Zone) -> str:
    last = book.payments[-1].date
    words = f"Days of {_zone_words(span, zone)}; a date that a bank wrote alone stays that date."
    if month_of(span.last) == month_of(today):
        words += " The month is not over."
    if last < span.last or month_of(today) > months_later(month_of(last), 1):
        words += f" Your vault's last payment is of {last}."
    return words


def _zone_words(span: Span, zone: Zone) -> str:
    at = datetime.datetime.combine(span.first, datetime.time(12), datetime.UTC)
    return zone_in_words(round(at.timestamp()) * 1000, zone)


Json = Mapping[str, object]


def _row_json(row: Row) -> Json:
    return {
        "name": row.name,
        "spent": text(row.spent, 2),
        "paid": text(row.paid, 2),
        "received": text(row.received, 2),
        "payments": row.payments,
        "usual": None if row.usual is None else text(row.usual, 2),
    }


def _currency_json(found: Budget) -> Json:
    total = {key: value for key, value in _row_json(found.total).items() if key != "name"}
    unknown: Json | None = None
    if found.unknown is not None:
        unknown = {**_row_json(found.unknown), "largest": [_row_json(one) for one in found.largest]}
    return {
        "currency": found.currency,
        **total,
        "income": text(found.income, 2),
        "moved": text(found.moved, 2),
        "rows": [_row_json(one) for one in found.rows],
        "groups": [_row_json(one) for one in found.groups],
        "uncategorised": unknown,
    }


def _series_json(one: Series) -> Json:
    return {
        "payee": one.payee,
        "category": one.category,
        "currency": one.currency,
        "every": one.every,
        "unit": "week" if one.weekly else "month",
        "count": one.count,
        "first": one.first.isoformat(),
        "last": one.last.isoformat(),
        "amount": text(one.amount, 2),
        "next": None if one.next is None else one.next.isoformat(),
        "rises": [
            {
                "date": rise.date.isoformat(),
                "before": text(rise.before, 2),
                "after": text(rise.after, 2),
            }
            for rise in one.rises
        ],
    }


def _reason_json(one: Sorted) -> Json:
    payment = one.payment
    return {
        "id": payment.id,
        "date": payment.date.isoformat(),
        "amount": text(payment.amount, 2),
        "currency": payment.currency,
        "label": payment.label,
        "payee": payment.payee,
        "means": payment.means.value,
        "category": one.category,
        "how": one.verdict.how,
        "words": one.verdict.words,
        "other": one.other,
        "sources": sorted(payment.files),
    }

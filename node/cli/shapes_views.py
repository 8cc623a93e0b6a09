"""What `--json` prints of views, and of what each answer to a request gives away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape, lines, one

_VIEW = {
    "path": "where it is kept: what is granted and read",
    "source": "the collection that it is derived from",
    "view": "what it tells: `daily-energy`, `monthly-energy`, `monthly-payments`, "
    "`monthly-categories`, `monthly-band` or `fields`",
    "schema": "what its records look like; no source signs them",
    "records": "how many",
    "periods": "periods that it tells",
    "waiting": "periods that it does not tell as they are: `first`, `name`, `why` (`open`, "
    "`incomplete`, `held`, `told a short while ago`)",
    "figure": "of a view in bands, what is added up, or null",
    "bands": "of a view in bands, their names",
    "fields": "of a view of chosen fields, these",
    "rule": "by which categories are sorted, or null",
    "late_days": "days that it waits after a period",
    "again_days": "days at least between two versions of a period",
    "made_ms": "when it was made",
    "lent": "grants on it that hold",
    "trouble": "why it was not derived when it was last looked at, or null",
}

VIEWS: Final[Mapping[str, Shape]] = {
    "views": lines(**_VIEW),
    "view": one(**_VIEW),
    "view add": one(**_VIEW),
    "view release": one(**_VIEW),
    "view remove": one(path="the view that was removed", pages="pages of it, overwritten"),
    "choices": lines(
        collection="of which collection",
        choice="`whole`, `days` (the last thirty of those asked for), `fields` or `view`",
        view="the name that `decide ID grant --view` takes, or null",
        path="what would be granted",
        made="whether there is such a view already; else granting it makes it",
        schema="what its records look like",
        fields="the fields that they have, beside id and offset",
        first="first day",
        last="last day",
        days="how many days that is",
        records="how many records lie on them now",
        bytes="as many bytes as their pages fill before they are packed",
        example="one row, as its reader would have it, or null",
        enough="why it is enough for the purpose, by our own reckoning, or null",
    ),
}

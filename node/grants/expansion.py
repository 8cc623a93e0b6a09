"""What the items of a request come to here: a category is the collections that there are in it."""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.did import Did
from ...protocol.view_path import is_view
from ...protocol.window import Window
from ..household.household import Household
from ..store.database import Tx
from ..vault.collection import Collections


def expanded(
    tx: Tx, collections: Collections, household: Household, own: Did, items: Iterable[Window]
) -> list[Window]:
    """Items that name a category, as the collections there are in it now; others as they are.

    Of people for whom the persona `own` does not stand, nothing is in a category.
    """
    # A view is granted when it is named: what it tells is in the collection.
    held = [one.path for one in collections.all(tx) if not is_view(one.path)]
    asked = {item.collection for item in items}
    paths = [path for path in held if path in asked or not household.is_others(tx, own, path)]
    found: list[Window] = []
    for item in items:
        below = [path for path in paths if path.startswith(item.collection + "/")]
        if item.collection in paths or not below:
            found.append(item)
        found += [Window(path, item.first, item.last) for path in below]
    return found

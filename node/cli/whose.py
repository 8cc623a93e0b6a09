"""Whose data it is, in words: what a person is told before something of another's is lent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...protocol.view_path import is_view, source_of
from ...protocol.window import Window
from .screen import Screen

if TYPE_CHECKING:
    from ..results.grants import RequestInfo
    from ..results.records import CollectionInfo


def whose_in_words(path: str, vault: Sequence[CollectionInfo]) -> tuple[str, ...]:
    """The people to whom a collection belongs; nobody: the home, or not in the vault."""
    if is_view(path) and all(one.path != path for one in vault):
        path = source_of(path)  # a view that is made when it is granted
    return next((one.whose for one in vault if one.path == path), ())


def is_others(path: str, request: RequestInfo, vault: Sequence[CollectionInfo]) -> bool:
    """Whether a collection belongs to people of whom the asker knows none."""
    whose = set(whose_in_words(path, vault))
    return bool(whose) and whose.isdisjoint(request.people)


def show_whose(
    screen: Screen,
    windows: Sequence[Window],
    left_out: Sequence[Window],
    request: RequestInfo,
    vault: Sequence[CollectionInfo],
) -> None:
    """Whose each collection is that would be given, with a warning where it is another's."""
    for window in windows:
        if whose := whose_in_words(window.collection, vault):
            warning = ": NOT whom they know" if is_others(window.collection, request, vault) else ""
            screen.fact("whose", f"{window.collection} is {' and '.join(whose)}'s{warning}")
    for window in left_out:
        names = " and ".join(whose_in_words(window.collection, vault))
        screen.fact("not given", f"{window.collection} is {names}'s (--others gives it too)")

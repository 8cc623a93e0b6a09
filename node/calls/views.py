"""Views, and what each answer to a request gives away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import results
from ..channel import Caller

if TYPE_CHECKING:
    from ...protocol.view import Band
    from ..views.choice import Choice


class ViewCalls(Caller):
    """Making views, and choosing among them."""

    async def views(self) -> tuple[results.views.ViewInfo, ...]:
        """The views of this node, by path."""
        return await self._many(results.views.ViewInfo, "views")

    async def view_add(
        self,
        view: str,
        source: str,
        *,
        name: str | None = None,
        figure: str | None = None,
        bands: Sequence[Band] = (),
        fields: Sequence[str] = (),
        rule: str | None = None,
        late_days: int | None = None,
        again_days: int | None = None,
    ) -> results.views.ViewInfo:
        """Make the view that the words name, of the collection `source`.

        Raises NotFound, UsageError.
        """
        return await self._one(
            results.views.ViewInfo,
            "view_add",
            view=view,
            source=source,
            name=name,
            figure=figure,
            bands=[[band.name, None if band.high is None else list(band.high)] for band in bands],
            fields=list(fields),
            rule=rule,
            late_days=late_days,
            again_days=again_days,
        )

    async def view_remove(self, path: str) -> results.views.ViewRemoved:
        """Remove a view, and overwrite its pages.  Raises NotFound, UsageError while it is lent."""
        return await self._one(results.views.ViewRemoved, "view_remove", path=path)

    async def view_release(self, path: str, first: int) -> results.views.ViewInfo:
        """Publish the corrections held back of the period that begins on `first`.

        Raises NotFound if there are none.
        """
        return await self._one(results.views.ViewInfo, "view_release", path=path, first=first)

    async def choices(self, request: bytes | str) -> tuple[Choice, ...]:
        """What each way of answering a request gives away.  Raises NotFound, UsageError."""
        from ..views.choice import Choice

        return await self._many(Choice, "choices", request=request)

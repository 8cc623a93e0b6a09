"""The devices of this person."""

from __future__ import annotations

from .. import results
from ..channel import Caller


class DeviceCalls(Caller):
    """Who they are, letting one join, keeping them in step."""

    async def devices(self) -> tuple[results.devices.DeviceInfo, ...]:
        """Every device of this person, then those that wait to join."""
        return await self._many(results.devices.DeviceInfo, "devices")

    async def device_invite(self, serves_within_s: int | None = None) -> results.devices.DeviceLink:
        """A link by which one device can join; `serves_within_s`: how long it may serve without
        having spoken with another (0: always; None: a day)."""
        return await self._one(
            results.devices.DeviceLink, "device_invite", serves_within_s=serves_within_s
        )

    async def device_confirm(self, code: str) -> results.devices.DeviceJoined:
        """Take the device that shows these digits.  Raises NotFound, NotAllowed, UsageError."""
        return await self._one(results.devices.DeviceJoined, "device_confirm", code=code)

    async def device_change(
        self, device: str, *, name: str | None = None, serves_within_s: int | None = None
    ) -> None:
        """Rename a device, or say how long it may serve alone (0: always).  Raises NotFound."""
        await self._call(
            "device_change",
            {"device": device, "name": name, "serves_within_s": serves_within_s},
        )

    async def devices_sync(self) -> results.devices.DevicesSynced:
        """Fetch from every other device now."""
        return await self._one(results.devices.DevicesSynced, "devices_sync")

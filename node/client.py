"""A client of a running node: what apps, the command line and the demo may use.

    async with connect(home) as client:
        records = await client.read("energy/electricity/load-curve", first, last)

Every method is one operation of `operations/`, written under the same subject in `calls/`; what it
returns is in `results/`.  Refusals come
as the errors of `errors.py`, with the sentence that the node said.  Records come as columns, a few
large pieces and not row by row.

One client says one thing at a time; calls made at once wait for each other.  `Client` does not
mind what carries it: the control socket of a running node, or a home that this process has opened
itself (`offline.py`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from .calls.about import AboutCalls
from .calls.accounts import AccountCalls
from .calls.acting_for import ActingForCalls
from .calls.audit import AuditCalls
from .calls.data import DataCalls
from .calls.declaring import DeclaringCalls
from .calls.devices import DeviceCalls
from .calls.erasure import ErasureCalls
from .calls.export import ExportCalls
from .calls.helpers import HelperCalls
from .calls.history import HistoryCalls
from .calls.household import HouseholdCalls
from .calls.identity import IdentityCalls
from .calls.lending import LendingCalls
from .calls.log import LogCalls
from .calls.meeting_again import MeetingAgainCalls
from .calls.parcels import ParcelCalls
from .calls.processing import ProcessingCalls
from .calls.quota import QuotaCalls
from .calls.shared import SharedCalls
from .calls.terms import TermsCalls
from .calls.views import ViewCalls
from .channel import Channel, NotRunning, SocketChannel, open_socket
from .control_frame import check_same_user

__all__ = ["Channel", "Client", "NotRunning", "connect"]


class Client(
    AboutCalls,
    IdentityCalls,
    HouseholdCalls,
    DeviceCalls,
    MeetingAgainCalls,
    ActingForCalls,
    DataCalls,
    DeclaringCalls,
    ErasureCalls,
    ExportCalls,
    LendingCalls,
    HelperCalls,
    HistoryCalls,
    AuditCalls,
    LogCalls,
    AccountCalls,
    ParcelCalls,
    ProcessingCalls,
    QuotaCalls,
    ViewCalls,
    TermsCalls,
    SharedCalls,
):
    """One method for each operation of a node."""


@asynccontextmanager
async def connect(home: Path) -> AsyncGenerator[Client]:
    """The node that runs on `home`.

    Raises NotRunning if none does, ControlError if what answers is not of this user.
    """
    stream = await open_socket(home)
    async with stream:
        check_same_user(stream)
        yield Client(SocketChannel(stream))

"""Pushing, from a program's side: plain blocking calls, for a sensor, a script or a watch.

    with PushClient(PushToken.read(Path("meter.token"))) as node:
        node.add([{"time": "2026-03-01T18:30+01:00", "value": "0.42", "unit": "kWh"}])

When `add` returns, the records are durable in the vault.  When it raises PushRefused, none of them
is.  When it raises PushAway, nobody knows; adding the same again is safe, because what is there
already is told apart, and is what `add` itself does for as long as it is patient.

Records are spelled as in `spelled.py`.  Any language can do the same: docs/push.md.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from ...crypto.entropy import SystemEntropy
from ...crypto.keys import ProgramKey
from ...protocol.errors import CapabilityError, Code, WireError
from ...protocol.push import (
    Greeting,
    PushCode,
    Pushed,
    PushRefused,
    Welcome,
    make_proof,
    push_value,
)
from ...protocol.wire import Value, decode, encode
from ..errors import Away
from ..imports.spelled import spelled
from ..imports.spelled_time import Zone
from .token import PushToken

__all__ = ["PushAway", "PushClient", "PushRefused", "PushToken"]

# The node may be importing into the same collection; it answers when that is done.
ANSWER_S: Final = 300.0
CONNECT_S: Final = 10.0
PATIENCE_S: Final = 60.0
ANSWER_BYTES_MAX: Final = 64 * 1024
NONCE_BYTES: Final = 16
_LENGTH = struct.Struct(">I")
_RETRY_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
_WAITING = (PushCode.BUSY, PushCode.STORE)


class PushAway(Away):
    """No node answers at the socket; what was being pushed may be stored or not."""


class PushClient:
    """One program's line to its node.  It connects when there is something to say, and again when
    the line is lost.  Not for several threads at once."""

    def __init__(
        self, token: PushToken, *, patience_s: float = PATIENCE_S, zone: Zone = None
    ) -> None:
        self._token = token
        self._schema = token.schema
        self._patience_s = patience_s
        self._zone = zone
        self._line: socket.socket | None = None
        self._buffer = b""
        self._n = 0
        self._records_max = 1
        self._tries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
        self._line, self._buffer = None, b""

    def add(self, records: Iterable[Mapping[str, object]]) -> Pushed:
        """Push records as they are spelled; they are durable when this returns.

        Many are pushed in several parts.  Raises RecordError before anything is sent, PushRefused,
        PushAway.
        """
        return self.add_rows([spelled(self._schema, one, zone=self._zone) for one in records])

    def add_rows(self, rows: Sequence[Value]) -> Pushed:
        """As `add`, with exact records: `{field: value|null}`, a decimal as `[mantissa, scale]`."""
        until = time.monotonic() + self._patience_s
        new, at = 0, 0
        there: list[int] = []
        while at < len(rows):
            part: Sequence[Value] = ()
            try:
                self._connect()
                part = rows[at : at + self._records_max]
                answer = self._push(part)
            except PushRefused as refused:
                if refused.n is None:
                    self.close()
                self._wait_or_raise(refused, until)
                continue
            except OSError as error:
                self.close()
                if time.monotonic() >= until:
                    raise PushAway(
                        f"no node answers at {self._token.socket}: is it running?"
                    ) from error
                self._pause(until)
                continue
            except BaseException:
                self.close()  # left half way: what comes next is not for the next push
                raise
            new += answer.new
            there += [at + place for place in answer.there]
            at += len(part)
            self._tries = 0  # it answers again
        return Pushed(self._n, new, tuple(there))

    def _pause(self, until: float) -> None:
        pause = _RETRY_S[min(self._tries, len(_RETRY_S) - 1)]
        self._tries += 1
        time.sleep(max(0.0, min(pause, until - time.monotonic())))

    def _wait_or_raise(self, refused: PushRefused, until: float) -> None:
        """Wait as long as the node said, if that helps and there is patience left."""
        if refused.reason not in _WAITING:
            raise refused
        wait_s = _RETRY_S[-1] if refused.wait_ms is None else refused.wait_ms / 1000
        if time.monotonic() + wait_s > until:
            raise refused
        time.sleep(wait_s)

    def _push(self, rows: Sequence[Value]) -> Pushed:
        self._n += 1
        self._send(push_value(self._n, rows))
        answer = Pushed.from_value(self._receive())
        if answer.n != self._n:
            self.close()
            raise WireError("the node answers another push than the last")
        return answer

    def _connect(self) -> None:
        if self._line is not None:
            return
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(CONNECT_S)
        try:
            line.connect(str(self._token.socket))
            _check_owner(line, self._token.uid)
            self._line, self._buffer = line, b""
            greeting = Greeting.from_value(self._greeted())
            proof = make_proof(
                self._token.key,
                self._token.chain,
                greeting,
                now_ms=time.time_ns() // 1_000_000,
                nonce=SystemEntropy().random_bytes(NONCE_BYTES),
            )
            self._send(proof)
            welcome = Welcome.from_value(self._receive())
        except BaseException:
            self._line = None
            line.close()
            raise
        self._records_max = welcome.records_max
        line.settimeout(ANSWER_S)

    def _greeted(self) -> Value:
        """The greeting, or the refusal that a node with too many callers says in its place."""
        value = self._receive()
        if isinstance(value, dict) and "error" in value:
            Pushed.from_value(value)  # raises what it says
        return value

    def _send(self, value: Value) -> None:
        assert self._line is not None
        body = encode(value)
        self._line.sendall(_LENGTH.pack(len(body)) + body)

    def _receive(self) -> Value:
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        if length > ANSWER_BYTES_MAX:
            raise WireError("what answers at the push socket is no node")
        return decode(self._take(length), bytes_max=ANSWER_BYTES_MAX)

    def _take(self, size: int) -> bytes:
        assert self._line is not None
        while len(self._buffer) < size:
            data = self._line.recv(65_536)
            if not data:
                raise ConnectionResetError("the node hung up")
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


def new_program_key() -> ProgramKey:
    """A key for a program, made where its token is written: the node never sees it."""
    return ProgramKey.generate(SystemEntropy())


def _check_owner(line: socket.socket, uid: int) -> None:
    """Raise CapabilityError unless a process of the node's user answers."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    raw = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    found: int = struct.unpack("3i", raw)[1]
    if found != uid:
        raise CapabilityError(
            "another user than the node's answers at the push socket; nothing was sent to it",
            Code.AUDIENCE,
        )

"""HTTPS servers on this machine, honest and hostile, under an authority made for the test.

A server is handed the plain bytes of the request and a stream to answer on; what it does then is
the test's choice.  Names are those of documentation: the resolver of the test leads them here.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import trio
import trustme

from entrenous.node.network.https import HttpsWellKnown

DOMAIN = "bank.example.org"
HERE = "127.0.0.1"
Serve: TypeAlias = Callable[["trio.SSLStream[trio.SocketStream]"], Awaitable[None]]


@dataclass
class Site:
    """A server that answers `serve`; `requests` are the heads that came."""

    serve: Serve
    port: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0


@asynccontextmanager
async def a_site(
    authority: trustme.CA, serve: Serve, *, names: Sequence[str] = (DOMAIN,), tls: bool = True
) -> AsyncGenerator[Site]:
    """A server on loopback with a certificate for `names`; without `tls`, it is no TLS at all."""
    site = Site(serve)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)

    async def handle(tcp: trio.SocketStream) -> None:
        site.connections += 1
        if not tls:
            with suppress(trio.BrokenResourceError):
                await tcp.send_all(b"SSH-2.0-OpenSSH_9.9\r\n")
                await tcp.receive_some(100)
            await tcp.aclose()
            return
        stream = trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
        with suppress(trio.BrokenResourceError, ssl.SSLError):
            head = b""
            while b"\r\n\r\n" not in head:
                more = bytes(await stream.receive_some(4096))
                if not more:
                    return
                head += more
            site.requests.append(head)
            await serve(stream)
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host=HERE))
        site.port = listeners[0].socket.getsockname()[1]
        yield site
        nursery.cancel_scope.cancel()


def answer(
    body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = ""
) -> Serve:
    """A server that says this, whole and at once."""

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}"
        await stream.send_all(head.encode() + b"\r\n" + body)

    return serve


def raw(data: bytes) -> Serve:
    """A server that says these bytes and hangs up."""

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.send_all(data)

    return serve


def asker(
    site: Site,
    authority: trustme.CA,
    *,
    within_s: float = 5.0,
    addresses: Sequence[str] = (HERE,),
    allowed: Callable[[str], bool] = lambda _: True,
) -> HttpsWellKnown:
    """What asks the sites of this machine, trusting the authority of the test."""

    async def resolve(domain: str) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return addresses

    context = ssl.create_default_context()
    authority.configure_trust(context)
    return HttpsWellKnown(
        resolve=resolve, allowed=allowed, port=site.port, context=context, within_s=within_s
    )

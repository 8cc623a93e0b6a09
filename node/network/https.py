"""Asking a domain over HTTPS: one small document, from a server that may be hostile.

    name ▸ addresses (public ones) ▸ connect ▸ TLS, certificate verified ▸ GET ▸ head ▸ body

Everything is bounded: five seconds for all of it, three addresses, 16 KiB of head, 64 KiB of body.
No redirect is followed, no cookie kept, no compression offered; a proxy of the environment is not
used.  The connection goes to the very address that was checked.  The certificate must be for the
domain, by an authority that the system trusts.

h11 does the HTTP, without any I/O of its own, so that nothing decides on addresses, names and time
but this file.
"""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import h11
import trio

from ...protocol.domain import check_domain_name
from ...protocol.errors import WireError
from ...protocol.limits import WELL_KNOWN_BYTES_MAX
from ...protocol.well_known import CONTENT_TYPE, PATH
from .public_address import is_public
from .well_known import DomainSilent, DomainWithout

LOOK_S = 5.0
# One of two addresses may be dead: the other has still half of the time.
CONNECT_S = 2.0
ADDRESSES_TRIED_MAX = 3
HEAD_BYTES_MAX = 16 * 1024
# `100 Continue`, `103 Early Hints`: a server that goes on like this says nothing.
INTERIM_MAX = 8
_READ_BYTES = 16 * 1024
_PORT = 443

Resolve: TypeAlias = "Callable[[str], Awaitable[Sequence[str]]]"


async def resolve(domain: str) -> list[str]:
    """The addresses of a name, as the system finds them.  Raises OSError."""
    found = await trio.socket.getaddrinfo(domain, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class HttpsWellKnown:
    """`WellKnown` over the internet.

    `resolve`, `allowed`, `port` and `context` are other than usual in tests only, whose servers
    stand on this machine.
    """

    def __init__(
        self,
        *,
        resolve: Resolve = resolve,
        allowed: Callable[[str], bool] = is_public,
        port: int = _PORT,
        context: ssl.SSLContext | None = None,
        within_s: float = LOOK_S,
    ) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._port = port
        self._context = context
        self._within_s = within_s

    async def fetch(self, domain: str) -> bytes:
        """The document of `domain`.  Raises DomainSilent, DomainWithout."""
        try:
            check_domain_name(domain)
        except WireError as error:
            raise DomainSilent(str(error)) from error
        try:
            with trio.fail_after(self._within_s):
                return await self._fetch(domain)
        except trio.TooSlowError:
            raise DomainSilent(
                f"{domain} did not answer within {math.ceil(self._within_s)} seconds"
            ) from None

    async def _fetch(self, domain: str) -> bytes:
        context = self._tls()
        tcp = await self._connect(domain, await self._addresses(domain))
        # A server that hangs up without a word of TLS is not waited for: HTTP says where it ends.
        stream = trio.SSLStream(tcp, context, server_hostname=domain, https_compatible=True)
        try:
            await stream.do_handshake()
            return await _get(stream, domain)
        except ssl.SSLCertVerificationError as error:
            raise DomainSilent(
                f"the certificate that {domain} shows is not to be trusted: {error.verify_message}"
            ) from error
        except (trio.BrokenResourceError, ssl.SSLError, OSError) as error:
            # trio wraps what went wrong in TLS.
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                why = error.__cause__.verify_message
                raise DomainSilent(
                    f"the certificate that {domain} shows is not to be trusted: {why}"
                ) from error
            raise DomainSilent(f"the connection to {domain} was lost") from error
        finally:
            await trio.aclose_forcefully(stream)

    async def _addresses(self, domain: str) -> list[str]:
        try:
            found = await self._resolve(domain)
        except (OSError, UnicodeError) as error:
            raise DomainSilent(f"{domain} has no address, or there is no network") from error
        usable = [address for address in found if self._allowed(address)]
        if not usable:
            raise DomainSilent(f"{domain} has no address on the public internet")
        return usable[:ADDRESSES_TRIED_MAX]

    async def _connect(self, domain: str, addresses: Sequence[str]) -> trio.SocketStream:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = trio.socket.socket(family, socket.SOCK_STREAM)
            try:
                # An address in numbers: nothing is resolved a second time.
                with trio.move_on_after(CONNECT_S):
                    await sock.connect((address, self._port))
                    return trio.SocketStream(sock)
            except OSError:
                pass
            except BaseException:
                sock.close()
                raise
            sock.close()
        raise DomainSilent(f"{domain} cannot be reached")

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            # Certificate and name verified, TLS 1.2 at least: what the system trusts.
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            self._context = context
        return self._context


async def _get(stream: trio.SSLStream[trio.SocketStream], domain: str) -> bytes:
    """One request, one answer.  Raises DomainSilent, DomainWithout, and what the stream raises."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
    asked = h11.Request(
        method="GET",
        target=PATH,
        headers=[
            ("Host", domain),
            ("User-Agent", "entrenous"),
            ("Accept", CONTENT_TYPE),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ],
    )
    await stream.send_all((http.send(asked) or b"") + (http.send(h11.EndOfMessage()) or b""))
    body = bytearray()
    interim = 0
    try:
        while True:
            event = http.next_event()
            match event:
                case h11.NEED_DATA:
                    http.receive_data(bytes(await stream.receive_some(_READ_BYTES)))
                case h11.InformationalResponse():
                    interim += 1
                    if interim > INTERIM_MAX:
                        raise DomainSilent(f"{domain} does not come to an answer")
                case h11.Response():
                    _check_head(event, domain)
                case h11.Data(data=data):
                    body += data
                    if len(body) > WELL_KNOWN_BYTES_MAX:
                        raise DomainSilent(f"what {domain} publishes is too large")
                case h11.EndOfMessage():
                    return bytes(body)
                case _:
                    raise DomainSilent(f"{domain} broke off its answer")
    except h11.RemoteProtocolError as error:
        raise DomainSilent(f"{domain} does not answer in HTTP, or broke off") from error


def _check_head(head: h11.Response, domain: str) -> None:
    """Accept an answer that may be the document."""
    if head.status_code in (404, 410):
        raise DomainWithout(f"{domain} publishes no {PATH}")
    if 300 <= head.status_code < 400:
        raise DomainSilent(f"{domain} sends elsewhere for {PATH}, which is not followed")
    if head.status_code != 200:
        raise DomainSilent(f"{domain} answers with status {head.status_code}")
    headers = {name: value.decode("latin-1").strip() for name, value in head.headers}
    kind, _, parameters = headers.get(b"content-type", "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if kind.strip() != CONTENT_TYPE or charset not in ("", "charset=utf-8"):
        raise DomainSilent(f"what {domain} publishes is not said to be {CONTENT_TYPE}")
    if headers.get(b"content-encoding", "identity") != "identity":
        raise DomainSilent(f"what {domain} publishes is compressed, which was not asked for")
    length = headers.get(b"content-length", "0")
    if not length.isdecimal() or int(length) > WELL_KNOWN_BYTES_MAX:
        raise DomainSilent(f"what {domain} publishes is too large")

"""Asking a domain for its document: real TLS on loopback, servers that lie, drip, flood and lead
elsewhere.  Every one of them is a quiet sentence, soon."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import tracemalloc
from collections.abc import Sequence

import pytest
import trio
import trustme
from hypothesis import given
from hypothesis import strategies as st

from entrenous.node.network.https import HttpsWellKnown, resolve
from entrenous.node.network.public_address import is_public
from entrenous.node.network.well_known import DomainSilent, DomainWithout
from entrenous.protocol.limits import WELL_KNOWN_BYTES_MAX
from entrenous.tests.node.hostile_https import (
    DOMAIN,
    HERE,
    Serve,
    a_site,
    answer,
    asker,
    raw,
)

DOCUMENT = b'{"v": 1, "personas": []}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_the_document_comes_whole(authority: trustme.CA) -> None:
    async with a_site(authority, answer(DOCUMENT)) as site:
        assert await asker(site, authority).fetch(DOMAIN) == DOCUMENT
        (request,) = site.requests
    head = request.decode().lower()
    assert head.startswith("get /.well-known/entrenous http/1.1\r\n")
    assert f"host: {DOMAIN}\r\n" in head
    # Nothing but what every node says: no version, no language, no cookie.
    assert {line.partition(":")[0] for line in head.split("\r\n")[1:] if line} == {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "connection",
    }
    assert "user-agent: entrenous\r\n" in head


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "serve",
    [
        raw(CHUNKED + b"18\r\n" + DOCUMENT + b"\r\n0\r\n\r\n"),
        raw(HEAD + b"\r\n" + DOCUMENT),  # until the end of the connection
        raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"content-length: 24\r\n\r\n" + DOCUMENT),
        answer(DOCUMENT, kind='application/json; charset="UTF-8"'),
    ],
)
async def test_other_ways_to_say_the_same(authority: trustme.CA, serve: Serve) -> None:
    async with a_site(authority, serve) as site:
        assert await asker(site, authority).fetch(DOMAIN) == DOCUMENT


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_a_domain_that_has_no_document_says_so(authority: trustme.CA, status: str) -> None:
    async with a_site(authority, answer(b"", status=status)) as site:
        with pytest.raises(DomainWithout, match="publishes no"):
            await asker(site, authority).fetch(DOMAIN)


LONG = b"x" * (WELL_KNOWN_BYTES_MAX + 1)


@pytest.mark.parametrize(
    ("serve", "says"),
    [
        (answer(b"", status="301 Moved", more="location: https://evil.example/\r\n"), "elsewhere"),
        (answer(b"", status="302 F", more=f"location: https://{DOMAIN}/x\r\n"), "elsewhere"),
        (answer(b"", status="500 Internal Server Error"), "status 500"),
        (answer(b"", status="204 No Content"), "status 204"),
        (answer(b"<html>", kind="text/html"), "application/json"),
        (answer(DOCUMENT, kind="application/json; charset=utf-16"), "application/json"),
        (answer(DOCUMENT, kind=""), "application/json"),
        (answer(DOCUMENT, more="content-encoding: gzip\r\n"), "compressed"),
        (answer(LONG), "too large"),
        (raw(HEAD + b"\r\n" + LONG), "too large"),
        (raw(CHUNKED + b"20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n\r\n"), "too large"),
        (raw(HEAD + b"content-length: 99999999999999999999\r\n\r\n"), "HTTP|too large"),
        (raw(HEAD + b"content-length: -1\r\n\r\n"), "HTTP"),
        (raw(HEAD + b"content-length: 24\r\ncontent-length: 25\r\n\r\n" + DOCUMENT), "HTTP"),
        (raw(HEAD + b"content-length: 24\r\n\r\n{"), "HTTP|lost"),
        (raw(CHUNKED + b"zz\r\n"), "HTTP"),
        (raw(HEAD + b"x: " + b"y" * 40_000), "HTTP"),
        (raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500), "come to an answer"),
        (raw(b"SSH-2.0-OpenSSH\r\n"), "HTTP"),
        (raw(b"\x00" * 5_000), "HTTP"),
        (raw(b""), "HTTP|broke off|lost"),
    ],
)
async def test_a_server_that_says_something_else(
    authority: trustme.CA, serve: Serve, says: str
) -> None:
    async with a_site(authority, serve) as site:
        with pytest.raises(DomainSilent, match=says):
            await asker(site, authority).fetch(DOMAIN)
        assert site.connections == 1  # nothing was followed, nothing tried again


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_do_anything_but_refuse(data: bytes, with_head: bool) -> None:
    """The reader of answers, without a network: whatever comes is a document or a sentence."""
    from entrenous.node.network import https

    class Scripted:
        def __init__(self) -> None:
            self.pieces = [(HEAD + b"\r\n" if with_head else b"") + data, b""]

        async def send_all(self, _: bytes) -> None:
            await trio.lowlevel.checkpoint()

        async def receive_some(self, _: int) -> bytes:
            await trio.lowlevel.checkpoint()
            return self.pieces.pop(0)

    async def go() -> None:
        try:
            found = await https._get(Scripted(), DOMAIN)  # type: ignore[arg-type]  # the reader alone
        except (DomainSilent, DomainWithout):
            return
        assert with_head
        assert found == data

    trio.run(go)


async def test_a_flood_is_not_kept(authority: trustme.CA) -> None:
    async def flood(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.send_all(CHUNKED)
        while True:
            await stream.send_all(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")

    async with a_site(authority, flood) as site:
        one = asker(site, authority)
        tracemalloc.start()
        try:
            with pytest.raises(DomainSilent, match="too large"):
                await one.fetch(DOMAIN)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


async def test_a_server_that_drips_or_says_nothing_is_left(authority: trustme.CA) -> None:
    async def drip(stream: trio.SSLStream[trio.SocketStream]) -> None:
        while True:
            await stream.send_all(b"H")
            await trio.sleep(0.02)

    async def silent(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await trio.sleep_forever()

    for serve in (drip, silent):
        async with a_site(authority, serve) as site:
            began = time.monotonic()
            with pytest.raises(DomainSilent, match="did not answer"):
                await asker(site, authority, within_s=0.5).fetch(DOMAIN)
            assert time.monotonic() - began < 60


# --- certificates ---------------------------------------------------------------------------------


async def test_a_certificate_for_another_name(authority: trustme.CA) -> None:
    async with a_site(authority, answer(DOCUMENT), names=("other.example.org",)) as site:
        with pytest.raises(DomainSilent, match="certificate"):
            await asker(site, authority).fetch(DOMAIN)
        assert site.requests == []


async def test_a_certificate_by_an_unknown_authority(authority: trustme.CA) -> None:
    async with a_site(trustme.CA(), answer(DOCUMENT)) as site:
        with pytest.raises(DomainSilent, match="certificate"):
            await asker(site, authority).fetch(DOMAIN)
        assert site.requests == []


async def test_what_is_not_tls(authority: trustme.CA) -> None:
    async with a_site(authority, answer(DOCUMENT), tls=False) as site:
        with pytest.raises(DomainSilent, match="lost"):
            await asker(site, authority).fetch(DOMAIN)


def test_without_a_test_the_system_is_trusted_and_names_are_checked() -> None:
    context = HttpsWellKnown()._tls()  # pyright: ignore[reportPrivateUsage]  # what is used on the internet
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


# --- addresses ------------------------------------------------------------------------------------

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
NOT_PUBLIC = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "192.88.99.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
    "fec0::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "64:ff9b:1:a00:0:100:101:101", "192.0.0.8",
    "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "", "localhost", "example.org", "1.1.1", "0x7f000001", "2130706433",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_public_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_somebodys_own(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_as_public_as_itself(inner: ipaddress.IPv4Address) -> None:
    public = is_public(str(inner))
    assert is_public(f"::ffff:{inner}") == public
    assert is_public(f"64:ff9b::{inner}") == public
    assert not (is_public(str(inner)) and inner.is_private)


async def test_a_name_that_leads_home_is_not_followed(authority: trustme.CA) -> None:
    async with a_site(authority, answer(DOCUMENT)) as site:
        one = asker(site, authority, allowed=is_public)
        with pytest.raises(DomainSilent, match="no address on the public internet"):
            await one.fetch(DOMAIN)
        assert site.connections == 0


async def test_of_several_addresses_only_public_ones_are_knocked_at(
    authority: trustme.CA,
) -> None:
    asked: list[str] = []

    def allowed(address: str) -> bool:
        asked.append(address)
        return address == HERE

    async with a_site(authority, answer(DOCUMENT)) as site:
        one = asker(site, authority, addresses=["10.0.0.1", "::1", HERE], allowed=allowed)
        assert await one.fetch(DOMAIN) == DOCUMENT
    assert asked == ["10.0.0.1", "::1", HERE]


async def test_a_name_is_resolved_once_and_the_address_looked_at_is_the_one_used(
    authority: trustme.CA,
) -> None:
    """A name server that answers otherwise the second time is not asked a second time."""
    answers = [[HERE], ["169.254.169.254"]]

    async def rebinding(_: str) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return answers.pop(0)

    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with a_site(authority, answer(DOCUMENT)) as site:
        one = HttpsWellKnown(
            resolve=rebinding, allowed=lambda _: True, port=site.port, context=context
        )
        assert await one.fetch(DOMAIN) == DOCUMENT
    assert len(answers) == 1


async def test_a_dead_address_does_not_keep_the_living_one(authority: trustme.CA) -> None:
    async with a_site(authority, answer(DOCUMENT)) as site:
        # Nothing listens at this address of loopback.
        one = asker(site, authority, addresses=["127.0.0.2", HERE])
        assert await one.fetch(DOMAIN) == DOCUMENT


async def test_no_network_and_no_such_name_are_one_sentence() -> None:
    async def broken(_: str) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        raise socket.gaierror("Temporary failure in name resolution")

    with pytest.raises(DomainSilent, match="no network"):
        await HttpsWellKnown(resolve=broken).fetch(DOMAIN)
    with pytest.raises(DomainSilent, match="a domain is"):
        await HttpsWellKnown(resolve=broken).fetch("127.0.0.1")


async def test_the_system_resolves_names_to_numbers() -> None:
    assert HERE in await resolve("localhost")

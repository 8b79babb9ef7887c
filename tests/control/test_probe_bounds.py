"""A probe of servers that mislead: over TLS, with redirects, endless answers, and silence."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from amaze_proxy.control.errors import ProbeFailed
from amaze_proxy.control.probe import Prober
from amaze_proxy.control.reach import Reach
from amaze_proxy.wire.tls import upstream_context
from tests.clients.run import start_server
from tests.patience import PATIENCE

Answers = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answers: Answers) -> AsyncIterator[tuple[str, list[str]]]:
    """The URL of a server that gives each request this answer, and what it was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.split(b"\r\n")[0].decode())
            await answers(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/mcp", asked


def anywhere() -> Reach:
    return Reach(ssl.create_default_context(), lambda _address, _port: "")


async def refused(url: str, seconds: float = 2 * PATIENCE) -> str:
    with pytest.raises(ProbeFailed) as failed:
        await Prober(anywhere()).probe(url, seconds)
    return str(failed.value)


async def test_a_server_with_a_certificate_of_an_own_authority(tmp_path: Path) -> None:
    authority, files = trustme.CA(), [tmp_path / name for name in ("ca.pem", "cert", "key")]
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(files[0])
    leaf.cert_chain_pems[0].write_to_path(files[1])
    leaf.private_key_pem.write_to_path(files[2])
    running = start_server("mcp2", "--cert", str(files[1]), "--key", str(files[2]))
    try:
        assert running.url.startswith("https:")
        trusting = Reach(upstream_context(files[0]), lambda _address, _port: "")
        found = await Prober(trusting).probe(running.url, 2 * PATIENCE)
        assert {"add", "echo"} <= found.fingerprints.keys()
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(running.url)
    finally:
        running.stop()


async def test_a_redirect_is_not_followed() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with serving(answer) as (elsewhere, asked_there):

        async def redirect(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = f"HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}\r\n"
            writer.write(head.encode() + b"content-length: 0\r\n\r\n")

        async with serving(redirect) as (url, asked):
            assert "register the URL that it really has" in await refused(url)
        assert asked
        assert asked_there == []


async def test_an_answer_without_an_end_is_cut() -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    async with serving(flood) as (url, _):
        assert "more than 4194304 bytes: ask for less" in await refused(url)


async def test_who_says_nothing_is_not_waited_for() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side goes

    async with serving(hang) as (url, _):
        assert "did not answer within 1 s: check that it is up" in await refused(url, 1)

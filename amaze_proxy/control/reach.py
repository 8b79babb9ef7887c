"""HTTP to an MCP server that is probed: to checked addresses alone, bounded, no redirects."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx2

MOST_BYTES = 4 * 1024 * 1024  # of all answers of one probe
_TIMEOUT_S = 10.0
_PLAIN = ("", "identity")

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses of `host`. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True, slots=True)
class Reach:
    """The way out. `refusal` says of an address and a port why they are not dialled ("": they
    may be): the rules of the proxy for a registered server."""

    tls: ssl.SSLContext
    refusal: Callable[[str, int], str]
    resolve: Resolver = system_resolver


def _nowhere(_address: str, _port: int) -> str:
    return "this control plane was given no way out"


NOWHERE = Reach(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), _nowhere)


class Unreached(httpx2.TransportError):
    """The way to the server ends here; the text says why and what to do."""


class Transport(httpx2.AsyncBaseTransport):
    """Of one probe. `fault` is the first thing that ended a request, which the MCP client may have
    taken for something else ("": nothing has)."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        # never through a proxy of the environment, and no certificates of it
        self._inner = httpx2.AsyncHTTPTransport(verify=reach.tls, trust_env=False)
        self._left = MOST_BYTES
        self.fault = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises Unreached."""
        host = request.url.host
        port = request.url.port or {"http": 80, "https": 443}[request.url.scheme]
        address = await self._address(host, port)
        # What was checked is what is dialled; the certificate is the name's all the same.
        dialled = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        try:
            response = await self._inner.handle_async_request(dialled)
        except httpx2.TransportError as error:
            raise self._ends(_cannot(host, port, error)) from None
        self._check(response)
        stream = response.stream
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise self._ends("the server's answer cannot be read")
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Bounded(stream, self),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    def take(self, size: int) -> None:
        """So many bytes came. Raises Unreached."""
        self._left -= size
        if self._left < 0:
            raise self._ends(f"the server answers with more than {MOST_BYTES} bytes: ask for less")

    def _check(self, response: httpx2.Response) -> None:
        if response.is_redirect:
            raise self._ends(
                "the server answers with a redirect, which is not followed: register the URL that "
                "it really has"
            )
        if response.headers.get("content-encoding", "") not in _PLAIN:
            raise self._ends("the server compresses its answers though it was asked not to")
        if response.status_code in (401, 403):
            self.fault = self.fault or (
                f"the server wants a credential (HTTP {response.status_code}), which a probe does "
                "not have: accept what agents are shown with `amaze mcp accept NAME --seen`"
            )

    async def _address(self, host: str, port: int) -> str:
        try:
            found = await self._reach.resolve(host, port)
        except (OSError, UnicodeError):
            raise self._ends(f"{host} does not resolve: check the URL and the DNS") from None
        refused = ""
        for address in found:
            why = self._reach.refusal(address, port)
            if not why:
                return address
            refused = refused or why
        raise self._ends(f"{host}:{port} may not be dialled: {refused or 'it has no address'}")

    def _ends(self, fault: str) -> Unreached:
        self.fault = self.fault or fault
        return Unreached(fault)


class _Bounded(httpx2.AsyncByteStream):
    """An answer, counted."""

    def __init__(self, stream: httpx2.AsyncByteStream, transport: Transport) -> None:
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._transport.take(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def client_of(transport: Transport) -> httpx2.AsyncClient:
    """The client for the MCP client's transports."""
    return httpx2.AsyncClient(
        transport=transport,
        headers={"accept-encoding": "identity"},
        timeout=httpx2.Timeout(_TIMEOUT_S),
        trust_env=False,
        follow_redirects=False,
    )


def _cannot(host: str, port: int, error: httpx2.TransportError) -> str:
    what = str(error).strip()[:200] or type(error).__name__
    return f"{host}:{port} cannot be reached ({what}): check that the server is up and its URL"

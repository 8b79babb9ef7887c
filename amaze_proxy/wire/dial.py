"""From a target to a connected socket: resolve once, check every address, dial what was checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from amaze_proxy.wire.addresses import Ip, Listener, is_own, parse_ip, refusal
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.upstream_connection import Timeouts, UpstreamConnection
from amaze_proxy.wire.upstream_errors import AddressRefused, Unreachable, UpstreamTimeout

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_MAX_ADDRESSES = 4
_LEAST_ATTEMPT_S = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `authority` is what was decided on; `dial` where that really is, when
    settings say so (the certificate is still verified for `authority`). `owner` separates the
    connections of different agents."""

    authority: Authority
    dial: Authority | None = None
    allow_private: bool = False
    owner: str = ""


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses of `host`, by the system's resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Dialler:
    """Opens connections. `own` are listeners (address, port) of this installation that must never
    be a target, whatever a target allows."""

    def __init__(
        self, tls: ssl.SSLContext, timeouts: Timeouts, resolve: Resolver, own: Collection[Listener]
    ) -> None:
        self._tls = tls
        self._timeouts = timeouts
        self._resolve = resolve
        self._own = own

    async def dial(self, target: Target) -> UpstreamConnection:
        """A connection that is ready for a request.

        Raises Unreachable, UpstreamTimeout, AddressRefused.
        """
        where = target.dial or target.authority
        try:
            async with asyncio.timeout(self._timeouts.connect_s):
                addresses = await self._addresses(where, target.allow_private)
                connection = await self._connect(addresses, where)
        except TimeoutError:
            detail = f"no connection to {where.netloc} within {self._timeouts.connect_s:g} s"
            raise UpstreamTimeout(detail) from None
        if where.scheme == "https":
            try:
                await connection.handshake(self._tls, target.authority.host)
            except BaseException:
                connection.abort()
                raise
        return connection

    async def _addresses(self, where: Authority, allow_private: bool) -> list[Ip]:
        """The addresses of `where` that may be dialled."""
        try:
            found = {parse_ip(text): None for text in await self._lookup(where)}
        except (OSError, UnicodeError):
            raise Unreachable(f"{where.host} does not resolve") from None
        allowed: list[Ip] = []
        reason = f"{where.host} has no address"
        for ip in found:
            if is_own(ip, where.port, self._own):
                reason = f"{where.netloc} is a port of this proxy's own installation"
            elif why := refusal(ip, allow_private=allow_private):
                reason = f"{where.host} is at an address that may not be reached: {why}"
            else:
                allowed.append(ip)
        if not allowed:
            raise AddressRefused(reason)
        return allowed[:_MAX_ADDRESSES]

    async def _lookup(self, where: Authority) -> Sequence[str]:
        try:
            parse_ip(where.host)
        except ValueError:
            return await self._resolve(where.host, where.port)
        return [where.host]

    async def _connect(self, addresses: list[Ip], where: Authority) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        # A black hole among the addresses must not use up the time of the others.
        attempt_s = max(_LEAST_ATTEMPT_S, self._timeouts.connect_s / len(addresses))
        reason = "no address"
        for ip in addresses:
            try:
                async with asyncio.timeout(attempt_s):
                    _, connection = await loop.create_connection(
                        lambda: UpstreamConnection(loop, self._timeouts), str(ip), where.port
                    )
                return connection
            except TimeoutError:
                reason = "timed out"
            except OSError as error:
                reason = error.strerror or "failed"
        raise Unreachable(f"cannot connect to {where.netloc}: {reason}")

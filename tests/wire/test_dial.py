from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import pytest

from amaze_proxy.wire.addresses import Listener
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.dial import Dialler, Target, system_resolver
from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.upstream_connection import Timeouts
from amaze_proxy.wire.upstream_errors import AddressRefused, Unreachable, UpstreamTimeout


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def dialler(
    context: ssl.SSLContext,
    *addresses: str,
    own: Sequence[Listener] = (),
    timeouts: Timeouts | None = None,
) -> tuple[Dialler, list[str]]:
    """A dialler whose resolver says `addresses` for every name, and the names it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        if not addresses:
            raise OSError("no such name")
        return addresses

    return Dialler(context, timeouts or Timeouts(), resolve, own), asked


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.1",),
        ("169.254.169.254",),
        ("100.100.100.200",),
        ("::1",),
        ("::ffff:127.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("fe80::1%lo",),
        ("0.0.0.0",),
        ("192.168.0.1", "fd00::1"),
    ],
)
async def test_names_that_resolve_to_private_addresses(
    strict_context: ssl.SSLContext, addresses: tuple[str, ...]
) -> None:
    dial, _ = dialler(strict_context, *addresses)
    with pytest.raises(AddressRefused, match=r"inner\.example"):
        await dial.dial(Target(Authority("http", "inner.example", 80)))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"])
async def test_literals_are_checked_without_a_resolver(
    strict_context: ssl.SSLContext, host: str
) -> None:
    dial, asked = dialler(strict_context, "8.8.8.8")
    with pytest.raises(AddressRefused):
        await dial.dial(Target(Authority("http", host, 80)))
    assert asked == []


async def test_registered_servers_may_be_private(
    start_upstream: Any, strict_context: ssl.SSLContext
) -> None:
    there = await start_upstream(silent)
    dial, asked = dialler(strict_context, "127.0.0.1")
    target = Target(Authority("http", "inner.example", there.port), allow_private=True)
    connection = await dial.dial(target)
    assert asked == ["inner.example"]
    connection.abort()
    await asyncio.sleep(0)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0", "::"])
async def test_our_own_ports_never_are_a_target(
    strict_context: ssl.SSLContext, address: str, listening: str
) -> None:
    dial, _ = dialler(strict_context, address, own=[(listening, 8001)])
    with pytest.raises(AddressRefused):
        await dial.dial(Target(Authority("http", "x.example", 8001), allow_private=True))


async def test_settings_say_where_a_provider_is(
    start_upstream: Any, strict_context: ssl.SSLContext, leaves: LeafCache
) -> None:
    there = await start_upstream(silent, tls=leaves.context_for("api.example"))
    dial, _ = dialler(strict_context)
    api = Authority("https", "api.example", 443)
    connection = await dial.dial(Target(api, dial=there, allow_private=True))
    assert connection.line.tls is not None
    connection.abort()
    with pytest.raises(AddressRefused):
        await dial.dial(Target(api, dial=there))


async def test_the_certificate_is_verified_for_the_authority(
    start_upstream: Any, strict_context: ssl.SSLContext, leaves: LeafCache
) -> None:
    there = await start_upstream(silent, tls=leaves.context_for("127.0.0.1"))
    dial, _ = dialler(strict_context)
    with pytest.raises(Unreachable, match="TLS"):
        await dial.dial(
            Target(Authority("https", "api.example", 443), dial=there, allow_private=True)
        )


async def test_an_unknown_ca_is_refused(start_upstream: Any, leaves: LeafCache) -> None:
    there = await start_upstream(silent, tls=leaves.context_for("api.example"))
    dial, _ = dialler(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with pytest.raises(Unreachable, match=r"TLS with api\.example failed"):
        await dial.dial(
            Target(Authority("https", "api.example", 443), dial=there, allow_private=True)
        )


async def test_plain_http_is_not_tls(start_upstream: Any, strict_context: ssl.SSLContext) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    there = await start_upstream(plain)
    dial, _ = dialler(strict_context, "127.0.0.1")
    with pytest.raises(Unreachable):
        await dial.dial(Target(Authority("https", "a.example", there.port), allow_private=True))


async def test_one_dead_address_does_not_hide_a_live_one(
    start_upstream: Any, strict_context: ssl.SSLContext
) -> None:
    there = await start_upstream(silent)
    dial, _ = dialler(strict_context, "127.0.0.2", "169.254.169.254", "127.0.0.1")
    connection = await dial.dial(
        Target(Authority("http", "x.example", there.port), allow_private=True)
    )
    connection.abort()


async def test_nobody_there(start_upstream: Any, strict_context: ssl.SSLContext) -> None:
    dial, _ = dialler(strict_context)
    with pytest.raises(Unreachable, match="does not resolve"):
        await dial.dial(Target(Authority("http", "absent.example", 80)))
    dial, _ = dialler(strict_context, "127.0.0.1")
    with pytest.raises(Unreachable, match="cannot connect"):
        await dial.dial(Target(Authority("http", "x.example", 1), allow_private=True))


async def test_a_handshake_that_hangs(start_upstream: Any, strict_context: ssl.SSLContext) -> None:
    there = await start_upstream(silent)
    dial, _ = dialler(strict_context, timeouts=Timeouts(tls_s=0.05))
    with pytest.raises(UpstreamTimeout):
        await dial.dial(
            Target(Authority("https", "api.example", 443), there_as_tls(there), allow_private=True)
        )


def there_as_tls(there: Authority) -> Authority:
    return Authority("https", there.host, there.port)


async def test_a_resolver_that_hangs(strict_context: ssl.SSLContext) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    dial = Dialler(strict_context, Timeouts(connect_s=0.05), resolve, ())
    with pytest.raises(UpstreamTimeout):
        await dial.dial(Target(Authority("http", "x.example", 80)))


async def test_the_systems_resolver() -> None:
    assert "127.0.0.1" in await system_resolver("localhost", 80) + ["127.0.0.1"]
    with pytest.raises(OSError):
        await system_resolver("absent.invalid", 80)

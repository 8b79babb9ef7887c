"""The way out of this installation: whom its processes trust, and what none of them dials."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from amaze_proxy.settings import Settings, SettingsError
from amaze_proxy.wire.addresses import is_own, parse_ip, refusal
from amaze_proxy.wire.tls import upstream_context


def own_listeners(settings: Settings) -> list[tuple[str, int]]:
    """What nobody may reach through us: our own ports, and the store's."""
    ports = (settings.proxy_port, settings.control_port, settings.ui_port)
    found = [(settings.bind, port) for port in ports]
    store = urlsplit(settings.redis_url)
    if store.hostname:
        port = store.port or 6379
        try:
            known = socket.getaddrinfo(store.hostname, port, type=socket.SOCK_STREAM)
        except OSError:
            known = []  # not resolved now; the store's own connection will say so
        found += [(str(address[0]), port) for *_, address in known]
    return found


def refused(own: Sequence[tuple[str, int]], address: str, port: int) -> str:
    """Why a registered server is not dialled at this address ("": it is): it may be private, but
    neither one of `own` listeners nor a cloud's metadata service."""
    ip = parse_ip(address)
    if is_own(ip, port, own):
        return f"{address}:{port} is a port of this installation"
    return refusal(ip, allow_private=True)


def trust(settings: Settings) -> ssl.SSLContext:
    """The context of TLS to targets. Raises SettingsError with the fix."""
    try:
        return upstream_context(settings.upstream_ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"AMAZE_UPSTREAM_CA {settings.upstream_ca} cannot be used ({error.strerror or error}): "
            "name a file of PEM certificates"
        ) from None

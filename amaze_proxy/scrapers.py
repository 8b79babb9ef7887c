"""Who may read /metrics: this machine, and whoever has the key of the settings.

The numbers name no agent, and still tell whoever knows some of the agents what the others do. On
one machine they are no secret: its agents run beside us. Over the network an agent reaches our
ports too, so there a key is asked for.
"""

from __future__ import annotations

import hmac
import ipaddress

from starlette.requests import Request


class Scrapers:
    """`key`: what Prometheus sends as its bearer token; "": there is none."""

    def __init__(self, key: str = "") -> None:
        self._expected = f"Bearer {key}".encode() if key else None

    def allow(self, request: Request) -> bool:
        """Whether the request may read them."""
        if request.client is not None and _is_this_machine(request.client.host):
            return True
        given = request.headers.get("authorization", "").encode("latin-1")
        return self._expected is not None and hmac.compare_digest(given, self._expected)


def _is_this_machine(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


REFUSAL = (
    "the metrics are for this machine, and for whoever sends the key of AMAZE_METRICS_KEY as "
    "`Authorization: Bearer`\n"
)

"""Routes of the installation: health, CA certificate, metrics."""

from __future__ import annotations

from starlette.responses import JSONResponse, PlainTextResponse, Response

from amaze_proxy.control.api.call import Call
from amaze_proxy.control.health import OK

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


async def health(call: Call) -> Response:
    """200 when every part answers, else 503 with the one that does not."""
    parts = await call.services.health.parts()
    well = all(state == OK for state in parts.values())
    config = call.services.config
    view = {
        "status": OK if well else "unavailable",
        "parts": parts,
        "instance": config.instance,
        "version": config.version,
    }
    return JSONResponse(view, 200 if well else 503)


async def ca_pem(call: Call) -> Response:
    """The certificate that clients of the proxy have to trust."""
    return Response(call.services.config.ca_pem, media_type="application/x-pem-file")


async def metrics(call: Call) -> Response:
    """Numbers for Prometheus; no agent is named."""
    numbers = await call.services.health.numbers()
    lines = ["# HELP amaze_agents Agents by status.", "# TYPE amaze_agents gauge"]
    lines += [
        f'amaze_agents{{status="{status}"}} {count}' for status, count in numbers.agents.items()
    ]
    lines += [
        "# HELP amaze_changes_not_in_force Changes that are saved and not published.",
        "# TYPE amaze_changes_not_in_force gauge",
        f"amaze_changes_not_in_force {numbers.owed}",
        "",
    ]
    return PlainTextResponse("\n".join(lines), media_type=_PROMETHEUS)

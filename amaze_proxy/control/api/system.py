"""Routes of the installation: health, CA certificate, metrics."""

from __future__ import annotations

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, PlainTextResponse, Response

from amaze_proxy.control.api.call import Call
from amaze_proxy.control.health import OK
from amaze_proxy.scrapers import REFUSAL, Scrapers


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
    """Numbers for Prometheus; no agent is named. For whom: see `scrapers`."""
    services = call.services
    if not Scrapers(services.config.metrics_key).allow(call.request):
        return PlainTextResponse(REFUSAL, 403)
    body = services.meters.exposition(await services.health.numbers())
    return Response(body, media_type=CONTENT_TYPE_LATEST)

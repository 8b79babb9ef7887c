"""The proxy as a Starlette app: governed calls, and the proxy's own few endpoints.

A request in absolute-form or inside a tunnel is a governed call. A request in origin-form is for
the proxy itself. Plug-ins are ordinary ASGI middleware; they see a call before it is judged, so
whatever they change is what is decided on.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from amaze_proxy.pipeline.exchange import Exchange
from amaze_proxy.pipeline.line import Line
from amaze_proxy.wire.ingress import Ingress

Health = Callable[[], Awaitable[bool]]
Endpoint = Callable[[Request], Awaitable[Response]]

_WHAT_THIS_IS = (
    "This is the aMaze proxy. Use it as a proxy: HTTP_PROXY=http://<agent_id>:<credential>@"
    "<this address>; `amaze run --agent ID -- CMD` sets everything for you."
)


class Governed:
    """ASGI middleware that takes every call of an agent out to the line."""

    def __init__(self, app: ASGIApp, line: Line) -> None:
        self._app = app
        self._line = line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            ingress: Ingress = scope["extensions"]["amaze"]
            if ingress.authority is not None:
                await Exchange(self._line, ingress, scope, receive, send).run()
                return
        await self._app(scope, receive, send)


def create_app(
    line: Line,
    health: Health,
    plugins: Sequence[Middleware] = (),
    metrics: Endpoint | None = None,
) -> Starlette:
    """The app that `wire.server` serves."""

    async def show_health(request: Request) -> Response:
        ok = await health()
        body = {"status": "ok" if ok else "unavailable", "parts": {"redis": ok}}
        return JSONResponse(body, status_code=200 if ok else 503)

    async def explain(request: Request) -> Response:
        body = json.dumps({"error": {"message": _WHAT_THIS_IS, "type": "amaze_denied"}})
        return Response(body, status_code=400, media_type="application/json")

    return Starlette(
        routes=[
            Route("/health", show_health),
            *([Route("/metrics", metrics)] if metrics else ()),
            Route("/{path:path}", explain, methods=["GET", "HEAD", "POST", "PUT", "DELETE"]),
        ],
        middleware=[*plugins, Middleware(Governed, line=line)],
        exception_handlers={Exception: _leave_to_the_server},
    )


async def _leave_to_the_server(request: Request, error: Exception) -> Response:
    """Starlette would answer 500, in no shape of ours; the server refuses, or cuts."""
    raise error

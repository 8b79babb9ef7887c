"""Health, signing in and out: all that is answered without a session."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from amaze_app import routes, sessions
from amaze_app.access import Access
from amaze_app.attempts import Attempts
from amaze_app.gateway import Outage
from amaze_app.sessions import cookie_header

_HERE = Path(__file__).parent
_FORM_MAX = 4096


def front(access: Access, attempts: Attempts, files: Path) -> Starlette:
    """The application of these routes; `files` has what the login page loads (assets/front)."""
    page = Template((_HERE / "page.html").read_text("utf-8"))

    def shown(message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
        return HTMLResponse(page.substitute(message=escape(message)), status, headers)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ask(request: Request) -> Response:
        if await access.session(cookie_header(request.headers)) is not None:
            return RedirectResponse(routes.HOME, 303)
        return shown("", 200)

    async def sign_in(request: Request) -> Response:
        address = request.client.host if request.client else ""
        if wait := attempts.begin(address):
            seconds = math.ceil(wait)
            message = f"Too many attempts. Try again in {seconds} s."
            return shown(message, 429, {"Retry-After": str(seconds)})
        try:
            token = await access.sign_in(await _field(request, "key"))
        except Outage:
            return shown("The database does not answer. Is the control plane running?", 503)
        if token is None:
            return shown("This is not the admin API key.", 403)
        attempts.succeeded(address)
        response = RedirectResponse(routes.HOME, 303)
        response.set_cookie(
            sessions.COOKIE, token, secure=_by_tls(request), httponly=True, samesite="lax"
        )
        return response

    async def sign_out(request: Request) -> Response:
        access.sign_out(cookie_header(request.headers))
        response = RedirectResponse(routes.LOGIN, 303)
        response.delete_cookie(
            sessions.COOKIE, secure=_by_tls(request), httponly=True, samesite="lax"
        )
        return response

    return Starlette(
        routes=[
            Route(routes.HEALTH, health),
            Route(routes.LOGIN, ask),
            Route(routes.LOGIN, sign_in, methods=["POST"]),
            Route(routes.LOGOUT, sign_out, methods=["POST"]),
            Mount(routes.FRONT, StaticFiles(directory=files)),
        ]
    )


async def _field(request: Request, name: str) -> str:
    """A field of the form; "" when it is missing, there twice, or the body is no small form."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_MAX:
                return ""
    except ClientDisconnect:
        return ""
    values = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).get(name, [])
    return values[0].strip() if len(values) == 1 else ""


def _by_tls(request: Request) -> bool:
    """Whether the browser came by HTTPS: what it says itself, also behind a proxy that ends TLS."""
    return request.headers.get("origin", "").startswith("https://")

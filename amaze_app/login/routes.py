"""Health, signing in and out, another password: plain HTML, so that no socket is needed."""

from __future__ import annotations

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
from amaze_app.gateway import Outage, Principal, Refused, TooOften
from amaze_app.login.downloads import downloads
from amaze_app.sessions import cookie_header

_HERE = Path(__file__).parent
_FORM_MAX = 4096
_OUTAGE = "A part of the platform does not answer. Is the control plane running?"
_MADE = "Your password was made for you: choose one of your own. All your sessions end then."
_OWN = "All your sessions end, this one too: sign in again afterwards."
_CHANGED = "The password is changed. Sign in with the new one."


def front(access: Access, files: Path) -> Starlette:
    """The application of these routes; `files` has what the pages load (assets/front)."""
    desk = _Front(access)
    return Starlette(
        routes=[
            Route(routes.HEALTH, desk.health),
            Route(routes.LOGIN, desk.ask),
            Route(routes.LOGIN, desk.sign_in, methods=["POST"]),
            Route(routes.LOGOUT, desk.sign_out, methods=["POST"]),
            Route(routes.PASSWORD, desk.ask_password),
            Route(routes.PASSWORD, desk.change_password, methods=["POST"]),
            *downloads(access),
            Mount(routes.FRONT, StaticFiles(directory=files)),
        ]
    )


class _Front:
    def __init__(self, access: Access) -> None:
        self._access = access
        self._login = Template((_HERE / "page.html").read_text("utf-8"))
        self._password = Template((_HERE / "password.html").read_text("utf-8"))

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ask(self, request: Request) -> Response:
        if await self._who(request) is not None:
            return RedirectResponse(routes.HOME, 303)
        return self._login_page(_CHANGED if "changed" in request.query_params else "", 200)

    async def sign_in(self, request: Request) -> Response:
        form = await _form(request)
        name = form.get("name", "").strip()
        try:
            token = await self._access.sessions.begin(
                name, form.get("password", ""), _address(request)
            )
        except TooOften as error:
            headers = {"Retry-After": str(error.seconds)}
            return self._login_page(f"{_sentence(error)}", 429, name, headers)
        except Refused as error:
            return self._login_page(_sentence(error), 403, name)
        except Outage:
            return self._login_page(_OUTAGE, 503, name)
        response = RedirectResponse(routes.HOME, 303)
        response.set_cookie(
            sessions.COOKIE, token, secure=_by_tls(request), httponly=True, samesite="strict"
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        who = await self._who(request)
        if who is not None:
            try:
                await self._access.sessions.end(who)
            except Outage:
                return self._login_page(_OUTAGE, 503)
        return _without_cookie(request, routes.LOGIN)

    async def ask_password(self, request: Request) -> Response:
        who = await self._who(request)
        if who is None:
            return RedirectResponse(routes.LOGIN, 303)
        return self._password_page(who, "", 200)

    async def change_password(self, request: Request) -> Response:
        who = await self._who(request)
        if who is None:
            return RedirectResponse(routes.LOGIN, 303)
        form = await _form(request)
        if form.get("new", "") != form.get("again", ""):
            return self._password_page(who, "The two new passwords are not the same.", 422)
        if form.get("new") == form.get("old"):
            return self._password_page(who, "The new password is the present one.", 422)
        try:
            await self._access.sessions.change_password(
                who, form.get("old", ""), form.get("new", "")
            )
        except TooOften as error:
            return self._password_page(who, _sentence(error), 429)
        except Refused as error:
            return self._password_page(who, _sentence(error), 422)
        except Outage:
            return self._password_page(who, _OUTAGE, 503)
        return _without_cookie(request, f"{routes.LOGIN}?changed=1")

    async def _who(self, request: Request) -> Principal | None:
        return await self._access.principal(cookie_header(request.headers), _address(request))

    def _login_page(
        self, message: str, status: int, name: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        text = self._login.substitute(message=escape(message), name=escape(name[:63]))
        return HTMLResponse(text, status, headers)

    def _password_page(self, who: Principal, message: str, status: int) -> Response:
        why = _MADE if who.must_change else _OWN
        text = self._password.substitute(
            message=escape(message), name=escape(who.name), why=escape(why)
        )
        return HTMLResponse(text, status)


def _without_cookie(request: Request, place: str) -> Response:
    response = RedirectResponse(place, 303)
    response.delete_cookie(
        sessions.COOKIE, secure=_by_tls(request), httponly=True, samesite="strict"
    )
    return response


async def _form(request: Request) -> Mapping[str, str]:
    """The fields that are there once; nothing of a body that is no small form."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_MAX:
                return {}
        values = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=8)
    except (ClientDisconnect, ValueError):
        return {}
    return {name: given[0] for name, given in values.items() if len(given) == 1}


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _by_tls(request: Request) -> bool:
    """Whether the browser came by HTTPS: what it says itself, or a trusted proxy."""
    said = request.headers.get("origin", "").startswith("https://")
    return said or request.url.scheme == "https"


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."

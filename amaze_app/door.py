"""The outermost ASGI layer: nobody passes without a session, nothing comes from another site."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amaze_app import csp, routes
from amaze_app.access import Access
from amaze_app.gateway import Principal
from amaze_app.sessions import cookie_header

_SAFE = ("GET", "HEAD")
_OPEN = (routes.HEALTH, routes.LOGIN, routes.LOGOUT, routes.PASSWORD)
_HASHED = "/assets/"  # the build puts files there whose names change with their content
_FOR_ALL = "/__spa-fallback.html"  # of the build: the page that finds out by itself which it is
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # with no-referrer, a browser sends `Origin: null` from our own forms too
    "Referrer-Policy": "same-origin",
}


class Door:
    """Lets `front` answer for its own paths, and `inner` for all others once there is a session.

    `page_policy` is the content security policy of what `inner` answers.
    """

    def __init__(self, inner: ASGIApp, front: ASGIApp, access: Access, page_policy: str) -> None:
        self._inner = inner
        self._front = front
        self._access = access
        self._page_policy = page_policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._inner(scope, receive, send)
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                raise RuntimeError(f"no protocol of ours: {scope['type']}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        if scope["method"] not in _SAFE and not _same_origin(headers):
            answer: ASGIApp = PlainTextResponse("This came from another site.\n", 403)
            policy = csp.FRONT
        elif path in _OPEN or path.startswith(routes.FRONT):
            answer, policy = self._front, csp.FRONT
        elif path.startswith(_HASHED) and ".." not in path:
            # our published code: a tab whose session is over needs it to say so
            answer, policy = self._inner, self._page_policy
        elif (who := await self._who(scope, headers)) is None or who.must_change:
            place = routes.LOGIN if who is None else routes.PASSWORD
            answer, policy = RedirectResponse(place, 303), csp.FRONT
        elif path.startswith(routes.DOWNLOADS):
            answer, policy = self._front, csp.FRONT
        elif path == "/":
            answer, policy = RedirectResponse(routes.HOME, 303), csp.FRONT
        else:
            answer, policy = self._inner, self._page_policy
            if path in routes.PAGES:  # the build has a folder for each: no redirect to it
                scope = {**scope, "path": f"{path}/", "raw_path": f"{path}/".encode()}
            elif routes.is_named(path):
                scope = {**scope, "path": _FOR_ALL, "raw_path": _FOR_ALL.encode()}
        await answer(scope, receive, _with_headers(send, policy, path))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if _same_origin(headers):
            who = await self._who(scope, headers)
            if who is not None and not who.must_change:
                await self._inner(scope, receive, send)
                return
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before accepting: HTTP 403

    async def _who(self, scope: Scope, headers: Headers) -> Principal | None:
        client = scope.get("client")
        return await self._access.principal(cookie_header(headers), client[0] if client else "")


def _same_origin(headers: Headers) -> bool:
    """Whether the page that asks is ours. Every browser says it (RFC 6455 §4.1, Fetch §3.1)."""
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    try:
        origin = urlsplit(origins[0])
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc.lower() == hosts[0].lower()


def _with_headers(send: Send, policy: str, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers["Content-Security-Policy"] = policy
            kept = path.startswith(_HASHED) and message["status"] == 200
            headers["Cache-Control"] = (
                "private, max-age=31536000, immutable" if kept else "no-store"
            )
        await send(message)

    return sending

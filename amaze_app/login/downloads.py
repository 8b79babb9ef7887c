"""Files to take away: the evidence, the CA's certificate, the key that evidence is signed with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from amaze_app import routes, runtime
from amaze_app.access import Access
from amaze_app.gateway import Gateway, Outage, Principal, Refused
from amaze_app.sessions import cookie_header

Answer = Callable[[Gateway, Principal, Request], Awaitable[Response]]
_MOST_MS = 10**15
_PEM = "application/x-pem-file"


def downloads(access: Access) -> list[Route]:
    """The routes; whoever asks is asked for the session here too."""
    answers = ((routes.EVIDENCE, _evidence), (routes.CA, _ca), (routes.AUDIT_KEY, _audit_key))
    return [Route(path, _behind_session(access, answer)) for path, answer in answers]


def _behind_session(access: Access, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        address = request.client.host if request.client else ""
        who = await access.principal(cookie_header(request.headers), address)
        if who is None or who.must_change:
            return PlainTextResponse("Sign in first.\n", 403)
        try:
            return await answer(runtime.current().gateway, who, request)
        except Refused as error:
            return PlainTextResponse(f"{error}\n", 403)
        except Outage as error:
            return PlainTextResponse(f"{error}\n", 503)

    return answered


async def _evidence(gateway: Gateway, who: Principal, request: Request) -> Response:
    given = request.query_params
    since, until = _moment(given.get("since", "")), _moment(given.get("until", ""))
    begun = await gateway.audit.export(who, given.get("agent", "")[:64], since, until)
    headers = _as_file("amaze-evidence.zip")
    return StreamingResponse(begun.chunks, headers=headers, media_type="application/zip")


async def _ca(gateway: Gateway, who: Principal, _request: Request) -> Response:
    return Response(await gateway.health.ca(who), headers=_as_file("ca.pem"), media_type=_PEM)


async def _audit_key(gateway: Gateway, who: Principal, _request: Request) -> Response:
    text = gateway.audit.public_key(who)
    return Response(text, headers=_as_file("audit-key.pem"), media_type=_PEM)


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _moment(text: str) -> int:
    """Milliseconds since the epoch; 0: any."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
    return min(number, _MOST_MS)

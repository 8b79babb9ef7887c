"""One table: what the domain raises, and the problem (RFC 9457) that the caller reads."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from amaze_proxy.control import errors
from amaze_proxy.control.api.bodies import BadBody, BodyTooLarge, Invalid, WrongMediaType
from amaze_proxy.control.api.principals import Forbidden, Unauthenticated
from amaze_proxy.history.errors import HistoryUnavailable
from amaze_proxy.store.errors import StoreUnavailable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. `detail` replaces the text of an exception that is not for the caller."""

    status: int
    code: str
    detail: str = ""


TABLE: dict[type[Exception], Kind] = {
    Unauthenticated: Kind(401, "unauthenticated"),
    Forbidden: Kind(403, "forbidden"),
    BadBody: Kind(400, "malformed-body"),
    BodyTooLarge: Kind(413, "body-too-large"),
    WrongMediaType: Kind(415, "unsupported-media-type"),
    Invalid: Kind(422, "invalid-fields"),
    errors.InvalidId: Kind(400, "invalid-agent-id"),
    errors.InvalidName: Kind(400, "invalid-name"),
    errors.InvalidUrl: Kind(422, "invalid-url"),
    errors.NameTaken: Kind(409, "name-taken"),
    errors.EndpointTaken: Kind(409, "endpoint-taken"),
    errors.EntryNotFound: Kind(404, "not-registered"),
    errors.EntryExists: Kind(409, "already-registered"),
    errors.EntryBarred: Kind(403, "server-rejected"),
    errors.ProbeFailed: Kind(502, "probe-failed"),
    errors.NothingToAccept: Kind(409, "nothing-to-accept"),
    errors.AgentNotFound: Kind(404, "agent-not-found"),
    errors.AgentExists: Kind(409, "agent-exists"),
    errors.BeingDeleted: Kind(409, "being-deleted"),
    errors.WrongState: Kind(409, "wrong-state"),
    errors.ReleaseBarred: Kind(403, "quarantined-by-admin"),
    errors.OwnerUnknown: Kind(422, "owner-unknown"),
    errors.ClaimChanged: Kind(409, "claim-changed"),
    errors.AgentBarred: Kind(403, "agent-barred"),
    errors.NotApproved: Kind(403, "agent-not-approved"),
    errors.EnrolmentRequired: Kind(403, "enrolment-required"),
    errors.EnrolmentRefused: Kind(403, "enrolment-refused"),
    errors.TooManyPending: Kind(429, "too-many-pending"),
    errors.PolicyNotFound: Kind(404, "policy-not-found"),
    errors.PolicyInvalid: Kind(422, "invalid-policy"),
    errors.LostUpdate: Kind(412, "lost-update"),
    errors.NotInForce: Kind(503, "not-in-force"),
    errors.TraceNotFound: Kind(404, "trace-not-found"),
    errors.PeriodInvalid: Kind(422, "invalid-period"),
    errors.TurnInvalid: Kind(403, "invalid-turn"),
    errors.TurnsRefused: Kind(403, "turns-refused"),
    errors.ChatMissing: Kind(409, "no-chat-endpoint"),
    errors.ChatUnreachable: Kind(502, "agent-unreachable"),
    errors.ChatNonsense: Kind(502, "agent-failed"),
    errors.ChatTimeout: Kind(504, "agent-timeout"),
    errors.PasswordInvalid: Kind(422, "invalid-password"),
    errors.SignInRefused: Kind(401, "sign-in-refused"),
    errors.TooManyAttempts: Kind(429, "too-many-attempts"),
    errors.UserInvalid: Kind(400, "invalid-user-name"),
    errors.UserNotFound: Kind(404, "user-not-found"),
    errors.UserExists: Kind(409, "user-exists"),
    errors.LastAdmin: Kind(409, "last-admin"),
    errors.KeyNotFound: Kind(404, "key-not-found"),
    errors.KeyRefused: Kind(403, "key-refused"),
    errors.KeyReused: Kind(422, "idempotency-mismatch"),
    errors.RequestAtWork: Kind(409, "idempotency-in-progress"),
    errors.SecretShown: Kind(409, "idempotency-replayed"),
    HistoryUnavailable: Kind(
        503,
        "sql-unavailable",
        "the database does not answer, nothing was changed: see GET /health, and try again",
    ),
    StoreUnavailable: Kind(
        503, "redis-unavailable", "the store does not answer: see GET /health, and try again"
    ),
    Exception: Kind(
        500, "internal-error", "something failed that should not: see the log of the control plane"
    ),
}


def kind_of(error: Exception) -> Kind:
    """The kind of problem that an exception is answered with."""
    return next(TABLE[one] for one in type(error).__mro__ if one in TABLE)


def answer(kind: Kind, detail: str, **more: object) -> Response:
    """A problem details document; `code` is what scripts may rely on."""
    body: dict[str, Any] = {
        "type": f"urn:amaze:problem:{kind.code}",
        "title": HTTPStatus(kind.status).phrase,
        "status": kind.status,
        "code": kind.code,
        "detail": detail,
        **more,
    }
    headers = {"Cache-Control": "no-store"}
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="amaze"'  # RFC 9110 §15.5.2
    return JSONResponse(body, kind.status, headers, MEDIA_TYPE)


def handlers() -> dict[Any, ExceptionHandler]:
    """The table as starlette's exception handlers."""
    found: dict[Any, ExceptionHandler] = {raised: _handler(kind) for raised, kind in TABLE.items()}
    found[HTTPException] = _http
    return found


def _handler(kind: Kind) -> ExceptionHandler:
    def handle(_request: Request, error: Exception) -> Response:
        if kind.status >= 500:
            log.warning("%s: %s", kind.code, type(error).__name__)
        more: dict[str, object] = {}
        if isinstance(error, (Invalid, errors.PolicyInvalid)):
            more["errors"] = [{"field": name, "message": fault} for name, fault in error.errors]
        response = answer(kind, kind.detail or str(error), **more)
        if isinstance(error, errors.TooManyAttempts):
            response.headers["Retry-After"] = str(error.seconds)
        return response

    return handle


def _http(request: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for it alone)
    status = HTTPStatus(error.status_code)
    detail = f"{request.method} {request.url.path[:200]}: {status.phrase}, see GET /openapi.json"
    response = answer(Kind(status, status.phrase.lower().replace(" ", "-")), detail)
    response.headers.update(error.headers or {})
    return response

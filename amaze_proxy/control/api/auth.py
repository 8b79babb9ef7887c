"""Routes of sessions: in, out, who am I, another password."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.acts import Act, Outcome
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.api.people_schemas import LoginBody, PasswordBody
from amaze_proxy.control.api.principals import Forbidden, Person
from amaze_proxy.control.errors import SignInRefused
from amaze_proxy.control.people import check_user_name
from amaze_proxy.control.sessions import LONGEST_MS


async def login(call: Call) -> Response:
    """A session's token, for `Authorization: Bearer`; recorded, as is a refusal.

    Attempts that the lock-out turns away are not: they could fill the log.
    """
    body = await call.body(LoginBody)
    try:
        token, account = await call.services.people.sign_in(body.name, body.password, call.address)
    except SignInRefused:
        await _note(call, _claimed(body.name), Outcome(401, error="sign-in-refused"))
        raise
    try:
        await _note(call, account.name, Outcome(200))
    except BaseException:  # nobody is in whom the log does not know
        await call.services.sessions.end(token.sha256)
        raise
    return JSONResponse(
        {
            "token": token.text,
            "name": account.name,
            "role": account.role,
            "must_change_password": account.must_change,
            "expires_ms": call.services.clock() + LONGEST_MS,
        }
    )


async def logout(call: Call) -> Response:
    """Ends the session."""
    await call.services.sessions.end(_session(call).session_sha256)
    return Response(status_code=204)


async def me(call: Call) -> Response:
    """Who asks, and what for."""
    person = _person(call)
    return JSONResponse(
        {
            "name": person.name,
            "role": person.role,
            "via": person.via,
            "scope": list(person.scope),
            "must_change_password": person.must_change,
        }
    )


async def password(call: Call) -> Response:
    """Another password; all sessions of the account end, this one too."""
    person = _session(call)
    body = await call.body(PasswordBody)
    await call.services.people.change_password(person.name, body.old, body.new, call.address)
    return Response(status_code=204)


async def _note(call: Call, name: str, outcome: Outcome) -> None:
    request = call.request
    act = Act(
        name, "password", call.address, "auth.login", "session", request.method, request.url.path
    )
    await call.services.acts.note(act, outcome)


def _claimed(name: str) -> str:
    """A name as it may be written down: people type their password there by mistake."""
    try:
        return check_user_name(name)
    except ValueError:
        return "?"


def _person(call: Call) -> Person:
    if not isinstance(call.principal, Person):
        raise Forbidden("this is for people")
    return call.principal


def _session(call: Call) -> Person:
    person = _person(call)
    if not person.session_sha256:
        raise Forbidden("this is for a session: sign in (POST /auth/login)")
    return person

"""Routes of agents: registration, turns, approval, credentials, messages."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.agents import Issued
from amaze_proxy.control.api import mcp_servers, views
from amaze_proxy.control.api.bodies import Invalid
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.api.principals import (
    BEARER,
    ENROLL_KEY,
    AgentCaller,
    Forbidden,
    Person,
)
from amaze_proxy.control.api.schemas import (
    ApproveBody,
    ChangeAgentBody,
    CreateAgentBody,
    EndpointBody,
    MessageBody,
    RegisterBody,
    RotateBody,
    TurnBody,
)
from amaze_proxy.control.audit_pages import AuditCursor, read_audit_cursor
from amaze_proxy.control.errors import checked_id
from amaze_proxy.control.people import UserRole
from amaze_proxy.control.policies import parse_data
from amaze_proxy.control.sentences import sentence
from amaze_proxy.history.agents import AgentRecord
from amaze_proxy.store.agents import AgentStatus

TURN = "x-amaze-turn"
_PAGE = 100
_MOST = 1000


async def register(call: Call) -> Response:
    """An agent, or an MCP server, makes itself known; the proof is in the headers, if there is
    any."""
    request = call.request
    match request.query_params.get("kind", "agent"):
        case "agent":
            pass
        case "mcp":
            return await mcp_servers.register(call)
        case _:
            raise Invalid((("kind", "must be agent or mcp"),))
    body = await call.body(RegisterBody)
    found = await call.services.registration.register(
        body.agent_id,
        body.endpoints(request.client.host if request.client else "127.0.0.1"),
        enroll_key=request.headers.get(ENROLL_KEY),
        bearer=request.headers.get(BEARER),
    )
    return JSONResponse(asdict(found))


async def turns(call: Call) -> Response:
    """The calling agent gets a turn."""
    if not isinstance(call.principal, AgentCaller):
        raise Forbidden("a turn belongs to an agent: ask with its credential")
    body = await call.body(TurnBody)
    traceparent = body.traceparent or call.request.headers.get("traceparent", "")
    shown = call.request.headers.getlist(TURN)
    # RFC 9110 §5.2: several lines are one list, and a list is no turn
    present = ",".join(shown) if shown else None
    minted = await call.services.turns.for_agent(call.principal.agent_id, traceparent, present)
    turn = minted.turn
    return JSONResponse(
        {
            "turn": minted.token,
            "turn_id": turn.turn_id,
            "trace_id": turn.trace_id,
            "issued_ms": turn.issued_ms,
        }
    )


async def index(call: Call) -> Response:
    """A page of agents by id: those that the caller may see."""
    status = call.label("status")
    if status and status not in set(AgentStatus):
        raise Invalid((("status", f"must be one of {', '.join(AgentStatus)}"),))
    limit = call.number("limit", _PAGE, _MOST)
    found = await _visible(call, status, call.label("after"), limit + 1)
    page = found[:limit]
    following = page[-1].agent_id if len(found) > limit else None
    return JSONResponse({"agents": [views.agent(record) for record in page], "next": following})


async def _visible(call: Call, status: str, after: str, limit: int) -> list[AgentRecord]:
    person = call.principal
    if not isinstance(person, Person):
        raise Forbidden("agents are listed for people")
    found: list[AgentRecord] = []
    while len(found) < limit:
        page = await call.services.agents.page(status, after, _MOST)
        found += [record for record in page if person.sees(record)]
        if len(page) < _MOST:
            break
        after = page[-1].agent_id
    return found[:limit]


async def create(call: Call) -> Response:
    """An approved agent, with a credential that is shown this once."""
    body = await call.body(CreateAgentBody)
    issued = await call.services.agents.create(
        body.agent_id,
        author=call.author,
        owner=body.owner,
        policy=None if body.policy is None else parse_data(body.policy),
        endpoints=body.endpoints(),
        idempotency_key=call.request.headers.get("idempotency-key"),
    )
    return _issued(issued, 201)


async def show(call: Call) -> Response:
    """One agent."""
    return JSONResponse(views.agent(await call.services.agents.get(call.agent_id)))


async def endpoint(call: Call) -> Response:
    """Where an agent listens for A2A, as an operator knows it."""
    body = await call.body(EndpointBody)
    record = await call.services.agents.set_endpoint(
        call.agent_id, body.a2a_host or "", body.a2a_port or 0
    )
    return JSONResponse(views.agent(record))


async def delete(call: Call) -> Response:
    """Forgets an agent."""
    await call.services.agents.delete(call.agent_id)
    return Response(status_code=204)


async def approve(call: Call) -> Response:
    """Lets an agent, or its waiting registration, work."""
    body = await call.body(ApproveBody)
    record = await call.services.agents.approve(call.agent_id, body.claim)
    return JSONResponse(views.agent(record))


async def reject(call: Call) -> Response:
    """Refuses what waits."""
    return JSONResponse(views.agent(await call.services.agents.reject(call.agent_id)))


async def quarantine(call: Call) -> Response:
    """The kill switch."""
    record = await call.services.agents.quarantine(
        call.agent_id, by=call.author, admin=_by_admin(call)
    )
    return JSONResponse(views.agent(record))


async def release(call: Call) -> Response:
    """Ends a quarantine."""
    record = await call.services.agents.release(call.agent_id, admin=_by_admin(call))
    return JSONResponse(views.agent(record))


async def change(call: Call) -> Response:
    """Whose agent it is."""
    checked_id(call.agent_id)
    body = await call.body(ChangeAgentBody)
    return JSONResponse(
        views.agent(await call.services.agents.set_owner(call.agent_id, body.owner))
    )


async def rotate(call: Call) -> Response:
    """A new credential, shown this once."""
    if isinstance(call.principal, AgentCaller) and not call.principal.lasting:
        raise Forbidden(
            "this credential was rotated out: it goes on calling for its grace, and rotates nothing"
        )
    body = await call.body(RotateBody)
    return _issued(await call.services.agents.rotate(call.agent_id, body.grace_seconds * 1000))


async def audit(call: Call) -> Response:
    """A page of an agent's records, newest first; the next one is in the header `Link`."""
    limit = call.number("limit", _PAGE, _MOST)
    page = await call.services.agents.audit_page(call.agent_id, limit, _audit_cursor(call))
    headers = {}
    if page.following is not None:
        query = urlencode({"cursor": str(page.following), "limit": limit})
        headers["link"] = f'<{call.request.url.path}?{query}>; rel="next"'
    return JSONResponse([asdict(record) for record in page.records], headers=headers)


def _audit_cursor(call: Call) -> AuditCursor | None:
    given = call.request.query_params.get("cursor")
    if given is None:
        return None
    try:
        return read_audit_cursor(given)
    except ValueError as error:
        raise Invalid((("cursor", str(error)),)) from None


async def resolve(call: Call) -> Response:
    """Where an agent listens, and whether it works."""
    record = await call.services.agents.get(call.agent_id)
    return JSONResponse(
        {
            "agent_id": record.agent_id,
            "status": record.status,
            **views.endpoints(record.endpoints),
        }
    )


async def messages(call: Call) -> Response:
    """Sends a message, and waits for the reply."""
    body = await call.body(MessageBody)
    answered = await call.services.messages.send(call.agent_id, body.message)
    return JSONResponse(
        {
            "reply": answered.reply,
            "trace_id": answered.trace_id,
            "turn_id": answered.turn_id,
            "denials": [
                {**asdict(record), "sentence": sentence(record)} for record in answered.denials
            ],
        }
    )


def _by_admin(call: Call) -> bool:
    return isinstance(call.principal, Person) and call.principal.role is UserRole.ADMIN


def _issued(found: Issued, status: int = 200) -> Response:
    return JSONResponse(views.issued(found), status)

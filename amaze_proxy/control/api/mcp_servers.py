"""Routes of MCP servers: registration, approval, where they are."""

from __future__ import annotations

from dataclasses import asdict, replace

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.api import views
from amaze_proxy.control.api.acting import Subject, recorded
from amaze_proxy.control.api.bodies import Invalid
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.api.principals import ENROLL_KEY, admin_shown
from amaze_proxy.control.api.schemas import (
    AcceptToolsBody,
    CreateMcpBody,
    JudgeMcpBody,
    RegisterMcpBody,
)
from amaze_proxy.store.registry import EntryStatus

_PAGE = 100
_MOST = 1000


async def register(call: Call) -> Response:
    """A server makes itself known; `POST /register` hands this over for `?kind=mcp`."""
    admin = await admin_shown(call.request, call.services)
    body = await call.body(RegisterMcpBody)

    async def registered() -> Response:
        found = await call.services.mcp_servers.register(
            body.name,
            body.url,
            body.tools,
            enroll_key=call.request.headers.get(ENROLL_KEY),
            admin=admin is not None,
        )
        return JSONResponse(asdict(found), 201)

    if admin is None:
        return await registered()

    async def server() -> object:
        return views.mcp_server(await call.services.mcp_servers.get(body.name))

    subject = Subject("mcp_servers", body.name, server)
    return await recorded(
        replace(call, principal=admin), "mcp_servers.register", subject, registered
    )


async def index(call: Call) -> Response:
    """A page of servers by name."""
    status = call.label("status")
    if status and status not in set(EntryStatus):
        raise Invalid((("status", f"must be one of {', '.join(EntryStatus)}"),))
    limit = call.number("limit", _PAGE, _MOST)
    found = await call.services.mcp_servers.page(status, call.label("after"), limit + 1)
    following = found[limit - 1].name if len(found) > limit else None
    page = [views.mcp_server(record) for record in found[:limit]]
    return JSONResponse({"mcp_servers": page, "next": following})


async def create(call: Call) -> Response:
    """An approved server."""
    body = await call.body(CreateMcpBody)
    saved = await call.services.mcp_servers.create(body.name, body.url, body.tools, body.owner)
    return JSONResponse({**views.mcp_server(saved.record), "in_force": saved.in_force}, 201)


async def show(call: Call) -> Response:
    """One server, its tools as the last probe found them, and which of them have changed."""
    return JSONResponse(views.mcp_tools(await call.services.tool_pins.look(call.name)))


async def probe(call: Call) -> Response:
    """Asks the server what it has; what is found first is pinned."""
    return JSONResponse(views.mcp_tools(await call.services.tool_pins.probe(call.name)))


async def accept(call: Call) -> Response:
    """Pins tools as they are now."""
    body = await call.body(AcceptToolsBody)
    await call.services.tool_pins.accept(call.name, body.tools, body.seen)
    return JSONResponse(views.mcp_tools(await call.services.tool_pins.look(call.name)))


async def delete(call: Call) -> Response:
    """Forgets a server."""
    await call.services.mcp_servers.delete(call.name)
    return Response(status_code=204)


async def approve(call: Call) -> Response:
    """Lets a server, or its waiting URL, be called; its tools are pinned if it answers."""
    body = await call.body(JudgeMcpBody)
    record = await call.services.tool_pins.approve(call.name, body.url or "")
    return JSONResponse(views.mcp_server(record))


async def reject(call: Call) -> Response:
    """Refuses what waits, or stops the server."""
    body = await call.body(JudgeMcpBody)
    record = await call.services.mcp_servers.reject(call.name, body.url or "")
    return JSONResponse(views.mcp_server(record))


async def resolve(call: Call) -> Response:
    """Where a server is, and whether it may be called."""
    record = await call.services.mcp_servers.get(call.name)
    return JSONResponse({"name": record.name, "url": record.url, "status": record.status})

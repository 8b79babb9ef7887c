"""Every route with the role that it asks for, in one table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amaze_proxy.control.api import agents, policies, system
from amaze_proxy.control.api.call import Call, Entry
from amaze_proxy.control.api.openapi import document
from amaze_proxy.control.api.principals import Role, admit
from amaze_proxy.control.api.problems import handlers
from amaze_proxy.control.api.schemas import (
    ApproveBody,
    CreateAgentBody,
    MessageBody,
    RegisterBody,
    RotateBody,
    TurnBody,
)
from amaze_proxy.control.services import Services

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


async def openapi(_call: Call) -> Response:
    """This API, described."""
    return JSONResponse(document(TABLE))


_AGENT = "/agents/{agent_id}"
_POLICY = "/policy/{agent_id}"

TABLE: tuple[Entry, ...] = (
    Entry("GET", "/health", Role.PUBLIC, system.health, "Whether every part answers"),
    Entry("GET", "/ca.pem", Role.PUBLIC, system.ca_pem, "The proxy's CA certificate"),
    Entry("GET", "/metrics", Role.PUBLIC, system.metrics, "Numbers for Prometheus"),
    Entry("GET", "/openapi.json", Role.PUBLIC, openapi, "This description"),
    Entry(
        "POST", "/register", Role.PUBLIC, agents.register, "Register an agent", body=RegisterBody
    ),
    Entry("POST", "/turns", Role.AGENT, agents.turns, "Begin a turn", body=TurnBody),
    Entry(
        "GET", "/resolve/agent/{agent_id}", Role.MEMBER, agents.resolve, "Where an agent listens"
    ),
    Entry("GET", "/agents", Role.ADMIN, agents.index, "List agents"),
    Entry("POST", "/agents", Role.ADMIN, agents.create, "Create an agent", 201, CreateAgentBody),
    Entry("GET", _AGENT, Role.OWN, agents.show, "One agent"),
    Entry("DELETE", _AGENT, Role.ADMIN, agents.delete, "Delete an agent", 204),
    Entry(
        "POST",
        f"{_AGENT}/approve",
        Role.ADMIN,
        agents.approve,
        "Approve an agent, or its waiting registration",
        body=ApproveBody,
    ),
    Entry("POST", f"{_AGENT}/reject", Role.ADMIN, agents.reject, "Reject what waits"),
    Entry("POST", f"{_AGENT}/quarantine", Role.ADMIN, agents.quarantine, "Stop an agent"),
    Entry("POST", f"{_AGENT}/release", Role.ADMIN, agents.release, "End a quarantine"),
    Entry(
        "POST",
        f"{_AGENT}/rotate",
        Role.OWN,
        agents.rotate,
        "Replace the credential",
        body=RotateBody,
    ),
    Entry(
        "POST",
        f"{_AGENT}/messages",
        Role.ADMIN,
        agents.messages,
        "Send a message and wait for the reply",
        body=MessageBody,
    ),
    Entry("GET", f"{_AGENT}/audit", Role.OWN, agents.audit, "The newest records of an agent"),
    Entry("GET", _POLICY, Role.OWN, policies.show, "The active policy"),
    Entry("PUT", _POLICY, Role.ADMIN, policies.save, "Save a policy (JSON or YAML)"),
    Entry("GET", f"{_POLICY}/versions", Role.OWN, policies.versions, "The policy's versions"),
    Entry("GET", f"{_POLICY}/versions/{{version}}", Role.OWN, policies.version, "One version"),
    Entry(
        "POST",
        f"{_POLICY}/rollback/{{version}}",
        Role.ADMIN,
        policies.rollback,
        "Save an old version as a new one",
    ),
    Entry("POST", f"{_POLICY}/validate", Role.OWN, policies.validate, "Check a policy"),
)


def build(services: Services, lifespan: Lifespan) -> Starlette:
    """The application of the table over `services`."""
    routes = [
        Route(entry.path, _endpoint(entry, services), methods=[entry.method]) for entry in TABLE
    ]
    return Starlette(routes=routes, exception_handlers=handlers(), lifespan=lifespan)


def _endpoint(entry: Entry, services: Services) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        principal = await admit(request, entry.role, services.history, services.clock)
        response = await entry.handler(Call(request, principal, services))
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return endpoint

"""Every route with the role that it asks for, in one table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amaze_proxy.control.api import (
    acting,
    agents,
    auth,
    export,
    idempotency,
    keys,
    llms,
    mcp_servers,
    policies,
    system,
    traces,
    users,
)
from amaze_proxy.control.api.call import Call, Entry
from amaze_proxy.control.api.openapi import document
from amaze_proxy.control.api.people_schemas import (
    ChangeUserBody,
    CreateKeyBody,
    CreateUserBody,
    LoginBody,
    PasswordBody,
)
from amaze_proxy.control.api.principals import Role, admit
from amaze_proxy.control.api.problems import handlers
from amaze_proxy.control.api.schemas import (
    AcceptToolsBody,
    ApproveBody,
    ChangeAgentBody,
    CreateAgentBody,
    CreateLlmBody,
    CreateMcpBody,
    EndpointBody,
    JudgeMcpBody,
    MessageBody,
    RegisterBody,
    RegisterMcpBody,
    RotateBody,
    TurnBody,
)
from amaze_proxy.control.meters import Measured
from amaze_proxy.control.services import Services

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


async def openapi(_call: Call) -> Response:
    """This API, described."""
    return JSONResponse(document(TABLE))


_AGENT = "/agents/{agent_id}"
_POLICY = "/policy/{agent_id}"
_MCP = "/mcp_servers/{name}"
_LLM = "/llms/{name}"
_USER = "/auth/users/{user}"

TABLE: tuple[Entry, ...] = (
    Entry("GET", "/health", Role.PUBLIC, system.health, "Whether every part answers"),
    Entry("GET", "/ca.pem", Role.PUBLIC, system.ca_pem, "The proxy's CA certificate"),
    Entry("GET", "/metrics", Role.PUBLIC, system.metrics, "Numbers for Prometheus"),
    Entry("GET", "/openapi.json", Role.PUBLIC, openapi, "This description"),
    Entry(
        "POST",
        "/register",
        Role.PUBLIC,
        agents.register,
        "Register an agent, or with ?kind=mcp an MCP server (201)",
        body=RegisterBody,
        other_body=RegisterMcpBody,
    ),
    Entry("POST", "/turns", Role.AGENT, agents.turns, "Begin a turn", body=TurnBody),
    Entry(
        "GET", "/resolve/agent/{agent_id}", Role.MEMBER, agents.resolve, "Where an agent listens"
    ),
    Entry("GET", "/resolve/mcp/{name}", Role.MEMBER, mcp_servers.resolve, "Where an MCP server is"),
    Entry("GET", "/agents", Role.STAFF, agents.index, "List agents"),
    Entry("POST", "/agents", Role.ADMIN, agents.create, "Create an agent", 201, CreateAgentBody),
    Entry("GET", _AGENT, Role.OWN, agents.show, "One agent"),
    Entry("PATCH", _AGENT, Role.ADMIN, agents.change, "Change the owner", body=ChangeAgentBody),
    Entry(
        "PUT",
        f"{_AGENT}/endpoint",
        Role.OPERATOR,
        agents.endpoint,
        "Say where an agent listens for A2A",
        body=EndpointBody,
    ),
    Entry("DELETE", _AGENT, Role.OPERATOR, agents.delete, "Delete an agent", 204),
    Entry(
        "POST",
        f"{_AGENT}/approve",
        Role.OPERATOR,
        agents.approve,
        "Approve an agent, or its waiting registration",
        body=ApproveBody,
    ),
    Entry("POST", f"{_AGENT}/reject", Role.OPERATOR, agents.reject, "Reject what waits"),
    Entry("POST", f"{_AGENT}/quarantine", Role.OPERATOR, agents.quarantine, "Stop an agent"),
    Entry("POST", f"{_AGENT}/release", Role.OPERATOR, agents.release, "End a quarantine"),
    Entry(
        "POST",
        f"{_AGENT}/rotate",
        Role.SELF,
        agents.rotate,
        "Replace the credential",
        body=RotateBody,
    ),
    Entry(
        "POST",
        f"{_AGENT}/messages",
        Role.OPERATOR,
        agents.messages,
        "Send a message and wait for the reply",
        body=MessageBody,
    ),
    Entry("GET", f"{_AGENT}/audit", Role.OWN, agents.audit, "The newest records of an agent"),
    Entry("GET", f"{_AGENT}/stats", Role.OWN, traces.agent_stats, "The numbers of an agent"),
    Entry("GET", "/traces", Role.MEMBER, traces.index, "Traces, newest first, filtered"),
    Entry("GET", "/traces/{trace_id}", Role.MEMBER, traces.show, "One trace, step by step"),
    Entry("GET", "/alerts", Role.MEMBER, traces.alerts, "Alerts, newest first, and by reason"),
    Entry("GET", "/stats", Role.MEMBER, traces.stats, "The numbers of all agents"),
    Entry("GET", _POLICY, Role.OWN, policies.show, "The active policy"),
    Entry("PUT", _POLICY, Role.OPERATOR, policies.save, "Save a policy (JSON or YAML)"),
    Entry("GET", f"{_POLICY}/versions", Role.OWN, policies.versions, "The policy's versions"),
    Entry("GET", f"{_POLICY}/versions/{{version}}", Role.OWN, policies.version, "One version"),
    Entry("GET", f"{_POLICY}/diff", Role.OWN, policies.diff, "What changed between two versions"),
    Entry(
        "POST",
        f"{_POLICY}/rollback/{{version}}",
        Role.OPERATOR,
        policies.rollback,
        "Save an old version as a new one",
    ),
    Entry(
        "POST",
        f"{_POLICY}/simulate",
        Role.OPERATOR,
        policies.simulate,
        "Judge the calls of the last hours under a draft",
    ),
    Entry("POST", f"{_POLICY}/validate", Role.OWN, policies.validate, "Check a policy"),
    Entry("GET", "/audit/key", Role.PUBLIC, export.key, "The key that checkpoints are signed with"),
    Entry("POST", "/audit/verify", Role.VIEWER, export.verify, "Whether the evidence is whole"),
    Entry("GET", "/export", Role.VIEWER, export.export, "The evidence as a ZIP, to take away"),
    Entry("GET", "/mcp_servers", Role.STAFF, mcp_servers.index, "List MCP servers"),
    Entry(
        "POST",
        "/mcp_servers",
        Role.ADMIN,
        mcp_servers.create,
        "Register an approved MCP server",
        201,
        CreateMcpBody,
    ),
    Entry("GET", _MCP, Role.STAFF, mcp_servers.show, "One MCP server"),
    Entry("DELETE", _MCP, Role.ADMIN, mcp_servers.delete, "Delete an MCP server", 204),
    Entry(
        "POST",
        f"{_MCP}/approve",
        Role.ADMIN,
        mcp_servers.approve,
        "Approve an MCP server, or the URL that waits",
        body=JudgeMcpBody,
    ),
    Entry(
        "POST",
        f"{_MCP}/reject",
        Role.ADMIN,
        mcp_servers.reject,
        "Reject the URL that waits, or stop the MCP server",
        body=JudgeMcpBody,
    ),
    Entry(
        "POST",
        f"{_MCP}/probe",
        Role.ADMIN,
        mcp_servers.probe,
        "Ask an MCP server for its tools; the first ones are pinned",
    ),
    Entry(
        "POST",
        f"{_MCP}/accept",
        Role.ADMIN,
        mcp_servers.accept,
        "Accept the tools of an MCP server as they are now",
        body=AcceptToolsBody,
    ),
    Entry("GET", "/llms", Role.STAFF, llms.index, "List LLM hosts"),
    Entry("POST", "/llms", Role.ADMIN, llms.create, "Add an LLM host", 201, CreateLlmBody),
    Entry("GET", _LLM, Role.STAFF, llms.show, "One LLM host"),
    Entry("DELETE", _LLM, Role.ADMIN, llms.delete, "Delete an LLM host", 204),
    Entry("POST", "/auth/login", Role.PUBLIC, auth.login, "Sign in", body=LoginBody),
    Entry("POST", "/auth/logout", Role.SIGNED_IN, auth.logout, "End the session", 204),
    Entry("GET", "/auth/me", Role.SIGNED_IN, auth.me, "Who asks, and what for"),
    Entry(
        "POST",
        "/auth/password",
        Role.SIGNED_IN,
        auth.password,
        "Change one's password; ends all sessions",
        204,
        PasswordBody,
    ),
    Entry("GET", "/auth/users", Role.VIEWER, users.index, "List users"),
    Entry("POST", "/auth/users", Role.ADMIN, users.create, "Make a user", 201, CreateUserBody),
    Entry(
        "PATCH",
        _USER,
        Role.ADMIN,
        users.change,
        "Change role, lock or password of a user",
        body=ChangeUserBody,
    ),
    Entry("DELETE", _USER, Role.ADMIN, users.delete, "Delete a user", 204),
    Entry("GET", "/auth/api-keys", Role.STAFF, keys.index, "List API keys"),
    Entry("POST", "/auth/api-keys", Role.PERSON, keys.create, "Make a key", 201, CreateKeyBody),
    Entry("DELETE", "/auth/api-keys/{key_id}", Role.PERSON, keys.revoke, "Revoke a key", 204),
)


def build(services: Services, lifespan: Lifespan) -> Starlette:
    """The application of the table over `services`."""
    routes = [
        Route(entry.path, _endpoint(entry, services), methods=[entry.method]) for entry in TABLE
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Measured, meters=services.meters)],
        exception_handlers=handlers(),
        lifespan=lifespan,
    )


def _endpoint(entry: Entry, services: Services) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        principal = await admit(request, entry.role, services)
        call = Call(request, principal, services)
        response = await idempotency.once(entry, call, lambda: acting.handled(entry, call))
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return endpoint

"""Which route answers what (see `answers`); a route without a row answers with no body."""

from __future__ import annotations

from pydantic import BaseModel, Field

from amaze_proxy.control.api import answers

PEM = "application/x-pem-file"


class PlaceOfFlaw(BaseModel):
    where: str
    kind: str
    writer: str
    seq: int
    what: str
    agent_id: str
    decision_id: str
    entry_id: str


class Verified(BaseModel):
    whole: bool
    looked_at: dict[str, int]
    count: int
    flaws: list[PlaceOfFlaw]


class McpServer(BaseModel):
    name: str
    url: str
    status: str
    owner: str
    tools: list[object]
    revision: int
    created_ms: int
    updated_ms: int
    pending: dict[str, object] | None
    pins: dict[str, str]
    pinned_ms: int | None


class McpServerTools(McpServer):
    probe: dict[str, object] | None
    seen: list[dict[str, object]] | None = Field(description="tools that are not as accepted")


class MadeMcpServer(McpServer):
    in_force: bool


class McpServerPage(BaseModel):
    mcp_servers: list[McpServer]
    next: str | None


class McpPlace(BaseModel):
    name: str
    url: str
    status: str


class LlmHost(BaseModel):
    name: str
    url: str
    dialect: str
    status: str
    revision: int
    created_ms: int
    updated_ms: int


class MadeLlmHost(LlmHost):
    in_force: bool


class LlmHostPage(BaseModel):
    llms: list[LlmHost]
    next: str | None


class SignedIn(BaseModel):
    token: str
    name: str
    role: str
    must_change_password: bool
    expires_ms: int


class Me(BaseModel):
    name: str
    role: str
    via: str
    scope: list[str]
    must_change_password: bool


class User(BaseModel):
    name: str
    role: str
    disabled: bool
    must_change_password: bool
    created_ms: int
    updated_ms: int
    password: str = Field("", description="shown once, where one was made")


class UserPage(BaseModel):
    users: list[User]
    next: str | None


class Key(BaseModel):
    key_id: str
    prefix: str
    user: str
    label: str
    role: str
    scope: list[str]
    created_ms: int
    expires_ms: int | None


class MadeKey(Key):
    key: str


class KeyPage(BaseModel):
    api_keys: list[Key]
    next: str | None


# `METHOD path`: the media type of what has no model, or the models of the JSON.
ANSWERS: dict[str, str | tuple[type[BaseModel], ...]] = {
    "GET /health": (answers.Health,),
    "GET /ca.pem": PEM,
    "GET /metrics": "text/plain",
    "GET /openapi.json": "application/json",
    "POST /register": (answers.Registered, answers.RegisteredMcp),
    "POST /turns": (answers.Turn,),
    "GET /resolve/agent/{agent_id}": (answers.AgentPlace,),
    "GET /resolve/mcp/{name}": (McpPlace,),
    "GET /agents": (answers.AgentPage,),
    "POST /agents": (answers.IssuedCredential,),
    "GET /agents/{agent_id}": (answers.Agent,),
    "PATCH /agents/{agent_id}": (answers.Agent,),
    "PUT /agents/{agent_id}/endpoint": (answers.Agent,),
    "POST /agents/{agent_id}/approve": (answers.Agent,),
    "POST /agents/{agent_id}/reject": (answers.Agent,),
    "POST /agents/{agent_id}/quarantine": (answers.Agent,),
    "POST /agents/{agent_id}/release": (answers.Agent,),
    "POST /agents/{agent_id}/rotate": (answers.IssuedCredential,),
    "POST /agents/{agent_id}/messages": (answers.Replied,),
    "GET /agents/{agent_id}/audit": (answers.AuditRecords,),
    "GET /agents/{agent_id}/stats": (answers.AgentStats,),
    "GET /traces": (answers.TracePage,),
    "GET /traces/{trace_id}": (answers.TraceDetail,),
    "GET /alerts": (answers.AlertPage,),
    "GET /stats": (answers.Stats,),
    "GET /policy/{agent_id}": (answers.ActivePolicy,),
    "PUT /policy/{agent_id}": (answers.PolicyVersion,),
    "GET /policy/{agent_id}/versions": (answers.PolicyVersionPage,),
    "GET /policy/{agent_id}/versions/{version}": (answers.PolicyVersion,),
    "GET /policy/{agent_id}/diff": (answers.PolicyDiff,),
    "POST /policy/{agent_id}/rollback/{version}": (answers.PolicyVersion,),
    "POST /policy/{agent_id}/simulate": (answers.Simulated,),
    "POST /policy/{agent_id}/validate": (answers.Validated,),
    "GET /audit/key": PEM,
    "POST /audit/verify": (Verified,),
    "GET /export": "application/zip",
    "GET /mcp_servers": (McpServerPage,),
    "POST /mcp_servers": (MadeMcpServer,),
    "GET /mcp_servers/{name}": (McpServerTools,),
    "POST /mcp_servers/{name}/probe": (McpServerTools,),
    "POST /mcp_servers/{name}/accept": (McpServerTools,),
    "POST /mcp_servers/{name}/approve": (McpServer,),
    "POST /mcp_servers/{name}/reject": (McpServer,),
    "GET /llms": (LlmHostPage,),
    "POST /llms": (MadeLlmHost,),
    "GET /llms/{name}": (LlmHost,),
    "POST /auth/login": (SignedIn,),
    "GET /auth/me": (Me,),
    "GET /auth/users": (UserPage,),
    "POST /auth/users": (User,),
    "PATCH /auth/users/{user}": (User,),
    "GET /auth/api-keys": (KeyPage,),
    "POST /auth/api-keys": (MadeKey,),
}

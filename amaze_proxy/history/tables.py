"""The tables of agents, policies, registered peers and people.

Times are milliseconds since the epoch, secrets are SHA-256 in hex only.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class PolicyVersionRow(SQLModel, table=True):
    """One saved policy; rows are only ever added."""

    __tablename__ = "policy_version"

    agent_id: str = Field(primary_key=True, max_length=63)
    version: int = Field(primary_key=True)
    parent: int
    author: str
    created_ms: int = Field(sa_type=BigInteger)
    comment: str
    sha256: str = Field(max_length=64)
    document: str = Field(sa_type=Text)


class PolicyHeadRow(SQLModel, table=True):
    """Which version is active; 0: none (the policy was withdrawn, its history stays)."""

    __tablename__ = "policy_head"

    agent_id: str = Field(primary_key=True, max_length=63)
    version: int


class DraftRow(SQLModel, table=True):
    """What a person drafts for an agent; `seen` is the version it began with (0: none), `layout`
    JSON ("": none)."""

    __tablename__ = "policy_draft"

    account: str = Field(primary_key=True, max_length=63)
    agent_id: str = Field(primary_key=True, max_length=63)
    text: str = Field(sa_type=Text)
    seen: int
    layout: str = Field(sa_type=Text)
    updated_ms: int = Field(sa_type=BigInteger)


class AgentRow(SQLModel, table=True):
    """An agent. `deleted` is a tombstone until the store has forgotten the agent too."""

    __tablename__ = "agent"

    agent_id: str = Field(primary_key=True, max_length=63)
    status: str = Field(max_length=16, index=True)
    owner: str
    session_id: str
    a2a_host: str
    a2a_port: int
    chat_host: str
    chat_port: int
    created_ms: int = Field(sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)
    created_by: str
    released_status: str = Field(max_length=16)
    quarantined_by: str = ""
    admin_stopped: bool = False
    deleted: bool


class NameRow(SQLModel, table=True):
    """A name that is taken, and by what: agents, MCP servers and LLM hosts are all host names on
    the wire, so no two of them may have the same."""

    __tablename__ = "registered_name"

    name: str = Field(primary_key=True, max_length=63)
    kind: str = Field(max_length=16)


class EntryRow(SQLModel, table=True):
    """An MCP server or an LLM host. Lists of tools are JSON, and `pins`, the fingerprints of the
    tools that were accepted (`pinned_ms` 0: none ever were); `claim_ms` 0: no claim waits.
    `deleted` as of an agent."""

    __tablename__ = "registry_entry"

    name: str = Field(primary_key=True, max_length=63)
    kind: str = Field(max_length=16)
    url: str
    status: str = Field(max_length=16, index=True)
    owner: str
    dialect: str = Field(max_length=16)
    tools: str = Field(sa_type=Text)
    revision: int
    created_ms: int = Field(sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)
    claim_url: str
    claim_tools: str = Field(sa_type=Text)
    claim_ms: int = Field(sa_type=BigInteger)
    deleted: bool
    pins: str = Field("{}", sa_type=Text)
    pinned_ms: int = Field(0, sa_type=BigInteger)


class ProbeRow(SQLModel, table=True):
    """The last probe of an MCP server; `found` is JSON ("": nothing was ever found)."""

    __tablename__ = "mcp_probe"

    name: str = Field(primary_key=True, max_length=63)
    url: str
    ts: int = Field(sa_type=BigInteger)
    error: str = Field(sa_type=Text)
    found: str = Field(sa_type=Text)


class SeenRow(SQLModel, table=True):
    """The tools of an MCP server that are not as accepted: a JSON object, fingerprints by name."""

    __tablename__ = "mcp_seen"

    name: str = Field(primary_key=True, max_length=63)
    tools: str = Field(sa_type=Text)


class CredentialRow(SQLModel, table=True):
    """A credential that works until `expires_ms` (0: until it is rotated)."""

    __tablename__ = "credential"

    sha256: str = Field(primary_key=True, max_length=64)
    agent_id: str = Field(foreign_key="agent.agent_id", index=True, max_length=63)
    created_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)


class ClaimRow(SQLModel, table=True):
    """A registration of an existing agent that nobody has approved: at most one for each agent."""

    __tablename__ = "claim"

    agent_id: str = Field(primary_key=True, foreign_key="agent.agent_id", max_length=63)
    sha256: str = Field(max_length=64)
    session_id: str
    a2a_host: str
    a2a_port: int
    chat_host: str
    chat_port: int
    created_ms: int = Field(sa_type=BigInteger)


class ApiKeyRow(SQLModel, table=True):
    """A key of the control API."""

    __tablename__ = "api_key"

    sha256: str = Field(primary_key=True, max_length=64)
    name: str
    role: str = Field(max_length=16)
    created_ms: int = Field(sa_type=BigInteger)


class AccountRow(SQLModel, table=True):
    """A person. `password` is an argon2 hash."""

    __tablename__ = "account"

    name: str = Field(primary_key=True, max_length=63)
    role: str = Field(max_length=16)
    password: str
    must_change: bool
    disabled: bool
    created_ms: int = Field(sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)


class SessionRow(SQLModel, table=True):
    """A person's session; `expires_ms` is its end however much it is used."""

    __tablename__ = "account_session"

    sha256: str = Field(primary_key=True, max_length=64)
    account: str = Field(foreign_key="account.name", index=True, max_length=63)
    created_ms: int = Field(sa_type=BigInteger)
    seen_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)


class AccessKeyRow(SQLModel, table=True):
    """A person's API key. `scope` is a JSON list of agents (empty: all that its owner may reach);
    `expires_ms` 0: no end is set."""

    __tablename__ = "access_key"

    key_id: str = Field(primary_key=True, max_length=16)
    sha256: str = Field(unique=True, max_length=64)
    account: str = Field(foreign_key="account.name", index=True, max_length=63)
    label: str
    role: str = Field(max_length=16)
    scope: str = Field(sa_type=Text)
    prefix: str = Field(max_length=32)
    created_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)


class IdempotentRow(SQLModel, table=True):
    """A request that makes something, by its key; `status` 0: it is at work, or broke off.
    `answer` is JSON without secrets, `secret` whether there was one."""

    __tablename__ = "idempotent_request"

    key_sha256: str = Field(primary_key=True, max_length=64)
    body_sha256: str = Field(max_length=64)
    created_ms: int = Field(sa_type=BigInteger, index=True)
    status: int
    answer: str = Field(sa_type=Text)
    secret: bool

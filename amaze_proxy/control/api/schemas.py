"""What the routes take: pydantic models, unknown keys refused."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from amaze_proxy.control.api.bodies import Body
from amaze_proxy.control.naming import check_name, check_place, check_url
from amaze_proxy.control.registry import Dialect
from amaze_proxy.history.agents import Endpoints
from amaze_proxy.policy.ids import check_agent_id

AgentId = Annotated[str, AfterValidator(check_agent_id)]
Host = Annotated[str, StringConstraints(max_length=253), AfterValidator(check_place)]
Port = Annotated[int, Field(ge=1, le=65535)]
Label = Annotated[str, StringConstraints(max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\z")]
Name = Annotated[str, AfterValidator(check_name)]
Url = Annotated[str, AfterValidator(check_url)]
ToolName = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"\A[^\x00-\x1f\x7f]*\z")
]
# pydantic's strict mode takes no JSON array as a tuple otherwise
Tools = Annotated[tuple[ToolName, ...], Field(max_length=1000, strict=False)]


class RegisterBody(Body):
    """A registration. A port without a host: the address that the registration comes from."""

    agent_id: AgentId
    a2a_host: Host | None = None
    a2a_port: Port | None = None
    chat_host: Host | None = None
    chat_port: Port | None = None

    @model_validator(mode="after")
    def _hosts_have_ports(self) -> Self:
        for kind in ("a2a", "chat"):
            if getattr(self, f"{kind}_host") and not getattr(self, f"{kind}_port"):
                raise ValueError(f"{kind}_host needs {kind}_port")
        return self

    def endpoints(self, peer: str) -> Endpoints:
        """Where the agent listens; `peer` is the caller's address."""
        return Endpoints(
            a2a_host=(self.a2a_host or peer) if self.a2a_port else "",
            a2a_port=self.a2a_port or 0,
            chat_host=(self.chat_host or peer) if self.chat_port else "",
            chat_port=self.chat_port or 0,
        )


def _go_together(host: str | None, port: int | None) -> None:
    if (host is None) is not (port is None):
        raise ValueError("a2a_host and a2a_port go together")


class CreateAgentBody(Body):
    """A new, approved agent; `policy` as in PUT /policy/{id}. `a2a_host` and `a2a_port`: where an
    agent without the SDK listens."""

    agent_id: AgentId
    policy: dict[str, object] | None = None
    owner: Label = ""
    a2a_host: Host | None = None
    a2a_port: Port | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        _go_together(self.a2a_host, self.a2a_port)
        return self

    def endpoints(self) -> Endpoints:
        """Where the agent listens."""
        return Endpoints(a2a_host=self.a2a_host or "", a2a_port=self.a2a_port or 0)


class ChangeAgentBody(Body):
    """Another owner: the name of a user, or "" for nobody."""

    owner: Label


class EndpointBody(Body):
    """Where an agent listens for A2A; null and null: it does not."""

    a2a_host: Host | None
    a2a_port: Port | None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        _go_together(self.a2a_host, self.a2a_port)
        return self


class RegisterMcpBody(Body):
    """An MCP server makes itself known (`?kind=mcp`). `tools` are shown, and decide nothing."""

    name: Name
    url: Url
    tools: Tools | None = None


class CreateMcpBody(Body):
    """A new, approved MCP server."""

    name: Name
    url: Url
    tools: Tools = ()
    owner: Label = ""


class JudgeMcpBody(Body):
    """`url` is the one that was looked at: the server's own, or the one that waits
    (`pending.url`)."""

    url: Url | None = None


class CreateLlmBody(Body):
    """A new LLM host; `dialect` is the wire family that it speaks."""

    name: Name
    url: Url
    dialect: Annotated[Dialect, Field(strict=False)]


class ApproveBody(Body):
    """`claim` names the waiting registration that was looked at (`pending.claim` of the agent)."""

    claim: Annotated[str, StringConstraints(max_length=64)] = ""


class AcceptToolsBody(Body):
    """The tools that are as they should be: those of the last probe, all of them without `tools`;
    with `seen`, as agents were last shown them."""

    tools: Tools | None = None
    seen: bool = False


class RotateBody(Body):
    """For how long the former credentials go on working; 0: not at all."""

    grace_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600


class TurnBody(Body):
    """`traceparent` (W3C) of the message that the turn is for."""

    traceparent: Annotated[str, StringConstraints(max_length=64)] = ""


class MessageBody(Body):
    """A message to an agent."""

    message: Annotated[str, StringConstraints(min_length=1)]

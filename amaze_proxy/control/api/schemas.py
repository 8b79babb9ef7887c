"""What the routes take: pydantic models, unknown keys refused."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from amaze_proxy.control.api.bodies import Body
from amaze_proxy.history.agents import Endpoints
from amaze_proxy.policy.ids import check_agent_id, check_host


def _endpoint_host(text: str) -> str:
    host = check_host(text)
    if host.startswith("*"):
        raise ValueError("an endpoint is one host, without a wildcard")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    # link-local holds the metadata services of the clouds; the others are nowhere to connect to
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise ValueError(
            f"{host} cannot be an endpoint: give the address at which the agent can be reached"
        )
    return host


AgentId = Annotated[str, AfterValidator(check_agent_id)]
Host = Annotated[str, StringConstraints(max_length=253), AfterValidator(_endpoint_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Label = Annotated[str, StringConstraints(max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\z")]


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


class CreateAgentBody(Body):
    """A new, approved agent; `policy` as in PUT /policy/{id}."""

    agent_id: AgentId
    policy: dict[str, object] | None = None
    owner: Label = ""


class ApproveBody(Body):
    """`claim` names the waiting registration that was looked at (`pending.claim` of the agent)."""

    claim: Annotated[str, StringConstraints(max_length=64)] = ""


class RotateBody(Body):
    """For how long the former credentials go on working; 0: not at all."""

    grace_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600


class TurnBody(Body):
    """`traceparent` (W3C) of the message that the turn is for."""

    traceparent: Annotated[str, StringConstraints(max_length=64)] = ""


class MessageBody(Body):
    """A message to an agent."""

    message: Annotated[str, StringConstraints(min_length=1)]

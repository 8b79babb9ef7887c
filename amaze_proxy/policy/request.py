"""What an agent asks to do: a closed union, made once by the pipeline from the bytes of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CallKind(StrEnum):
    """What the audit record calls the kind of a call."""

    LLM = "llm"
    MCP = "mcp"
    A2A = "a2a"
    HTTP = "http"
    ADMIN = "admin"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LlmCall:
    """A request to a model. `provider_tools` are tools that run at the provider's side."""

    provider: str
    model: str
    price_known: bool = True
    provider_tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """An MCP `tools/call` of `tool` on the registered `server`. `changed`: the tool is not, or
    not any more, what an operator has accepted."""

    server: str
    tool: str
    arguments: Mapping[str, object]
    changed: bool = False


@dataclass(frozen=True, slots=True)
class DiscoveryCall:
    """An MCP method that only looks (initialize, ping, tools/list, server/discover, …)."""

    server: str
    method: str


class ClientFeature(StrEnum):
    """What an MCP server may ask of the agent that calls it."""

    SAMPLING = "sampling"
    ELICITATION = "elicitation"


@dataclass(frozen=True, slots=True)
class ResourceRead:
    """An MCP `resources/read` (or subscription) of `uri` on the registered `server`."""

    server: str
    uri: str


@dataclass(frozen=True, slots=True)
class PromptGet:
    """An MCP `prompts/get` of `prompt` on the registered `server`."""

    server: str
    prompt: str


@dataclass(frozen=True, slots=True)
class ServerAsk:
    """The registered `server` asks the agent's model or user, in answer to the agent's call."""

    server: str
    feature: ClientFeature


@dataclass(frozen=True, slots=True)
class AgentCall:
    """A message to another agent. `allowed_callers` is the callee's own list; None = no list.

    `depth` is the hop's number in its conversation: 1 when the caller was not itself called by
    an agent (0: not known).
    """

    callee: str
    allowed_callers: frozenset[str] | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class AgentLook:
    """Looking at another agent without a message to it: its card, or a task of an earlier one."""

    callee: str
    allowed_callers: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class HttpCall:
    """Any other HTTP(S) host."""

    host: str


Resource = (
    LlmCall
    | ToolCall
    | DiscoveryCall
    | ResourceRead
    | PromptGet
    | ServerAsk
    | AgentCall
    | AgentLook
    | HttpCall
)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who asks for what."""

    agent_id: str
    resource: Resource

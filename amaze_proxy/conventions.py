"""The one place that spells what a span is called and what it says of a call. Pure.

Follows open-telemetry/semantic-conventions-genai as of schema 1.44, where GenAI, MCP and A2A are
still in development; what is ours is below `amaze.*`. Never content, and no name of a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from amaze_proxy.policy.record import AuditRecord

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
Value = str | int | float | bool | tuple[str, ...]
Attributes = dict[str, Value]

_LONGEST = 256  # characters of a name
# Ours -> theirs; what they have no name for is told as we call it.
_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
_VERTEX = re.compile(r"aiplatform\.(?:[a-z]+\.rep\.)?googleapis\.com(?::|\Z)")
_OPERATIONS = (
    (re.compile(r"/embed(?:dings)?\Z|:(?:embedContent|batchEmbedContents)\Z"), "embeddings"),
    (re.compile(r":(?:g|streamG)enerateContent\Z"), "generate_content"),
    (re.compile(r"/count_tokens\Z|:countTokens\Z"), "count_tokens"),
    (re.compile(r"/api/generate\Z"), "text_completion"),
)
# RFC 9110 §9 and RFC 5789; others are `_OTHER`, so that no client makes up names of spans.
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
_RPC_METHOD = re.compile(r"[A-Za-z$][A-Za-z0-9_$./-]*")
_ANSWER = "response"  # of the client to what a server asked
_PORT = re.compile(r"(?P<host>.+):(?P<port>\d{1,5})")


class Kind(StrEnum):
    """Of a span: a call to somebody else, or something within."""

    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Description:
    """A call as its span tells it. `error` "": it went well."""

    name: str
    kind: Kind
    attributes: Attributes
    error: str


def describe(record: AuditRecord) -> Description:
    """What the span of a recorded call is called and says."""
    match record.kind:
        case "llm":
            name, more = _model_call(record)
        case "mcp":
            name, more = _mcp(record)
        case "a2a":
            name, more = _a2a(record)
        case "admin":
            name, more = f"admin {record.tool}".rstrip(), {"amaze.act": record.tool}
        case _:
            name, more = _http(record)
    attributes = _common(record) | more
    kept = {key: value for key, value in attributes.items() if value not in ("", ())}
    kind = Kind.INTERNAL if record.kind == "admin" else Kind.CLIENT
    error = (record.denial_reason or "denied") if record.denied else record.error
    return Description(name[:_LONGEST], kind, kept, error)


def _common(record: AuditRecord) -> Attributes:
    found: Attributes = {
        "amaze.agent.id": record.agent_id,
        "amaze.kind": record.kind,
        "amaze.turn.id": record.turn_id,
        "amaze.decision.id": record.decision_id,
        "amaze.decision.effect": "deny" if record.denied else "allow",
        "amaze.decision.reason": record.denial_reason,
        "amaze.decision.alerts": tuple(filter(None, record.alert.split(","))),
        "amaze.decision.would_deny": record.would_deny,
        "amaze.policy.version": record.policy_version,
        "amaze.graph.step": record.graph_step,
        "url.path": record.path,
        "http.response.status_code": record.status or "",
        "error.type": _error_type(record),
    }
    if record.ttft_ms >= 0:
        found["amaze.ttft_ms"] = record.ttft_ms
    return found | _server(record.target)


def _error_type(record: AuditRecord) -> str:
    if record.denied:
        return "policy_denied"
    if record.error:
        return record.error.partition(":")[0][:_LONGEST]
    return str(record.status) if record.status >= 400 else ""


def _server(target: str) -> Attributes:
    """The place that the call is for, also behind a proxy; the name of what is registered."""
    found = _PORT.fullmatch(target)
    if found is None or (target.count(":") > 1 and target[0] != "["):
        return {"server.address": target}
    return {"server.address": found["host"].strip("[]"), "server.port": int(found["port"])}


# -- kinds of calls -----------------------------------------------------------------------------


def _model_call(record: AuditRecord) -> tuple[str, Attributes]:
    operation = _operation(record)
    found: Attributes = {
        "http.request.method": _http_method(record),
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _provider(record),
        "gen_ai.request.model": record.model,
        "gen_ai.agent.id": record.agent_id,
    }
    if record.tokens_in or record.tokens_out:
        # Those of the cache are among the input's, as the conventions have it.
        found["gen_ai.usage.input_tokens"] = record.tokens_in
        found["gen_ai.usage.output_tokens"] = record.tokens_out
        found["gen_ai.usage.cache_read.input_tokens"] = record.tokens_cached
        found["amaze.usage.estimated"] = record.estimated
        found["amaze.cost.microusd"] = record.cost_microusd
    return f"{operation} {record.model}".rstrip(), found


def _operation(record: AuditRecord) -> str:
    path = record.path.partition("?")[0]
    for pattern, operation in _OPERATIONS:
        if pattern.search(path):
            return operation
    return "list_models" if record.method == "GET" else "chat"


def _provider(record: AuditRecord) -> str:
    if record.provider == "google" and _VERTEX.search(record.target):
        return "gcp.vertex_ai"
    return _PROVIDERS.get(record.provider, record.provider)


def _mcp(record: AuditRecord) -> tuple[str, Attributes]:
    method = _rpc_method(record)
    found: Attributes = {
        "mcp.method.name": method,
        "network.transport": "tcp",
        "gen_ai.agent.id": record.agent_id,
        "gen_ai.tool.name": record.tool,
        "gen_ai.operation.name": "execute_tool" if method == "tools/call" else "",
    }
    return f"{method or 'mcp'} {record.tool}".rstrip(), found


def _a2a(record: AuditRecord) -> tuple[str, Attributes]:
    method = _rpc_method(record)
    # The agent of such a span is the one that is called; who calls is `amaze.agent.id`.
    return method or "a2a", {"a2a.method.name": method, "gen_ai.agent.id": record.target}


def _rpc_method(record: AuditRecord) -> str:
    """The method, where it is one: a stream, a session's end or an answer has none, and of A2A's
    REST binding it would have ids in it."""
    found = record.method
    return found if _RPC_METHOD.fullmatch(found) and found != _ANSWER else ""


def _http(record: AuditRecord) -> tuple[str, Attributes]:
    method = _http_method(record)
    return "HTTP" if method == "_OTHER" else method, {"http.request.method": method}


def _http_method(record: AuditRecord) -> str:
    return record.method if record.method in _METHODS else "_OTHER"

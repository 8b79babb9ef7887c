"""A call as the line sees it: its head, what it asks for, and where it is sent."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.request import (
    AgentCall,
    AgentLook,
    CallKind,
    HttpCall,
    Resource,
    ToolCall,
)
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols import mcp, tracecontext
from amaze_proxy.protocols.a2a import A2aRequest
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import LlmRequest
from amaze_proxy.protocols.mcp import McpRequest
from amaze_proxy.protocols.providers import LlmRoute
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.wire.authority import Authority

_UTF8 = frozenset(("charset=utf-8", 'charset="utf-8"', "charset=utf8"))
"""The spellings of the one charset that a JSON body may be declared with."""
JSON_KINDS = frozenset(("application/json",))


@dataclass(frozen=True, slots=True)
class Head:
    """The request before its body: where it goes and what is asked there."""

    authority: Authority
    method: str
    path: str
    headers: Mapping[bytes, bytes]
    query: str = ""

    @property
    def request_target(self) -> str:
        return with_query(self.path, self.query)

    def text(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def accepts(self, media_type: bytes) -> bool:
        """Whether Accept names the media type."""
        return media_type in self.headers.get(b"accept", b"").lower()


@dataclass(frozen=True, slots=True)
class Way:
    """Where a call is really sent: a registered place, which may be private. `path` with its
    query."""

    authority: Authority
    path: bytes
    private: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A classified call.

    `body` as it came (None: it was not read, and streams); at most one of `llm`, `mcp` and
    `a2a` is set. `entry` is the registered MCP server or LLM host that it goes to, at
    `entry_url`. `also` is what must be allowed besides. `barred`: refused whatever the policy
    says. `way` None: to where the client said. `legacy`: the answer comes on another request's
    stream (MCP 2024-11-05). `path`: of a call to an agent, with its query.
    """

    kind: CallKind
    resource: Resource
    target: str
    charge: Charge = Charge()
    body: bytes | None = None
    llm: LlmRequest | None = None
    route: LlmRoute | None = None
    mcp: McpRequest | None = None
    a2a: A2aRequest | None = None
    entry: str = ""
    entry_url: str = ""
    also: tuple[Resource, ...] = ()
    barred: Refused | None = None
    way: Way | None = None
    legacy: bool = False
    rpc_method: str = ""
    path: bytes = b"/"

    @property
    def strays(self) -> bool:
        """Whether it is barred for going to a place that nobody registered, as an agent's calls do
        before it is governed: a policy that lets breaches pass lets it pass."""
        return self.barred is not None and isinstance(self.resource, HttpCall)

    @property
    def provider(self) -> str:
        return self.route.provider if self.route else ""

    @property
    def tool(self) -> str:
        return self.resource.tool if isinstance(self.resource, ToolCall) else ""

    @property
    def model(self) -> str:
        return self.llm.model if self.llm else ""

    @property
    def callee(self) -> str:
        """The agent that it goes to; "": to none."""
        return self.resource.callee if isinstance(self.resource, AgentCall | AgentLook) else ""

    def sent(self, way: Way) -> Call:
        return replace(self, way=way)


def check_json(head: Head, kinds: Container[str]) -> None:
    """The body is decided on as JSON in UTF-8, so it must not be declared as anything else: a
    target that goes by the declaration would read another request. Raises Malformed."""
    declared = head.text(b"content-type") or ""
    kind, *parameters = (part.strip().lower() for part in declared.split(";"))
    others = [part for part in parameters if part.startswith("charset") and part not in _UTF8]
    if kind not in kinds or others:
        raise Malformed(f"the Content-Type {declared[:80]!r} is not application/json in UTF-8")


def context_in(head: Head, call: Call | None) -> TraceContext | None:
    """The trace context that the client told, in an MCP message before the header. It is evidence
    beside ours, and never in place of it: a client names any trace that it likes."""
    told = mcp.context_in(call.mcp.message) if call is not None and call.mcp is not None else None
    return told or tracecontext.parse(head.text(b"traceparent"))


def with_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path

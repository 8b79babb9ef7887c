"""What an archived call asked for, read again from its record as the proxy read it from the wire.

The one place of this room that knows the grammars of bodies.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.request import (
    AgentCall,
    AgentLook,
    CallKind,
    ClientFeature,
    DiscoveryCall,
    HttpCall,
    LlmCall,
    PromptGet,
    Resource,
    ResourceRead,
    ServerAsk,
    ToolCall,
)
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols import mcp
from amaze_proxy.protocols.a2a.rpc import METHODS
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from amaze_proxy.protocols.llm import LlmRequest, parse_request
from amaze_proxy.protocols.prices import PriceBook
from amaze_proxy.protocols.providers import LlmRoute, dialect_route, route

# A record has the path without its query; some routes are told by that.
_QUERIES = ("", "?alt=sse", "?api-version=1")
_PATH_SENDS = re.compile(r"POST .*/message:(?:send|stream)")
# Of MCP's methods, those that are about one named thing.
_ABOUT = ("tools/call", "resources/", "prompts/get", "completion/", "subscriptions/")
_FEATURES = {
    "sampling/createMessage": ClientFeature.SAMPLING,
    "elicitation/create": ClientFeature.ELICITATION,
}


class Undecidable(Exception):
    """The record does not have what the verdict needs; the text says what."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was asked for: all of `resources` must be allowed, the first is charged."""

    resources: tuple[Resource, ...]
    charge: Charge = Charge()


@dataclass(frozen=True, slots=True)
class Reader:
    """`dialects`: of the registered LLM hosts; `callers`: the callers that an agent takes."""

    prices: PriceBook
    dialects: Mapping[str, str]
    callers: Mapping[str, frozenset[str] | None]

    def read(self, record: AuditRecord) -> Recorded:
        """Raises Undecidable."""
        match record.kind:
            case CallKind.LLM:
                return self._llm(record)
            case CallKind.MCP:
                return _mcp(record)
            case CallKind.A2A:
                return self._a2a(record)
            case CallKind.HTTP:
                return Recorded((HttpCall(_host(record.target)),))
            case _:
                raise Undecidable("what was asked for is not known")

    def _llm(self, record: AuditRecord) -> Recorded:
        request = self._request(record)
        model, provider = request.model, record.provider
        known = self.prices.price(provider, model, request.input_tokens) if model else None
        price = known or self.prices.worst_case(provider)
        priced = known is not None or not model
        charge = Charge(
            input_tokens=request.input_tokens,
            output_limit=request.output_limit,
            mean_key=f"{provider}/{model}" if model else "",
            input_price=price.input,
            output_price=price.output,
        )
        return Recorded((LlmCall(provider, model, priced, request.provider_tools),), charge)

    def _request(self, record: AuditRecord) -> LlmRequest:
        found = self._route(record)
        try:
            return parse_request(found.family, _whole(record), record.method, found.model)
        except Malformed:
            raise Undecidable("the request is not understood any more") from None

    def _route(self, record: AuditRecord) -> LlmRoute:
        dialect = self.dialects.get(record.provider)
        for query in _QUERIES:
            target = f"{record.path}{query}"
            if dialect is None:
                found = route(record.provider, record.method, target)
            else:
                found = dialect_route(dialect, record.provider, record.method, target)
            if found is not None:
                return found
        raise Undecidable("the request is not understood any more")

    def _a2a(self, record: AuditRecord) -> Recorded:
        callee, callers = record.target, self.callers.get(record.target)
        if b"pushnotification" in _whole(record).lower():
            raise Undecidable("a message with an address for notifications is not judged again")
        known = METHODS.get(record.method)
        sends = known[0].sends if known else bool(_PATH_SENDS.fullmatch(record.method))
        if sends:
            return Recorded((AgentCall(callee, callers),), Charge(agent_calls=1))
        return Recorded((AgentLook(callee, callers),))


def _mcp(record: AuditRecord) -> Recorded:
    server, method = record.target, record.method
    if feature := _FEATURES.get(method):
        return Recorded((ServerAsk(server, feature),))
    if not method.startswith(_ABOUT):
        return Recorded((DiscoveryCall(server, method),))
    try:
        message = read_body(_whole(record))
        if not isinstance(message, Message):
            raise Undecidable("a batch was recorded as one call")
        request = mcp.classify(message, mcp.McpHead())
    except (Malformed, mcp.NotUnderstood):
        raise Undecidable("the request is not understood any more") from None
    match request.operation:
        case mcp.Operation.TOOL:
            # The record of a call has this alert, whatever the verdict, where its tool had changed.
            changed = Reason.TOOL_CHANGED in record.alert.split(",")
            call = ToolCall(server, request.tool, request.arguments, changed)
            return Recorded((call,), Charge(tool_calls=1))
        case mcp.Operation.RESOURCE:
            return Recorded(tuple(ResourceRead(server, uri) for uri in request.uris))
        case mcp.Operation.PROMPT:
            return Recorded((PromptGet(server, request.prompt),))
        case _:
            return Recorded((DiscoveryCall(server, method),))


def _whole(record: AuditRecord) -> bytes:
    """The body as it came. Raises Undecidable where it was cut, coded, or had a secret in it."""
    body = record.input.encode("utf-8", "surrogatepass")
    if record.input_size and hashlib.sha256(body).hexdigest() != record.input_sha256:
        raise Undecidable("the request was not recorded whole: it was cut, or held a secret")
    return body


def _host(netloc: str) -> str:
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0]

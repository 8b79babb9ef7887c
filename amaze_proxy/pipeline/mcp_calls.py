"""Calls to registered MCP servers: what they ask for."""

from __future__ import annotations

from collections.abc import Iterable

from amaze_proxy.pipeline.batch import Batch
from amaze_proxy.pipeline.calls import JSON_KINDS, Call, Head, Way, check_json, with_query
from amaze_proxy.pipeline.directory import ServerPlace, authority_of
from amaze_proxy.pipeline.endpoints import is_legacy
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import (
    CallKind,
    DiscoveryCall,
    HttpCall,
    PromptGet,
    Resource,
    ResourceRead,
    ToolCall,
)
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, read_body
from amaze_proxy.protocols.mcp import (
    McpHead,
    McpRequest,
    NotUnderstood,
    Operation,
    batches_allowed,
    classify,
    read_head,
    rpc_fault,
)

_ONE_CALL = Charge(tool_calls=1)
_NO_CHARGE = Charge()
_STREAM = "GET stream"
_END = "DELETE session"
_DISCOVERY = frozenset(
    (
        *("initialize", "notifications/initialized", "server/discover", "ping"),
        *("tools/list", "prompts/list", "resources/list", "resources/templates/list"),
        *(_STREAM, _END),
    )
)
_HEADERS = frozenset((b"mcp-session-id", b"mcp-protocol-version", b"mcp-method"))


def way_to(place: ServerPlace, query: str) -> Way:
    """Where the server is."""
    path = with_query(place.path, query).encode("ascii", "replace")
    return Way(authority_of(place.server.url), path)


def classify_post(
    place: ServerPlace, head: Head, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> Call | Batch:
    """A POST to the server: one message, or a batch of them. Raises Malformed for what is
    neither; a message that is wrong in itself is barred, so that it is answered by its id."""
    check_json(head, JSON_KINDS)
    found = read_body(body)
    if isinstance(found, Message):
        return _message(place, head, headers, found, body)
    told = read_head(headers)
    if not batches_allowed(told.version) or is_legacy(head):
        raise Malformed("this revision of MCP has no batches")
    ids = [one.id for one in found if one.kind is MessageKind.REQUEST]
    if len(set(ids)) != len(ids):
        raise Malformed("two requests of the batch have the same id")
    return Batch(found, told.streams)


def _message(
    place: ServerPlace,
    head: Head,
    headers: Iterable[tuple[bytes, bytes]],
    message: Message,
    body: bytes,
) -> Call:
    """A POST of one message."""
    told = McpHead()
    try:
        told = read_head(headers)
        request = classify(message, told)
    except (Malformed, NotUnderstood) as error:
        request = McpRequest(message, Operation.LOOK, told.version)
        barred = _wrong(place.server.name, error, told.version)
        return _call(place, head, request, body, barred=barred)
    return _call(place, head, request, body)


def _call(
    place: ServerPlace, head: Head, request: McpRequest, body: bytes, barred: Refused | None = None
) -> Call:
    first, *rest = _resources(place.server.name, request)
    return Call(
        CallKind.MCP,
        first,
        place.server.name,
        _ONE_CALL if request.operation is Operation.TOOL else _NO_CHARGE,
        body,
        mcp=request,
        entry=place.server.name,
        entry_url=place.server.url,
        also=tuple(rest),
        barred=barred,
        way=way_to(place, head.query),
        legacy=is_legacy(head),
        rpc_method=request.method or "response",
    )


def classify_bare(place: ServerPlace, head: Head) -> Call:
    """A request without a message: the stream of what the server says, or a session's end."""
    method = _STREAM if head.method == "GET" else _END
    return Call(
        CallKind.MCP,
        DiscoveryCall(place.server.name, method),
        place.server.name,
        body=b"",
        entry=place.server.name,
        entry_url=place.server.url,
        way=way_to(place, head.query),
        rpc_method=method,
    )


def says_mcp(head: Head) -> bool:
    """Whether a POST is one to an MCP server by its headers, whatever its body looks like."""
    return head.method == "POST" and not _HEADERS.isdisjoint(head.headers)


def unknown_server(head: Head, message: Message | None = None, body: bytes | None = None) -> Call:
    """MCP at a place that nobody registered."""
    request = _roughly(message) if message else None
    return Call(
        CallKind.MCP,
        HttpCall(head.authority.host),
        head.authority.netloc,
        body=body,
        mcp=request,
        barred=Refused(
            Reason.MCP_NOT_ALLOWED,
            f"{head.authority.netloc} is no MCP server that is registered here",
            advice="register it: `amaze mcp register NAME URL`, then use that URL, or "
            "http://NAME/mcp",
        ),
        rpc_method=request.method if request else _STREAM if head.method == "GET" else "",
    )


def _roughly(message: Message) -> McpRequest:
    """The request as far as it can be read, for the shape of its refusal."""
    try:
        return classify(message, McpHead())
    except (Malformed, NotUnderstood):
        return McpRequest(message, Operation.LOOK)


def _wrong(server: str, error: Malformed | NotUnderstood, version: str) -> Refused:
    """The refusal of a message that no policy could allow."""
    told = rpc_fault(error, version)
    if isinstance(error, Malformed):
        message = f"the request is refused: {error}"
        return Refused(Reason.MALFORMED_REQUEST, message, fault=told)
    return Refused(
        Reason.MCP_NOT_ALLOWED,
        f"MCP server {server!r}: {error}",
        advice="docs/compatibility.md lists the MCP methods that can be decided on",
        fault=told,
    )


def is_discovery(resource: Resource) -> bool:
    """Whether it is to look at what a server offers: what an agent may do that is not approved, or
    has no policy. Not what answers a server or steers it, nor a task's result."""
    return isinstance(resource, DiscoveryCall) and resource.method in _DISCOVERY


def _resources(server: str, request: McpRequest) -> list[Resource]:
    match request.operation:
        case Operation.TOOL:
            return [ToolCall(server, request.tool, request.arguments)]
        case Operation.RESOURCE:
            return [ResourceRead(server, uri) for uri in request.uris]
        case Operation.PROMPT:
            return [PromptGet(server, request.prompt)]
        case _:
            return [DiscoveryCall(server, request.method)]


def is_form(head: Head, body: Iterable[int]) -> bool:
    """Whether a POST is a form and not JSON in disguise (OAuth's token requests are)."""
    declared = (head.text(b"content-type") or "").partition(";")[0].strip().lower()
    first = next(iter(body), 0)
    return (
        declared == "application/x-www-form-urlencoded"
        and chr(first).isascii()
        and (chr(first).isalnum() or first == ord("_"))
    )

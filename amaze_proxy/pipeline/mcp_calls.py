"""Calls to registered MCP servers: what they ask for, and what the agent gets of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace

from amaze_proxy.pipeline.batch import Batch
from amaze_proxy.pipeline.calls import JSON_KINDS, Call, Head, Way, check_json, with_query
from amaze_proxy.pipeline.directory import ServerPlace, authority_of
from amaze_proxy.pipeline.handling import EVENT_STREAM, JSON, Passing, Reader
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.policy.decide import decide
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.model import Policy
from amaze_proxy.policy.offers import Offer, hides, offered
from amaze_proxy.policy.request import (
    AccessRequest,
    CallKind,
    ClientFeature,
    DiscoveryCall,
    HttpCall,
    PromptGet,
    Resource,
    ResourceRead,
    ServerAsk,
    ToolCall,
)
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, read_body
from amaze_proxy.protocols.mcp import (
    Asked,
    McpHead,
    McpRequest,
    NotUnderstood,
    Operation,
    Screen,
    Told,
    batches_allowed,
    classify,
    read_head,
    rpc_fault,
    screen,
)
from amaze_proxy.protocols.strictjson import check_size
from amaze_proxy.wire.authority import Authority

_ONE_CALL = Charge(tool_calls=1)
_NO_CHARGE = Charge()
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
_STREAM = "GET stream"
_END = "DELETE session"
# HTTP+SSE (2024-11-05): the endpoint event gives the URL for messages, which names the session.
_SESSION_IN_URL = re.compile(r"(?:^|&)session_?id=[^&]", re.IGNORECASE)
# A backslash is a slash to some readers of URLs.
_URL = re.compile(r"[!-\[\]-~]{1,4096}")
_MARK = "amaze-endpoint="
_MARKED = re.compile(rf"(?:(?P<query>.*)&)?{_MARK}(?P<mark>[0-9a-f]{{32}})")
_DISCOVERY = frozenset(
    (
        *("initialize", "notifications/initialized", "server/discover", "ping"),
        *("tools/list", "prompts/list", "resources/list", "resources/templates/list"),
        *(_STREAM, _END),
    )
)
_HEADERS = frozenset((b"mcp-session-id", b"mcp-protocol-version", b"mcp-method"))
_FEATURES = {
    "sampling/createMessage": ClientFeature.SAMPLING,
    "elicitation/create": ClientFeature.ELICITATION,
}


def way_to(place: ServerPlace, query: str) -> Way:
    """Where the server is."""
    path = with_query(place.path, query).encode("ascii", "replace")
    return Way(authority_of(place.server.url), path)


def at_endpoint(place: ServerPlace, head: Head, seal: Seal) -> Head:
    """The head of a POST as the server is to get it, without our mark (see `_endpoint`).

    Raises Refused for a place where the server does not take messages: beside them may be the very
    interfaces that its tools stand for.
    """
    if (match := _MARKED.fullmatch(head.query)) is not None:
        bare = replace(head, query=match["query"] or "")
        target = with_query(place.path, bare.query)
        said = _place(place.server.name, authority_of(place.server.url), target)
        if seal.marked(said, match["mark"]):
            return bare
    if place.own:
        return head
    raise Refused(
        Reason.MCP_NOT_ALLOWED,
        f"{place.path[:200]} is not where MCP server {place.server.name!r} takes messages",
        advice=f"use http://{place.server.name}/mcp, or the path that it is registered with",
    )


def _place(server: str, authority: Authority, target: str) -> str:
    return f"{server} {authority}{target}"


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


def is_legacy(head: Head) -> bool:
    """Whether the answer to this POST comes on a stream of its own (HTTP+SSE, 2024-11-05)."""
    return b"mcp-session-id" not in head.headers and bool(_SESSION_IN_URL.search(head.query))


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


class AgentMay:
    """What one agent may see and be asked of one server. Implements `protocols.mcp.May`."""

    def __init__(self, agent_id: str, server: str, policy: Policy | None) -> None:
        self._agent_id = agent_id
        self._server = server
        self._policy = policy
        self.filters = hides(policy)

    def tool(self, name: str) -> bool:
        return self._offered(ToolCall(self._server, name, {}))

    def resource(self, uri: str) -> bool:
        return self._offered(ResourceRead(self._server, uri))

    def prompt(self, name: str) -> bool:
        return self._offered(PromptGet(self._server, name))

    def feature(self, method: str) -> str:
        asks = ServerAsk(self._server, _FEATURES[method])
        decision = decide(AccessRequest(self._agent_id, asks), self._policy)
        if decision.allowed:
            return ""
        return f"{decision.message}: {decision.advice}"

    def _offered(self, offer: Offer) -> bool:
        return self._policy is None or offered(offer, self._policy)


class McpHandling(Passing):
    """One call of an MCP server."""

    looks_inside = True
    early = True

    def __init__(self, call: Call, head: Head, may: AgentMay, seal: Seal) -> None:
        self._request = call.mcp
        # What was read is what is sent, without the coding that it came in.
        self._decoded = call.body if b"content-encoding" in head.headers else None
        self._way = self.posts_to = call.way
        self._entry = call.entry
        self._client = head.authority
        self._may = may
        self._seal = seal
        self._told = Told()
        self._legacy = call.legacy
        request = call.mcp
        self._due = request is not None and request.message.kind is MessageKind.REQUEST

    @property
    def whole_stream(self) -> bool:
        # What a GET stream brings has no end of its own.
        return self._due and not self._told.resumable

    def edited(self) -> bytes | None:
        return self._decoded

    def reader(self, media_type: bytes) -> Reader | None:
        if media_type != EVENT_STREAM:
            return None
        return _Stream(
            Screen(
                self._request,
                self._may,
                self._told,
                endpoint=self._endpoint,
                unseal=self._seal.open,
            ),
            self._told,
        )

    def whole(self, media_type: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        request = self._request
        if request is None or request.message.kind is not MessageKind.REQUEST or self._legacy:
            return media_type, b""  # nothing is due there, so nothing goes past the screening
        if media_type != JSON:
            raise Malformed(f"it is {media_type.decode('latin-1')[:80]!r}, not JSON-RPC")
        return media_type, screen(request, body, self._may, self._told)

    def check_error(self, media_type: bytes, body: bytes) -> None:
        """Clients read the body of an HTTP error too: it may tell an error, and nothing else."""
        if media_type == EVENT_STREAM:
            raise Malformed("an HTTP error that is a stream of events")
        try:
            check_size(body)
            found = json.loads(body)
        except (ValueError, RecursionError):
            # What is no JSON to us (a number too long, a nesting too deep) may be to a client.
            if body.lstrip(_BEFORE_JSON)[:1] in (b"{", b"["):
                raise Malformed("an HTTP error that is no JSON, and begins as if it was") from None
            return
        if isinstance(found, list) or (isinstance(found, dict) and "result" in found):
            raise Malformed("an HTTP error that tells a result")

    def used(self) -> Used:
        return Used(burn_step=not self._told.failed)

    def asked(self) -> list[Asked]:
        found, self._told.asked = self._told.asked, []
        return found

    def _endpoint(self, data: str) -> str:
        """The URL for messages, as a path: with an origin, the client would leave the name that
        it calls the server by. Marked, so that its messages may go there."""
        if self._way is None:
            raise Malformed("an endpoint event from nowhere")
        for authority in (self._way.authority, self._client):
            if (path := _path_at(data, authority)) is not None:
                self.posts_to = replace(self._way, path=path.encode("ascii"))
                mark = self._seal.mark(_place(self._entry, self._way.authority, path))
                return f"{path}{'&' if '?' in path else '?'}{_MARK}{mark}"
        raise Malformed("its endpoint event leads to another origin")


class _Stream:
    """A `Screen` with the completeness of what it read."""

    def __init__(self, reading: Screen, told: Told) -> None:
        self._screen = reading
        self._told = told

    @property
    def complete(self) -> bool:
        return self._told.complete

    def feed(self, chunk: bytes) -> bytes:
        return self._screen.feed(chunk)

    def end(self) -> bytes:
        return self._screen.end()


def _path_at(url: str, authority: Authority) -> str | None:
    """The path and query of a URL at the authority, or of a relative one."""
    if not _URL.fullmatch(url):
        return None
    if url.startswith("/") and not url.startswith("//"):
        return url
    for origin in (str(authority), f"{authority.scheme}://{authority.host}:{authority.port}"):
        if url.startswith(f"{origin}/"):
            return url[len(origin) :]
    return None


def is_form(head: Head, body: Iterable[int]) -> bool:
    """Whether a POST is a form and not JSON in disguise (OAuth's token requests are)."""
    declared = (head.text(b"content-type") or "").partition(";")[0].strip().lower()
    first = next(iter(body), 0)
    return (
        declared == "application/x-www-form-urlencoded"
        and chr(first).isascii()
        and (chr(first).isalnum() or first == ord("_"))
    )

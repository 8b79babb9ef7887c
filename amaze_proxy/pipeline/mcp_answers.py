"""What the agent gets of an MCP server's answer."""

from __future__ import annotations

import json

from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.endpoints import marked
from amaze_proxy.pipeline.handling import EVENT_STREAM, JSON, Listed, Passing, Reader
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.policy.decide import decide
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.model import Policy
from amaze_proxy.policy.offers import Offer, hides, offered
from amaze_proxy.policy.request import (
    AccessRequest,
    ClientFeature,
    PromptGet,
    ResourceRead,
    ServerAsk,
    ToolCall,
)
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, read_body
from amaze_proxy.protocols.mcp import Asked, Screen, Told, screen, with_context
from amaze_proxy.protocols.strictjson import check_size
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.store.registry import McpServer

_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
_FEATURES = {
    "sampling/createMessage": ClientFeature.SAMPLING,
    "elicitation/create": ClientFeature.ELICITATION,
}


_LONGEST_NAME = 128  # of a tool (2026-07-28 server/tools); a longer one is never accepted
_MOST_NEWS = 1000  # beside the tools that were accepted


class AgentMay:
    """What one agent may see and be asked of one server. Implements `protocols.mcp.May`.

    `news` are the listed tools (name: fingerprint) that the store has not heard of so; `changed`:
    one of those listed is not what was accepted.
    """

    def __init__(self, agent_id: str, server: McpServer, policy: Policy | None) -> None:
        self._agent_id = agent_id
        self._registered = server
        self._server = server.name
        self._policy = policy
        self.filters = hides(policy)
        self.changed = False
        self.news: dict[str, str] = {}

    def tool(self, name: str, sha256: str) -> bool:
        server = self._registered
        pins = server.pins or {}
        changed = server.changed(name) or sha256 != pins.get(name, sha256)
        self.changed |= changed
        room = name in pins or len(self.news) < _MOST_NEWS
        if room and len(name) <= _LONGEST_NAME and server.is_news(name, sha256):
            self.news[name] = sha256
        return self._offered(ToolCall(self._server, name, {}, changed))

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

    def __init__(
        self, call: Call, head: Head, may: AgentMay, seal: Seal, ours: TraceContext
    ) -> None:
        """`ours` is the context that the server gets of us."""
        self._request = call.mcp
        # What was read is what is sent, without the coding that it came in.
        self._decoded = call.body if b"content-encoding" in head.headers else None
        self._ours = ours
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
        """Raises Refused."""
        request = self._request
        told = None if request is None else with_context(request.message, self._ours)
        if request is None or told is None:
            return self._decoded
        again = read_body(told)
        if not isinstance(again, Message) or _gist(again) != _gist(request.message):
            raise Refused(Reason.INTERNAL_ERROR, "the edited message is not the one decided on")
        return told

    def reader(self, media_type: bytes) -> Reader | None:
        if media_type != EVENT_STREAM:
            return None
        return Screen(
            self._request,
            self._may,
            self._told,
            endpoint=self._endpoint,
            unseal=self._seal.open,
        )

    def whole(self, media_type: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        request = self._request
        if request is None or not self._due or self._legacy:
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

    def listed(self) -> Listed:
        may = self._may
        news, may.news = may.news, {}
        return Listed(may.changed, news)

    def _endpoint(self, data: str) -> str:
        """Hook of the screening. Raises Malformed."""
        if self._way is None:
            raise Malformed("an endpoint event from nowhere")
        told, self.posts_to = marked(data, self._entry, self._way, self._client, self._seal)
        return told


def _gist(message: Message) -> tuple[object, ...]:
    """A message but for what `_meta` says."""
    params = {key: value for key, value in message.params.items() if key != "_meta"}
    return message.kind, message.id, message.method, params

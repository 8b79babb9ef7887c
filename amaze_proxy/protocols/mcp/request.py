"""What a message of a client asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, RpcId
from amaze_proxy.protocols.mcp.head import HeaderMismatch, McpHead
from amaze_proxy.protocols.mcp.names import a_name, a_uri
from amaze_proxy.protocols.mcp.spelling import an_object, exact, members
from amaze_proxy.protocols.mcp.versions import is_stateless
from amaze_proxy.protocols.strictjson import JsonObject

_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_META = frozenset({"_meta"})
_META_KEYS = frozenset({_VERSION_KEY})
_CALL_KEYS = frozenset({"name", "arguments"})
_REF_KEYS = frozenset({"type", "name", "uri"})
_FILTER_KEYS = frozenset({"resourceSubscriptions"})
_MOST_SUBSCRIPTIONS = 1000


class Operation(StrEnum):
    """TOOL, RESOURCE and PROMPT name what they are about. LOOK: discovery and housekeeping.
    NOTE: a notification. REPLY: the client's response to a request of the server."""

    TOOL = "tool"
    RESOURCE = "resource"
    PROMPT = "prompt"
    LOOK = "look"
    NOTE = "note"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class McpRequest:
    """One message of a client. `tool` and `arguments` of a TOOL, `uris` (at least one) of a
    RESOURCE, `prompt` of a PROMPT; empty otherwise. `version` is the head's."""

    message: Message
    operation: Operation
    version: str = ""
    tool: str = ""
    arguments: JsonObject = field(default_factory=dict)
    uris: tuple[str, ...] = ()
    prompt: str = ""

    @property
    def id(self) -> RpcId | None:
        return self.message.id

    @property
    def method(self) -> str:
        return self.message.method


class NotUnderstood(ValueError):
    """A method that is not in the table: what cannot be decided on is refused."""

    def __init__(self, method: str) -> None:
        super().__init__(f"the MCP method {method[:64]!r} is not known here")
        self.method = method


_Reader = Callable[[Message, str], McpRequest]


def _tool(message: Message, version: str) -> McpRequest:
    params = message.params
    exact(params, _CALL_KEYS)
    name = a_name(params, "name")
    # null is what some clients write for no arguments
    arguments = members(params, "arguments", frozenset())
    return McpRequest(message, Operation.TOOL, version, tool=name, arguments=arguments)


def _resource(message: Message, version: str) -> McpRequest:
    exact(message.params, frozenset({"uri"}))
    uri = a_uri(message.params.get("uri"), "uri")
    return McpRequest(message, Operation.RESOURCE, version, uris=(uri,))


def _prompt(message: Message, version: str) -> McpRequest:
    exact(message.params, frozenset({"name"}))
    name = a_name(message.params, "name")
    return McpRequest(message, Operation.PROMPT, version, prompt=name)


def _completion(message: Message, version: str) -> McpRequest:
    """A completion tells values of the prompt or the resource that it is for."""
    exact(message.params, frozenset({"ref"}))
    ref = an_object(message.params.get("ref"), "ref", _REF_KEYS)
    match ref.get("type"):
        case "ref/prompt":
            name = a_name(ref, "name")
            return McpRequest(message, Operation.PROMPT, version, prompt=name)
        case "ref/resource":
            uri = a_uri(ref.get("uri"), "uri")
            return McpRequest(message, Operation.RESOURCE, version, uris=(uri,))
        case _:
            raise Malformed("'ref' must be of type 'ref/prompt' or 'ref/resource'")


def _subscription(message: Message, version: str) -> McpRequest:
    exact(message.params, frozenset({"notifications"}))
    wanted = members(message.params, "notifications", _FILTER_KEYS)
    found = wanted.get("resourceSubscriptions")
    if not found:  # absent, null or none
        found = []
    if not isinstance(found, list) or len(found) > _MOST_SUBSCRIPTIONS:
        raise Malformed(f"'resourceSubscriptions' must list at most {_MOST_SUBSCRIPTIONS} URIs")
    uris = tuple(a_uri(uri, "resourceSubscriptions") for uri in found)
    operation = Operation.RESOURCE if uris else Operation.LOOK
    return McpRequest(message, operation, version, uris=uris)


def _task(message: Message, version: str) -> McpRequest:
    exact(message.params, frozenset({"taskId"}))
    a_name(message.params, "taskId")
    return McpRequest(message, Operation.LOOK, version)


def _look(message: Message, version: str) -> McpRequest:
    return McpRequest(message, Operation.LOOK, version)


_REQUESTS: MappingProxyType[str, _Reader] = MappingProxyType(
    {
        "tools/call": _tool,
        "resources/read": _resource,
        "resources/subscribe": _resource,
        "resources/unsubscribe": _resource,
        "prompts/get": _prompt,
        "completion/complete": _completion,
        "subscriptions/listen": _subscription,
        "tasks/get": _task,
        "tasks/result": _task,
        "tasks/update": _task,
        "tasks/cancel": _task,
        "tasks/list": _look,
        "initialize": _look,
        "server/discover": _look,
        "ping": _look,
        "tools/list": _look,
        "prompts/list": _look,
        "resources/list": _look,
        "resources/templates/list": _look,
        "logging/setLevel": _look,
    }
)
_NOTIFICATIONS = frozenset(
    {
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
        "notifications/tasks/status",
    }
)
KNOWN_METHODS: frozenset[str] = frozenset(_REQUESTS) | _NOTIFICATIONS
"""Whatever a client may send, of any revision."""

# Removed by 2026-07-28: a server of it does not look at what these are about.
_GONE = frozenset({"resources/subscribe", "resources/unsubscribe"})

# The member of params that Mcp-Name repeats. The tasks extension (SEP-2663) has it as well.
_NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/result": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}


def classify(message: Message, head: McpHead) -> McpRequest:
    """What the message asks for. Raises Malformed, and NotUnderstood for a method not in the
    table or not in that revision any more; nothing else.

    Headers and `_meta` that are absent are no fault here, though 2026-07-28 requires them: nothing
    is decided by them, and the server's own answer says best what it misses. Those that are there
    must agree with the body.
    """
    _check_version(message.params, head)
    _check_routing(message, head)
    if message.kind is MessageKind.RESPONSE:
        return McpRequest(message, Operation.REPLY, head.version)
    notification = message.kind is MessageKind.NOTIFICATION
    if message.method in _NOTIFICATIONS:
        if not notification:
            raise Malformed(f"{message.method!r} is a notification: it has no 'id'")
        return McpRequest(message, Operation.NOTE, head.version)
    reader = _REQUESTS.get(message.method)
    if reader is None or (message.method in _GONE and is_stateless(head.version)):
        raise NotUnderstood(message.method)
    if notification:
        # Servers that run it all the same would run it without an answer.
        raise Malformed(f"{message.method!r} is a request: it needs an 'id'")
    return reader(message, head.version)


def _check_version(params: JsonObject, head: McpHead) -> None:
    exact(params, _META)
    meta = members(params, "_meta", _META_KEYS)
    if _VERSION_KEY in meta and meta[_VERSION_KEY] != head.version:
        raise HeaderMismatch("MCP-Protocol-Version and the version in '_meta' differ")


def _check_routing(message: Message, head: McpHead) -> None:
    if head.method and head.method != message.method:
        raise HeaderMismatch("Mcp-Method and the method of the body differ")
    if head.name and head.name != message.params.get(_NAMED.get(message.method, "")):
        raise HeaderMismatch("Mcp-Name and the name in the body differ")

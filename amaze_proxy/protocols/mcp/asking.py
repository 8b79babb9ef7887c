"""What a server asks of the client: sampling, elicitation.

Until 2025-11-25 these are requests of the server, which come as events; since 2026-07-28 they are
inside a result (`inputRequests`), which the client answers by calling again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, RpcId, error
from amaze_proxy.protocols.mcp.spelling import an_object, members
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

REFUSED = -31403
"""Our JSON-RPC error code: outside of what JSON-RPC and MCP reserve (-32768 to -32000)."""

_NO_METHOD = -32601  # JSON-RPC 2.0 §5.1
_GOVERNED = frozenset({"sampling/createMessage", "elicitation/create"})
# The tasks are those that the client made of a request that was allowed (2025-11-25).
_FREE = frozenset({"ping", "roots/list", "tasks/get", "tasks/result", "tasks/list", "tasks/cancel"})
_INPUTS = "inputRequests"
_RESULT_KEYS = frozenset({_INPUTS, "resultType"})


class May(Protocol):
    """What the agent's policy says of what a server shows and asks."""

    def tool(self, name: str, sha256: str) -> bool:
        """Whether the tool with this fingerprint is shown. Told of each one that is listed."""
        ...

    def resource(self, uri: str) -> bool: ...

    def prompt(self, name: str) -> bool: ...

    def feature(self, method: str) -> str:
        """Of `sampling/createMessage` and `elicitation/create`: "" = allowed, else the words of
        the refusal."""
        ...

    @property
    def filters(self) -> bool:
        """False: lists pass as they are."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a server asked of the client and does not get. `id` None: it was inside a result or a
    notification, and `reply` is empty; else `reply` is the JSON-RPC error to post to the server,
    which waits for one."""

    method: str
    id: RpcId | None
    words: str
    reply: bytes


@dataclass(slots=True)
class Told:
    """What an answer told so far. `complete`: the response to the request has come; `failed`: and
    it is a JSON-RPC error of the server. `resumable`: it may end before, and go on by a GET with
    the id of its last event (until 2025-11-25)."""

    complete: bool = False
    failed: bool = False
    resumable: bool = False
    asked: list[Asked] = field(default_factory=list)


def refused_request(message: Message, may: May) -> Asked | None:
    """The refusal of a server's request; None: the client gets it."""
    words = _words(message.method, may)
    if not words:
        return None
    code = REFUSED if message.method in _GOVERNED else _NO_METHOD
    return Asked(message.method, message.id, words, dumps(error(message.id, code, words)))


def refused_inputs(result: JsonObject, may: May) -> list[Asked]:
    """The refusals of what a result, or the params of a notification, asks of the client. A
    task's state has the result of the call inside. Raises Malformed."""
    refused: list[Asked] = []
    for part in (result, result.get("result"), result.get("task")):
        if isinstance(part, dict):
            an_object(part, "result", _RESULT_KEYS)
            inputs = members(part, _INPUTS, frozenset())
            refused += (one for asks in inputs.values() if (one := _refused_input(asks, may)))
    return refused


def _refused_input(asks: JsonValue, may: May) -> Asked | None:
    method = an_object(asks, _INPUTS, frozenset({"method", "params"})).get("method")
    if not isinstance(method, str):
        raise Malformed(f"a member of {_INPUTS!r} has no method")
    words = _words(method, may)
    return Asked(method, None, words, b"") if words else None


def _words(method: str, may: May) -> str:
    if method in _GOVERNED:
        return may.feature(method)
    if method in _FREE:
        return ""
    return f"the server asked the client for {method[:64]!r}, which is not known here"

"""JSON-RPC 2.0 messages (https://www.jsonrpc.org/specification), read so that no two readers can
take one for different things: keys spelled to the letter, no member of the wrong type, no message
that is both a request and an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, parse, reject_variants

RpcId = str | int
MOST_MESSAGES = 100
"""In one batch."""

_KEYS = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_LONGEST_ID = 4096


class MessageKind(StrEnum):
    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `id` None: a notification, or an error about a request that nobody could read.
    `method` and `params` are empty in a response."""

    kind: MessageKind
    id: RpcId | None = None
    method: str = ""
    params: JsonObject = field(default_factory=dict)
    document: JsonObject = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it is a response that tells an error."""
        return "error" in self.document


def read_body(body: bytes) -> Message | tuple[Message, ...]:
    """The message, or the batch, in `body`. Raises Malformed, TooLarge."""
    value = parse(body)
    if not isinstance(value, list):
        return read(value)
    if not value:
        raise Malformed("the batch is empty")
    if len(value) > MOST_MESSAGES:
        raise TooLarge(f"the batch has more than {MOST_MESSAGES} messages")
    return tuple(read(one) for one in value)


def read(value: JsonValue) -> Message:
    """The message that a JSON value is. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("a JSON-RPC message must be a JSON object")
    reject_variants(value, _KEYS)
    if value.get("jsonrpc") != "2.0":
        raise Malformed('a JSON-RPC message must have "jsonrpc": "2.0"')
    if "method" not in value:
        return _response(value)
    if "result" in value or "error" in value:
        raise Malformed("a JSON-RPC message cannot be both a request and an answer")
    method = value["method"]
    if not isinstance(method, str) or not method:
        raise Malformed("'method' must be a text that is not empty")
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise Malformed("'params' must be a JSON object")
    if "id" not in value:
        return Message(MessageKind.NOTIFICATION, None, method, params, value)
    return Message(MessageKind.REQUEST, _id(value["id"]), method, params, value)


def _response(value: JsonObject) -> Message:
    if ("result" in value) == ("error" in value):
        raise Malformed("a JSON-RPC message needs a method, or either a result or an error")
    if "params" in value:
        raise Malformed("a JSON-RPC answer has no params")
    if "error" in value and not isinstance(value["error"], dict):
        raise Malformed("'error' must be a JSON object")
    # §5: null where the id of the request could not be read
    found = value.get("id")
    unread = found is None and "error" in value
    return Message(MessageKind.RESPONSE, None if unread else _id(found), document=value)


def _id(value: JsonValue) -> RpcId:
    # §4: fractions and null are possible there, and are what readers disagree on
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Malformed("'id' must be a text or a whole number")
    if isinstance(value, str) and len(value) > _LONGEST_ID:
        raise Malformed(f"'id' is longer than {_LONGEST_ID} characters")
    return value


def result(request_id: RpcId | None, value: JsonValue) -> JsonObject:
    """The response that tells a result."""
    return {"jsonrpc": "2.0", "id": request_id, "result": value}


def error(request_id: RpcId | None, code: int, message: str, data: JsonValue = None) -> JsonObject:
    """The response that tells an error; `data` None: there is none."""
    told: JsonObject = {"code": code, "message": message}
    if data is not None:
        told["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": told}

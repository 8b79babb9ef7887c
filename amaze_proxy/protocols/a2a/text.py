"""What a message says, for the record and for people to read."""

from __future__ import annotations

from amaze_proxy.protocols.strictjson import JsonObject, JsonValue


def text_of(request_document: JsonObject) -> str:
    """The text parts of the message, a line each; "" where there are none.

    `request_document` is the whole request: of JSON-RPC with its `params`, or the body of REST.
    """
    params = _object(request_document.get("params")) or request_document
    message = _object(params.get("message")) or _object(params.get("request"))
    parts = message.get("parts") or message.get("content")
    if not isinstance(parts, list):
        return ""
    texts = [_object(part).get("text") for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}

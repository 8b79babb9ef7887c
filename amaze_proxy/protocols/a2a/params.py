"""The part of a request that is the same in all bindings: JSON-RPC's `params`, REST's body."""

from __future__ import annotations

from dataclasses import dataclass

from amaze_proxy.protocols.a2a.members import Keys, identifier, member, url
from amaze_proxy.protocols.a2a.request import Operation
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject

# A configuration of push notifications is called, in this order: in JSON of 0.2 and 0.3, in 1.0,
# in REST of 0.3 and in tasks/send.
_PUSH = ("pushNotificationConfig", "taskPushNotificationConfig", "pushNotification")

# REST of 0.3 is made from Protocol Buffers, where some members have other names.
PARAMS = Keys(
    *("message", "configuration", "id", "taskId", "contextId", "sessionId", "url", "config"),
    *_PUSH,
    message="request",
)
_MESSAGE = Keys("parts", "taskId", "contextId", parts="content")
_CONFIGURATION = Keys(*_PUSH)
_PUSH_CONFIG = Keys("url", "config", *_PUSH)


@dataclass(frozen=True, slots=True)
class Params:
    """`id` is the task's, or that of a push configuration where `task_id` is given as well."""

    push_urls: tuple[str, ...] = ()
    context_id: str = ""
    task_id: str = ""
    id: str = ""


def read(operation: Operation, document: JsonObject) -> Params:
    """What is decided on, of all that is in `document`. Raises Malformed."""
    members = PARAMS.read(document)
    if operation.sends:
        return _send(members)
    urls: tuple[str, ...] = ()
    if operation is Operation.PUSH_SET:
        urls = _push_urls(document)
    own = identifier(members, "id")
    return Params(urls, identifier(members, "contextId"), identifier(members, "taskId"), own)


def _send(members: JsonObject) -> Params:
    message = _message(members)
    configuration = _CONFIGURATION.read(member(members, "configuration"))
    urls = (*_nested_urls(members, _PUSH), *_nested_urls(configuration, _PUSH))
    # 0.2: tasks/send has them beside the message
    return Params(
        push_urls=tuple(dict.fromkeys(urls)),
        context_id=identifier(message, "contextId") or identifier(members, "sessionId"),
        task_id=identifier(message, "taskId") or identifier(members, "id"),
    )


def _message(members: JsonObject) -> JsonObject:
    if "message" not in members:
        raise Malformed("there is no 'message' to send")
    message = _MESSAGE.read(member(members, "message"))
    parts = message.get("parts")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise Malformed("the message's 'parts' must be a list of JSON objects")
    return message


def _nested_urls(members: JsonObject, names: tuple[str, ...]) -> list[str]:
    return [u for name in names if name in members for u in _push_urls(member(members, name))]


def _push_urls(config: JsonObject) -> tuple[str, ...]:
    """The URLs in a configuration, or in what is wrapped round one: all that any reader may take
    for it. One without a URL could be meant for another reader than us."""
    members = _PUSH_CONFIG.read(config)
    own = [url(members, "url")] if "url" in members else []
    found = (*own, *_nested_urls(members, (*_PUSH, "config")))
    if not found:
        raise Malformed("a push notification config must have a 'url'")
    return tuple(dict.fromkeys(found))

"""Requests of the JSON-RPC binding, in the methods of 1.0, 0.3 and before."""

from __future__ import annotations

from types import MappingProxyType

from amaze_proxy.protocols.a2a import params
from amaze_proxy.protocols.a2a.request import A2aRequest, Binding, NotUnderstood, Operation
from amaze_proxy.protocols.a2a.versions import BEFORE_1_0, V0_2, V0_3, V1_0, agreed
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind

_V1_0 = {
    operation.value: (operation, (V1_0,))
    for operation in Operation
    if operation is not Operation.CARD
}
_OLD: dict[str, tuple[Operation, tuple[str, ...]]] = {
    "message/send": (Operation.SEND, BEFORE_1_0),
    "message/stream": (Operation.STREAM, BEFORE_1_0),
    "tasks/get": (Operation.GET, BEFORE_1_0),
    "tasks/list": (Operation.LIST, (V0_3,)),
    "tasks/cancel": (Operation.CANCEL, BEFORE_1_0),
    "tasks/resubscribe": (Operation.SUBSCRIBE, BEFORE_1_0),
    "tasks/pushNotificationConfig/set": (Operation.PUSH_SET, BEFORE_1_0),
    "tasks/pushNotificationConfig/get": (Operation.PUSH_GET, BEFORE_1_0),
    "tasks/pushNotificationConfig/list": (Operation.PUSH_LIST, BEFORE_1_0),
    "tasks/pushNotificationConfig/delete": (Operation.PUSH_DELETE, BEFORE_1_0),
    "agent/getAuthenticatedExtendedCard": (Operation.EXTENDED_CARD, (V0_3,)),
    "tasks/send": (Operation.SEND, (V0_2,)),
    "tasks/sendSubscribe": (Operation.STREAM, (V0_2,)),
    "tasks/pushNotification/set": (Operation.PUSH_SET, (V0_2,)),
    "tasks/pushNotification/get": (Operation.PUSH_GET, (V0_2,)),
}
METHODS = MappingProxyType(_V1_0 | _OLD)
KNOWN_METHODS = frozenset(METHODS)
"""All methods of all versions, to tell A2A from other JSON-RPC. By these alone it cannot be told:
MCP 2025-11-25 has tasks/get, tasks/list and tasks/cancel as well."""


def classify_rpc(message: Message, version: str) -> A2aRequest:
    """What `message` asks for. `version` is the value of A2A-Version, or "".

    Raises Malformed, NotUnderstood.
    """
    if message.kind is MessageKind.RESPONSE:
        raise Malformed("an answer was sent in the place of a request")
    if message.method not in METHODS:
        raise NotUnderstood(f"{message.method[:64]!r} is not a method of A2A that is understood")
    if message.id is None:
        raise Malformed("a request of A2A must have an 'id'")
    operation, spelled = METHODS[message.method]
    read = params.read(operation, message.params)
    return A2aRequest(
        binding=Binding.JSONRPC,
        operation=operation,
        version=agreed(spelled, version),
        method=message.method,
        id=message.id,
        stream=operation.streams,
        push_urls=read.push_urls,
        context_id=read.context_id,
        task_id=read.task_id or read.id,
    )

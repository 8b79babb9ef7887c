"""What a request of A2A asks for, whichever of its bindings and versions it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from amaze_proxy.protocols.jsonrpc import RpcId


class NotUnderstood(ValueError):
    """A method, a path or a version that is not in our tables; the text is for the caller."""


class Binding(StrEnum):
    JSONRPC = "jsonrpc"
    REST = "rest"
    CARD = "card"


class Operation(StrEnum):
    """By its name in JSON-RPC 1.0; the public card has none there."""

    SEND = "SendMessage"
    STREAM = "SendStreamingMessage"
    GET = "GetTask"
    LIST = "ListTasks"
    CANCEL = "CancelTask"
    SUBSCRIBE = "SubscribeToTask"
    PUSH_SET = "CreateTaskPushNotificationConfig"
    PUSH_GET = "GetTaskPushNotificationConfig"
    PUSH_LIST = "ListTaskPushNotificationConfigs"
    PUSH_DELETE = "DeleteTaskPushNotificationConfig"
    EXTENDED_CARD = "GetExtendedAgentCard"
    CARD = "AgentCard"

    @property
    def sends(self) -> bool:
        """Whether it is a message to the agent; the others look at a task or steer it."""
        return self in (Operation.SEND, Operation.STREAM)

    @property
    def streams(self) -> bool:
        """Whether the answer may be a stream of events."""
        return self in (Operation.STREAM, Operation.SUBSCRIBE)


@dataclass(frozen=True, slots=True)
class A2aRequest:
    """One request. `version` is 1.0, 0.3 or 0.2 (which stands for all before 0.3); `method` is as
    it was spelled: a JSON-RPC method, or `POST /message:send`. `push_urls` are where the agent is
    asked to call back. Ids are empty where none was given."""

    binding: Binding
    operation: Operation
    version: str
    method: str
    id: RpcId | None = None
    stream: bool = False
    push_urls: tuple[str, ...] = ()
    context_id: str = ""
    task_id: str = ""

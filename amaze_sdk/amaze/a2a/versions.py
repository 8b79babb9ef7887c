"""The spellings of A2A: what a method is called in 1.0, 0.3 and 0.2, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Version(StrEnum):
    """`Major.Minor`, as `A2A-Version` has it."""

    V1_0 = "1.0"
    V0_3 = "0.3"
    V0_2 = "0.2"

    @property
    def discriminator(self) -> str:
        """The member in which an old part says what it is."""
        return "kind" if self is Version.V0_3 else "type"


@dataclass(frozen=True, slots=True)
class Send:
    """A method that brings a message; `stream`: its answer is a stream of events."""

    version: Version
    stream: bool


SENDS = {
    "SendMessage": Send(Version.V1_0, stream=False),
    "SendStreamingMessage": Send(Version.V1_0, stream=True),
    "message/send": Send(Version.V0_3, stream=False),
    "message/stream": Send(Version.V0_3, stream=True),
    "tasks/send": Send(Version.V0_2, stream=False),
    "tasks/sendSubscribe": Send(Version.V0_2, stream=True),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A JSON-RPC error, with the HTTP status that means the same over REST."""

    code: int
    status: int
    message: str
    reason: str = ""  # the word for it, such as `invalid-turn`; "": the code says it all


NOT_JSON = Fault(-32700, 400, "the body is not JSON")
NO_REQUEST = Fault(-32600, 400, "the body is no JSON-RPC 2.0 request")
NO_METHOD = Fault(-32601, 404, "A2A has no such method")
NO_PARAMS = Fault(-32602, 400, "the parameters are not those of the method")
FAILED = Fault(-32603, 500, "the agent failed")
NO_TASK = Fault(-32001, 404, "there is no such task: this agent answers with messages at once")
NO_PUSH = Fault(-32003, 400, "this agent sends no push notifications")
UNSUPPORTED = Fault(-32004, 501, "this agent does not do that")
NO_EXTENDED_CARD = Fault(-32007, 400, "this agent has no extended card")
NO_VERSION = Fault(-32009, 400, "this agent speaks A2A 1.0, 0.3 and 0.2")

REFUSED = -32050
"""The code of all refusals of the platform, within those that A2A leaves to others."""

OTHERS = {
    "GetTask": NO_TASK,
    "CancelTask": NO_TASK,
    "SubscribeToTask": NO_TASK,
    "ListTasks": UNSUPPORTED,
    "CreateTaskPushNotificationConfig": NO_PUSH,
    "GetTaskPushNotificationConfig": NO_PUSH,
    "ListTaskPushNotificationConfigs": NO_PUSH,
    "DeleteTaskPushNotificationConfig": NO_PUSH,
    "GetExtendedAgentCard": NO_EXTENDED_CARD,
    "tasks/get": NO_TASK,
    "tasks/cancel": NO_TASK,
    "tasks/resubscribe": NO_TASK,
    "tasks/list": UNSUPPORTED,
    "tasks/pushNotificationConfig/set": NO_PUSH,
    "tasks/pushNotificationConfig/get": NO_PUSH,
    "tasks/pushNotificationConfig/list": NO_PUSH,
    "tasks/pushNotificationConfig/delete": NO_PUSH,
    "tasks/pushNotification/set": NO_PUSH,
    "tasks/pushNotification/get": NO_PUSH,
    "agent/getAuthenticatedExtendedCard": NO_EXTENDED_CARD,
}

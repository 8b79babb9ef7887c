"""A JSON-RPC batch (MCP 2025-03-26): every message walks the line by itself.

So each is decided, counted, recorded and forwarded as if it had come alone, in order; the answers
go back as a stream of events where the client takes one, else as one array.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from amaze_proxy.pipeline.handling import EVENT_STREAM, JSON, as_event
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, error, read_body
from amaze_proxy.protocols.sse import Event, Parser
from amaze_proxy.protocols.strictjson import dumps

_HTTP_ERROR = -32603  # JSON-RPC §5.1: internal error
_OF_THE_BODY = frozenset((b"content-length", b"content-encoding", b"transfer-encoding"))


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages; `streams`: the client takes events."""

    messages: tuple[Message, ...]
    streams: bool


class Walker(Protocol):
    """One message on its way; `Exchange` is one."""

    async def run(self) -> None: ...


Walk = Callable[[Scope, Receive, Send], Walker]


@dataclass(slots=True)
class _Answered:
    """What came back for one message."""

    status: int = 0
    events: bool = False
    parts: list[bytes] = field(default_factory=list)
    parser: Parser = field(default_factory=Parser)

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def keep(self, data: bytes) -> None:
        """Some of the answer; of events, what answers a request: what else a server says, without
        end if it likes, has no place in an array."""
        if self.events:
            self.parts += _answers(self.parser.feed(data))
        else:
            self.parts.append(data)


async def run_batch(batch: Batch, scope: Scope, walk: Walk, send: Send) -> None:
    """Answer the batch. Raises what a walk raises."""
    asks = any(one.kind is MessageKind.REQUEST for one in batch.messages)
    streams = asks and batch.streams
    if streams:
        await _begin(send, 200, [(b"content-type", EVENT_STREAM)])
    answers: list[bytes] = []
    for one in batch.messages:
        answered = _Answered()
        push = _pusher(send) if streams else None
        await walk(_scope(scope), _receiver(one), _sender(answered, push)).run()
        if push is not None and not answered.events:
            if whole := _whole(one, answered):
                await push(as_event(whole))
        elif push is None:
            answers += _messages(one, answered)
    if streams:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    elif asks:
        body = b"[" + b",".join(answers) + b"]"
        length = (b"content-length", b"%d" % len(body))
        await _begin(send, 200, [(b"content-type", JSON), length])
        await send({"type": "http.response.body", "body": body})
    else:
        await _begin(send, 202, [(b"content-length", b"0")])
        await send({"type": "http.response.body", "body": b""})


def _scope(scope: Scope) -> Scope:
    kept = [header for header in scope["headers"] if header[0] not in _OF_THE_BODY]
    return {**scope, "headers": kept}


def _receiver(one: Message) -> Receive:
    body = dumps(one.document)

    async def receive() -> AsgiMessage:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _pusher(send: Send) -> Callable[[bytes], Awaitable[None]]:
    async def push(data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    return push


def _sender(answered: _Answered, push: Callable[[bytes], Awaitable[None]] | None) -> Send:
    async def send(message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            answered.status = message["status"]
            answered.events = any(
                name == b"content-type" and value.startswith(EVENT_STREAM)
                for name, value in message["headers"]
            )
            return
        data: bytes = message.get("body", b"")
        if push is not None and answered.events:
            if data:
                await push(data)
        else:
            answered.keep(data)

    return send


async def _begin(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


def _messages(one: Message, answered: _Answered) -> list[bytes]:
    """The JSON texts in the answer to one message."""
    if not answered.events:
        whole = _whole(one, answered)
        return [whole] if whole else []
    last = answered.parser.end()
    return [*answered.parts, *(_answers([last]) if last else ())]


def _answers(events: Iterable[Event]) -> list[bytes]:
    """The responses in events that were screened."""
    found: list[bytes] = []
    for event in events:
        read = read_body(event.data.encode()) if event.data else ()
        messages = (read,) if isinstance(read, Message) else read
        found += (dumps(one.document) for one in messages if one.kind is MessageKind.RESPONSE)
    return found


def _whole(one: Message, answered: _Answered) -> bytes:
    """The JSON text that answers one message; b"": none is due."""
    if one.kind is not MessageKind.REQUEST:
        return b""
    if 200 <= answered.status < 300 and answered.body:
        return answered.body
    words = f"the answer to this message of the batch was HTTP {answered.status}"
    return dumps(error(one.id, _HTTP_ERROR, words))

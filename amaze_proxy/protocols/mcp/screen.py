"""What a client gets of a server's answer.

Read strictly, so that the client cannot see anything that was not judged; what did not have to be
changed passes as it came, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable

from amaze_proxy.protocols import sse
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, read_body
from amaze_proxy.protocols.mcp.asking import May, Told, refused_inputs, refused_request
from amaze_proxy.protocols.mcp.listing import filtered
from amaze_proxy.protocols.mcp.refusals import refused_answer
from amaze_proxy.protocols.mcp.request import McpRequest, Operation
from amaze_proxy.protocols.mcp.versions import is_stateless
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps, parse_object

# What some clients' SSE readers take for line ends (Python's str.splitlines does), and we do not:
# inside of a JSON string it could hide another event.
_ODD_ASCII = b"\x0b\x0c\x1c\x1d\x1e"
_ODD_OTHERS = ("\x85".encode(), "\u2028".encode(), "\u2029".encode())
_ESCAPES = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}

# Python's mcp 1.x writes this where it has not read the request's id.
_NO_ID = (None, "server-error")

_TOOL_RESULT = ("content", "structuredContent")


class _Judge:
    """Of the messages of one answer; `request` None: of a GET stream."""

    def __init__(self, request: McpRequest | None, may: May, told: Told) -> None:
        self._request = request
        self._may = may
        self._told = told

    def message(self, message: Message) -> JsonObject | None:
        """The message for the client: the very document if nothing had to be changed; None: the
        client does not get it."""
        match message.kind:
            case MessageKind.REQUEST:
                return self._ask(message)
            case MessageKind.NOTIFICATION:
                return self._note(message)
            case _:
                return self.response(message)

    def response(self, message: Message) -> JsonObject:
        """A response. Raises Malformed for one to another request."""
        request, told = self._request, self._told
        if request is not None:
            unread = message.failed and message.id in _NO_ID
            if message.id != request.id and not unread:
                raise Malformed("the answer is to another request")
            if told.complete:
                raise Malformed("the request is answered more than once")
            told.complete, told.failed = True, message.failed
        result = message.document.get("result")
        if not isinstance(result, dict):
            return message.document
        if refused := refused_inputs(result, self._may):
            told.asked += refused
            return refused_answer(request, message, refused)
        shown = self._listing(result)
        return message.document if shown is result else {**message.document, "result": shown}

    def _listing(self, result: JsonObject) -> JsonObject:
        request = self._request
        if request is None:
            if any(key in result for key in _TOOL_RESULT):
                return result
            return filtered(result, self._may, "")
        # What a tool returns is not ours to cut.
        if request.operation is Operation.TOOL:
            return result
        return filtered(result, self._may, request.version)

    def _ask(self, message: Message) -> JsonObject | None:
        refused = refused_request(message, self._may)
        if refused is None:
            return message.document
        self._told.asked.append(refused)
        return None

    def _note(self, message: Message) -> JsonObject | None:
        if not message.method.startswith("notifications/"):
            return None
        # The tasks extension tells a task's state this way too.
        refused = refused_inputs(message.params, self._may)
        self._told.asked += refused
        return None if refused else message.document


def screen(request: McpRequest, body: bytes, may: May, told: Told) -> bytes:
    """A whole JSON answer as the client gets it. Raises Malformed if it is not the one JSON-RPC
    response to this request: batches are never sent upstream, so none comes back."""
    message = read_body(body)
    if not isinstance(message, Message) or message.kind is not MessageKind.RESPONSE:
        raise Malformed("the answer is not a JSON-RPC response")
    document = _Judge(request, may, told).response(message)
    return body if document is message.document else dumps(document)


class Screen:
    """An answer that comes as events; `request` None: a GET stream, which answers nothing.

    Dropped: events that are no messages, what the client may not be asked, messages that are no
    part of MCP. Raises Malformed for data that is not JSON-RPC.
    """

    def __init__(
        self,
        request: McpRequest | None,
        may: May,
        told: Told,
        *,
        endpoint: Callable[[str], str] | None = None,
        unseal: Callable[[str], bytes | None] | None = None,
    ) -> None:
        """The hooks are for GET streams. `endpoint` gives the URL for an HTTP+SSE client in place
        of the server's, or raises Malformed; without it, the event is dropped. `unseal` gives the
        message in place of the response with that id (see `ping_instead`), None for the others;
        with b"" the client gets nothing."""
        self._judge = _Judge(request, may, told)
        self._told = told
        self._has_resume = request is not None and not is_stateless(request.version)
        self._parser = sse.Parser()
        self._endpoint = endpoint if request is None else None
        self._unseal = unseal if request is None else None

    @property
    def complete(self) -> bool:
        """Whether the response to the request has come."""
        return self._told.complete

    def feed(self, chunk: bytes) -> bytes:
        """The bytes for the client of the events that `chunk` completes."""
        return b"".join([self._event(event) for event in self._parser.feed(chunk)])

    def end(self) -> bytes:
        """What is left, without a blank line: some clients read it."""
        event = self._parser.end()
        return self._event(event) if event else b""

    def _event(self, event: sse.Event) -> bytes:
        odd = _has_odd_line_ends(event.raw)
        if event.id and self._has_resume:
            self._told.resumable = True
        if not event.data:
            return b"" if odd else event.raw
        if "\ufffd" in event.data:
            _check_utf8(event.raw)
        match event.event:
            case "" | "message":
                return self._messages(event, odd)
            case "endpoint" if self._endpoint is not None:
                return _written("endpoint", self._endpoint(event.data), event.id)
            case _:
                return b""

    def _messages(self, event: sse.Event, odd: bool) -> bytes:
        read = read_body(event.data.encode("utf-8"))
        # 2025-03-26 lets a server put several messages into one event.
        messages = (read,) if isinstance(read, Message) else read
        judged = [(message, self._judged(message)) for message in messages]
        if not odd and all(shown is message.document for message, shown in judged):
            return event.raw
        kept: list[JsonValue] = [shown for _, shown in judged if shown is not None]
        if not kept:
            return b""
        value = kept[0] if isinstance(read, Message) else kept
        return _written("message", dumps(value).decode("utf-8"), event.id)

    def _judged(self, message: Message) -> JsonObject | None:
        response = message.kind is MessageKind.RESPONSE
        if response and isinstance(message.id, str) and self._unseal is not None:
            sealed = self._unseal(message.id)
            if sealed is not None:
                return parse_object(sealed) if sealed else None
        return self._judge.message(message)


def _has_odd_line_ends(raw: bytes) -> bool:
    if len(raw.translate(None, _ODD_ASCII)) < len(raw):
        return True
    return not raw.isascii() and any(end in raw for end in _ODD_OTHERS)


def _check_utf8(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("an event of the stream is not UTF-8") from None


def _written(name: str, data: str, identifier: str) -> bytes:
    if _has_odd_line_ends(identifier.encode("utf-8")):
        identifier = ""
    return sse.format(sse.Event(name, data.translate(_ESCAPES), identifier))

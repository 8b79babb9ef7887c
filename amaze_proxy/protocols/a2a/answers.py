"""Answers of agents, read tolerantly: what they mean, never whether they may pass."""

from __future__ import annotations

import json

from amaze_proxy.protocols.a2a.request import A2aRequest, Binding
from amaze_proxy.protocols.sse import Event, Parser
from amaze_proxy.protocols.strictjson import JsonObject, check_size

_FINISHED = frozenset({"completed", "failed", "canceled", "cancelled", "rejected"})
_NO_BODY = ("HEAD ", "DELETE ")  # the answers to these may be empty


class Stream:
    """Reads a stream of events as it passes; the bytes are never changed.

    `complete`: the last event of its protocol has come, or the stream has ended after at least
    one event (which is how 1.0 ends one for a task that waits for input). `failed`: the last event
    was an error.
    """

    def __init__(self, request: A2aRequest) -> None:
        self.complete = False
        self.failed = False
        self._wrapped = request.binding is Binding.JSONRPC
        self._parser = Parser()
        self._begun = False

    def feed(self, chunk: bytes) -> bytes:
        """`chunk`, read. Raises TooLarge for an event without end."""
        for event in self._parser.feed(chunk):
            self._read(event)
        return chunk

    def end(self) -> bytes:
        """To be called when the agent has ended its answer in order. Nothing is held back."""
        if (rest := self._parser.end()) is not None:
            self._read(rest)
        self.complete = self.complete or self._begun
        return b""

    def _read(self, event: Event) -> None:
        document = _loads(event.data)
        if document is None:
            return
        self._begun = True
        if event.event == "error" or _is_error(document):
            self.failed = self.complete = True
        elif _is_last(_child(document, "result") if self._wrapped else document):
            self.complete = True


def failed(request: A2aRequest, body: bytes) -> bool:
    """Whether a whole answer tells an error, or cannot be read."""
    if not body and request.method.startswith(_NO_BODY):
        return False
    document = _loads(body)
    if document is None or _is_error(document):
        return True
    # no more than that: the Python SDK of 0.3 leaves out a result that is null
    return request.binding is Binding.JSONRPC and document.get("jsonrpc") != "2.0"


def _is_error(document: JsonObject) -> bool:
    # some agents of 0.2 write "error": null beside the result
    return document.get("error") is not None


def _is_last(result: JsonObject) -> bool:
    """`result` is a StreamResponse of 1.0 (`message`, `task`, `statusUpdate`, …), in REST of 0.3
    with `msg`, or the thing itself with its `kind` (0.3) or without one (0.2)."""
    if result.get("kind") == "message" or _child(result, "message") or _child(result, "msg"):
        return True
    update = _child(result, "statusUpdate") or _child(result, "task") or result
    return update.get("final") is True or _is_finished(_child(update, "status").get("state"))


def _is_finished(state: object) -> bool:
    return isinstance(state, str) and state.lower().removeprefix("task_state_") in _FINISHED


def _loads(data: str | bytes) -> JsonObject | None:
    """A JSON object; None for anything else."""
    try:
        check_size(data.encode() if isinstance(data, str) else data)
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _child(document: JsonObject, name: str) -> JsonObject:
    value = document.get(name)
    return value if isinstance(value, dict) else {}

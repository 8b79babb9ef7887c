"""The answer to a message that was sent: a reply, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaze.a2a.parts import NotAMessage, message_value, parts_value
from amaze.a2a.versions import REFUSED
from amaze.errors import SendError
from amaze.orchestrator import Answer

_NOT_DONE = frozenset({"submitted", "working", "unknown", "unspecified"})
_FAILED = frozenset({"failed", "rejected", "canceled"})
# The status that a refusal has where it is plain HTTP: A2A's own errors come with 200.
_STATUS = {
    "malformed-request": 400,
    "request-too-large": 413,
    "edge_loop_exceeded": 429,
    "upstream-unreachable": 502,
    "redis-unavailable": 503,
    "upstream-timeout": 504,
}


def reply_of(answer: Answer) -> Any:
    """The reply in an HTTP answer to `SendMessage`. Raises `SendError`."""
    body = answer.body.decode("utf-8", "replace")
    fields = answer.fields()
    if isinstance(fields.get("error"), dict) and "jsonrpc" in fields:
        raise _rpc_refusal(fields["error"], body)
    if not answer.ok:
        raise SendError(
            answer.status, answer.reason or "send-failed", body, _words(fields) or body[:500]
        )
    try:
        return _value(fields.get("result"), body)
    except NotAMessage as error:
        raise _no_answer(body, f"the agent's answer cannot be read: {error}") from None


def _words(fields: Mapping[str, Any]) -> str:
    """Why, in words: of our plain answers and of google.rpc.Status alike."""
    error = fields.get("error")
    words = error.get("message") if isinstance(error, dict) else None
    return words[:500] if isinstance(words, str) else ""


def _rpc_refusal(error: Mapping[str, Any], body: str) -> SendError:
    refused = error.get("code") == REFUSED
    reason = _reason(error.get("data")) or ("refused" if refused else "agent-error")
    words = _words({"error": error}) or "no message"
    return SendError(_STATUS.get(reason, 403) if refused else 502, reason, body, words)


def _reason(details: Any) -> str:
    """Our word in `error.data`, a list of google.rpc.ErrorInfo."""
    for detail in details if isinstance(details, list) else []:
        metadata = detail.get("metadata") if isinstance(detail, dict) else None
        reason = metadata.get("reason") if isinstance(metadata, dict) else None
        if isinstance(reason, str) and reason:
            return reason[:64]
    return ""


def _value(result: Any, body: str) -> Any:
    """What a `message` or `task` says, whether in the spelling of 1.0 or bare as in 0.3."""
    if not isinstance(result, dict):
        raise NotAMessage("it has no result")
    if isinstance(result.get("task"), dict):
        return _task_value(result["task"], body)
    if "status" in result:
        return _task_value(result, body)
    return message_value(result.get("message", result))


def _task_value(task: Mapping[str, Any], body: str) -> Any:
    status = task.get("status")
    if not isinstance(status, dict):
        raise NotAMessage("its task has no status")
    state = str(status.get("state", "")).removeprefix("TASK_STATE_").lower().replace("_", "-")
    said = message_value(status["message"]) if status.get("message") else ""
    if state in _FAILED:
        raise SendError(502, f"task-{state}", body, str(said) or f"the agent's task is {state}")
    if state in _NOT_DONE or not state:
        raise _no_answer(body, "the agent answered with a task that goes on; it is not waited for")
    parts = _artifact_parts(task.get("artifacts"))
    return parts_value(parts) if parts else said


def _artifact_parts(artifacts: Any) -> list[Any]:
    parts: list[Any] = []
    for artifact in artifacts if isinstance(artifacts, list) else []:
        found = artifact.get("parts") if isinstance(artifact, dict) else None
        if not isinstance(found, list):
            raise NotAMessage("an artifact has no list of parts")
        parts += found
    return parts


def _no_answer(body: str, words: str) -> SendError:
    return SendError(502, "bad-answer", body, words)

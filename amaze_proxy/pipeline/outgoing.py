"""What is sent to the target: the request as it came, but for what must be changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.enforce import Verdict
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.llm import LlmRequest, parse_request, prepare
from amaze_proxy.protocols.tracecontext import TraceContext

Headers = list[tuple[bytes, bytes]]
Content = bytes | AsyncIterator[bytes]

_NOT_FORWARDED = frozenset(
    (
        b"host",  # made anew from the authority that is dialled
        b"accept-encoding",  # an answer that cannot be read cannot be counted
        b"expect",
        b"traceparent",  # ours replaces it
        b"tracestate",
        b"baggage",  # would tell a third party about the caller's system
    )
)

# What tells of the body as it came. RFC 9530: content-digest, repr-digest.
_OF_THE_BODY = frozenset(
    (
        *(b"content-encoding", b"content-length"),
        *(b"content-digest", b"repr-digest", b"digest", b"content-md5"),
    )
)


def edited_body(call: Call, verdict: Verdict) -> bytes | None:
    """The model request with what our duties change in it; None: forward it as it came.

    What was edited is read again: it must still be the call that was decided on.
    """
    if call.llm is None or call.route is None:
        return None
    duty, granted = verdict.decision.obligations, verdict.admitted.granted_output
    body = prepare(
        call.llm,
        stream=False if duty.block_streaming and call.llm.stream else None,
        output_limit=granted if granted >= 0 else None,
    )
    if body is not None and _gist(
        parse_request(call.route.family, body, model=call.route.model)
    ) != _gist(call.llm):
        raise Refused(Reason.INTERNAL_ERROR, "the edited request is not the one decided on")
    return body


def _gist(request: LlmRequest) -> tuple[object, ...]:
    return (request.family, request.model, request.tools, request.provider_tools)


def forward_headers(
    received: Iterable[tuple[bytes, bytes]], trace_id: str, span_id: str, edited: bool
) -> Headers:
    """The end-to-end headers for the target, with our trace context (W3C traceparent)."""
    changed = _OF_THE_BODY if edited else ()
    kept = [
        (name, value)
        for name, value in received
        if name not in _NOT_FORWARDED and name not in changed and not name.startswith(b"x-amaze-")
    ]
    kept.append((b"accept-encoding", b"identity"))
    kept.append((b"traceparent", TraceContext(trace_id, span_id).traceparent.encode()))
    return kept


async def content_of(body: AsyncIterator[bytes]) -> Content:
    """An unread body to forward: empty, or streamed."""
    async for first in body:
        return _rejoined(first, body)
    return b""


async def _rejoined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part

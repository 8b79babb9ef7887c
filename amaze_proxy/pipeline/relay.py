"""Forward an admitted call and bring its answer back, metered.

The end of an answer is held until the call is settled: an answer that a client has whole is
always one that is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.types import Scope, Send

from amaze_proxy.pipeline.answer import decision_headers
from amaze_proxy.pipeline.classify import Call
from amaze_proxy.pipeline.enforce import Verdict
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.outgoing import Content, content_of, edited_body, forward_headers
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.usage import Used, measure
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import LlmRequest, Meter, Tally, meter, read_answer, reframe
from amaze_proxy.protocols.strictjson import decode_content
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.upstream import (
    AddressRefused,
    BrokenResponse,
    Unreachable,
    UpstreamResponse,
    UpstreamTimeout,
)

Settle = Callable[[Used | None], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_AFTER_END_S = 1.0  # how long the rest of a finished stream is waited for, to reuse its connection
_EVENT_STREAM = b"text/event-stream"


class Abort(Exception):
    """The answer cannot be completed: the server cuts the connection, never ends it cleanly."""


class Relay:
    """One forwarded call. `run` ends it; `used` may be asked at any time."""

    def __init__(
        self, line: Line, scope: Scope, send: Send, evidence: Evidence, call: Call, verdict: Verdict
    ) -> None:
        self._line = line
        self._scope = scope
        self._send = send
        self._evidence = evidence
        self._call = call
        self._verdict = verdict
        self._tally: Tally | None = None
        self._meter: Meter | None = None
        self._reached = False  # the target may have done work
        self._failed = False  # the target answered with an error of its own
        self.started = False
        self.streaming = False

    def used(self) -> Used | None:
        """What the call used so far; None: nothing was asked of the target."""
        if not self._reached:
            return None
        if self._failed:
            return Used(burn_step=False)
        tally = self._meter.tally() if self._meter else self._tally
        return measure(self._call, tally, self._line.prices, self._verdict.charge)

    async def push(self, data: bytes, more: bool = True) -> None:
        """More of an answer that has begun."""
        if data:
            self._evidence.output.add(data)
            self._evidence.first_byte()
        if data or not more:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def run(self, owner: str, body: AsyncIterator[bytes], settle: Settle) -> None:
        """Forward, relay, settle. Raises Refused, also after the answer has begun."""
        edited = edited_body(self._call, self._verdict)
        content: Content = self._call.body if edited is None else edited
        if self._call.llm is None:
            content = await content_of(body)
        response = await self._dial(owner, content, edited is not None)
        try:
            await self._answer(response, settle)
        except BrokenResponse as error:
            raise self._broken(f"broke off its answer ({error})") from None
        except Malformed as error:
            raise self._broken(f"sent an answer that cannot be read ({error})") from None
        except UpstreamTimeout as error:
            raise self._timed_out(error) from None
        finally:
            await response.aclose()

    async def _dial(self, owner: str, content: Content, edited: bool) -> UpstreamResponse:
        authority: Authority = self._scope["extensions"]["amaze"].authority
        evidence = self._evidence
        headers = forward_headers(
            self._scope["headers"], evidence.trace_id, evidence.span_id, edited
        )
        self._reached = True
        try:
            return await self._line.upstreams.send(
                self._line.rules.target(authority, owner),
                self._scope["method"],
                _request_target(self._scope),
                headers,
                content,
            )
        except AddressRefused as error:
            self._reached = False
            message = f"{self._call.target} may not be dialled: {error}"
            raise Refused(Reason.HOST_NOT_ALLOWED, message) from None
        except Unreachable as error:
            self._reached = False
            message = f"{self._call.target} could not be reached ({error})"
            raise Refused(Reason.UPSTREAM_UNREACHABLE, message) from None
        except UpstreamTimeout as error:
            raise self._timed_out(error) from None
        except BrokenResponse as error:
            raise self._broken(f"gave no valid answer ({error})") from None

    def _broken(self, what: str) -> Refused:
        message = f"{self._call.target} {what}"
        return Refused(Reason.UPSTREAM_UNREACHABLE, message)

    def _timed_out(self, error: UpstreamTimeout) -> Refused:
        message = f"{self._call.target} did not answer in time ({error})"
        return Refused(Reason.UPSTREAM_TIMEOUT, message)

    # -- the answer -----------------------------------------------------------------------------

    async def _answer(self, response: UpstreamResponse, settle: Settle) -> None:
        self._evidence.status = response.status
        self._failed = response.status >= 300
        request = self._call.llm
        if request is None:
            await self._pass_on(response, settle)
        elif self._failed or not _is_event_stream(response):
            await self._whole(response, request, settle)
        else:
            await self._stream(response, request, settle)

    async def _start(self, status: int, headers: Headers) -> None:
        headers += decision_headers("allow", self._evidence.decision_id)
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _whole(self, response: UpstreamResponse, request: LlmRequest, settle: Settle) -> None:
        """An answer that is read to its end before the client gets any of it."""
        body = await self._read(response)
        headers = _end_to_end(response)
        if not self._failed:
            plain = self._decoded(response, body)
            self._tally = read_answer(request, plain)
            if request.stream and self._verdict.decision.obligations.block_streaming:
                body = reframe(request, plain)
                headers = [h for h in headers if h[0] not in (b"content-type", b"content-encoding")]
                headers.append((b"content-type", _EVENT_STREAM))
        self._evidence.output.add(body)
        self._evidence.first_byte()
        await settle(self.used())
        headers.append((b"content-length", b"%d" % len(body)))
        await self._start(response.status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _read(self, response: UpstreamResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.chunks():
            parts.append(part)
            size += len(part)
            if size > self._line.rules.answer_body_max:
                raise self._broken("sent an answer that is too large to be read")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _decoded(self, response: UpstreamResponse, body: bytes) -> bytes:
        encoding = next((v for n, v in response.headers if n == b"content-encoding"), None)
        if encoding is None:
            return body
        return decode_content(body, encoding.decode("latin-1"), self._line.rules.answer_body_max)

    async def _stream(
        self, response: UpstreamResponse, request: LlmRequest, settle: Settle
    ) -> None:
        """Server-sent events: each goes on as it comes, the last one when all is settled."""
        if any(name == b"content-encoding" for name, _ in response.headers):
            raise self._broken("compressed a stream that was asked for uncompressed")
        counted = self._meter = meter(request)
        self.streaming = True
        chunks = response.chunks()
        async for chunk in chunks:
            data = counted.feed(chunk)
            if not self.started:
                await self._start(response.status, _end_to_end(response))
            if counted.complete:
                await settle(self.used())
                await self.push(data)
                await _finish(chunks)
                break
            await self.push(data)
        rest = counted.end()
        if not counted.complete:
            raise self._broken("ended its stream before the answer was complete")
        await settle(self.used())
        await self.push(rest, more=False)

    async def _pass_on(self, response: UpstreamResponse, settle: Settle) -> None:
        """An answer that is not looked into, streamed; its last bytes wait for the settlement."""
        headers = _end_to_end(response)
        left = response.content_length
        if left is not None:
            headers.append((b"content-length", b"%d" % left))
        # An answer that is its head alone ends with it, so that is what is held.
        bare = left == 0 or self._scope["method"] == "HEAD" or response.status in (204, 304)
        if not bare:
            await self._start(response.status, headers)
        async for chunk in response.chunks():
            if left is not None:
                left -= len(chunk)
                if left <= 0:
                    await self._settle_passed(chunk, settle)
                    return
            await self.push(chunk)
        await settle(self.used())
        if bare:
            await self._start(response.status, headers)
        await self.push(b"", more=False)

    async def _settle_passed(self, last: bytes, settle: Settle) -> None:
        self._evidence.output.add(last)
        self._evidence.first_byte()
        await settle(self.used())
        await self._send({"type": "http.response.body", "body": last})


async def _finish(chunks: AsyncIterator[bytes]) -> None:
    """Read what follows a finished stream, so that its connection can be used again."""
    with suppress(TimeoutError, BrokenResponse, UpstreamTimeout):
        async with asyncio.timeout(_AFTER_END_S):
            async for _ in chunks:
                pass


def _request_target(scope: Scope) -> bytes:
    raw: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return raw + b"?" + query if query else raw


def _is_event_stream(response: UpstreamResponse) -> bool:
    kinds = [v for n, v in response.headers if n == b"content-type"]
    return bool(kinds) and kinds[0].partition(b";")[0].strip().lower() == _EVENT_STREAM


def _end_to_end(response: UpstreamResponse) -> Headers:
    """The target's headers without framing, and without what only we may say."""
    kept = [
        (name, value)
        for name, value in response.headers
        if name != b"content-length" and not name.startswith(b"x-amaze-")
    ]
    kept.append((b"via", b"1.1 amaze"))  # RFC 9110 §7.6.3
    return kept

"""Forward an admitted call and bring its answer back, metered.

The end of an answer is held until the call is settled: an answer that a client has whole is
always one that is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from starlette.types import Scope, Send

from amaze_proxy.pipeline.answer import decision_headers
from amaze_proxy.pipeline.calls import Call, Way
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.handling import Handling, Reader
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.outgoing import Content, content_of, forward_headers
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp import Asked
from amaze_proxy.protocols.strictjson import decode_content
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ingress import AnswerCut
from amaze_proxy.wire.upstream import (
    AddressRefused,
    BrokenResponse,
    Unreachable,
    UpstreamResponse,
    UpstreamTimeout,
)

Settle = Callable[[Used | None], Awaitable[None]]
OnAsked = Callable[[Sequence[Asked]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_AFTER_END_S = 1.0  # how long the rest of a finished stream is waited for, to reuse its connection
_MOST_ASKED = 100  # at once
_OF_THE_BODY = (b"content-type", b"content-encoding")
_TO_PRIVATE = (
    "what is at a private address has to be registered (`amaze mcp register`, `amaze llm add`), or "
    "named in AMAZE_UPSTREAMS"
)


class Abort(AnswerCut):
    """The answer cannot be completed: the server cuts the connection, never ends it cleanly."""


class Relay:
    """One forwarded call. `run` ends it; `used` may be asked at any time."""

    def __init__(
        self,
        line: Line,
        scope: Scope,
        send: Send,
        evidence: Evidence,
        call: Call,
        handling: Handling,
        told: Headers,
        on_asked: OnAsked,
    ) -> None:
        """`told` are headers of ours that this target, and no other, gets; `on_asked` takes what
        the target asked of the client and may not."""
        self._line = line
        self._scope = scope
        self._send = send
        self._evidence = evidence
        self._call = call
        self._handling = handling
        self._told = told
        self._on_asked = on_asked
        self._reached = False  # the target may have done work
        self._failed = False  # the target answered with an error of its own
        self._broke = False  # the target gave no answer, or not the whole of one
        self.started = False
        self.streaming = False
        self.begun = False  # some of the answer's body was sent

    def used(self) -> Used | None:
        """What the call used so far; None: nothing was asked of the target."""
        if not self._reached:
            return None
        if self._failed:
            return Used(burn_step=False)
        used = self._handling.used()
        return replace(used, burn_step=False) if self._broke else used

    async def push(self, data: bytes, more: bool = True) -> None:
        """More of an answer that has begun."""
        self._note(data)
        await self._pass(data, more)

    def _note(self, data: bytes) -> None:
        """For the record: before it is sealed, so before what waits for the record is passed."""
        if data:
            self._evidence.output.add(data)
            self._evidence.first_byte()

    async def _pass(self, data: bytes, more: bool = True) -> None:
        if data:
            self.begun = True
        if data or not more:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def run(self, owner: str, body: AsyncIterator[bytes], settle: Settle) -> None:
        """Forward, relay, settle. Raises Refused, also after the answer has begun."""
        edited = self._handling.edited()
        content: Content | None = self._call.body if edited is None else edited
        if content is None:
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
        evidence = self._evidence
        way = self._way()
        headers = forward_headers(
            self._scope["headers"], evidence.trace_id, evidence.span_id, edited
        )
        self._reached = True
        try:
            return await self._line.upstreams.send(
                self._line.rules.target(way.authority, owner, way.private),
                self._scope["method"],
                self._handling.target(way.path),
                headers + self._told,
                content,
                keep=[name for name, _ in self._told],
            )
        except AddressRefused as error:
            self._reached = False
            message = f"{self._call.target} may not be dialled: {error}"
            raise Refused(Reason.HOST_NOT_ALLOWED, message, advice=_TO_PRIVATE) from None
        except Unreachable as error:
            self._reached = False
            message = f"{self._call.target} could not be reached ({error})"
            raise Refused(Reason.UPSTREAM_UNREACHABLE, message) from None
        except UpstreamTimeout as error:
            raise self._timed_out(error) from None
        except BrokenResponse as error:
            raise self._broken(f"gave no valid answer ({error})") from None

    def _way(self) -> Way:
        if self._call.way is not None:
            return self._call.way
        authority: Authority = self._scope["extensions"]["amaze"].authority
        return Way(authority, _request_target(self._scope), private=False)

    def _broken(self, what: str) -> Refused:
        self._broke = True
        message = f"{self._call.target} {what}"
        return Refused(Reason.UPSTREAM_UNREACHABLE, message)

    def _timed_out(self, error: UpstreamTimeout) -> Refused:
        self._broke = True
        message = f"{self._call.target} did not answer in time ({error})"
        return Refused(Reason.UPSTREAM_TIMEOUT, message)

    # -- the answer -----------------------------------------------------------------------------

    async def _answer(self, response: UpstreamResponse, settle: Settle) -> None:
        self._evidence.status = response.status
        self._failed = response.status >= 300
        media_type = _media_type(response)
        if not self._handling.looks_inside or response.status == 204:
            await self._pass_on(response, settle)
        elif self._failed or (reader := self._handling.reader(media_type)) is None:
            await self._whole(response, media_type, settle)
        else:
            await self._stream(response, reader, settle)

    async def _start(self, status: int, headers: Headers) -> None:
        headers += decision_headers("allow", self._evidence.decision_id)
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _whole(self, response: UpstreamResponse, media_type: bytes, settle: Settle) -> None:
        """An answer that is read to its end before the client gets any of it."""
        body = await self._read(response)
        headers = _end_to_end(response)
        decoded = self._decoded(response, body)
        if self._failed:
            self._handling.check_error(media_type, decoded)
        else:
            changed = self._handling.whole(media_type, decoded)
            await self._hear()
            if changed is not None:
                headers = [h for h in headers if h[0] not in _OF_THE_BODY]
                if changed[0]:
                    headers.append((b"content-type", changed[0]))
                body = changed[1]
        self._note(body)
        await settle(self.used())
        headers.append((b"content-length", b"%d" % len(body)))
        await self._start(response.status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _hear(self) -> None:
        """What the answer says besides, before the client gets it. Raises StoreUnavailable: what
        cannot be remembered of a changed tool is not shown either."""
        listed = self._handling.listed()
        if listed.changed:
            self._evidence.alert = Reason.TOOL_CHANGED.value  # a list has no other alerts
        if listed.news:
            await self._line.directory.saw(self._call.entry, listed.news)
        await self._refuse_asked()

    async def _refuse_asked(self) -> None:
        asked = self._handling.asked()
        if len(asked) > _MOST_ASKED:
            raise self._broken("asked the client for more than can be refused one by one")
        if asked:
            await self._on_asked(asked)

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

    async def _stream(self, response: UpstreamResponse, reader: Reader, settle: Settle) -> None:
        """Events that go on as they come, the last one of an answer when all is settled."""
        if any(name == b"content-encoding" for name, _ in response.headers):
            raise self._broken("compressed a stream that was asked for uncompressed")
        self.streaming = True
        if self._handling.early:
            await self._start(response.status, _end_to_end(response))
        chunks = response.chunks()
        async for chunk in chunks:
            data = reader.feed(chunk)
            await self._hear()
            if not self.started:
                await self._start(response.status, _end_to_end(response))
            if reader.complete:
                self._note(data)
                await settle(self.used())
                await self._pass(data)
                await _finish(chunks)
                break
            await self.push(data)
        rest = reader.end()
        await self._hear()
        if self._handling.whole_stream and not reader.complete:
            raise self._broken("ended its stream before the answer was complete")
        self._note(rest)
        await settle(self.used())
        if not self.started:
            await self._start(response.status, _end_to_end(response))
        await self._pass(rest, more=False)

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
        self._note(last)
        await settle(self.used())
        await self._pass(last, more=False)


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


def _media_type(response: UpstreamResponse) -> bytes:
    """The type and subtype of the answer, in lower case; empty where it declares none."""
    kinds = [value for name, value in response.headers if name == b"content-type"]
    return kinds[0].partition(b";")[0].strip().lower() if kinds else b""


def _end_to_end(response: UpstreamResponse) -> Headers:
    """The target's headers without framing, and without what only we may say."""
    kept = [
        (name, value)
        for name, value in response.headers
        if name != b"content-length" and not name.startswith(b"x-amaze-")
    ]
    kept.append((b"via", b"1.1 amaze"))  # RFC 9110 §7.6.3
    return kept

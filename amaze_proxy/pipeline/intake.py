"""What comes in: the body, read once and no larger than allowed, and what the call is by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from starlette.types import Receive

from amaze_proxy.pipeline import a2a_calls, classify, mcp_calls
from amaze_proxy.pipeline.batch import Batch
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.directory import (
    AgentPlace,
    Ambiguous,
    Disguised,
    HostPlace,
    ServerPlace,
    authority_of,
)
from amaze_proxy.pipeline.endpoints import at_endpoint
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.looks import authenticate
from amaze_proxy.pipeline.refusal import Refused, from_admission, from_fault
from amaze_proxy.pipeline.verified import LATELY_S
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.providers import LlmRoute, provider_of
from amaze_proxy.protocols.strictjson import decode_content
from amaze_proxy.store.admission import Outcome
from amaze_proxy.wire.ingress import BodyFault

T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]

_OVERRIDES = frozenset((b"x-http-method-override", b"x-http-method", b"x-method-override"))
_STRANGERS_BODY = 65_536  # bytes


class Intake:
    """One request as it is read. All methods raise Refused."""

    def __init__(
        self, line: Line, head: Head, headers: Headers, receive: Receive, evidence: Evidence
    ) -> None:
        self._line = line
        self.head = head
        self._headers = headers
        self._receive = receive
        self.evidence = evidence
        self._read: bytes | None = None
        self._ended = False

    async def classify(self, who: Claim, strays: bool = False) -> Call | Batch:
        """What the call is, by where it goes. `strays`: as any other call it would be refused."""
        found = classify.llm_route(self.head)
        place = self._line.directory.find(self.head.authority, self.head.path)
        if place is None and strays:
            place = self._line.directory.claimed(self.head.authority)
        if found is not None or place is not None:
            self._refuse_overrides()
        if found is not None:
            return await self._classify_llm(who, found, None)
        match place:
            case ServerPlace() as place:
                return await self._classify_mcp(who, place)
            case HostPlace() as place:
                return await self._classify_llm(who, classify.host_route(self.head, place), place)
            case AgentPlace() as place:
                body = await self._decoded(who)
                return _well_formed(lambda: a2a_calls.classify_a2a(place, self.head, body))
            case Disguised(host):
                raise Refused(
                    Reason.LLM_NOT_ALLOWED,
                    f"{self.head.path[:200]} is an odd spelling of LLM host {host.name!r}",
                    advice="spell it as it is registered",
                )
            case Ambiguous(servers):
                raise Refused(
                    Reason.MCP_NOT_ALLOWED,
                    f"{self.head.authority} has several MCP servers ({', '.join(servers)}), and "
                    f"{self.head.path} is the URL of none of them",
                    advice="use http://NAME/mcp",
                )
            case _:
                return await self._classify_other(who)

    def _refuse_overrides(self) -> None:
        """A server that obeys them would do another method than the one that is decided on."""
        for name in _OVERRIDES & self.head.headers.keys():
            raise Refused(Reason.MALFORMED_REQUEST, f"the header {name.decode()} is refused")

    async def _classify_llm(self, who: Claim, found: LlmRoute, place: HostPlace | None) -> Call:
        rules = self._line.rules
        body = await self._whole_body(who)
        return classify.classify_llm(
            self.head, found, body, self._line.prices, rules.request_body_max, place
        )

    async def _classify_mcp(self, who: Claim, place: ServerPlace) -> Call | Batch:
        head = self.head
        if place.disguised or provider_of(authority_of(place.server.url).host):
            raise Refused(
                Reason.MCP_NOT_ALLOWED,
                f"{head.path[:200]} of MCP server {place.server.name!r} is an odd spelling of its "
                "path, or it is registered at a model provider's host",
                advice=f"use http://{place.server.name}/mcp, or have it registered elsewhere",
            )
        body = await self._decoded(who)
        if head.method != "POST":
            if body or head.method not in ("GET", "DELETE"):
                message = f"{head.method} {head.path} of an MCP server, or its body, is no MCP"
                raise Refused(Reason.MALFORMED_REQUEST, message)
            if not place.own:
                return classify.classify_http(head, self._read)
            return mcp_calls.classify_bare(place, head)
        if mcp_calls.is_form(head, body):
            return classify.classify_http(head, self._read)
        bare = at_endpoint(place, head, self._line.seal)
        return _well_formed(lambda: mcp_calls.classify_post(place, bare, self._headers, body))

    async def _classify_other(self, who: Claim) -> Call:
        head = self.head
        if head.method == "GET" and head.text(b"mcp-session-id"):
            return mcp_calls.unknown_server(head)
        body: bytes | None = None
        if classify.may_be_rpc(head):
            body = await self._whole_body(who)
            if (found := classify.sniffed(head, body)) is not None:
                return found
        if mcp_calls.says_mcp(head):
            return mcp_calls.unknown_server(head, body=body)
        return classify.classify_http(head, body)

    async def _decoded(self, who: Claim) -> bytes:
        """The whole body without its content coding; what is forwarded is what was read."""
        body = await self._whole_body(who)
        encoding = self.head.text(b"content-encoding")
        limit = self._line.rules.request_body_max
        return _well_formed(lambda: decode_content(body, encoding, limit))

    async def _whole_body(self, who: Claim) -> bytes:
        """The body, of which strangers send little: it is held and parsed before the store has
        said who this is, and must not cost others their memory or their time."""
        if self._read is not None:
            return self._read
        limit = self._line.rules.request_body_max
        known = self._line.verified.within(who, LATELY_S)
        parts: list[bytes] = []
        async for part in self.body():
            parts.append(part)
            if not known and self.evidence.input.size > _STRANGERS_BODY:
                await self._let_upload(who)
                known = True
            if self.evidence.input.size > limit:
                raise Refused(
                    Reason.REQUEST_TOO_LARGE, f"the request body is larger than {limit} bytes"
                )
        self._read = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._read

    async def _let_upload(self, who: Claim) -> None:
        """Raises Refused for a caller that may not call at all."""
        answered = await authenticate(self._line, who, self.evidence.decision_id)
        if answered.outcome is Outcome.REFUSED:
            raise from_admission(answered, who.agent_id)

    async def body(self) -> AsyncIterator[bytes]:
        """The request body as it arrives, captured. After it was read whole, nothing."""
        while not self._ended:
            try:
                message = await self._receive()
            except BodyFault as error:
                raise from_fault(error.fault) from None
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            data: bytes = message.get("body", b"")
            self._ended = not message.get("more_body", False)
            if data:
                self.evidence.input.add(data)
                yield data


def _well_formed(read: Callable[[], T]) -> T:
    """What `read` returns. Raises Refused for a body that is not what it must be."""
    try:
        return read()
    except TooLarge as error:
        raise Refused(Reason.REQUEST_TOO_LARGE, str(error)) from None
    except Malformed as error:
        raise Refused(Reason.MALFORMED_REQUEST, f"the request is refused: {error}") from None

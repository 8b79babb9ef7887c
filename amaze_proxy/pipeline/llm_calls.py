"""Calls to models: decided on by the parsed request, metered by the answer."""

from __future__ import annotations

from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.enforce import Verdict
from amaze_proxy.pipeline.handling import EVENT_STREAM, Passing, Reader
from amaze_proxy.pipeline.outgoing import edited_body
from amaze_proxy.pipeline.usage import Used, measure
from amaze_proxy.protocols.llm import (
    LlmRequest,
    Meter,
    Tally,
    meter,
    read_answer,
    reframe,
    stream_type,
)
from amaze_proxy.protocols.prices import PriceBook
from amaze_proxy.protocols.providers import whole_target


class LlmHandling(Passing):
    """One call of a model."""

    looks_inside = True
    whole_stream = True

    def __init__(
        self, call: Call, request: LlmRequest, verdict: Verdict, prices: PriceBook
    ) -> None:
        self._call = call
        self._request = request
        self._verdict = verdict
        self._prices = prices
        self._tally: Tally | None = None
        self._meter: Meter | None = None

    def edited(self) -> bytes | None:
        return edited_body(self._call, self._verdict)

    def target(self, path: bytes) -> bytes:
        route = self._call.route
        if route is None or not self._held_back:
            return path
        return whole_target(route.family, path.decode("ascii", "replace")).encode()

    def reader(self, media_type: bytes) -> Reader | None:
        """A stream that comes although none was asked for is metered too."""
        if self._held_back or media_type != stream_type(self._request):
            return None
        if media_type != EVENT_STREAM and not self._request.stream:
            return None
        self._meter = meter(self._request)
        return self._meter

    @property
    def _held_back(self) -> bool:
        """Whether the client asked for a stream and gets one that is made of the whole answer."""
        return self._request.stream and self._verdict.decision.obligations.block_streaming

    def whole(self, media_type: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        self._tally = read_answer(self._request, body)
        if self._held_back:
            return stream_type(self._request), reframe(self._request, body)
        return None

    def used(self) -> Used:
        tally = self._meter.tally() if self._meter else self._tally
        return measure(self._call, tally, self._prices, self._verdict.charge)

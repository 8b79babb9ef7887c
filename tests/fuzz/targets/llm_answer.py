"""No answer of an upstream stops the meter; chunking does not change what it counts or passes."""

from __future__ import annotations

from collections.abc import Iterable

from amaze_proxy.protocols import llm
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import WIRES, LlmRequest, Tally
from amaze_proxy.protocols.providers import Family
from tests.fuzz.pieces import bytewise, choose

_FAMILIES = tuple(family.value for family in WIRES)


def check(data: bytes) -> None:
    name, answer = choose(data, _FAMILIES)
    for wants_usage in (False, True):
        request = LlmRequest(Family(name), "m", stream=True, wants_usage=wants_usage)
        _check_whole(request, answer)
        if WIRES[request.family].reader is not None:
            _check_stream(request, answer)


def _check_whole(request: LlmRequest, answer: bytes) -> None:
    _check_tally(llm.read_answer(request, answer))
    try:
        stream = llm.reframe(request, answer)
    except Malformed:
        return
    metered = _metered(request, [stream])
    assert metered is not None, "we refuse the stream that we made"
    _check_tally(metered[1])


def _check_stream(request: LlmRequest, answer: bytes) -> None:
    metered = _metered(request, [answer])
    assert _metered(request, bytewise(answer)) == metered
    if metered is None:
        return
    passed, tally = metered
    _check_tally(tally)
    assert tally.output_bytes == len(answer)
    if request.wants_usage:
        assert passed == answer


def _metered(request: LlmRequest, pieces: Iterable[bytes]) -> tuple[bytes, Tally] | None:
    """What the client gets, and what was counted; None: refused."""
    meter = llm.meter(request)
    try:
        passed = b"".join([meter.feed(piece) for piece in pieces]) + meter.end()
    except Malformed:
        return None
    return passed, meter.tally()


def _check_tally(tally: Tally) -> None:
    for usage in (tally.usage, tally.begun):
        if usage is not None:
            counts = [usage.input, usage.output, usage.cached_read, usage.cached_write]
            counts += [used for _, used in usage.extra]
            assert all(type(count) is int and count >= 0 for count in counts)
    assert tally.text >= 0
    assert llm.estimate_output(tally) >= 0

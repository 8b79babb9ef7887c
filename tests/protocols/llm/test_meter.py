import pytest

from amaze_proxy.protocols.errors import TooLarge
from amaze_proxy.protocols.llm import meter, parse_request
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import MAX_EVENT

REQUEST = parse_request(
    Family.OPENAI_CHAT, b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
)


def test_one_incomplete_event_at_most_is_held_back():
    metered = meter(REQUEST)
    assert metered.feed(b"data: {}\n\ndata: {") == b"data: {}\n\n"
    assert metered.feed(b"}\n") == b""
    assert metered.feed(b"\n: ping\n\n") == b"data: {}\n\n: ping\n\n"
    assert metered.end() == b""


def test_the_end_of_the_stream_releases_what_was_held():
    asked = b'{"contents":[{"parts":[{"text":"x"}]}]}'
    metered = meter(parse_request(Family.GEMINI_STREAM, asked, "POST", "g"))
    last = b'data: {"candidates":[{"finishReason":"STOP"}]}'
    assert metered.feed(last) == b""
    assert metered.end() == last
    assert metered.complete


def test_a_tally_does_not_change_afterwards():
    metered = meter(REQUEST)
    metered.feed(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    before = metered.tally()
    metered.feed(b"data: [DONE]\n\n")
    assert (before.text, before.complete) == (1, False)
    assert metered.tally().complete


def test_an_event_without_end_is_an_error():
    metered = meter(REQUEST)
    with pytest.raises(TooLarge):
        metered.feed(b"data: " + b"x" * MAX_EVENT)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import TokenUsage, meter, parse_request, read_answer, reframe
from amaze_proxy.protocols.providers import Family

# The arguments weigh 24: an object, a name and a value, in whole tokens of 3 bytes.
USAGE = TokenUsage(12, 25, 4)
TEXT = len('It is “wet” — ☔ {"a\\": [1]}'.encode()) + len("get_weather") + 24
STREAMS = {Family.GEMINI_STREAM: "gemini.sse", Family.GEMINI_STREAM_ARRAY: "gemini_array.json"}


def parse(family=Family.GEMINI_GENERATE):
    return parse_request(family, b'{"contents":[{"parts":[{"text":"Hi"}]}]}', "POST", "g")


def event(**members):
    return b"data: " + json.dumps(members).encode() + b"\n\n"


def finished(text="x"):
    part = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
    return event(candidates=[part])


def test_a_whole_answer(wire):
    tally = read_answer(parse(), wire("gemini.json"))
    assert (tally.usage, tally.model, tally.complete) == (USAGE, "gemini-2.5-flash", True)
    assert tally.tools == ("get_weather",)
    assert tally.text >= len("It is wet")


@pytest.mark.parametrize(("family", "name"), STREAMS.items())
def test_a_stream_is_metered_and_every_byte_passed_on(wire, family, name):
    stream = wire(name)
    metered = meter(parse(family))
    assert metered.feed(stream) + metered.end() == stream
    tally = metered.tally()
    assert (tally.usage, tally.model, tally.complete) == (USAGE, "gemini-2.5-flash", True)
    assert (tally.tools, tally.text) == (("get_weather",), TEXT)


@given(st.data(), st.sampled_from(list(STREAMS)))
def test_chunking_changes_nothing(wire_files, data, family):
    stream = wire_files[STREAMS[family]]
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut, whole = meter(parse(family)), meter(parse(family))
    assert b"".join(map(cut.feed, pieces)) + cut.end() == stream
    whole.feed(stream)
    whole.end()
    assert cut.tally() == whole.tally()


def test_what_could_be_the_last_event_is_held_back_until_the_end():
    metered = meter(parse(Family.GEMINI_STREAM))
    first, second = finished("a"), finished("b")  # older models finish in each event
    assert metered.feed(first) == b""
    assert not metered.complete
    assert metered.feed(second) == first
    assert metered.feed(b": ping\n\n") == second + b": ping\n\n"
    assert metered.end() == b""
    assert metered.complete


@pytest.mark.parametrize("family", STREAMS)
def test_a_cut_stream_is_not_complete(wire, family):
    stream = wire(STREAMS[family])
    metered = meter(parse(family))
    shown = metered.feed(stream[: stream.index(b"finishReason")])
    shown += metered.end()
    assert stream.startswith(shown)
    assert not metered.complete


def test_an_error_in_a_stream_does_not_complete_it():
    metered = meter(parse(Family.GEMINI_STREAM))
    told = event(error={"code": 500, "message": "no"})
    assert metered.feed(told) + metered.end() == told
    assert not metered.complete


def test_a_prompt_that_was_refused_is_an_answer():
    refused = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}
    assert read_answer(parse(), json.dumps(refused).encode()).complete
    metered = meter(parse(Family.GEMINI_STREAM))
    metered.feed(event(**refused))
    metered.end()
    assert metered.complete
    assert reframe(parse(Family.GEMINI_STREAM), json.dumps(refused).encode())


def test_the_rarer_classes():
    usage = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 9,
        "promptTokensDetails": [
            {"modality": "AUDIO", "tokenCount": 6},
            {"modality": "AUDIO", "tokenCount": "x"},
            {"modality": "TEXT", "tokenCount": 4},
        ],
        "candidatesTokensDetails": [
            {"modality": "IMAGE", "tokenCount": 7},
            {"modality": "AUDIO", "tokenCount": 1},
        ],
    }
    candidates = [
        {"groundingMetadata": {"webSearchQueries": ["a", "b"]}},
        {"groundingMetadata": {"webSearchQueries": 3}},
        {"content": {"parts": [{"executableCode": {"code": "print(1)"}}, {"functionCall": {}}]}},
    ]
    answer = {"usageMetadata": usage, "candidates": candidates}
    tally = read_answer(parse(), json.dumps(answer).encode())
    assert tally.usage == TokenUsage(
        15,
        9,
        extra=(
            ("input_audio_tokens", 6),
            ("output_audio_tokens", 1),
            ("output_image_tokens", 7),
            ("web_searches", 2),
        ),
    )
    assert (tally.text, tally.tools) == (len("print(1)"), ())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error":{}}', b'{"usageMetadata":{"x":1}}'])
def test_what_is_no_answer(body):
    tally = read_answer(parse(), body)
    assert (tally.usage, tally.complete) == (None, False)
    with pytest.raises(Malformed, match="generateContent"):
        reframe(parse(Family.GEMINI_STREAM), body)


@pytest.mark.parametrize("family", STREAMS)
def test_a_whole_answer_reframed_is_the_stream_of_it(wire, family):
    stream = reframe(parse(family), wire("gemini.json"))
    metered = meter(parse(family))
    assert metered.feed(stream) + metered.end() == stream
    told, whole = metered.tally(), read_answer(parse(), wire("gemini.json"))
    assert (told.usage, told.tools, told.text) == (whole.usage, whole.tools, whole.text)
    assert told.complete

"""What holds for every wire family."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import (
    WIRES,
    meter,
    parse_request,
    prepare,
    read_answer,
    reframe,
    stream_type,
    wants_body,
)
from amaze_proxy.protocols.providers import Family

MESSAGES = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
CONTENT = {"parts": [{"text": "Hi"}]}
QUESTIONS = {
    Family.OPENAI_CHAT: MESSAGES,
    Family.COMPATIBLE_CHAT: MESSAGES,
    Family.OPENROUTER_CHAT: MESSAGES,
    Family.MISTRAL_CHAT: MESSAGES,
    Family.OPENAI_RESPONSES: {"model": "m", "input": "Hi"},
    Family.OPENAI_EMBEDDINGS: {"model": "m", "input": "Hi"},
    Family.MISTRAL_EMBEDDINGS: {"model": "m", "input": ["Hi"]},
    Family.ANTHROPIC_MESSAGES: {**MESSAGES, "max_tokens": 9},
    Family.ANTHROPIC_COUNT_TOKENS: MESSAGES,
    Family.GEMINI_GENERATE: {"contents": [CONTENT]},
    Family.GEMINI_STREAM: {"contents": [CONTENT]},
    Family.GEMINI_STREAM_ARRAY: {"contents": [CONTENT]},
    Family.GEMINI_COUNT_TOKENS: {"contents": [CONTENT]},
    Family.GEMINI_EMBED: {"content": CONTENT},
    Family.GEMINI_BATCH_EMBED: {"requests": [{"content": CONTENT}]},
    Family.OLLAMA_CHAT: MESSAGES,
    Family.OLLAMA_GENERATE: {"model": "m", "prompt": "Hi"},
    Family.OLLAMA_EMBED: {"model": "m", "input": "Hi"},
}
TYPES = {
    Family.GEMINI_STREAM_ARRAY: b"application/json",
    Family.OLLAMA_CHAT: b"application/x-ndjson",
    Family.OLLAMA_GENERATE: b"application/x-ndjson",
}
STREAMING = [family for family, wire in WIRES.items() if wire.reader is not None]
posted = st.sampled_from(list(QUESTIONS))
streaming = st.sampled_from(STREAMING)
_INSIDE = [
    "generationConfig",
    "maxOutputTokens",
    "functionDeclarations",
    "candidates",
    "usageMetadata",
    "content",
    "message",
    "parts",
    "type",
    "done",
    "tool_calls",
    "usage",
    "choices",
    "error",
    "options",
    "num_predict",
]
names = st.sampled_from([*sorted({key for wire in WIRES.values() for key in wire.keys}), *_INSIDE])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


def parse(family, members=None):
    document = {**QUESTIONS[family], **(members or {})}
    return parse_request(family, json.dumps(document).encode(), "POST", "m")


def test_every_family_has_a_wire():
    assert set(WIRES) == set(Family)
    assert {family for family in Family if wants_body(family)} == set(QUESTIONS)


@pytest.mark.parametrize("family", QUESTIONS)
def test_what_a_stream_is_declared_as(family):
    assert stream_type(parse(family)) == TYPES.get(family, b"text/event-stream")


@pytest.mark.parametrize("family", [family for family in QUESTIONS if family not in STREAMING])
def test_not_all_of_them_stream(family):
    with pytest.raises(Malformed, match="does not come as a stream"):
        meter(parse(family))
    with pytest.raises(Malformed, match="does not come as a stream"):
        reframe(parse(family), b"{}")


@given(posted, st.dictionaries(names, values, max_size=4))
def test_a_request_is_read_or_refused_and_nothing_else(family, members):
    try:
        request = parse(family, members)
    except Malformed:
        return
    assert request.model
    assert request.input_tokens >= 0


@given(posted, st.dictionaries(names, values, max_size=3), st.integers(0, 100), st.booleans())
def test_what_is_edited_is_still_the_request_that_was_decided_on(family, members, limit, whole):
    try:
        request = parse(family, members)
    except Malformed:
        return
    body = prepare(request, stream=False if whole else None, output_limit=limit)
    if body is None:
        return
    again = parse_request(family, body, "POST", "m")
    decided = [(r.family, r.model, r.tools, r.provider_tools) for r in (request, again)]
    assert decided[0] == decided[1]
    if WIRES[family].limit is not None:
        choices = 128 * 128  # at least one token for each
        assert again.output_limit is not None
        assert again.output_limit <= max(limit, choices)
    if whole and WIRES[family].stream is not None:
        assert not again.stream


@given(streaming, values, st.binary(max_size=20))
def test_no_answer_breaks_the_reading(family, value, garbage):
    request = parse(family)
    body = json.dumps(value).encode()
    tally = read_answer(request, body)
    assert tally.output_bytes == len(body)
    for stream in (b"data: " + body + b"\n\n", b"[" + body + b"]", body + b"\n", garbage):
        metered = meter(request)
        try:
            shown = metered.feed(stream) + metered.end()
        except Malformed:
            assert family is Family.GEMINI_STREAM_ARRAY
        else:
            assert len(shown) <= len(stream)

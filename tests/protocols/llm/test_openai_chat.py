import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import (
    TokenUsage,
    meter,
    parse_request,
    prepare,
    read_answer,
    reframe,
)
from amaze_proxy.protocols.providers import Family

SSE = "text/event-stream"
USER = {"role": "user", "content": "Hi"}
USAGE = TokenUsage(82, 17, 64, 8, (), "default")
QUESTION = {"model": "gpt-4o-mini", "messages": [USER]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}


def parse(**members):
    return parse_request(Family.OPENAI_CHAT, json.dumps({**QUESTION, **members}).encode())


def sent(request, **wanted):
    body = prepare(request, **wanted)
    return None if body is None else json.loads(body)


def test_a_plain_question():
    request = parse()
    assert request.family is Family.OPENAI_CHAT
    assert (request.model, request.stream, request.output_limit) == ("gpt-4o-mini", False, None)
    assert (request.tools, request.provider_tools) == ((), ())
    assert request.user_message
    assert not request.wants_usage
    assert 1 <= request.input_tokens <= 15
    assert sent(request) is None


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"model": ""}, "'model'"),
        ({"model": None}, "'model'"),
        ({"model": 4}, "'model'"),
        ({"model": ["gpt-4o"]}, "'model'"),
        ({"model": "gpt-4o "}, "'model'"),
        ({"model": "gpt\u200b-4o"}, "'model'"),
        ({"model": "x" * 257}, "'model'"),
        ({"Model": "gpt-4o"}, "'Model' is not spelled 'model'"),
        ({"model ": "gpt-4o"}, "is not spelled 'model'"),
        ({"Stream": True}, "is not spelled 'stream'"),
        ({"messages": []}, "'messages'"),
        ({"messages": None}, "'messages'"),
        ({"messages": "Hi"}, "'messages'"),
        ({"messages": ["Hi"]}, "'messages'"),
        ({"messages": [{"content": "Hi"}]}, "'role'"),
        ({"messages": [{"Role": "user", "role": "tool", "content": "Hi"}]}, "'Role'"),
        ({"stream": "true"}, "'stream'"),
        ({"stream": 1}, "'stream'"),
        ({"stream_options": []}, "'stream_options'"),
        ({"stream_options": {"include_usage": "yes"}}, "'include_usage'"),
        ({"stream_options": {"Include_usage": True}}, "'Include_usage'"),
        ({"max_tokens": "10"}, "'max_tokens'"),
        ({"max_tokens": 10.0}, "'max_tokens'"),
        ({"max_tokens": True}, "'max_tokens'"),
        ({"max_tokens": -1}, "'max_tokens'"),
        ({"max_completion_tokens": 2**31}, "'max_completion_tokens'"),
        ({"max_completion_tokens": 10**300}, "'max_completion_tokens'"),
        ({"n": 0}, "'n'"),
        ({"n": 129}, "'n'"),
        ({"tools": {}}, "'tools'"),
        ({"tools": ["web_search"]}, "'tools'"),
        ({"tools": [{"function": {"name": "a"}}]}, "'type'"),
        ({"tools": [{"type": "function"}]}, "'name'"),
        ({"tools": [{"type": "function", "function": "a"}]}, "'function'"),
        ({"tools": [{"type": "function", "Type": "mcp", "function": {"name": "a"}}]}, "'Type'"),
        ({"tools": [{"type": "function", "function": {"name": "a", "NAME": "b"}}]}, "'NAME'"),
        ({"functions": [{"name": ""}]}, "'name'"),
    ],
)
def test_what_cannot_be_decided_on_is_refused(members, said):
    with pytest.raises(Malformed) as refused:
        parse(**members)
    assert said in str(refused.value)


def test_limits_count_for_every_choice_and_the_larger_one_counts():
    assert parse(max_tokens=10).output_limit == 10
    assert parse(max_completion_tokens=20).output_limit == 20
    assert parse(max_tokens=30, max_completion_tokens=20).output_limit == 30
    assert parse(max_tokens=None, max_completion_tokens=20, n=3).output_limit == 60
    assert parse(n=3).output_limit is None


def test_tools_are_sorted_by_who_runs_them():
    custom = {"type": "custom", "custom": {"name": "script"}}
    request = parse(
        tools=[WEATHER, custom, WEATHER, {"type": "mcp", "server_url": "https://x"}],
        functions=[{"name": "old"}],
        web_search_options={},
    )
    assert request.tools == ("get_weather", "script", "old")
    assert request.provider_tools == ("mcp", "web_search")


@pytest.mark.parametrize("role", ["tool", "function", "assistant", "system", "User"])
def test_only_a_last_message_of_the_user_begins_a_turn(role):
    assert not parse(messages=[USER, {"role": role, "content": "x"}]).user_message
    assert parse(messages=[{"role": role, "content": "x"}, USER]).user_message


def test_a_stream_is_asked_for_its_usage():
    plain = parse(stream=True)
    assert not plain.wants_usage
    assert sent(plain)["stream_options"] == {"include_usage": True}
    quiet = parse(
        stream=True, stream_options={"include_usage": False, "include_obfuscation": False}
    )
    assert sent(quiet)["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    asked = parse(stream=True, stream_options={"include_usage": True})
    assert asked.wants_usage
    assert sent(asked) is None
    assert sent(parse(stream=False, stream_options=None)) is None


def test_a_stream_can_be_asked_for_whole():
    request = parse(stream=True, stream_options={"include_usage": True}, user="é")
    assert sent(request, stream=False) == {**QUESTION, "stream": False, "user": "é"}
    assert request.document["stream"] is True


def test_a_limit_is_lowered_or_set_but_never_raised():
    assert sent(parse(), output_limit=7)["max_completion_tokens"] == 7
    assert sent(parse(max_tokens=10), output_limit=7) == {**QUESTION, "max_tokens": 7}
    assert sent(parse(max_tokens=5), output_limit=7) is None
    both = sent(parse(max_tokens=5, max_completion_tokens=90), output_limit=7)
    assert (both["max_tokens"], both["max_completion_tokens"]) == (5, 7)
    assert sent(parse(n=3, max_tokens=90), output_limit=31)["max_tokens"] == 10
    assert sent(parse(n=3), output_limit=1)["max_completion_tokens"] == 1


def test_a_stream_is_metered_and_the_usage_hidden_from_who_did_not_ask(wire):
    stream = wire("chat_text.sse")
    metered = meter(parse(stream=True))
    shown = metered.feed(stream) + metered.end()
    tally = metered.tally()
    assert tally.usage == USAGE
    assert tally.model == "gpt-4o-mini-2024-07-18"
    assert tally.complete
    assert metered.complete
    assert tally.output_bytes == len(stream)
    assert tally.text == len('It is “wet” — ☔, "usage":null'.encode())
    assert b"prompt_tokens" not in shown
    assert shown.count(b'"usage":null') == 0
    assert shown.count(b'\\"usage\\":null') == 1
    assert shown.endswith(b"data: [DONE]\n\n")


def test_who_asked_for_the_usage_gets_every_byte(wire):
    stream = wire("chat_text.sse")
    metered = meter(parse(stream=True, stream_options={"include_usage": True}))
    assert metered.feed(stream) + metered.end() == stream
    assert metered.tally().usage == USAGE


@given(st.data(), st.sampled_from(["chat_text.sse", "chat_tools.sse"]), st.booleans())
def test_chunking_changes_nothing(wire_files, data, name, asked):
    stream = wire_files[name]
    request = parse(stream=True, stream_options={"include_usage": asked})
    whole = meter(request)
    shown = whole.feed(stream) + whole.end()
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    cut = meter(request)
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert b"".join(map(cut.feed, pieces)) + cut.end() == shown
    assert cut.tally() == whole.tally()


def test_tools_asked_for_are_noted(wire):
    metered = meter(parse(stream=True))
    metered.feed(wire("chat_tools.sse"))
    assert metered.tally().tools == ("get_weather", "get_time")
    written = "get_weather" + '{"city":"Berlin"}' + "get_time" + "{}"
    assert metered.tally().text == len(written)


def test_a_cut_stream_is_not_complete_and_tells_no_usage(wire):
    stream = wire("chat_text.sse")
    metered = meter(parse(stream=True))
    metered.feed(stream[: stream.index(b'"finish_reason":"stop"')])
    assert metered.end().startswith(b"data: {")
    assert not metered.complete
    assert metered.tally().usage is None
    assert metered.tally().text > 10


def test_a_last_event_without_its_blank_line_counts():
    metered = meter(parse(stream=True))
    assert metered.feed(b"data: [DONE]") == b""
    assert metered.end() == b"data: [DONE]"
    assert metered.complete


def test_other_chunks_without_choices_are_passed_on():
    first = b'data: {"choices":[],"prompt_filter_results":[]}\n\n'
    last = b'data: {"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1}}\n\n'
    checked = b'data: {"choices":[],"moderation":{"input":1},"usage":{"prompt_tokens":1}}\n\n'
    odd = b": ping\n\ndata: [1]\n\ndata: {not json\n\ndata: " + b"[" * 9000 + b"\n\n"
    for stream in (first, last, checked, odd):
        assert meter(parse(stream=True)).feed(stream) == stream


def test_a_whole_answer_is_read(wire):
    tally = read_answer(parse(), wire("chat_text.json"))
    assert (tally.usage, tally.model, tally.complete) == (USAGE, "gpt-4o-mini-2024-07-18", True)
    assert tally.text == len("It is “wet” — ☔.".encode())
    assert read_answer(parse(), wire("chat_tools.json")).tools == ("get_weather", "get_time")


def test_other_kinds_of_asking_and_speaking_are_read():
    message = {
        "tool_calls": [{"type": "custom", "custom": {"name": "script", "input": "ls"}}, "x"],
        "function_call": {"name": "old", "arguments": "{}"},
        "audio": {"transcript": "hello"},
        "reasoning_content": "hm",
        "content": 5,
    }
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "prompt_tokens_details": {"audio_tokens": 4, "cached_tokens": "x"},
        "completion_tokens_details": {"audio_tokens": 2},
    }
    tally = read_answer(
        parse(), json.dumps({"choices": [{"message": message}], "usage": usage}).encode()
    )
    assert tally.tools == ("script", "old")
    assert tally.text == len("scriptlsold{}hellohm")
    audio = (("input_audio_tokens", 4), ("output_audio_tokens", 2))
    assert tally.usage == TokenUsage(9, 3, 0, 0, audio)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"choices":5,"usage":[]}', b'{"usage":{"prompt_tokens":-1}}'],
)
def test_an_answer_that_cannot_be_read_has_no_usage(body):
    tally = read_answer(parse(), body)
    assert tally.usage is None
    assert not tally.complete
    assert tally.output_bytes == len(body)


@pytest.mark.parametrize("name", ["chat_text.json", "chat_tools.json"])
def test_a_whole_answer_becomes_a_stream_that_the_sdk_accepts(wire, openai_client, name):
    whole = json.loads(wire(name))
    for options in ({}, {"stream_options": {"include_usage": True}}):
        stream = reframe(parse(stream=True, **options), wire(name))
        client = openai_client(stream, SSE)
        with client.chat.completions.stream(**QUESTION, **options) as events:
            assert [event for event in events if event.type == "chunk"]
            final = events.get_final_completion()
        message = final.choices[0].message
        assert message.content == whole["choices"][0]["message"]["content"]
        calls = whole["choices"][0]["message"].get("tool_calls") or []
        assert [c.function.arguments for c in message.tool_calls or []] == [
            c["function"]["arguments"] for c in calls
        ]
        assert [c.id for c in message.tool_calls or []] == [c["id"] for c in calls]
        assert final.choices[0].finish_reason == whole["choices"][0]["finish_reason"]
        assert final.system_fingerprint == "fp_1"
        assert (final.usage.total_tokens if final.usage else None) == (99 if options else None)


def test_a_reframed_stream_of_several_choices(openai_client):
    answer = {
        "id": "c",
        "model": "m",
        "created": 1,
        "choices": [
            {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for text in ("one", "two")
        ],
    }
    stream = reframe(parse(stream=True, n=2), json.dumps(answer).encode())
    chunks = list(openai_client(stream, SSE).chat.completions.create(**QUESTION, stream=True, n=2))
    assert [(c.choices[0].index, c.choices[0].delta.content) for c in chunks] == [
        (0, "one"),
        (0, None),
        (1, "two"),
        (1, None),
    ]
    assert stream.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error":{"message":"no"}}', b'{"choices":[]}'])
def test_what_is_no_answer_is_not_reframed(body):
    with pytest.raises(Malformed, match="not a chat completion"):
        reframe(parse(stream=True), body)


@pytest.mark.parametrize("name", ["chat_text.sse", "chat_tools.sse"])
def test_the_examples_and_what_is_shown_of_them_are_real(wire, openai_client, name):
    for asked in (True, False):
        options = {"stream_options": {"include_usage": asked}}
        shown = meter(parse(stream=True, **options)).feed(wire(name))
        chunks = list(
            openai_client(shown, SSE).chat.completions.create(**QUESTION, stream=True, **options)
        )
        assert all(chunk.choices for chunk in chunks) is not asked
        assert (chunks[-1].usage is not None) is asked

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
QUESTION = {"model": "gpt-5.5", "input": "Hi"}
USAGE = TokenUsage(120, 40, 100, 4, (("web_searches", 1),), "default")
TOOLS = ("web_search", "get_weather", "shell_script")
USER = {"role": "user", "content": "Hi"}


def parse(**members):
    return parse_request(Family.OPENAI_RESPONSES, json.dumps({**QUESTION, **members}).encode())


def test_a_plain_question():
    request = parse(max_output_tokens=50)
    assert (request.model, request.stream, request.output_limit) == ("gpt-5.5", False, 50)
    assert request.user_message
    assert request.input_tokens == 1
    assert prepare(request) is None


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"model": None}, "'model'"),
        ({"input": None}, "'input'"),
        ({"input": 5}, "'input'"),
        ({"input": {}}, "'input'"),
        ({"input": ["Hi"]}, "'input'"),
        ({"input": [{"type": 5}]}, "'type'"),
        ({"input": [{"Type": "message", "role": "user"}]}, "'Type'"),
        ({"background": True}, "'background'"),
        ({"background": "no"}, "'background'"),
        ({"Background": True}, "'Background'"),
        ({"stream": "yes"}, "'stream'"),
        ({"max_output_tokens": 1.5}, "'max_output_tokens'"),
        ({"tools": [{"name": "a"}]}, "'type'"),
        ({"tools": [{"type": ["mcp"]}]}, "'type'"),
        ({"tools": [{"type": "function"}]}, "'name'"),
        ({"tools": [{"type": "function", "name": "a", "TYPE": "mcp"}]}, "'TYPE'"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": "x"}]}, "'tools'"),
        ({"tools": [{"type": "shell", "environment": "local"}]}, "'environment'"),
    ],
)
def test_what_cannot_be_decided_on_is_refused(members, said):
    with pytest.raises(Malformed) as refused:
        parse(**members)
    assert said in str(refused.value)


def test_tools_are_sorted_by_who_runs_them():
    request = parse(
        tools=[
            {"type": "function", "name": "get_weather"},
            {"type": "custom", "name": "script"},
            {"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]},
            {"type": "local_shell"},
            {"type": "shell", "environment": {"type": "local"}},
            {"type": "shell"},
            {"type": "shell", "environment": {"type": "container_auto"}},
            {"type": "tool_search", "execution": "client"},
            {"type": "tool_search"},
            {"type": "mcp", "server_label": "x", "server_url": "https://x"},
            {"type": "web_search_preview_2025_03_11"},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "tomorrows_tool"},
        ]
    )
    assert request.tools == (
        *("get_weather", "script", "find", "local_shell", "shell", "tool_search"),
    )
    assert request.provider_tools == (
        *("shell", "tool_search", "mcp", "web_search_preview_2025_03_11"),
        *("code_interpreter", "tomorrows_tool"),
    )


def test_tools_cannot_hide_in_the_input():
    mcp = {"type": "mcp", "server_label": "x", "server_url": "https://x"}
    for item in (
        {"type": "additional_tools", "role": "developer", "tools": [mcp]},
        {"type": "tool_search_output", "tools": [mcp]},
        {"type": "mcp_approval_response", "approval_request_id": "a", "approve": True},
    ):
        assert parse(input=[item, USER]).provider_tools == ("mcp",)
    assert parse(prompt={"id": "pmpt_1"}).provider_tools == ("prompt",)
    assert parse(input=None, prompt={"id": "pmpt_1"}).provider_tools == ("prompt",)


@pytest.mark.parametrize(
    ("given", "new"),
    [
        ("Hi", True),
        ([USER], True),
        ([{"type": "message", **USER}], True),
        ([USER, {"type": "function_call_output", "call_id": "c", "output": "x"}], False),
        ([USER, {"type": "item_reference", "id": "x", "role": "user"}], False),
        ([USER, {"role": "assistant", "content": "x"}], False),
        ([], False),
    ],
)
def test_only_a_last_message_of_the_user_begins_a_turn(given, new):
    assert parse(input=given).user_message is new


def test_a_stream_can_be_asked_for_whole_and_limits_lowered():
    request = parse(stream=True, stream_options={"include_obfuscation": False})
    assert prepare(request) is None
    assert json.loads(prepare(request, stream=False)) == {**QUESTION, "stream": False}
    assert json.loads(prepare(parse(), output_limit=9))["max_output_tokens"] == 9
    assert json.loads(prepare(parse(max_output_tokens=10), output_limit=9)) == {
        **QUESTION,
        "max_output_tokens": 9,
    }
    assert prepare(parse(max_output_tokens=8), output_limit=9) is None


def test_a_stream_is_metered_byte_for_byte(wire):
    stream = wire("responses.sse")
    metered = meter(parse(stream=True))
    assert metered.feed(stream) + metered.end() == stream
    tally = metered.tally()
    assert (tally.usage, tally.tools, tally.complete) == (USAGE, TOOLS, True)
    assert tally.model == "gpt-5.5-2026-04-01"
    written = "Look it up." + "It is “wet” — ☔." + "No more."
    written += 'get_weather{"city":"Berlin"}' + "shell_scriptls -l"
    assert tally.text == len(written.encode())


@given(st.data())
def test_chunking_changes_nothing(wire_files, data):
    stream = wire_files["responses.sse"]
    whole, cut = meter(parse(stream=True)), meter(parse(stream=True))
    whole.feed(stream)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert b"".join(map(cut.feed, pieces)) + cut.end() == stream
    assert cut.tally() == whole.tally()


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete", "response.failed"])
def test_each_end_completes(end):
    metered = meter(parse(stream=True))
    response = {"model": "m", "usage": {"input_tokens": 3}}
    metered.feed(b"data: " + json.dumps({"type": end, "response": response}).encode() + b"\n\n")
    assert metered.complete
    assert metered.tally().usage == TokenUsage(3, 0)


def test_a_cut_stream_is_not_complete(wire):
    stream = wire("responses.sse")
    metered = meter(parse(stream=True))
    metered.feed(stream[: stream.index(b"event: response.completed")])
    metered.feed(b': ping\n\ndata: {"type":"response.audio.delta","delta":"AAAA"}\n\n')
    assert not metered.complete
    assert metered.tally().usage is None
    assert metered.tally().model == "gpt-5.5-2026-04-01"
    assert metered.tally().tools == TOOLS


def test_a_whole_answer_is_read(wire):
    tally = read_answer(parse(), wire("responses.json"))
    assert (tally.usage, tally.tools, tally.complete) == (USAGE, TOOLS, True)
    metered = meter(parse(stream=True))
    metered.feed(wire("responses.sse"))
    assert tally.text == metered.tally().text
    assert read_answer(parse(), b"{}").usage is None


def test_a_whole_answer_becomes_a_stream_that_the_sdk_accepts(wire, openai_client):
    whole = json.loads(wire("responses.json"))
    stream = reframe(parse(stream=True), wire("responses.json"))
    with openai_client(stream, SSE).responses.stream(**QUESTION) as events:
        seen = [event.type for event in events]
        final = events.get_final_response()
    assert seen[0] == "response.created"
    assert seen[-1] == "response.completed"
    assert "response.output_text.delta" in seen
    assert "response.function_call_arguments.done" in seen
    assert "response.refusal.done" in seen
    assert final.output_text == "It is “wet” — ☔."
    assert [item.id for item in final.output] == [item["id"] for item in whole["output"]]
    assert final.usage.total_tokens == 160
    metered = meter(parse(stream=True))
    metered.feed(stream)
    assert metered.tally().usage == USAGE
    assert metered.tally().tools == TOOLS


@pytest.mark.parametrize("status", ["incomplete", "failed", "completed", None])
def test_the_stream_ends_as_the_answer_did(status):
    odd = {"type": "message", "content": [{"type": "tomorrow", "text": "x"}]}
    answer = {"id": "r", "status": status, "output": [odd, {"type": "tomorrows_item"}]}
    stream = reframe(parse(stream=True), json.dumps(answer).encode()).decode()
    last = json.loads(stream.strip().rsplit("data: ", 1)[1])
    assert last["type"] == f"response.{status or 'completed'}"
    assert last["response"] == answer
    numbers = [json.loads(block.split("data: ")[1]) for block in stream.strip().split("\n\n")]
    assert [event["sequence_number"] for event in numbers] == list(range(len(numbers)))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error":{"message":"no"}}', b"[]"])
def test_what_is_no_answer_is_not_reframed(body):
    with pytest.raises(Malformed, match="not a response"):
        reframe(parse(stream=True), body)


def test_the_example_is_real(wire, openai_client):
    with openai_client(wire("responses.sse"), SSE).responses.stream(**QUESTION) as events:
        events.until_done()
        assert events.get_final_response().output_text == "It is “wet” — ☔."

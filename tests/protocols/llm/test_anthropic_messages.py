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
QUESTION = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [USER]}
EXTRA = (("cache_write_1h_tokens", 2), ("web_searches", 1))
USAGE = TokenUsage(21, 60, 4, 7, EXTRA)
TOOLS = ("web_search", "get_weather")


def parse(family=Family.ANTHROPIC_MESSAGES, **members):
    return parse_request(family, json.dumps({**QUESTION, **members}).encode())


def user(*blocks):
    return [{"role": "user", "content": list(blocks)}]


def test_a_plain_question():
    request = parse()
    assert (request.model, request.stream, request.output_limit) == ("claude-opus-5-5", False, 100)
    assert request.user_message
    assert 1 <= request.input_tokens <= 15
    assert prepare(request) is None


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"model": ""}, "'model'"),
        ({"max_tokens": None}, "'max_tokens' is missing"),
        ({"max_tokens": "1"}, "'max_tokens'"),
        ({"Max_tokens": 5}, "'Max_tokens'"),
        ({"messages": []}, "'messages'"),
        ({"messages": [{"role": "user"}]}, "'content'"),
        ({"messages": [{"content": "x"}]}, "'role'"),
        ({"messages": user("text")}, "'content'"),
        ({"messages": user({"text": "x"})}, "'type'"),
        ({"messages": user({"type": ["tool_result"]})}, "'type'"),
        ({"messages": user({"type": "text", "Type": "tool_addition"})}, "'Type'"),
        ({"messages": user({"type": "tool_addition", "tool": "x"})}, "'tool'"),
        ({"stream": 1}, "'stream'"),
        ({"fallbacks": "default"}, "'fallbacks'"),
        ({"fallbacks": [{"model": "other"}]}, "'fallbacks'"),
        ({"tools": [{"type": "custom"}]}, "'name'"),
        ({"tools": [{"type": 5, "name": "a"}]}, "'type'"),
        ({"tools": [{"name": "a", "Type": "web_search_20250305"}]}, "'Type'"),
        ({"container": {"Skills": [1]}}, "'Skills'"),
    ],
)
def test_what_cannot_be_decided_on_is_refused(members, said):
    with pytest.raises(Malformed) as refused:
        parse(**members)
    assert said in str(refused.value)


def test_tools_are_sorted_by_who_runs_them():
    request = parse(
        tools=[
            {"name": "get_weather", "input_schema": {}},
            {"type": "custom", "name": "find", "input_schema": {}},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            {"type": "computer_toolset_20260801"},
            {"type": "web_search_20260318", "name": "web_search"},
            {"type": "code_execution_20260521", "name": "code_execution"},
            {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"},
            {"type": "mcp_toolset", "mcp_server_name": "x"},
            {"type": "tomorrows_tool_20270101", "name": "bash"},
        ],
        mcp_servers=[{"type": "url", "name": "x", "url": "https://x"}],
        container={"skills": [{"type": "anthropic", "skill_id": "xlsx"}]},
    )
    assert request.tools == (
        *("get_weather", "find", "bash", "str_replace_based_edit_tool"),
        "computer_toolset_20260801",
    )
    assert request.provider_tools == (
        *("web_search_20260318", "code_execution_20260521", "advisor_20260301", "mcp_toolset"),
        *("tomorrows_tool_20270101", "mcp", "skills"),
    )


def test_containers_and_empty_lists_offer_nothing():
    for container in ("container_1", {"id": "c"}, {"skills": []}, None):
        assert parse(container=container, mcp_servers=[], tools=None).provider_tools == ()


def test_tools_cannot_hide_in_the_messages():
    search = {"type": "web_search_20250305", "name": "web_search"}
    added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": search}}
    named = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "bash"}}
    compacted = {"type": "compaction", "content": "x", "tool_changes": [named, added]}
    for block in (added, compacted):
        assert parse(messages=user(block)).provider_tools == ("web_search_20250305",)
    own = {"type": "tool_addition", "tool": {"definition": {"name": "find"}}}
    assert parse(messages=user(own, named)).tools == ("find",)


RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "x"}


@pytest.mark.parametrize(
    ("messages", "new"),
    [
        ([USER], True),
        (user({"type": "text", "text": "Hi"}), True),
        (user(RESULT), False),
        (user(RESULT, {"type": "text", "text": "Hi"}), False),
        ([USER, {"role": "assistant", "content": "The"}], False),
        ([*user(RESULT), USER], True),
    ],
)
def test_only_a_last_message_of_the_user_begins_a_turn(messages, new):
    assert parse(messages=messages).user_message is new


def test_a_stream_can_be_asked_for_whole_and_limits_lowered():
    request = parse(stream=True)
    assert prepare(request) is None
    assert json.loads(prepare(request, stream=False)) == {**QUESTION, "stream": False}
    assert json.loads(prepare(request, output_limit=9)) == {
        **QUESTION,
        "stream": True,
        "max_tokens": 9,
    }
    assert prepare(request, output_limit=101) is None


def test_counting_tokens_is_free_but_decided_on():
    members = {"tools": [{"type": "web_search_20260318", "name": "web_search"}]}
    document = {"model": "claude-opus-5-5", "messages": [USER], **members}
    request = parse_request(Family.ANTHROPIC_COUNT_TOKENS, json.dumps(document).encode())
    assert (request.model, request.input_tokens, request.output_limit) == ("claude-opus-5-5", 0, 0)
    assert request.family is Family.ANTHROPIC_COUNT_TOKENS
    assert request.provider_tools == ("web_search_20260318",)
    assert prepare(request, output_limit=3) is None
    tally = read_answer(request, b'{"input_tokens":14}')
    assert (tally.usage, tally.complete) == (TokenUsage(0, 0), True)


def test_a_stream_is_metered_byte_for_byte(wire):
    stream = wire("anthropic.sse")
    metered = meter(parse(stream=True))
    assert metered.feed(stream) + metered.end() == stream
    tally = metered.tally()
    assert (tally.usage, tally.tools, tally.complete) == (USAGE, TOOLS, True)
    assert tally.model == "claude-opus-5-5"
    written = "Look it up." + 'web_search{"query":"rain berlin"}'
    written += "It is “wet” — ☔." + 'get_weather{"city": "Berlin"}'
    assert tally.text == len(written.encode())


@given(st.data())
def test_chunking_changes_nothing(wire_files, data):
    stream = wire_files["anthropic.sse"]
    whole, cut = meter(parse(stream=True)), meter(parse(stream=True))
    whole.feed(stream)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert b"".join(map(cut.feed, pieces)) + cut.end() == stream
    assert cut.tally() == whole.tally()


def test_a_cut_stream_tells_the_input_alone(wire):
    stream = wire("anthropic.sse")
    metered = meter(parse(stream=True))
    metered.feed(stream[: stream.index(b"event: message_delta")])
    tally = metered.tally()
    assert not metered.complete
    assert tally.usage is None
    assert tally.begun == TokenUsage(21, 0, 4, 7, (("cache_write_1h_tokens", 2),))


def test_odd_events_are_passed_on():
    metered = meter(parse(stream=True))
    odd = (
        b": ping\n\n"
        b'event: message_start\ndata: {"type":"message_start"}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","delta":{}}\n\n'
    )
    assert metered.feed(odd) == odd
    assert metered.tally().usage is None
    assert metered.tally().begun is None


def test_a_whole_answer_is_read(wire):
    tally = read_answer(parse(), wire("anthropic.json"))
    assert (tally.usage, tally.tools, tally.complete) == (USAGE, TOOLS, True)
    assert tally.text > 60
    fast = b'{"content":[],"usage":{"input_tokens":1,"output_tokens":2,"speed":"fast"}}'
    assert read_answer(parse(), fast).usage == TokenUsage(1, 2, tier="fast")
    assert read_answer(parse(), b'{"type":"error"}').usage is None


def test_a_whole_answer_becomes_a_stream_that_the_sdk_accepts(wire, anthropic_client):
    whole = json.loads(wire("anthropic.json"))
    stream = reframe(parse(stream=True), wire("anthropic.json"))
    with anthropic_client(stream, SSE).messages.stream(**QUESTION) as events:
        assert "".join(e.text for e in events if e.type == "text") == "It is “wet” — ☔."
        final = events.get_final_message()
    assert final.model_dump(mode="json", exclude_unset=True)["content"] == whole["content"]
    assert (final.stop_reason, final.usage.output_tokens) == ("tool_use", 60)
    assert final.usage.cache_read_input_tokens == 4
    metered = meter(parse(stream=True))
    metered.feed(stream)
    assert metered.tally().usage == USAGE
    assert metered.complete


def test_the_smallest_answer_is_reframed():
    answer = {"type": "message", "content": [{"type": "text", "text": "x"}]}
    stream = reframe(parse(stream=True), json.dumps(answer).encode())
    assert stream.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize("body", [b"", b"{}", b'{"type":"error","error":{}}'])
def test_what_is_no_answer_is_not_reframed(body):
    with pytest.raises(Malformed, match="not a message"):
        reframe(parse(stream=True), body)


def test_the_example_is_real(wire, anthropic_client):
    with anthropic_client(wire("anthropic.sse"), SSE).messages.stream(**QUESTION) as events:
        final = events.get_final_message()
    whole = json.loads(wire("anthropic.json"))
    assert final.model_dump(mode="json", exclude_unset=True)["content"] == whole["content"]
    assert final.usage.output_tokens == 60

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

CHAT, GENERATE, EMBED = Family.OLLAMA_CHAT, Family.OLLAMA_GENERATE, Family.OLLAMA_EMBED
USER = {"role": "user", "content": "Hi"}
QUESTIONS = {
    CHAT: {"model": "llama3.2:3b", "messages": [USER]},
    GENERATE: {"model": "llama3.2:3b", "prompt": "Hi"},
}
STREAMS = {CHAT: "ollama_chat.ndjson", GENERATE: "ollama_generate.ndjson"}
USAGE = TokenUsage(26, 19)


def parse(family=CHAT, **members):
    return parse_request(family, json.dumps({**QUESTIONS.get(family, {}), **members}).encode())


def sent(request, **wanted):
    body = prepare(request, **wanted)
    return None if body is None else json.loads(body)


@pytest.mark.parametrize("family", QUESTIONS)
def test_a_plain_question_asks_for_a_stream(family):
    request = parse(family)
    assert (request.model, request.stream, request.output_limit) == ("llama3.2:3b", True, None)
    assert request.user_message
    assert request.wants_usage
    assert 1 <= request.input_tokens <= 30
    assert sent(request) is None
    assert sent(request, stream=False) == {**QUESTIONS[family], "stream": False}
    assert not parse(family, stream=False).stream
    assert parse(family, stream=None).stream


@pytest.mark.parametrize(
    ("family", "members"),
    [
        (CHAT, {"model": ""}),
        (CHAT, {"Model": "x"}),
        (CHAT, {"messages": []}),
        (CHAT, {"messages": [{"content": "Hi"}]}),
        (CHAT, {"messages": [{**USER, "Role": "tool"}]}),
        (CHAT, {"messages": [{**USER, "images": "x"}]}),
        (CHAT, {"stream": "false"}),
        (CHAT, {"Stream": False}),
        (CHAT, {"options": []}),
        (CHAT, {"options": {"num_predict": "9"}}),
        (CHAT, {"options": {"Num_Predict": 9}}),
        (CHAT, {"tools": [{"function": {"name": "a"}}]}),
        (CHAT, {"tools": [{"type": "function", "function": {}}]}),
        (CHAT, {"tools": [{"type": "function"}]}),
        (GENERATE, {"model": None}),
        (GENERATE, {"images": "x"}),
        (EMBED, {"model": "m"}),
        (EMBED, {"model": "m", "input": [1]}),
        (EMBED, {"input": "x"}),
    ],
)
def test_what_cannot_be_decided_on_is_refused(family, members):
    with pytest.raises(Malformed):
        parse(family, **members)


def test_tools_are_sorted_by_who_runs_them():
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]
    request = parse(tools=tools)
    assert (request.tools, request.provider_tools) == (("f",), ("web_search",))


@pytest.mark.parametrize("role", ["tool", "assistant", "system"])
def test_only_a_last_message_of_the_user_begins_a_turn(role):
    assert not parse(messages=[USER, {"role": role, "content": "x"}]).user_message
    assert not parse(GENERATE, prompt="").user_message


def test_pictures_are_counted_by_their_number():
    picture = {"images": ["A" * 90_000]}
    assert 2_000 <= parse(messages=[{**USER, **picture}]).input_tokens < 2_100
    assert 2_000 <= parse(GENERATE, **picture).input_tokens < 2_100
    assert parse(GENERATE, context=[5] * 700).input_tokens >= 700


@pytest.mark.parametrize(("given_", "limit"), [(9, 9), (0, None), (-1, None), (-2, None)])
def test_a_limit_that_is_not_positive_is_none(given_, limit):
    assert parse(options={"num_predict": given_}).output_limit == limit


@pytest.mark.parametrize("family", QUESTIONS)
def test_a_limit_is_lowered_or_set_but_never_raised(family):
    assert sent(parse(family), output_limit=7)["options"] == {"num_predict": 7}
    low = parse(family, options={"num_predict": 5, "seed": 1})
    assert sent(low, output_limit=7) is None
    endless = parse(family, options={"num_predict": -1, "seed": 1})
    assert sent(endless, output_limit=7)["options"] == {"num_predict": 7, "seed": 1}
    assert sent(endless, output_limit=0)["options"]["num_predict"] == 1
    assert endless.document["options"]["num_predict"] == -1


@pytest.mark.parametrize(("family", "name"), STREAMS.items())
def test_a_stream_is_metered_and_every_byte_passed_on(wire, family, name):
    stream = wire(name)
    metered = meter(parse(family))
    assert metered.feed(stream) + metered.end() == stream
    tally = metered.tally()
    assert (tally.usage, tally.model, tally.complete) == (USAGE, "llama3.2", True)
    assert tally.tools == (("get_weather",) if family is CHAT else ())
    assert tally.text >= len("It is wet")


@given(st.data(), st.sampled_from(list(STREAMS)))
def test_chunking_changes_nothing(wire_files, data, family):
    stream = wire_files[STREAMS[family]]
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut, whole = meter(parse(family)), meter(parse(family))
    assert b"".join(map(cut.feed, pieces)) + cut.end() == stream
    whole.feed(stream)
    assert cut.tally() == whole.tally()


@pytest.mark.parametrize("family", STREAMS)
def test_a_cut_stream_is_not_complete(wire, family):
    stream = wire(STREAMS[family])
    metered = meter(parse(family))
    metered.feed(stream[: stream.index(b'"done": true')])
    metered.end()
    assert not metered.complete
    assert metered.tally().usage is None


def test_an_error_or_an_empty_line_completes_nothing():
    metered = meter(parse())
    lines = b'{"error":"no"}\n\n'
    assert metered.feed(lines) == lines
    assert not metered.complete


def test_a_count_that_is_missing_makes_the_usage_unknown():
    for told in ({"eval_count": 5}, {"prompt_eval_count": 5}, {}):
        answer = {"model": "m", "response": "x", "done": True, **told}
        tally = read_answer(parse(GENERATE), json.dumps(answer).encode())
        assert (tally.usage, tally.complete) == (None, True)


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (CHAT, {"message": {"role": "assistant", "content": "It is wet", "thinking": "hm"}}),
        (GENERATE, {"response": "It is wet", "thinking": "hm", "context": [1, 2]}),
    ],
)
def test_a_whole_answer_reframed_is_the_stream_of_it(family, said):
    counts = {"prompt_eval_count": 26, "eval_count": 19}
    answer = {"model": "m", "created_at": "t", "done": True, "done_reason": "stop", **said}
    body = json.dumps({**answer, **counts}).encode()
    stream = reframe(parse(family), body)
    first, last = map(json.loads, stream.splitlines())
    assert (first["done"], last["done"], last["done_reason"]) == (False, True, "stop")
    assert "hm" in stream.decode().splitlines()[0]
    assert "It is wet" not in stream.decode().splitlines()[1]
    metered = meter(parse(family))
    assert metered.feed(stream) == stream
    told, whole = metered.tally(), read_answer(parse(family), body)
    assert (told.usage, told.text, told.complete) == (USAGE, whole.text, True)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error":"no"}', b'{"done":"true"}'])
def test_what_is_no_answer_is_not_reframed(body):
    with pytest.raises(Malformed, match="Ollama"):
        reframe(parse(), body)


def test_embeddings():
    request = parse(EMBED, model="m", input=["x" * 30, "y" * 30])
    assert (request.input_tokens, request.output_limit, request.stream) == (20, 0, False)
    assert parse(EMBED, model="m", input="x" * 30).input_tokens == 10
    tally = read_answer(request, b'{"model":"m","embeddings":[[1]],"prompt_eval_count":9}')
    assert (tally.usage, tally.model, tally.complete) == (TokenUsage(9, 0), "m", True)
    unknown = read_answer(request, b'{"error":"no"}')
    assert (unknown.usage, unknown.complete) == (None, False)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import TokenUsage, parse_request, prepare, read_answer
from amaze_proxy.protocols.providers import Family

MODEL = "gemini-2.5-flash"
USER = {"role": "user", "parts": [{"text": "Hi"}]}
QUESTION = {"contents": [USER]}
WEATHER = {"functionDeclarations": [{"name": "get_weather", "parameters": {}}]}


def parse(document=None, family=Family.GEMINI_GENERATE, url=MODEL, **members):
    body = json.dumps({**QUESTION, **members} if document is None else document)
    return parse_request(family, body.encode(), "POST", url)


def sent(request, **wanted):
    body = prepare(request, **wanted)
    return None if body is None else json.loads(body)


def test_a_plain_question():
    request = parse()
    assert (request.model, request.stream, request.output_limit) == (MODEL, False, None)
    assert (request.tools, request.provider_tools) == ((), ())
    assert request.user_message
    assert request.wants_usage
    assert 1 <= request.input_tokens <= 15
    assert sent(request) is None


@pytest.mark.parametrize("family", [Family.GEMINI_STREAM, Family.GEMINI_STREAM_ARRAY])
def test_it_is_the_url_that_asks_for_a_stream(family):
    request = parse(family=family)
    assert request.stream
    assert sent(request) is None
    assert sent(request, stream=False) is None


@pytest.mark.parametrize(
    "members",
    [
        {"contents": []},
        {"contents": None},
        {"contents": USER},
        {"contents": ["Hi"]},
        {"contents": [{"parts": "Hi"}]},
        {"contents": [{"parts": ["Hi"]}]},
        {"contents": [{"Parts": []}]},
        {"contents": [{"parts": [{"inlineData": "x"}]}]},
        {"contents": [{"parts": [{"inlineData": {}, "inline_data": {}}]}]},
        {"Contents": []},
        {"model": "gemini-2.5-pro"},
        {"model": "models/gemini-2.5-pro"},
        {"model": "tunedModels/gemini-2.5-flash"},
        {"model": 5},
        {"generationConfig": 5},
        {"generationConfig": {}, "generation_config": {}},
        {"generationConfig": {"maxOutputTokens": "10"}},
        {"generationConfig": {"maxOutputTokens": 0}},
        {"generationConfig": {"maxOutputTokens": 10, "max_output_tokens": 90}},
        {"generationConfig": {"MaxOutputTokens": 90}},
        {"generationConfig": {"candidateCount": 0}},
        {"generationConfig": {"candidateCount": 129}},
        {"tools": WEATHER},
        {"tools": ["googleSearch"]},
        {"tools": [{"functionDeclarations": [{}]}]},
        {"tools": [{"functionDeclarations": [{"name": "a", "Name": "b"}]}]},
        {"tools": [{"functionDeclarations": [], "function_declarations": []}]},
        {"tools": [{"FunctionDeclarations": []}]},
        {"tools": [{"google search": {}}]},
        {"Tools": []},
    ],
)
def test_what_cannot_be_decided_on_is_refused(members):
    with pytest.raises(Malformed):
        parse(**members)


def test_the_model_is_the_one_of_the_url():
    for name in (MODEL, f"models/{MODEL}", f"publishers/google/models/{MODEL}", None):
        assert parse(model=name).model == MODEL
    with pytest.raises(Malformed, match="names no model"):
        parse(url="")


def test_limits_count_for_every_candidate():
    assert parse(generationConfig={"maxOutputTokens": 10}).output_limit == 10
    assert parse(generation_config={"max_output_tokens": 10}).output_limit == 10
    config = {"maxOutputTokens": 10, "candidateCount": 3}
    assert parse(generationConfig=config).output_limit == 30


@pytest.mark.parametrize("kind", ["googleSearch", "google_search"])
def test_tools_are_sorted_by_who_runs_them(kind):
    request = parse(tools=[WEATHER, {kind: {}, "codeExecution": {}}, {"function_declarations": []}])
    assert request.tools == ("get_weather",)
    assert request.provider_tools == ("google_search", "code_execution")


@pytest.mark.parametrize(
    "kind", ["urlContext", "computerUse", "fileSearch", "googleMaps", "mcpServers", "newThing"]
)
def test_whatever_is_no_declaration_of_functions_runs_at_googles_side(kind):
    assert len(parse(tools=[{kind: {}}]).provider_tools) == 1


def test_what_is_kept_at_googles_side_may_hold_tools():
    assert parse(cachedContent="cachedContents/a").provider_tools == ("cached_content",)


@pytest.mark.parametrize(
    ("last", "fresh"),
    [
        (USER, True),
        ({"parts": [{"text": "Hi"}]}, True),
        ({"role": "user"}, True),
        ({"role": "model", "parts": [{"text": "Hi"}]}, False),
        ({"role": "user", "parts": [{"functionResponse": {"name": "f"}}]}, False),
        ({"role": "user", "parts": [{"text": "a"}, {"function_response": {}}]}, False),
        ({"role": "function", "parts": []}, False),
    ],
)
def test_only_a_last_message_of_the_user_begins_a_turn(last, fresh):
    assert parse(contents=[USER, last]).user_message is fresh


def test_media_is_not_counted_by_its_bytes():
    def tokens(part):
        return parse(contents=[{"parts": [part]}]).input_tokens

    data = "A" * 60_000
    assert tokens({"inlineData": {"mimeType": "image/png", "data": data}}) < 2_100
    assert tokens({"inline_data": {"mime_type": "audio/mp3", "data": data}}) < 1_000
    assert 10_000 <= tokens({"inlineData": {"mimeType": "application/pdf", "data": data}}) < 11_000
    assert tokens({"fileData": {"fileUri": "https://x"}}) >= 10_000
    assert tokens({"text": data}) >= 20_000


def test_all_that_the_model_reads_is_counted():
    plain = parse().input_tokens
    for members in (
        {"systemInstruction": {"parts": [{"text": "x" * 300}]}},
        {"tools": [{"functionDeclarations": [{"name": "a", "description": "x" * 300}]}]},
        {"generationConfig": {"responseSchema": {"description": "x" * 300}}},
        {"generationConfig": {"responseJsonSchema": {"description": "x" * 300}}},
    ):
        assert parse(**members).input_tokens >= plain + 100


def test_a_limit_is_lowered_or_set_but_never_raised():
    assert sent(parse(), output_limit=7) == {
        **QUESTION,
        "generationConfig": {"maxOutputTokens": 7},
    }
    low = parse(generationConfig={"maxOutputTokens": 5, "topK": 1})
    assert sent(low, output_limit=7) is None
    high = parse(generation_config={"max_output_tokens": 90, "topK": 1})
    assert sent(high, output_limit=7) == {
        **QUESTION,
        "generation_config": {"max_output_tokens": 7, "topK": 1},
    }
    several = parse(generationConfig={"candidateCount": 3})
    assert sent(several, output_limit=1)["generationConfig"]["maxOutputTokens"] == 1
    assert several.document["generationConfig"] == {"candidateCount": 3}


@pytest.mark.parametrize(
    "document",
    [
        QUESTION,
        {"generateContentRequest": {**QUESTION, "model": f"models/{MODEL}", "tools": [WEATHER]}},
        {"generate_content_request": QUESTION, "model": MODEL},
    ],
)
def test_counting_costs_nothing(document):
    request = parse(document, Family.GEMINI_COUNT_TOKENS)
    assert (request.model, request.input_tokens, request.output_limit) == (MODEL, 0, 0)
    assert request.document == document
    assert prepare(request, output_limit=1) is None
    tally = read_answer(request, b'{"totalTokens": 5}')
    assert (tally.usage, tally.complete) == (TokenUsage(0, 0), True)


def test_what_is_counted_is_decided_on():
    whole = {"generateContentRequest": {**QUESTION, "tools": [{"googleSearch": {}}]}}
    assert parse(whole, Family.GEMINI_COUNT_TOKENS).provider_tools == ("google_search",)
    for document in (
        {**QUESTION, "generateContentRequest": QUESTION},
        {"generateContentRequest": "x"},
        {"generateContentRequest": {**QUESTION, "model": "models/other"}},
        {"generateContentRequest": QUESTION, "model": "models/other"},
    ):
        with pytest.raises(Malformed):
            parse(document, Family.GEMINI_COUNT_TOKENS)


names = st.sampled_from(["googleSearch", "GOOGLE_SEARCH", "function_declarations", "x", "Tools"])


@given(st.lists(st.dictionaries(names | st.text(max_size=5), st.just([]), max_size=3), max_size=3))
def test_no_tool_goes_unseen(tools):
    try:
        request = parse(tools=tools)
    except Malformed:
        return
    seen = {kind.replace("_", "") for kind in (*request.provider_tools, "functiondeclarations")}
    assert {key.lower().replace("_", "") for tool in tools for key in tool} <= seen

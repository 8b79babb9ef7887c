"""OpenAI's chat as others speak it."""

import json

import pytest

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

USER = {"role": "user", "content": "Hi"}
QUESTION = {"model": "gpt-4o-mini", "messages": [USER]}
OTHERS = [Family.COMPATIBLE_CHAT, Family.OPENROUTER_CHAT, Family.MISTRAL_CHAT]
TELLING = {Family.OPENROUTER_CHAT: "openrouter.sse", Family.MISTRAL_CHAT: "mistral.sse"}


def sent(request, **wanted):
    body = prepare(request, **wanted)
    return None if body is None else json.loads(body)


def other(family, url="", **members):
    return parse_request(family, json.dumps({**QUESTION, **members}).encode(), "POST", url)


@pytest.mark.parametrize("family", OTHERS)
def test_others_are_given_the_limit_that_they_obey(family):
    assert sent(other(family), output_limit=7)["max_tokens"] == 7
    both = sent(other(family, max_completion_tokens=5), output_limit=7)
    assert (both["max_tokens"], both["max_completion_tokens"]) == (5, 5)
    assert sent(other(family, max_tokens=5), output_limit=7) is None


@pytest.mark.parametrize(("family", "name"), TELLING.items())
def test_who_tells_the_usage_unasked_is_not_asked_and_nothing_is_hidden(wire, family, name):
    request = other(family, stream=True)
    assert sent(request) is None
    assert sent(request, stream=False) == {**QUESTION, "stream": False}
    metered = meter(request)
    assert metered.feed(wire(name)) == wire(name)
    tally = metered.tally()
    assert (tally.usage.output, tally.complete) == (19, True)
    assert tally.text >= len("It is wet")


def test_a_compatible_host_is_asked_for_its_usage():
    request = other(Family.COMPATIBLE_CHAT, stream=True)
    assert sent(request)["stream_options"] == {"include_usage": True}
    assert not request.wants_usage


@pytest.mark.parametrize("family", [*OTHERS, Family.OPENAI_CHAT])
def test_a_reframed_answer_tells_its_usage_where_the_host_does(wire, family):
    request = other(family, stream=True)
    stream = reframe(request, wire("chat_text.json"))
    metered = meter(request)
    assert metered.feed(stream) == stream
    told = metered.tally()
    assert told.complete
    assert (told.usage is not None) is (family in TELLING)
    assert (b'"choices":[],' in stream) is (family is Family.OPENROUTER_CHAT)


@pytest.mark.parametrize("named", [{}, {"model": None}, {"model": "gpt-4o"}])
def test_the_model_of_the_url_is_the_one_that_answers(named):
    body = json.dumps({"messages": [USER], **named}).encode()
    assert parse_request(Family.OPENAI_CHAT, body, "POST", "my-deployment").model == "my-deployment"
    with pytest.raises(Malformed, match="'model'"):
        other(Family.OPENAI_CHAT, "my-deployment", model="gpt 4")


@pytest.mark.parametrize(
    "told",
    [
        {"usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}},
        {
            "x_groq": {
                "usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}
            }
        },
    ],
)
def test_the_usage_is_found_where_others_have_it(told):
    assert read_answer(
        other(Family.COMPATIBLE_CHAT), json.dumps(told).encode()
    ).usage == TokenUsage(9, 3, 4)


def test_words_and_arguments_that_are_no_strings_are_counted():
    call = {"function": {"name": "f", "arguments": {"city": "Berlin"}}}
    message = {"content": [{"type": "text", "text": "x" * 90}], "tool_calls": [call]}
    tally = read_answer(
        other(Family.COMPATIBLE_CHAT), json.dumps({"choices": [{"message": message}]}).encode()
    )
    assert tally.text >= 90 + len("fcityBerlin")

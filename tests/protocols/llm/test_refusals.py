import json

import anthropic
import openai
import pytest

from amaze_proxy.protocols.llm.refusals import (
    error_body,
    error_headers,
    stream_error,
)
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.refusal import Refusal

REFUSAL = Refusal(
    "budget_exceeded", "No tokens left — wait.", "d-1", {"left": 0, "limit": "tokens"}
)
JSON = "application/json"
SSE = "text/event-stream"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("family", [None, *Family])
@pytest.mark.parametrize("provider", [None, "openai", "anthropic", "mistral", "ollama", "cohere"])
def test_every_body_has_the_reason_at_its_top(family, provider):
    body = json.loads(error_body(family, provider, REFUSAL))
    assert (body["reason"], body["decision_id"]) == ("budget_exceeded", "d-1")
    error = body["error"]
    assert REFUSAL.message == (error if isinstance(error, str) else error["message"])


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_openai_reads_it_and_does_not_retry(openai_client, transport, status):
    family = Family.OPENAI_CHAT
    http = transport(
        error_body(family, "openai", REFUSAL),
        JSON,
        status,
        error_headers(family, "openai", REFUSAL),
    )
    with pytest.raises(openai.APIStatusError) as raised:
        openai.OpenAI(api_key="k", http_client=http).chat.completions.create(**CHAT)
    error = raised.value
    assert (error.code, error.type, error.request_id) == ("budget_exceeded", "amaze_denied", "d-1")
    assert error.status_code == status
    assert error.body["details"] == {"left": 0, "limit": "tokens"}
    assert REFUSAL.message in str(error)
    assert len(http.asked) == 1


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_anthropic_reads_it_and_does_not_retry(transport, status):
    family = Family.ANTHROPIC_MESSAGES
    http = transport(
        error_body(family, None, REFUSAL), JSON, status, error_headers(family, None, REFUSAL)
    )
    with pytest.raises(anthropic.APIStatusError) as raised:
        anthropic.Anthropic(api_key="k", http_client=http).messages.create(**CHAT, max_tokens=1)
    error = raised.value
    assert (error.type, error.request_id) == ("permission_error", "d-1")
    assert error.error_code == "budget_exceeded"
    assert error.api_message == REFUSAL.message
    assert error.body["reason"] == "budget_exceeded"
    assert error.body["error"]["details"]["left"] == 0
    assert len(http.asked) == 1


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("malformed-request", "invalid_request_error"),
        ("invalid-bearer", "authentication_error"),
        ("request-too-large", "request_too_large"),
        ("redis-unavailable", "api_error"),
        ("llm-not-allowed", "permission_error"),
    ],
)
def test_anthropic_has_its_own_types(reason, kind):
    refusal = Refusal(reason, "no", "d", {})
    body = json.loads(error_body(None, "anthropic", refusal))
    assert body["error"]["type"] == kind


def test_both_sdks_read_the_universal_body(openai_client, anthropic_client):
    told = (error_body(None, "cohere", REFUSAL), JSON, 403, error_headers(None, None, REFUSAL))
    with pytest.raises(openai.PermissionDeniedError) as of_openai:
        openai_client(*told).chat.completions.create(**CHAT)
    assert of_openai.value.code == "budget_exceeded"
    with pytest.raises(anthropic.PermissionDeniedError) as of_anthropic:
        anthropic_client(*told).messages.create(**CHAT, max_tokens=1)
    assert of_anthropic.value.type == "permission_error"
    assert of_anthropic.value.request_id == "d-1"
    body = json.loads(told[0])
    assert body["message"] == REFUSAL.message
    assert body["error"]["status"] == "PERMISSION_DENIED"
    assert (b"x-amzn-errortype", b"AccessDeniedException") in told[3]


def test_an_id_cannot_break_out_of_its_header():
    refusal = Refusal("r", "m", "d\r\nset-cookie: a", {})
    for family in (*Family, None):
        assert all(b"\r" not in v and b"\n" not in v for _, v in error_headers(family, "", refusal))


@pytest.mark.parametrize(
    "family", [Family.COMPATIBLE_CHAT, Family.OPENROUTER_CHAT, Family.MISTRAL_CHAT]
)
def test_openai_reads_what_others_say(openai_client, wire, family):
    told = (error_body(family, None, REFUSAL), JSON, 403, error_headers(family, None, REFUSAL))
    with pytest.raises(openai.PermissionDeniedError, match="No tokens left") as raised:
        openai_client(*told).chat.completions.create(**CHAT)
    assert (raised.value.code, raised.value.request_id) == ("budget_exceeded", "d-1")
    begun = wire("chat_text.sse").split(b"data: [DONE]")[0]
    client = openai_client(begun + stream_error(family, REFUSAL), SSE)
    with pytest.raises(openai.APIError, match="No tokens left") as in_stream:
        list(client.chat.completions.create(**CHAT, stream=True))
    assert in_stream.value.code == "budget_exceeded"


@pytest.mark.parametrize("provider", ["azure", "groq", "deepseek", "together", "openrouter", "xai"])
def test_who_speaks_openai_refuses_like_it(provider):
    assert error_body(None, provider, REFUSAL) == error_body(None, "openai", REFUSAL)


@pytest.mark.parametrize(
    ("reason", "code", "status"),
    [
        ("llm-not-allowed", 403, "PERMISSION_DENIED"),
        ("malformed-request", 400, "INVALID_ARGUMENT"),
        ("edge_loop_exceeded", 429, "RESOURCE_EXHAUSTED"),
        ("redis-unavailable", 503, "UNAVAILABLE"),
    ],
)
def test_google_has_its_own_codes(reason, code, status):
    refusal = Refusal(reason, "no", "d-1", {"left": 0, "name": "x"})
    error = json.loads(error_body(Family.GEMINI_STREAM, "google", refusal))["error"]
    assert (error["code"], error["status"], error["message"]) == (code, status, "no")
    [info] = error["details"]
    assert info["reason"] == reason.upper().replace("-", "_")
    assert info["metadata"] == {"left": "0", "name": "x", "reason": reason, "decision_id": "d-1"}


def test_mistral_and_ollama_have_their_own_shapes():
    mistral = json.loads(error_body(Family.MISTRAL_EMBEDDINGS, "mistral", REFUSAL))
    assert (mistral["object"], mistral["code"]) == ("error", "budget_exceeded")
    assert mistral["message"] == REFUSAL.message
    ollama = json.loads(error_body(Family.OLLAMA_TAGS, None, REFUSAL))
    assert (ollama["error"], ollama["details"]["left"]) == (REFUSAL.message, 0)


def test_a_gemini_stream_gets_googles_error(wire):
    stream = wire("gemini.sse") + stream_error(Family.GEMINI_STREAM, REFUSAL)
    told = json.loads(stream.split(b"data: ")[-1])
    assert told["error"]["status"] == "PERMISSION_DENIED"
    assert stream.endswith(b"}\n\n")


@pytest.mark.parametrize("begun", [b"", b'[{"candidates":[]}'])
def test_an_array_stays_one_with_the_error_in_it(begun):
    told = stream_error(Family.GEMINI_STREAM_ARRAY, REFUSAL, begun=bool(begun))
    assert json.loads(begun + told)[-1]["error"]["message"] == REFUSAL.message


def test_a_line_of_ollama_has_the_error(wire):
    stream = wire("ollama_chat.ndjson") + stream_error(Family.OLLAMA_CHAT, REFUSAL)
    assert json.loads(stream.splitlines()[-1])["error"] == REFUSAL.message


def test_a_chat_stream_raises_it(openai_client, wire):
    begun = wire("chat_text.sse").split(b"data: [DONE]")[0]
    stream = begun + stream_error(Family.OPENAI_CHAT, REFUSAL)
    events = openai_client(stream, SSE).chat.completions.create(**CHAT, stream=True)
    with pytest.raises(openai.APIError, match="No tokens left") as raised:
        list(events)
    assert raised.value.code == "budget_exceeded"


def test_a_responses_stream_raises_it(openai_client, wire):
    begun = wire("responses.sse").split(b"event: response.completed")[0]
    stream = begun + stream_error(Family.OPENAI_RESPONSES, REFUSAL)
    client = openai_client(stream, SSE)
    with pytest.raises(openai.APIError, match="No tokens left") as raised:
        list(client.responses.create(model="m", input="Hi", stream=True))
    assert raised.value.code == "budget_exceeded"


def test_an_anthropic_stream_raises_it(anthropic_client, wire):
    begun = wire("anthropic.sse").split(b"event: message_delta")[0]
    stream = begun + stream_error(Family.ANTHROPIC_MESSAGES, REFUSAL)
    events = anthropic_client(stream, SSE).messages.create(**CHAT, max_tokens=1, stream=True)
    with pytest.raises(anthropic.APIStatusError) as raised:
        list(events)
    assert raised.value.body["reason"] == "budget_exceeded"


def test_an_unknown_stream_gets_the_universal_error():
    told = stream_error(None, REFUSAL)
    assert told.startswith(b"data: {")
    assert json.loads(told[6:])["reason"] == "budget_exceeded"

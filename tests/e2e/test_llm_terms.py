"""On which terms a model is called, in each dialect: budgets by the answer's own count, tools that
run at the provider's side, and calls that nobody understands."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.e2e.dialects import gemini_request
from tests.e2e.platform import OPENAI, Platform, chat, reason_of
from tests.e2e.provider import BIG, LLM_HOSTS, Provider

Body = dict[str, Any]

ALL = [
    "openai",
    "anthropic",
    "google",
    "azure",
    "mistral",
    "groq",
    "deepseek",
    "together",
    "openrouter",
    "xai",
    "ollama",
]
GOOGLE = "https://generativelanguage.googleapis.com"
GEMINI = f"{GOOGLE}/v1beta/models/gemini-2.5-flash:generateContent"
RESPONSES = "https://api.openai.com/v1/responses"
ANTHROPIC = "https://api.anthropic.com/v1/messages"
OPENROUTER = "https://openrouter.ai/api/v1/chat/completions"
GROQ = "https://api.groq.com/openai/v1/chat/completions"
AZURE = "https://unit.openai.azure.com/openai/deployments/mini/chat/completions?api-version=1"
OLLAMA = "https://ollama.com/api/chat"


def claude(text: str = "hi", **fields: Any) -> Body:
    return chat(text, model="claude-haiku-4-5", max_tokens=50, **fields)


def said(answer: httpx.Response) -> str:
    """What the provider's own client shows of an error."""
    error = answer.json()["error"]
    return str(error if isinstance(error, str) else error["message"])


# -- budgets ----------------------------------------------------------------------------------

ASKED = {"role": "user", "content": "go on"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
GEMINI_RESULT = {"functionResponse": {"name": "f", "response": {"ok": True}}}
# url: (a message that costs much, the tool's result that follows it, the user's next message)
DIALOGUES: dict[str, tuple[str, Body, Body, Body]] = {
    "openai": (
        OPENAI,
        chat("big"),
        chat("hi", messages=[ASKED, CALLED, {"role": "tool", "tool_call_id": "c1", "content": ""}]),
        chat("thanks"),
    ),
    "responses": (
        RESPONSES,
        {"model": "gpt-4.1-mini", "input": "big"},
        {
            "model": "gpt-4.1-mini",
            "input": [{"type": "function_call_output", "call_id": "c1", "output": "1"}],
        },
        {"model": "gpt-4.1-mini", "input": "thanks"},
    ),
    "anthropic": (
        ANTHROPIC,
        claude("big"),
        claude(
            messages=[
                ASKED,
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
            ]
        ),
        claude("thanks"),
    ),
    "gemini": (
        GEMINI,
        gemini_request("big"),
        {"contents": [{"role": "user", "parts": [GEMINI_RESULT]}]},
        gemini_request("thanks"),
    ),
    "ollama": (
        OLLAMA,
        chat("big"),
        chat(messages=[ASKED, CALLED, {"role": "tool", "tool_name": "f", "content": ""}]),
        chat("thanks"),
    ),
}


@pytest.mark.parametrize("dialect", DIALOGUES)
def test_a_turn_ends_its_budget_by_what_the_answer_says_it_used(
    platform: Platform, provider: Provider, dialect: str
) -> None:
    """A tool's result goes on in the turn, the user's next message begins another."""
    url, message, result, following = DIALOGUES[dialect]
    policy = {"name": "p", "allowed_llm_providers": ALL, "max_tokens_per_turn": 600}
    agent = platform.agent({**policy, "unknown_price": "allow"})
    with platform.client(agent) as client:
        answers = [client.post(url, json=body) for body in (message, result, following)]
    assert [answer.status_code for answer in answers] == [200, 403, 200], answers[2].text
    assert reason_of(answers[1]) == "budget_exceeded"
    assert f"{sum(BIG)} of 600 used" in said(answers[1])
    first, refused, last = platform.audited(agent, 3)
    assert (first["tokens_in"], first["tokens_out"]) == BIG
    assert refused["turn_id"] == first["turn_id"] != last["turn_id"]
    assert len(provider.seen) == 2


@pytest.mark.parametrize("limit", ["token_rate_limits", "cost_rate_limits"])
@pytest.mark.parametrize(
    "url", [GEMINI, GEMINI.replace(":generate", ":streamGenerate") + "?alt=sse"]
)
def test_a_window_counts_what_geminis_answers_say(platform: Platform, url: str, limit: str) -> None:
    windows = {
        "token_rate_limits": [{"window": "1h", "max_tokens": 600}],
        "cost_rate_limits": [{"window": "1h", "max_usd": "0.001"}],
    }
    agent = platform.agent(
        {"name": "p", "allowed_llm_providers": ["google"], limit: windows[limit]}
    )
    small = {"generationConfig": {"maxOutputTokens": 20}}
    with platform.client(agent) as client:
        answers = [client.post(url, json=gemini_request("big", **small)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert reason_of(answers[1]) == "rate-limit-exceeded"
    assert answers[1].json()["error"]["status"] == "PERMISSION_DENIED"


def test_a_model_without_a_price_passes_only_where_the_policy_lets_it(platform: Platform) -> None:
    policy = {"name": "p", "allowed_llm_providers": ["ollama"]}
    agent = platform.agent({**policy, "unknown_price": "deny"})
    body = chat(model="my-own-model", stream=False)
    with platform.client(agent) as client:
        denied = client.post(OLLAMA, json=body)
        platform.put_policy(agent, {**policy, "unknown_price": "worst_case"})
        paid = client.post(OLLAMA, json=body)
        platform.put_policy(agent, {**policy, "unknown_price": "allow"})
        free = client.post(OLLAMA, json=body)
    assert (denied.status_code, paid.status_code, free.status_code) == (403, 200, 200)
    assert reason_of(denied) == "llm-not-allowed"
    assert "price of model 'ollama/my-own-model' is not known" in said(denied)
    costs = [record["cost_microusd"] for record in platform.audited(agent, 3)]
    assert (costs[0], costs[2]) == (0, 0)
    assert costs[1] > 0


# -- tools at the provider's side -------------------------------------------------------------


def responses(**tool: Any) -> Body:
    return {"model": "gpt-4.1-mini", "input": "hi", "tools": [tool]}


REMOTE = {"server_label": "x", "server_url": "https://evil.example/mcp"}
REACHES: list[tuple[str, str, Body]] = [
    ("mcp", RESPONSES, responses(type="mcp", **REMOTE)),
    ("web_search", RESPONSES, responses(type="web_search")),
    ("code_interpreter", RESPONSES, responses(type="code_interpreter", container={"type": "auto"})),
    ("web_search", OPENAI, chat(web_search_options={})),
    ("web_search", OPENAI, chat(model="gpt-4o-search-preview")),
    ("mcp", OPENAI, chat(tools=[{"type": "mcp", **REMOTE}])),
    (
        "mcp",
        ANTHROPIC,
        claude(mcp_servers=[{"type": "url", "url": "https://evil.example/mcp", "name": "x"}]),
    ),
    (
        "web_search_20250305",
        ANTHROPIC,
        claude(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    ),
    (
        "code_execution_20250825",
        ANTHROPIC,
        claude(tools=[{"type": "code_execution_20250825", "name": "code_execution"}]),
    ),
    ("google_search", GEMINI, gemini_request(tools=[{"googleSearch": {}}])),
    ("google_search", GEMINI, gemini_request(tools=[{"google_search": {}}])),
    ("code_execution", GEMINI, gemini_request(tools=[{"codeExecution": {}}])),
    ("url_context", GEMINI, gemini_request(tools=[{"urlContext": {}}])),
    ("web_search", OPENROUTER, chat(model="openai/gpt-4.1-mini:online")),
    ("web_search", OPENROUTER, chat(plugins=[{"id": "web"}])),
    ("compound", GROQ, chat(model="compound-beta")),
    ("data_sources", AZURE, chat(data_sources=[{"type": "azure_search"}])),
    ("web_search", "https://api.x.ai/v1/chat/completions", chat(search_parameters={"mode": "on"})),
]


@pytest.mark.parametrize(
    ("tool", "url", "body"), REACHES, ids=[f"{tool}-{url[8:25]}" for tool, url, _ in REACHES]
)
def test_a_tool_at_the_providers_side_needs_to_be_named(
    platform: Platform, provider: Provider, tool: str, url: str, body: Body
) -> None:
    policy = {"name": "p", "allowed_llm_providers": ALL}
    agent = platform.agent(policy)
    with platform.client(agent) as client:
        refused = client.post(url, json=body)
        assert provider.seen == []
        platform.put_policy(agent, {**policy, "allowed_provider_tools": [tool]})
        passed = client.post(url, json=body)
    assert (refused.status_code, reason_of(refused)) == (403, "tool-not-allowed")
    assert f"tool '{tool}', which runs at provider" in said(refused)
    assert passed.status_code == 200, passed.text
    assert len(provider.seen) == 1
    records = platform.audited(agent, 2)
    assert [record["denied"] for record in records] == [True, False]


# -- what nobody understands ------------------------------------------------------------------

UNKNOWN = [
    ("POST", "https://api.openai.com/v1/files"),
    ("POST", "https://api.openai.com/v1/batches"),
    ("POST", "https://api.openai.com/v1/audio/speech"),
    ("POST", "https://api.openai.com/v1/chat/completions/"),
    ("POST", "https://api.openai.com/v1//chat/completions"),
    ("POST", "https://api.openai.com/v1/chat/completions?x=1"),
    ("POST", "https://api.openai.com/v1/chat%2Fcompletions"),
    ("DELETE", "https://api.openai.com/v1/models/ft:gpt-4.1-mini"),
    ("POST", "https://api.openai.com:8443/v1/chat/completions"),
    ("POST", "https://api.anthropic.com/v1/messages/batches"),
    ("POST", f"{GOOGLE}/v1beta/interactions"),
    ("POST", f"{GOOGLE}/upload/v1beta/files"),
    ("POST", f"{GOOGLE}/v1beta/models/gemini-2.5-flash:predict"),
    ("POST", f"{GEMINI}?fields=candidates"),
    ("POST", f"{GEMINI}?alt=proto"),
    ("POST", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints"),
    ("POST", "https://unit.openai.azure.com/openai/deployments/mini/chat/completions"),
    (
        "POST",
        "https://unit.openai.azure.com/openai/deployments/mini/images/generations?api-version=1",
    ),
    ("POST", "https://api.mistral.ai/v1/agents/completions"),
    ("POST", "https://api.groq.com/openai/v1/audio/transcriptions"),
    ("POST", "https://api.deepseek.com/beta/completions"),
    ("POST", "https://api.together.xyz/v1/images/generations"),
    ("POST", "https://openrouter.ai/api/v1/keys"),
    ("POST", "https://api.x.ai/v1/images/generations"),
    ("POST", "https://api.x.ai/xai_api.Chat/GetCompletion"),
    ("POST", "https://ollama.com/api/pull"),
    ("DELETE", "https://ollama.com/api/delete"),
    ("POST", "https://api.cohere.com/v2/chat"),
    ("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse"),
]


def test_what_is_not_understood_is_refused_also_where_the_host_is_allowed(
    platform: Platform, provider: Provider
) -> None:
    """The host's name in `allowed_hosts` does not open a way round."""
    agent = platform.agent(
        {
            "name": "p",
            "allowed_llm_providers": [*ALL, "cohere", "bedrock"],
            "allowed_hosts": [*LLM_HOSTS, "api.cohere.com", "*.amazonaws.com"],
        }
    )
    with platform.client(agent) as client:
        for method, url in UNKNOWN:
            answer = client.request(method, url, content=json.dumps(chat()))
            assert (answer.status_code, reason_of(answer)) == (403, "llm-not-allowed"), url
            assert "understand" in said(answer), url
    assert provider.seen == []
    records = platform.audited(agent, len(UNKNOWN))
    assert {record["denial_reason"] for record in records} == {"llm-not-allowed"}


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (AZURE, chat(model="forbidden")),
        (GEMINI, gemini_request(model="models/gemini-2.5-flash")),
    ],
)
def test_the_model_of_the_url_is_the_one_that_is_decided_on(
    platform: Platform, url: str, body: Body
) -> None:
    models = ["azure/mini", "google/gemini-2.5-flash"]
    policy = {"name": "p", "allowed_llm_providers": ALL}
    agent = platform.agent({**policy, "allowed_models": models})
    with platform.client(agent) as client:
        passed = client.post(url, json=body)
        platform.put_policy(agent, {**policy, "allowed_models": ["*/forbidden"]})
        refused = client.post(url, json=body)
    assert passed.status_code == 200, passed.text
    assert (refused.status_code, reason_of(refused)) == (403, "llm-not-allowed")
    assert {r["model"] for r in platform.audited(agent, 2)} <= {"mini", "gemini-2.5-flash"}


def test_a_body_that_names_another_model_than_the_url_is_refused(
    platform: Platform, provider: Provider
) -> None:
    agent = platform.agent({"name": "p", "allowed_llm_providers": ["google"]})
    with platform.client(agent) as client:
        answer = client.post(GEMINI, json=gemini_request(model="models/gemini-2.5-pro"))
    assert (answer.status_code, reason_of(answer)) == (400, "malformed-request")
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert provider.seen == []

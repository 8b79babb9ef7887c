"""LLM hosts beside OpenAI and Anthropic, built in and registered: by their own SDKs where there is
one, in their own words where there is none."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients.run import Running, command, parse, start_server
from tests.e2e.dialects import TEXT, gemini_request
from tests.e2e.platform import Agent, Platform, chat, reason_of
from tests.e2e.provider import OUTPUT_TOKENS, PROMPT_TOKENS, Provider

Register = Callable[[str, str], str]

USED = (PROMPT_TOKENS, OUTPUT_TOKENS, False)
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/models"
GEMINI = f"{GOOGLE}/gemini-2.5-flash:generateContent"
GEMINI_EVENTS = f"{GOOGLE}/gemini-2.5-flash:streamGenerateContent?alt=sse"
GEMINI_ARRAY = f"{GOOGLE}/gemini-2.5-flash:streamGenerateContent"

# provider: (SDK options, a model that is allowed)
SDK_HOSTS: dict[str, tuple[dict[str, str], str]] = {
    "azure": (
        {"azure_endpoint": "https://unit.openai.azure.com", "api_version": "2024-10-21"},
        "gpt-4.1-mini",
    ),
    "mistral": ({"base_url": "https://api.mistral.ai/v1"}, "mistral-small-latest"),
    "groq": ({"base_url": "https://api.groq.com/openai/v1"}, "llama-3.3-70b-versatile"),
    "deepseek": ({"base_url": "https://api.deepseek.com"}, "deepseek-chat"),
    "together": (
        {"base_url": "https://api.together.xyz/v1"},
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    ),
    "openrouter": ({"base_url": "https://openrouter.ai/api/v1"}, "openai/gpt-4.1-mini"),
    "xai": ({"base_url": "https://api.x.ai/v1"}, "grok-4"),
}
SDK_SCRIPT = """
import json, openai, sys
out = {}
for name, (options, model) in json.loads(sys.argv[1]).items():
    make = openai.AzureOpenAI if "azure_endpoint" in options else openai.OpenAI
    client = make(api_key="sk-test-of-the-agent", **options)
    def ask(model, **more):
        said = [{"role": "user", "content": "hi"}]
        return client.chat.completions.create(model=model, messages=said, **more)
    whole = ask(model, max_tokens=50).choices[0].message.content
    with ask(model, stream=True) as stream:
        parts = [c.choices[0].delta.content or "" for c in stream if c.choices]
    try:
        ask("forbidden")
        refused = None
    except openai.APIError as error:
        refused = [type(error).__name__, error.code, str(error)]
    out[name] = {"whole": whole, "parts": parts, "refused": refused}
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def by_sdk(_platform: Platform) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the OpenAI SDK got from each host, and the records of it."""
    models = [f"{provider}/{model}" for provider, (_, model) in SDK_HOSTS.items()]
    policy = {"name": "p", "allowed_llm_providers": list(SDK_HOSTS), "allowed_models": models}
    agent = _platform.agent(policy)
    done = _platform.run(agent, sys.executable, "-c", SDK_SCRIPT, json.dumps(SDK_HOSTS))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), _platform.audited(agent, 3 * len(SDK_HOSTS))


@pytest.mark.parametrize("name", SDK_HOSTS)
def test_the_openai_sdk_at_hosts_of_other_makes(
    name: str, by_sdk: tuple[dict[str, Any], list[dict[str, Any]]]
) -> None:
    answers, records = by_sdk
    found, (options, model) = answers[name], SDK_HOSTS[name]
    assert found["whole"] == TEXT
    assert "".join(found["parts"]) == TEXT
    kind, code, text = found["refused"]
    assert (kind, code) == ("PermissionDeniedError", "llm-not-allowed")
    assert f"{name}/forbidden" in text
    assert "allowed_models of policy 'p'" in text
    host = (options.get("base_url") or options["azure_endpoint"]).split("/")[2]
    whole, streamed, refused = (r for r in records if r["target"] == host)
    for record in (whole, streamed):
        assert (record["kind"], record["model"], record["denied"]) == ("llm", model, False)
        assert (record["tokens_in"], record["tokens_out"], record["estimated"]) == USED
        assert record["cost_microusd"] > 0
    assert (refused["denied"], refused["model"]) == (True, "forbidden")


# -- Gemini -----------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["genai", "genai-stream"])
def test_the_google_sdk_passes_or_reads_why_not(platform: Platform, client: str) -> None:
    policy = {
        "name": "p",
        "allowed_llm_providers": ["google"],
        "allowed_models": ["google/gemini-2.5-flash*"],
    }
    agent = platform.agent(policy)
    calls = [
        {"message": "hi"},
        {"message": "hi", "arguments": {"model": "gemini-2.5-pro"}},
        {"message": "hi", "arguments": {"model": "gemini-2.5-flash-lite"}},
    ]
    done = platform.run(agent, *command(client, {"url": "", "calls": calls}))
    assert done.returncode == 0, done.stderr
    first, refused, last = parse(done.stdout)["results"]
    assert first["text"] == last["text"] == TEXT
    assert (refused["error"], refused["code"]) == ("ClientError", 403)
    assert "google/gemini-2.5-pro" in refused["text"]
    assert "llm-not-allowed" in refused["text"]
    records = platform.audited(agent, 3)
    assert [r["denied"] for r in records] == [False, True, False]
    assert [r["model"] for r in records][:2] == ["gemini-2.5-flash", "gemini-2.5-pro"]
    for record in (records[0], records[2]):
        assert (record["tokens_in"], record["tokens_out"], record["estimated"]) == USED
        assert record["cost_microusd"] > 0


def texts(answer: httpx.Response) -> list[str]:
    """The texts of Gemini's elements: of a whole answer, of events, or of an array."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        elements = [json.loads(line) for line in lines]
    else:
        elements = answer.json() if isinstance(answer.json(), list) else [answer.json()]
    return [e["candidates"][0]["content"]["parts"][0]["text"] for e in elements]


@pytest.mark.parametrize("streaming", ["passthrough", "block"])
@pytest.mark.parametrize("url", [GEMINI, GEMINI_EVENTS, GEMINI_ARRAY])
def test_gemini_in_each_of_its_forms(
    platform: Platform, provider: Provider, url: str, streaming: str
) -> None:
    policy = {"name": "p", "allowed_llm_providers": ["google"], "streaming": streaming}
    agent = platform.agent(policy)
    with platform.client(agent) as client:
        answer = client.post(url, json=gemini_request())
    assert "".join(texts(answer)) == TEXT
    whole = streaming == "block" or url == GEMINI
    assert len(texts(answer)) == (1 if whole else 5)
    assert isinstance(answer.json(), list) if url == GEMINI_ARRAY else True
    asked = "generateContent" if whole else url.rpartition(":")[2]
    assert provider.seen[0].target.rpartition(":")[2] == asked
    (record,) = platform.audited(agent, 1)
    assert (record["tokens_in"], record["tokens_out"], record["estimated"]) == USED


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/acme/locations/us-central1/publishers/google/models/",
        "/v1beta1/publishers/google/models/",
    ],
)
def test_vertex_is_google(platform: Platform, path: str) -> None:
    policy = {"name": "p", "allowed_llm_providers": ["google"]}
    agent = platform.agent(policy)
    url = f"https://us-central1-aiplatform.googleapis.com{path}gemini-2.5-flash:generateContent"
    with platform.client(agent) as client:
        answer = client.post(
            url, json=gemini_request(), headers={"authorization": "Bearer ya29.token"}
        )
    assert texts(answer) == [TEXT]
    (record,) = platform.audited(agent, 1)
    assert (record["model"], record["tokens_out"]) == ("gemini-2.5-flash", OUTPUT_TOKENS)


KEY = "0123456789abcdef-secret-of-the-agent"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"{GEMINI}?key={KEY}", 200),
        (f"{GEMINI_ARRAY}?key={KEY}", 200),
        (f"{GEMINI_EVENTS}&key={KEY}", 200),
        (f"{GOOGLE}/gemini-2.5-pro:generateContent?key={KEY}", 403),
        (f"{GOOGLE}/gemini-2.5-flash:unknown?key={KEY}", 403),
        (f"https://allowed.example/search?key={KEY}", 200),
        (f"https://other.example/search?key={KEY}", 403),
    ],
)
def test_a_key_in_the_url_reaches_the_provider_and_no_record(
    platform: Platform, provider: Provider, url: str, status: int
) -> None:
    agent = platform.agent(
        {
            "name": "p",
            "allowed_llm_providers": ["google"],
            "allowed_models": ["google/gemini-2.5-flash"],
            "allowed_hosts": ["allowed.example"],
        }
    )
    with platform.client(agent) as client:
        answer = client.post(url, json=gemini_request())
    assert answer.status_code == status
    (record,) = platform.audited(agent, 1)
    assert KEY not in json.dumps(record)
    assert KEY not in platform.log.read_text()
    assert [KEY in seen.target for seen in provider.seen] == ([True] if status == 200 else [])


# -- registered hosts -------------------------------------------------------------------------


@pytest.fixture
def register(platform: Platform, provider: Provider) -> Iterator[Register]:
    """Adds an LLM host at a base URL, in a dialect; gives its name.

    A worker forgets a deleted one after a moment: tests that call a host by its URL need a base of
    their own.
    """
    made: list[str] = []

    def add(url: str, dialect: str) -> str:
        name = "host-" + secrets.token_hex(4)
        body = {"name": name, "url": url, "dialect": dialect}
        answer = platform.control.post("/llms", json=body)
        assert answer.status_code == 201, answer.text
        made.append(name)
        return name

    yield add
    for name in made:
        platform.control.delete(f"/llms/{name}")


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def said(line: dict[str, Any]) -> str:
    text = line["response"] if "response" in line else line["message"]["content"]
    return str(text)


OLLAMA_CHAT = {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}]}
OLLAMA_CALLS = [
    ("/api/chat", OLLAMA_CHAT),
    ("/api/generate", {"model": "llama3.2", "prompt": "hi"}),
]


@pytest.mark.parametrize("streaming", ["passthrough", "block"])
@pytest.mark.parametrize(("path", "body"), OLLAMA_CALLS)
def test_a_local_ollama_streams_lines(
    platform: Platform,
    provider: Provider,
    register: Register,
    path: str,
    body: dict[str, Any],
    streaming: str,
) -> None:
    name = register(provider.local_url, "ollama")
    policy = {"name": "p", "allowed_llm_providers": [name], "streaming": streaming}
    agent = platform.agent({**policy, "unknown_price": "allow"})
    with platform.client(agent) as client:
        answer = client.post(f"http://{name}{path}", json=body)
        whole = client.post(f"http://{name}{path}", json={**body, "stream": False})
    assert answer.headers["content-type"] == "application/x-ndjson", answer.text
    found = lines(answer)
    assert "".join(map(said, found)) == TEXT
    assert [line["done"] for line in found] == [False] * (len(found) - 1) + [True]
    assert len(found) == (2 if streaming == "block" else 6)
    assert found[-1]["eval_count"] == OUTPUT_TOKENS
    assert said(whole.json()) == TEXT
    sent = [seen.json.get("stream") for seen in provider.seen]
    assert sent == [False if streaming == "block" else None, False]
    for record in platform.audited(agent, 2):
        assert (record["target"], record["model"]) == (name, "llama3.2")
        assert (record["tokens_in"], record["tokens_out"], record["estimated"]) == USED
        assert record["cost_microusd"] == 0  # nobody knows a price, and the policy lets that pass


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("by", ["name", "url"])
def test_a_compatible_host_by_its_name_and_by_its_url(
    platform: Platform, provider: Provider, register: Register, by: str, scheme: str
) -> None:
    """Without a registration its address, which is private, is not dialled."""
    base = f"{provider.plain_url if scheme == 'http' else provider.url}/{secrets.token_hex(4)}"
    url = f"{base}/v1/chat/completions"
    agent = platform.agent({"name": "p", "allowed_hosts": ["127.0.0.1"]})
    with platform.client(agent) as client:
        before = client.post(url, json=chat())
        name = register(base, "openai")
        platform.put_policy(agent, {"name": "p", "allowed_llm_providers": [name]})
        if by == "name":
            url = f"http://{name}/v1/chat/completions"
        whole = client.post(url, json=chat())
        stream = client.post(url, json=chat(stream=True, max_completion_tokens=7))
    assert reason_of(before) == "host-not-allowed"
    assert whole.status_code == 200, whole.text
    assert whole.json()["choices"][0]["message"]["content"] == TEXT
    assert stream.text.endswith("data: [DONE]\n\n")
    assert [seen.path for seen in provider.seen] == [
        urlsplit(base).path + "/v1/chat/completions"
    ] * 2
    assert provider.seen[1].json["stream_options"] == {"include_usage": True}
    for record in platform.audited(agent, 3)[1:]:
        assert (record["kind"], record["target"]) == ("llm", name)
        assert (record["tokens_in"], record["tokens_out"], record["estimated"]) == USED
        assert record["cost_microusd"] > 0  # the worst of all known prices


def test_a_host_that_speaks_anthropics_dialect(platform: Platform, register: Register) -> None:
    name = register(f"{platform.provider.local_url}/claude/v1", "anthropic")
    models = [f"{name}/claude-haiku-*"]
    policy = {"name": "p", "allowed_llm_providers": [name], "allowed_models": models}
    agent = platform.agent({**policy, "streaming": "block"})
    url = f"http://{name}/messages"
    with platform.client(agent) as client:
        whole = client.post(url, json=chat(model="claude-haiku-4-5", max_tokens=50))
        held = client.post(url, json=chat(model="claude-haiku-4-5", max_tokens=50, stream=True))
        refused = client.post(url, json=chat(model="claude-opus-4-1", max_tokens=50))
    assert whole.json()["content"][0]["text"] == TEXT
    assert held.text.rstrip().endswith('data: {"type":"message_stop"}')
    assert [seen.path for seen in platform.provider.seen] == ["/claude/v1/messages"] * 2
    error = refused.json()
    assert (error["type"], error["error"]["type"]) == ("error", "permission_error")
    assert f"{name}/claude-opus-4-1" in error["error"]["message"]
    records = platform.audited(agent, 3)
    assert [r["denied"] for r in records] == [False, False, True]
    assert {(r["tokens_in"], r["tokens_out"], r["estimated"]) for r in records[:2]} == {USED}


@pytest.mark.parametrize("dialect", ["gemini", "mistral"])
def test_the_other_dialects_of_registered_hosts(
    platform: Platform, provider: Provider, register: Register, dialect: str
) -> None:
    name = register(provider.local_url, dialect)
    agent = platform.agent({"name": "p", "allowed_llm_providers": [name]})
    path, body = {
        "gemini": ("/v1beta/models/gemma-3:streamGenerateContent?alt=sse", gemini_request()),
        "mistral": ("/v1/chat/completions", chat(stream=True, model="ministral")),
    }[dialect]
    with platform.client(agent) as client:
        answer = client.post(f"http://{name}{path}", json=body)
    assert answer.status_code == 200, answer.text
    assert "stream_options" not in provider.seen[0].json
    (record,) = platform.audited(agent, 1)
    assert record["model"] == ("gemma-3" if dialect == "gemini" else "ministral")


def test_a_host_that_is_deleted_stops_with_the_next_call(
    platform: Platform, provider: Provider, register: Register
) -> None:
    base = f"{provider.plain_url}/{secrets.token_hex(4)}"
    name = register(base, "openai")
    agent = platform.agent({"name": "p", "allowed_llm_providers": [name]})
    url = f"http://{name}/v1/chat/completions"
    with platform.client(agent) as client:
        assert client.post(url, json=chat()).status_code == 200
        assert platform.control.delete(f"/llms/{name}").status_code == 204
        after = [client.post(url, json=chat()) for _ in range(2)]
        real = client.post(f"{base}/v1/chat/completions", json=chat())
    # a worker that has not heard of it yet still asks the store
    reasons = {"llm-not-allowed", "host-not-allowed"}
    assert {answer.status_code for answer in (*after, real)} == {403}
    assert {reason_of(answer) for answer in (*after, real)} <= reasons
    assert len(provider.seen) == 1


# -- an agent framework without the SDK -------------------------------------------------------


@pytest.fixture(scope="module")
def tool_server() -> Iterator[Running]:
    server = start_server("mcp1")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def scripted_model() -> Iterator[Running]:
    server = start_server("llm")
    yield server
    server.stop()


def test_a_langgraph_agent_runs_in_one_turn_until_its_budget_ends(
    platform: Platform, register: Register, tool_server: Running, scripted_model: Running
) -> None:
    """The model calls after a tool's result belong to the message that began it."""
    model = register(scripted_model.url.replace("127.0.0.1", "localhost"), "openai")
    tools = "tools-" + secrets.token_hex(4)
    platform.control.post("/register?kind=mcp", json={"name": tools, "url": tool_server.url})
    agent = platform.agent(
        {
            "name": "p",
            "allowed_llm_providers": [model],
            "allowed_tools": [f"{tools}/add"],
            "max_tool_calls_per_turn": 2,
        }
    )
    add = {"tool": "add", "arguments": {"a": 1, "b": 2}}
    done = langgraph(platform, agent, f"http://{tools}/mcp", f"http://{model}/v1", [add] * 3)
    assert done.returncode == 0, done.stderr
    found = parse(done.stdout)
    assert found["died"] == ""
    assert [result["ok"] for result in found["results"]] == [True, True, False]
    assert "budget_exceeded" in found["results"][2]["text"]
    assert tool_server.executed == ["add", "add"]
    records = platform.audit(agent.agent_id)
    asked = [record for record in records if record["model"]]
    assert len(asked) == 4
    assert {(r["tokens_in"], r["tokens_out"]) for r in asked} == {USED[:2]}
    turns = {record["turn_id"] for record in records if record["model"] or record["tool"]}
    assert len(turns) == 1


def langgraph(
    platform: Platform, agent: Agent, url: str, model: str, calls: list[dict[str, Any]]
) -> subprocess.CompletedProcess[str]:
    job = command("langchain", {"url": url, "calls": calls})
    return platform.run(agent, *job, OPENAI_BASE_URL=model)

"""The real OpenAI and Anthropic SDKs, with nothing but the environment of `amaze run`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.platform import OPEN_POLICY, Agent, Platform
from tests.e2e.provider import Provider, Seen

OPENAI_SCRIPT = """
import asyncio, json, openai, sys
model, prompt = sys.argv[1:3]
ask = dict(model=model, messages=[{"role": "user", "content": prompt}])
out = {}
def note(name, make):
    try:
        out[name] = make()
    except openai.APIError as error:
        out[name] = [type(error).__name__, getattr(error, "code", None), str(error)]
client = openai.OpenAI(api_key="sk-test-of-the-agent")
note("sync", lambda: client.chat.completions.create(**ask).choices[0].message.content)
def streamed():
    with client.chat.completions.create(**ask, stream=True) as stream:
        return [c.choices[0].delta.content for c in stream]
note("stream", streamed)
note("responses", lambda: client.responses.create(model=model, input=prompt).output_text)
def streamed_responses():
    with client.responses.create(model=model, input=prompt, stream=True) as stream:
        return [e.delta for e in stream if e.type == "response.output_text.delta"]
note("streamed responses", streamed_responses)
async def aio():
    async with openai.AsyncOpenAI(api_key="sk-test-of-the-agent") as client:
        answer = await client.chat.completions.create(**ask)
        return answer.choices[0].message.content
note("async", lambda: asyncio.run(aio()))
"""

ANTHROPIC_SCRIPT = """
import anthropic, asyncio, json, sys
model, prompt = sys.argv[1:3]
ask = dict(model=model, max_tokens=50, messages=[{"role": "user", "content": prompt}])
out = {}
def note(name, make):
    try:
        out[name] = make()
    except anthropic.APIError as error:
        out[name] = [type(error).__name__, getattr(error, "code", None), str(error)]
client = anthropic.Anthropic(api_key="sk-ant-test-of-the-agent")
note("sync", lambda: client.messages.create(**ask).content[0].text)
def streamed():
    with client.messages.stream(**ask) as stream:
        return list(stream.text_stream)
note("stream", streamed)
async def aio():
    async with anthropic.AsyncAnthropic(api_key="sk-ant-test-of-the-agent") as client:
        return (await client.messages.create(**ask)).content[0].text
note("async", lambda: asyncio.run(aio()))
"""

EMBEDDINGS = """
ask = dict(model="text-embedding-3-small", input=["a", "b"])
note("embeddings", lambda: client.embeddings.create(**ask).data[0].embedding)
"""
PRINT = "print(json.dumps(out))"

TEXT = "Hello from the mock!"
OPENAI = (
    OPENAI_SCRIPT,
    "gpt-4.1-mini",
    ["sync", "stream", "responses", "streamed responses", "async"],
)
ANTHROPIC = (ANTHROPIC_SCRIPT, "claude-haiku-4-5", ["sync", "stream", "async"])


@dataclass(frozen=True, slots=True)
class Ran:
    """What a script printed, as whom it called, and what reached the provider."""

    out: dict[str, Any]
    agent: Agent
    seen: tuple[Seen, ...]


def run_sdk(platform: Platform, policy: dict[str, Any], script: str, model: str) -> Ran:
    platform.provider.clear()
    agent = platform.agent(policy)
    done = platform.run(agent, sys.executable, "-c", script + PRINT, model, "hi")
    assert done.returncode == 0, done.stderr
    return Ran(json.loads(done.stdout), agent, tuple(platform.provider.seen))


@pytest.fixture(scope="module")
def openai(_platform: Platform) -> Ran:
    """All that OpenAI's SDK may: it takes long to load."""
    return run_sdk(_platform, OPEN_POLICY, OPENAI_SCRIPT + EMBEDDINGS, OPENAI[1])


@pytest.fixture(scope="module")
def claude(_platform: Platform) -> Ran:
    return run_sdk(_platform, OPEN_POLICY, ANTHROPIC_SCRIPT, ANTHROPIC[1])


@pytest.mark.parametrize(("sdk", "ways"), [("openai", OPENAI[2]), ("claude", ANTHROPIC[2])])
def test_allowed_calls_work_as_without_the_proxy(
    platform: Platform, request: pytest.FixtureRequest, sdk: str, ways: list[str]
) -> None:
    ran: Ran = request.getfixturevalue(sdk)
    for way in ways:
        out = ran.out[way]
        text = "".join(filter(None, out)) if isinstance(out, list) else out
        assert text == TEXT, way
    count = len(ran.out)
    records = platform.audited(ran.agent, count)
    assert [r["denied"] for r in records] == [False] * count
    talked = records[: len(ways)]
    assert {(r["tokens_in"], r["tokens_out"], r["estimated"]) for r in talked} == {(20, 5, False)}
    assert all(r["cost_microusd"] > 0 for r in talked)
    assert len(ran.seen) == count


def test_embeddings_are_counted_and_paid(platform: Platform, openai: Ran) -> None:
    assert openai.out["embeddings"] == [0.5, 0.25]
    record = platform.audited(openai.agent, len(openai.out))[-1]
    assert (record["tokens_in"], record["tokens_out"]) == (20, 0)
    assert record["cost_microusd"] >= 0
    assert record["model"] == "text-embedding-3-small"


@pytest.mark.parametrize(("script", "model", "ways"), [OPENAI, ANTHROPIC], ids=["openai", "claude"])
def test_refused_calls_raise_the_permission_error_at_once(
    platform: Platform, provider: Provider, script: str, model: str, ways: list[str]
) -> None:
    policy = {
        "name": "p",
        "allowed_llm_providers": ["openai", "anthropic"],
        "allowed_models": ["openai/nothing", "anthropic/nothing"],
    }
    ran = run_sdk(platform, policy, script, model)
    for way in ways:
        name, _, text = ran.out[way]
        assert name == "PermissionDeniedError"
        assert "llm-not-allowed" in text
        assert model in text
    assert provider.seen == []
    # one request for each call: no retry
    assert len(platform.audited(ran.agent, len(ways))) == len(ways)


def test_the_agents_keys_reach_the_provider_and_nothing_of_ours_does(
    platform: Platform, openai: Ran
) -> None:
    assert openai.seen
    for seen in openai.seen:
        assert seen.headers["authorization"] == "Bearer sk-test-of-the-agent"
        assert not [name for name in seen.headers if name.startswith(("x-amaze", "proxy-"))]
        assert openai.agent.credential not in repr(seen)
    stored = json.dumps(platform.audit(openai.agent.agent_id))
    assert "sk-test-of-the-agent" not in stored
    assert openai.agent.credential not in stored
    assert openai.agent.credential not in platform.log.read_text()

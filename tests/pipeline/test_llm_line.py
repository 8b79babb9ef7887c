"""Registered LLM hosts on the whole line: found when they are new, refused in their own words."""

from __future__ import annotations

import pytest

from amaze_proxy.store.admission import Admission, Admitted
from tests.pipeline.fakes import BEARER, JSON, WRONG, World, chat, whole

REAL = "http://127.0.0.1:9000"
URL = f"{REAL}/v1/chat/completions"
POLICY = {"name": "p", "allowed_llm_providers": ["mine"]}


@pytest.fixture
def world() -> World:
    world = World(POLICY)
    world.upstreams.reply = whole()
    return world


@pytest.mark.parametrize("url", [URL, "http://mine/v1/chat/completions"])
async def test_a_host_that_was_registered_a_moment_ago_is_found(world: World, url: str) -> None:
    await world.line.directory.refresh()
    world.registered.host("mine", REAL)
    answer = await world.call(url, chat())
    assert answer.status == 200
    assert world.record.target == "mine"


async def test_also_when_the_copy_is_renewed_in_the_middle_of_the_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the worker's watch, or by another call."""
    admit = world.gate.admit

    async def admit_late(admission: Admission) -> Admitted:
        await world.line.directory.refresh()
        return await admit(admission)

    await world.line.directory.refresh()
    world.registered.host("mine", REAL)
    monkeypatch.setattr(world.gate, "admit", admit_late)
    answer = await world.call(URL, chat())
    assert answer.status == 200
    assert world.record.target == "mine"


@pytest.mark.parametrize("url", [REAL, "http://mine"])
async def test_what_is_malformed_is_refused_in_the_dialect_of_the_host(
    world: World, url: str
) -> None:
    world.registered.host("mine", REAL, "ollama")
    await world.line.directory.refresh()
    answer = await world.call(f"{url}/api/chat", b'{"model": "a", "model": "b"}')
    assert answer.verdict == (400, "malformed-request")
    assert "model" in answer.json["error"]  # a text: what Ollama's clients show


@pytest.mark.parametrize(
    ("dialect", "error"),
    [("ollama", str), ("anthropic", dict), ("gemini", dict), ("mistral", dict), ("openai", dict)],
)
async def test_a_call_that_nobody_knows_is_refused_in_the_dialect_of_the_host(
    world: World, dialect: str, error: type
) -> None:
    world.registered.host("mine", REAL, dialect)
    await world.line.directory.refresh()
    answer = await world.call("http://mine/api/pull", {"model": "a"}, headers=(BEARER, JSON))
    assert answer.verdict == (403, "llm-not-allowed")
    said = answer.json["error"]
    assert isinstance(said, error)
    assert "/api/pull" in (said if isinstance(said, str) else said["message"])
    assert world.upstreams.sent == []


async def test_a_stranger_does_not_learn_what_is_registered(world: World) -> None:
    async def refused() -> bytes:
        stranger = (b"x-amaze-bearer", WRONG.encode())
        answer = await world.call("http://mine/api/chat", chat(), headers=(stranger, JSON))
        assert answer.verdict == (403, "invalid-bearer")
        return answer.body.replace(answer.json["decision_id"].encode(), b"")

    before = await refused()
    world.registered.host("mine", REAL, "ollama")
    await world.line.directory.refresh()
    assert await refused() == before


@pytest.mark.parametrize("host", ["api.cohere.com", "bedrock-runtime.us-east-1.amazonaws.com"])
async def test_a_provider_without_routes_is_refused_so_that_any_sdk_can_read_it(
    world: World, host: str
) -> None:
    answer = await world.call(f"https://{host}/v2/chat", {"model": "a"})
    assert answer.verdict == (403, "llm-not-allowed")
    assert "/v2/chat" in answer.json["message"]
    assert answer.headers[b"x-amzn-errortype"] == b"AccessDeniedException"

"""Streams: the first token at once, a client that leaves, an upstream that breaks off."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.e2e.platform import OPENAI, Agent, Platform, chat, reason_of, until
from tests.e2e.provider import OUTPUT_TOKENS, PROMPT_TOKENS, Provider


def events(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]


def test_the_first_token_comes_while_the_upstream_is_still_sending(
    platform: Platform, agent: Agent, provider: Provider
) -> None:
    with platform.client(agent) as client:
        body = chat("hold", stream=True)
        with client.stream("POST", OPENAI, json=body) as answer:
            lines = answer.iter_lines()
            first = next(lines)
            assert json.loads(first.removeprefix("data: "))["choices"][0]["delta"]["content"]
            assert not provider.release.is_set()
            provider.release.set()
            rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"


def test_usage_is_asked_for_and_kept_from_a_client_that_did_not_ask(
    platform: Platform, agent: Agent, provider: Provider
) -> None:
    with platform.client(agent) as client:
        answer = client.post(OPENAI, json=chat(stream=True))
    assert provider.seen[0].json["stream_options"] == {"include_usage": True}
    frames = [json.loads(event) for event in events(answer.text)[:-1]]
    assert all(frame["choices"] for frame in frames)
    assert not any(frame.get("usage") for frame in frames)
    (record,) = platform.audited(agent, 1)
    assert (record["tokens_in"], record["tokens_out"]) == (PROMPT_TOKENS, OUTPUT_TOKENS)
    assert record["estimated"] is False


def test_a_client_that_asked_for_usage_gets_it(platform: Platform, agent: Agent) -> None:
    body = chat(stream=True, stream_options={"include_usage": True})
    with platform.client(agent) as client:
        answer = client.post(OPENAI, json=body)
    usage = json.loads(events(answer.text)[-2])["usage"]
    assert usage["total_tokens"] == PROMPT_TOKENS + OUTPUT_TOKENS


def test_a_client_that_hangs_up_stops_the_upstream_and_is_charged(
    platform: Platform, provider: Provider
) -> None:
    agent = platform.agent(
        {"name": "p", "allowed_llm_providers": ["openai"], "max_tokens_per_turn": 100_000}
    )
    with platform.client(agent) as client:
        body = chat("endless", stream=True)
        with client.stream("POST", OPENAI, json=body) as answer:
            next(answer.iter_lines())
    assert until(provider.seen[0].gone.is_set, "the upstream to see its client leave")
    (record,) = platform.audited(agent, 1)
    assert record["error"] == "client went away"
    assert record["estimated"] is True
    assert record["tokens_in"] > 0
    assert record["tokens_out"] > 0
    assert record["cost_microusd"] > 0
    assert record["denied"] is False


@pytest.mark.parametrize("how", ["break", "unfinished"])
@pytest.mark.parametrize("url", [OPENAI, "https://api.anthropic.com/v1/messages"])
def test_an_upstream_that_breaks_off_does_not_look_complete(
    platform: Platform, agent: Agent, how: str, url: str
) -> None:
    body = chat(how, stream=True, max_tokens=50)
    seen = ""
    with platform.client(agent) as client, client.stream("POST", url, json=body) as answer:
        with pytest.raises(httpx.RemoteProtocolError):
            for text in answer.iter_text():
                seen += text
    assert "[DONE]" not in seen
    assert "message_stop" not in seen
    last = json.loads(events(seen)[-1])
    assert "upstream-unreachable" in json.dumps(last["error"])
    (record,) = platform.audited(agent, 1)
    assert record["error"].startswith("upstream-unreachable")
    assert record["denied"] is False
    assert record["estimated"] is True


def test_streaming_block_sends_one_whole_answer_as_the_stream_asked_for(
    platform: Platform, provider: Provider
) -> None:
    agent = platform.agent({"name": "p", "allowed_llm_providers": ["openai"], "streaming": "block"})
    with platform.client(agent) as client:
        answer = client.post(OPENAI, json=chat(stream=True))
    assert provider.seen[0].json.get("stream") is False
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert found[-1] == "[DONE]"
    text = "".join(json.loads(e)["choices"][0]["delta"].get("content") or "" for e in found[:-1])
    assert text == "Hello from the mock!"


def test_quarantine_stops_a_running_stream(
    platform: Platform, agent: Agent, provider: Provider
) -> None:
    seen = ""
    with platform.client(agent) as client:
        body = chat("endless", stream=True)
        with client.stream("POST", OPENAI, json=body) as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                for text in answer.iter_text():
                    if not seen:
                        platform.control.post(f"/agents/{agent.agent_id}/quarantine")
                    seen += text
        assert "agent-quarantined" in seen
        assert until(provider.seen[0].gone.is_set, "the upstream to be stopped")
        again = client.post(OPENAI, json=chat())
    assert again.status_code == 403
    assert reason_of(again) == "agent-quarantined"
    records = platform.audited(agent, 2)
    assert [r["denial_reason"] for r in records] == ["agent-quarantined"] * 2
    assert records[0]["tokens_out"] > 0


def test_an_error_of_the_provider_is_not_a_denial_and_costs_nothing(
    platform: Platform, agent: Agent
) -> None:
    with platform.client(agent) as client:
        answer = client.post(OPENAI, json=chat("error500"))
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "mock failure"
    assert answer.headers["x-amaze-decision"] == "allow"
    (record,) = platform.audited(agent, 1)
    assert (record["status"], record["denied"], record["cost_microusd"]) == (500, False, 0)


def test_a_compressed_answer_is_counted(platform: Platform, agent: Agent) -> None:
    with platform.client(agent) as client:
        answer = client.post(OPENAI, json=chat("gzip"))
    assert answer.json()["usage"]["total_tokens"] == PROMPT_TOKENS + OUTPUT_TOKENS
    (record,) = platform.audited(agent, 1)
    assert record["tokens_out"] == OUTPUT_TOKENS

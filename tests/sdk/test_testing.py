"""The fake platform as an agent's author uses it; the rest of the room leans on it too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import amaze
import httpx
import pytest
from amaze.testing import FakePlatform, environment, send


def receive_message_from_user(message: str) -> str:
    """Found in this module, as in any author's."""
    answer = httpx.post("http://tools.example/search", json={"q": message})
    return f"{answer.status_code} {answer.json()}"


def test_the_example_of_its_docstring(tmp_path: Path) -> None:
    with FakePlatform() as platform:
        platform.answer("http://tools.example/*", {"found": 3})
        variables = platform.environment("my-agent", AMAZE_STATE_DIR=str(tmp_path))
        with environment(variables), amaze.init(block=False) as agent:
            assert send(agent.port, "hello") == "200 {'found': 3}"
    assert platform.calls[0].turn == "turn-1"
    assert platform.calls[0].json() == {"q": "hello"}


async def receive_message_from_agent(caller: str, message: Any) -> Any:
    """Asks a third agent in the turn of the call."""
    reply = await amaze.send_message_to_agent_async("three", {"for": caller, "what": message})
    return {"turn": amaze.current_turn(), "reply": reply}


def test_a_message_from_another_agent(
    platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    platform.answer_message("three", {"price": 3})
    with amaze.init(block=False):
        for number in (1, 2):
            reply = platform.send_as_agent("two", ["how", "much"])
            assert reply == {"turn": f"turn-{number}", "reply": {"price": 3}}
        assert platform.send_as_agent("two", "?", to="one")["turn"] == "turn-3"
        with pytest.raises(LookupError, match="receive_message_from_agent"):
            platform.send_as_agent("two", "?", to="three")
    sent = platform.calls[0].json()["params"]["message"]["parts"]
    assert sent == [{"data": {"for": "two", "what": ["how", "much"]}}]
    assert [call.turn for call in platform.calls] == ["turn-1", "turn-2", "turn-3"]


def test_an_agent_that_fails(platform: FakePlatform, agent_environment: dict[str, str]) -> None:
    platform.refuse_message("three", "not-allowed")
    with amaze.init(block=False), pytest.raises(amaze.SendError, match="failed: SendError"):
        platform.send_as_agent("two", "?")


def test_the_last_answer_that_matches_wins(platform: FakePlatform) -> None:
    platform.answer("http://tools.example/a", 1)
    platform.answer("http://tools.example/*", 2, status=418)
    credential = platform.register({"agent_id": "one"}, None, None)[1]["bearer_token"]
    with httpx.Client(proxy=f"http://one:{credential}@{platform.proxy.authority}") as client:
        answer = client.get("http://tools.example/a")
    assert (answer.status_code, answer.json()) == (418, 2)


def test_a_call_that_nobody_foresaw(tmp_path: Path) -> None:
    with FakePlatform() as platform:
        credential = platform.register({"agent_id": "one"}, None, None)[1]["bearer_token"]
        with httpx.Client(proxy=f"http://one:{credential}@{platform.proxy.authority}") as client:
            answer = client.get("http://tools.example/a")
    assert answer.status_code == 502
    assert "no answer was set" in answer.text


@pytest.mark.parametrize("userinfo", ["", "one:wrong@", "two:{credential}@"])
def test_strangers_are_not_served(userinfo: str, platform: FakePlatform) -> None:
    credential = platform.register({"agent_id": "one"}, None, None)[1]["bearer_token"]
    proxy = f"http://{userinfo.format(credential=credential)}{platform.proxy.authority}"
    with httpx.Client(proxy=proxy) as client:
        assert client.get("http://tools.example/").status_code == 407
        with pytest.raises(httpx.ProxyError, match="407 Agent token"):
            client.get("https://api.example/")
    assert not platform.calls


def test_its_environment_has_no_proxy_of_before(platform: FakePlatform) -> None:
    with environment({"PATH": "/bin", "HTTP_PROXY": "http://corp:1", "AMAZE_ADMIN_KEY": "k"}):
        assert sorted(platform.environment("one")) == [
            "AMAZE_AGENT_ID",
            "AMAZE_ORCHESTRATOR_URL",
            "AMAZE_PROXY_URL",
            "PATH",
        ]
    assert os.environ["PATH"] != "/bin"

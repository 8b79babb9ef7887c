"""The A2A SDKs of the field through the proxy: allowed, refused, and the next allowed call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.clients.run import Running, run_client, start_server
from tests.e2e.agents.asks import listens
from tests.e2e.agents.tap import Tap
from tests.e2e.platform import Agent, Platform

CARD = "/.well-known/agent-card.json"
WORK = "part 0\npart 1\npart 2"
PAIRS = [
    ("a2a1", "a2a1"),
    ("a2a1-stream", "a2a1"),
    ("a2a1-rest", "a2a1"),
    ("a2a1-rest-stream", "a2a1"),
    ("a2a1", "a2a03"),
    ("a2a03", "a2a03"),
    ("a2a03-stream", "a2a03"),
]


@pytest.fixture(scope="module")
def callees(_platform: Platform) -> Iterator[dict[tuple[str, str], tuple[Agent, Running]]]:
    """Two agents of each SDK: the card of one names its name, that of the other its address."""
    kinds = [(kind, way) for kind in ("a2a1", "a2a03") for way in ("name", "address")]
    agents = {one: _platform.agent({"name": "callee"}, "-".join(one)) for one in kinds}

    def start(one: tuple[str, str]) -> Running:
        url = ("--url", f"http://{agents[one].agent_id}") if one[1] == "name" else ()
        return start_server(one[0], *url)

    with ExitStack() as stack:
        with ThreadPoolExecutor() as pool:
            running = dict(zip(kinds, pool.map(start, kinds), strict=True))
        for one, server in running.items():
            stack.callback(server.stop)
            listens(_platform, agents[one], {"a2a_host": "127.0.0.1", "a2a_port": server.port})
        yield {one: (agents[one], running[one]) for one in kinds}


class Steered:
    """A real client's caller; words in its messages change what is allowed before they arrive."""

    def __init__(self, platform: Platform, callee: Agent) -> None:
        self.platform, self.callee = platform, callee
        self.caller = platform.agent(self._policy(allowed=True), "caller")
        self._lock = threading.Lock()
        self._changes: dict[bytes, Callable[[], Any]] = {
            b"unlisted": lambda: platform.put_policy(self.caller, self._policy(allowed=False)),
            b"listed again": lambda: platform.put_policy(self.caller, self._policy(allowed=True)),
            b"unwelcome": lambda: platform.put_policy(callee, {"allowed_callers": ["other"]}),
            b"welcome again": lambda: platform.put_policy(callee, {"name": "callee"}),
            b"quarantined": lambda: self._judge("quarantine"),
            b"released": lambda: self._judge("release"),
        }

    def _policy(self, *, allowed: bool) -> dict[str, Any]:
        return {"name": "caller", "allowed_agents": [self.callee.agent_id] if allowed else []}

    def _judge(self, verdict: str) -> None:
        answer = self.platform.control.post(f"/agents/{self.callee.agent_id}/{verdict}")
        assert answer.status_code == 200, answer.text

    def seen(self, data: bytes) -> None:
        with self._lock:
            for word, change in self._changes.items():
                if word in data:
                    change()

    def run(self, kind: str, url: str, *messages: str) -> dict[str, Any]:
        tap = Tap(self.platform.proxy_port, self.seen)
        proxy = self.platform.proxy_url(self.caller)
        proxy = proxy.replace(f":{self.platform.proxy_port}", f":{tap.port}")
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        env = {**dict.fromkeys(names, proxy), "SSL_CERT_FILE": str(self.platform.ca_file)}
        calls = [{"message": message} for message in messages]
        try:
            return run_client(kind, {"url": url, "calls": calls, "timeout": 30}, env)
        finally:
            tap.close()


STEPS = (
    ("hello", ""),
    ("unlisted", "not-allowed"),
    ("listed again", ""),
    ("unwelcome", "not-allowed"),
    ("welcome again", ""),
    ("quarantined", "not-allowed"),
    ("released", ""),
    ("work", ""),
)
TEXTS = {"unlisted": "allowed_agents", "unwelcome": "allowed_callers", "quarantined": "quarantined"}


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_client_of_the_field_through_the_proxy(
    platform: Platform,
    callees: dict[tuple[str, str], tuple[Agent, Running]],
    client: str,
    server: str,
) -> None:
    def run(way: str) -> tuple[Steered, dict[str, Any]]:
        agent, running = callees[server, way]
        running.forget()
        url = f"http://{agent.agent_id}" if way == "name" else running.url
        steered = Steered(platform, agent)
        return steered, steered.run(client, url, *(word for word, _ in STEPS))

    with ThreadPoolExecutor() as pool:
        ran = dict(zip(("name", "address"), pool.map(run, ("name", "address")), strict=True))
    for way, (steered, answer) in ran.items():
        assert not answer["died"], (way, answer)
        for (word, reason), result in zip(STEPS, answer["results"], strict=True):
            expected = WORK if word == "work" else f"echo: {word}"
            if reason:
                assert not result["ok"], (way, result)
                assert TEXTS[word] in result["text"], (way, result)
            else:
                assert (result["ok"], result["text"]) == (True, expected), (way, result)
        executed = [word for word, reason in STEPS if not reason]
        assert callees[server, way][1].executed == executed
        records = platform.audited(steered.caller, len(STEPS) + 1)
        sent = [one for one in records if "agent-card" not in one["path"]]
        assert [one["denial_reason"] for one in sent] == [reason for _, reason in STEPS]
        assert {one["kind"] for one in records} == {"a2a"}
        assert {one["target"] for one in records} == {steered.callee.agent_id}


@pytest.mark.parametrize("client", ["a2a1", "a2a1-rest", "a2a03"])
def test_a_client_that_may_not_even_see_the_card_shows_why(
    platform: Platform, callees: dict[tuple[str, str], tuple[Agent, Running]], client: str
) -> None:
    agent, _ = callees[client.partition("-")[0], "name"]
    steered = Steered(platform, agent)
    platform.put_policy(steered.caller, {"name": "none"})
    answer = steered.run(client, f"http://{agent.agent_id}", "hello")
    assert "Refused by aMaze: not-allowed" in answer["died"], answer


@pytest.mark.parametrize("server", ["a2a1", "a2a03"])
def test_a_card_passes_byte_for_byte(
    platform: Platform, callees: dict[tuple[str, str], tuple[Agent, Running]], server: str
) -> None:
    for way in ("name", "address"):
        agent, running = callees[server, way]
        caller = platform.agent({"allowed_agents": [agent.agent_id]})
        direct = httpx.get(running.url + CARD, trust_env=False, timeout=60)
        with platform.client(caller) as client:
            for base in (f"http://{agent.agent_id}", running.url):
                answer = client.get(base + CARD)
                assert answer.status_code == 200
                assert answer.content == direct.content
                assert answer.headers["content-type"] == direct.headers["content-type"]

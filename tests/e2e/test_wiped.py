"""The store is emptied under load: nothing passes by a wrong policy, and all goes on by itself."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import redis

from tests.e2e.kills import POLICY, Answered, loaded, until_archived
from tests.e2e.platform import OPENAI, Agent, Platform, chat, until

_PASSWORD = "a-long-enough-pass-phrase"
_PAUSE_S = 0.05
_LEFT = {"token_rate_limits": [{"window": "1h", "max_tokens": 30}]}


def flush(platform: Platform) -> None:
    with redis.Redis(unix_socket_path=platform.store_socket) as store:
        store.flushall()


def replace(platform: Platform) -> None:
    """By one that never had anything."""
    (files,) = platform.data_dir.rglob("appendonlydir")
    shutil.move(files, platform.directory / "gone")
    os.kill(platform.valkey(), signal.SIGKILL)


def signed_in(platform: Platform) -> dict[str, str]:
    account = {"name": "ann", "password": _PASSWORD}
    made = platform.control.post("/auth/users", json={**account, "role": "viewer"})
    assert made.status_code == 201, made.text
    token = platform.control.post("/auth/login", json=account).json()["token"]
    return {"authorization": f"Bearer {token}"}


def spend(platform: Platform, agent: Agent) -> None:
    """Most of its window, and it is in the archive."""
    with platform.client(agent) as client:
        answer = client.post(OPENAI, json=chat("mark", max_tokens=5))
    assert answer.status_code == 200, answer.text
    spent = Answered(answer.headers["x-amaze-decision-id"], "mark", "llm", "")
    assert until_archived(platform, [spent]) == []


@contextmanager
def asking(platform: Platform, *agents: Agent) -> Iterator[dict[str, set[str]]]:
    """Each agent goes on asking; the reasons of the answers ("": it was passed), by agent."""
    found: dict[str, set[str]] = {agent.agent_id: set() for agent in agents}
    stop = threading.Event()

    def ask(agent: Agent) -> None:
        while not stop.wait(_PAUSE_S):
            try:
                with platform.client(agent) as client:
                    while not stop.wait(_PAUSE_S):
                        answer = client.post(OPENAI, json=chat(max_tokens=5))
                        found[agent.agent_id].add(answer.headers.get("x-amaze-reason", ""))
            except httpx.HTTPError:
                continue  # its tunnel was not opened

    with ThreadPoolExecutor(len(agents)) as pool:
        running = [pool.submit(ask, agent) for agent in agents]
        try:
            until(lambda: all(found.values()), "all to be answered")
            yield found
        finally:
            stop.set()
        for each in running:
            each.result()


def alarms(platform: Platform) -> int:
    answer = platform.control.get("/alerts", params={"reason": "store-emptied"})
    assert answer.status_code == 200, answer.text
    return len(answer.json()["alerts"])


def test_an_emptied_store_is_filled_again_and_nothing_passes_meanwhile(
    own_platform: Callable[..., Platform],
) -> None:
    platform = own_platform()
    session = signed_in(platform)
    stopped, barred, spent = (
        platform.agent(policy)
        for policy in (POLICY, {"allowed_llm_providers": ["anthropic"]}, {**POLICY, **_LEFT})
    )
    platform.control.post(f"/agents/{stopped.agent_id}/quarantine")
    spend(platform, spent)
    away = {"invalid-bearer", "redis-unavailable", "policy-not-found"}
    with loaded(platform) as load, asking(platform, stopped, barred, spent) as reasons:
        for number, empty in enumerate((flush, replace), 1):
            empty(platform)
            until(lambda number=number: alarms(platform) == number, "the loss to be told")
            until(platform.is_ready, "the platform to be well")
            load.passes()
            for seen in reasons.values():
                seen.discard("invalid-bearer")
            until(lambda: all(seen - away for seen in reasons.values()), "all to be themselves")
    assert reasons[stopped.agent_id] - away == {"agent-quarantined"}
    assert reasons[barred.agent_id] - away == {"llm-not-allowed"}
    assert reasons[spent.agent_id] - away == {"rate-limit-exceeded"}
    assert platform.control.get("/auth/me", headers=session).json()["name"] == "ann"

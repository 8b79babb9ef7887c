"""Parts that fail: nothing passes undecided or unrecorded, and service returns by itself.

That it does is relied on: most of these tests break one platform in turn, each with an agent of
its own.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
import redis

from amaze_proxy.policy.record import GENESIS, from_json, seal
from tests.e2e.platform import OPENAI, Agent, Platform, chat, reason_of, runs, until
from tests.e2e.provider import Provider

Start = Callable[..., Platform]


@pytest.fixture(scope="module")
def _broken(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("broken"), _provider)
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture
def broken(_broken: Platform, provider: Provider) -> Platform:
    """Works when a test gets it; the test leaves it so."""
    until(_broken.is_ready, "the platform to be ready again")
    return _broken


def call(client: httpx.Client) -> tuple[int, str]:
    answer = client.post(OPENAI, json=chat())
    return answer.status_code, reason_of(answer) if answer.status_code != 200 else ""


def recovers(client: httpx.Client) -> None:
    until(lambda: call(client)[0] == 200, "calls to pass again")


def verify_chains(platform: Platform, agent: Agent) -> int:
    """Every writer's chain is whole and without a gap; returns the number of records."""
    records = [from_json(json.dumps(r)) for r in platform.audit(agent.agent_id)]
    for writer in {r.writer for r in records}:
        chain = sorted((r for r in records if r.writer == writer), key=lambda r: r.seq)
        assert [r.seq for r in chain] == list(range(1, len(chain) + 1))
        previous = GENESIS
        for record in chain:
            assert seal(record, record.writer, record.seq, previous) == record
            previous = record.hash
    return len(records)


def valkey(platform: Platform) -> redis.Redis:
    return redis.Redis(unix_socket_path=platform.store_socket)


def test_a_hung_store(own_platform: Start) -> None:
    platform = own_platform(AMAZE_STORE_TIMEOUT_MS="250")
    agent = platform.agent()
    with platform.client(agent) as client:
        recovers(client)  # the machine may have stood still
        passed = len(platform.provider.seen)
        pid = platform.valkey()
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                assert call(client) == (503, "redis-unavailable")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert len(platform.provider.seen) == passed, "nothing passed while the store was hung"
        recovers(client)
    platform.audited(agent, 5)  # the refusals were kept in the journal, and delivered
    until(lambda: verify_chains(platform, agent) >= 5, "the refusals to be recorded")


def test_a_killed_store(broken: Platform) -> None:
    agent = broken.agent()
    with broken.client(agent) as client:
        assert call(client)[0] == 200
        before = broken.audited(agent, 1)
        os.kill(broken.valkey(), signal.SIGKILL)
        outcomes = {call(client) for _ in range(3)}
        assert outcomes <= {(503, "redis-unavailable"), (200, "")}
        recovers(client)
    after = broken.audited(agent, 2)
    assert after[0] == before[0], "no acknowledged record was lost"
    verify_chains(broken, agent)


def test_a_full_store(broken: Platform) -> None:
    agent = broken.agent()
    with broken.client(agent) as client, valkey(broken) as store:
        assert call(client)[0] == 200
        store.config_set("maxmemory-policy", "noeviction")
        store.config_set("maxmemory", "1mb")
        for _ in range(3):
            assert call(client) == (503, "redis-unavailable")
        assert len(broken.provider.seen) == 1
        store.config_set("maxmemory", "0")
        recovers(client)
    until(lambda: len(broken.audit(agent.agent_id)) >= 5, "the refusals to be recorded")
    verify_chains(broken, agent)


def test_a_read_only_store(broken: Platform) -> None:
    agent = broken.agent()
    with broken.client(agent) as client, valkey(broken) as store:
        assert call(client)[0] == 200
        store.replicaof("127.0.0.1", "1")
        for _ in range(3):
            assert call(client) == (503, "redis-unavailable")
        assert len(broken.provider.seen) == 1
        store.replicaof("NO", "ONE")
        recovers(client)
    until(lambda: len(broken.audit(agent.agent_id)) >= 5, "the refusals to be recorded")
    verify_chains(broken, agent)


def test_a_store_that_comes_back_empty_is_filled_again(broken: Platform) -> None:
    agent = broken.agent()
    with broken.client(agent) as client, valkey(broken) as store:
        assert call(client)[0] == 200
        store.flushall()
        assert call(client) in {(403, "invalid-bearer"), (503, "redis-unavailable"), (200, "")}
        recovers(client)


def test_a_worker_killed_in_the_middle_loses_no_answered_record(broken: Platform) -> None:
    agent = broken.agent()
    answered: list[str] = []

    def drive(_: int) -> None:
        for _ in range(30):
            try:
                with broken.client(agent) as client:
                    answer = client.post(OPENAI, json=chat())
                    if answer.status_code == 200:
                        answered.append(answer.headers["x-amaze-decision-id"])
            except httpx.HTTPError:
                continue  # its worker was killed: no answer, no promise

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(drive, number) for number in range(4)]
        for _ in range(3):
            until(lambda: answered, "calls to be answered")
            enough = len(answered) + 10
            until(lambda enough=enough: len(answered) >= enough, "more calls to be answered")
            os.kill(broken.workers()[0], signal.SIGKILL)
            until(lambda: len(broken.workers()) == 2, "the worker to be started again")
        for each in running:
            each.result()
    assert len(answered) > 50
    recorded = {r["decision_id"] for r in broken.audited(agent, len(answered))}
    assert set(answered) <= recorded
    verify_chains(broken, agent)


def test_a_reservation_of_a_killed_worker_ends_with_its_window(broken: Platform) -> None:
    # A window that is over before a worker is back says nothing, and on a slow machine it may be.
    assert any(_is_held(broken, seconds) for seconds in (6, 20, 60))


def _is_held(broken: Platform, seconds: int) -> bool:
    """Whether a reservation outlives its worker; then its window must open again."""
    agent = broken.agent(
        {
            "name": "p",
            "allowed_llm_providers": ["openai"],
            "token_rate_limits": [{"window": f"{seconds}s", "max_tokens": 600}],
        }
    )
    broken.provider.clear()
    with broken.client(agent) as doomed, ThreadPoolExecutor(1) as pool:
        lost = pool.submit(doomed.post, OPENAI, json=chat("hold", max_tokens=400))
        until(lambda: broken.provider.seen, "the call to reach the provider")
        for pid in broken.workers():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.HTTPError):
            lost.result()
        broken.provider.release.set()
    until(lambda: len(broken.workers()) == 2, "the workers to be started again")
    with broken.client(agent) as client:

        def again() -> httpx.Response:
            return client.post(OPENAI, json=chat(max_tokens=400))

        held = until(lambda: _answered(again), "the proxy to answer")
        if held.status_code == 200:
            return False
        assert (held.status_code, reason_of(held)) == (403, "rate-limit-exceeded")
        until(lambda: again().status_code == 200, "the window to roll off", seconds + 60)
        return True


def _answered(call: Callable[[], httpx.Response]) -> httpx.Response | None:
    try:
        return call()
    except httpx.HTTPError:
        return None  # the worker is on its way


def test_stop_is_clean_and_fast(broken: Platform) -> None:
    agent = broken.agent()
    with broken.client(agent) as client:
        assert call(client)[0] == 200
    children = broken.pids("")
    said = len(broken.log.read_text())
    assert broken.stop() == 0
    assert "did not stop in time" not in broken.log.read_text()[said:]
    assert not [pid for pid in children if runs(pid)]
    broken.start()
    assert len(broken.audited(agent, 1)) == 1, "what was recorded is still there"
    with broken.client(agent) as client:
        assert call(client)[0] == 200


def test_what_runs_on_any_worker_at_the_stop_is_recorded(broken: Platform) -> None:
    agent = broken.agent()
    with ExitStack() as stack, ThreadPoolExecutor(64) as pool:
        held = 0
        while held < 4 or len({seen.headers["via"] for seen in broken.provider.seen}) < 2:
            client = stack.enter_context(broken.client(agent))
            body = chat("endless", stream=True)
            answer = stack.enter_context(client.stream("POST", OPENAI, json=body))
            pool.submit(answer.read)
            held += 1
        assert broken.stop() == 0
    broken.start()
    assert len(broken.audited(agent, held)) == held


@pytest.mark.parametrize("port", ["proxy_port", "control_port"])
def test_a_taken_port_is_said_in_one_line_with_the_fix(
    own_platform: Start, platform: Platform, port: str
) -> None:
    name = f"AMAZE_{port.upper()}"
    with pytest.raises(AssertionError) as caught:
        own_platform(**{name: str(getattr(platform, port))})
    text = str(caught.value)
    assert f"set {name}" in text
    assert "Traceback" not in text

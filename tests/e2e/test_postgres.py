"""The platform over PostgreSQL: all that is kept in SQL, and a server that goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.e2e.platform import OPEN_POLICY, OPENAI, Agent, Platform, chat, until
from tests.postgres import PostgresServer


@pytest.fixture
def empty_url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.create()
    yield url
    postgres.drop(url)


def archived(url: str, agent: Agent) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM call WHERE agent_id = %s", [agent.agent_id]
        )
        return int(found.fetchall()[0][0])


def test_a_conversation_is_archived_and_a_restart_of_the_server_loses_nothing(
    own_platform: Callable[..., Platform], postgres: PostgresServer, empty_url: str
) -> None:
    platform = own_platform(AMAZE_DATABASE_URL=empty_url)
    agent = platform.agent({**OPEN_POLICY, "allowed_models": ["openai/gpt-4.1-mini"]})
    with platform.client(agent) as client:
        for text in ("one", "two"):
            assert client.post(OPENAI, json=chat(text)).status_code == 200
        assert client.post(OPENAI, json=chat(model="o3")).status_code == 403
        until(lambda: archived(empty_url, agent) == 3, "the calls to be archived")
        shown = platform.control.get("/traces", params={"agent": agent.agent_id}).json()["traces"]
        steps = [
            step
            for one in shown
            for step in platform.control.get(f"/traces/{one['trace_id']}").json()["steps"]
        ]
        assert len(steps) == 3
        numbers = platform.control.get(f"/agents/{agent.agent_id}/stats").json()["total"]
        assert (numbers["calls"], numbers["denied"]) == (3, 1)
        assert platform.control.post("/audit/verify").json()["whole"]

        postgres.stop(crash=True)
        try:
            for _ in range(3):
                assert client.post(OPENAI, json=chat()).status_code == 200
            assert platform.control.get(f"/agents/{agent.agent_id}").status_code == 503
        finally:
            postgres.start()
        until(lambda: archived(empty_url, agent) == 6, "the archive to catch up")
    verified = platform.control.post("/audit/verify").json()
    assert verified["whole"], verified
    assert platform.control.get("/health").json()["status"] == "ok"

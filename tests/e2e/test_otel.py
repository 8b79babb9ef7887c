"""Conversations in a real collector: the traces of the API, over gRPC and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients.run import start_server
from tests.collectors import Received, collector, said
from tests.e2e.agents.asks import register_mcp
from tests.e2e.agents.started import Answered, Started
from tests.e2e.platform import Platform, until
from tests.e2e.provider import Provider

NO_PARENT = ""
CLIENT = 3  # SPAN_KIND_CLIENT
ERROR = 2  # STATUS_CODE_ERROR


@dataclass(frozen=True)
class Stage:
    """A platform that tells a collector, and two agents and a tool on it."""

    asker: Started
    helper: Started
    tools: str
    received: Received

    def converse(self, word: str) -> Answered:
        """A user's message: a model call, a tool, a refused tool, and a peer that asks a model."""
        at = f"http://{self.tools}/mcp"
        return self.asker.tell(
            [
                {"llm": f"first of {word}"},
                {"tool": "add", "at": at, "arguments": {"a": 1, "b": 2}},
                {"tool": "secret", "at": at, "arguments": {}},
                {"send": self.helper.agent_id, "message": {"steps": [{"llm": f"last of {word}"}]}},
            ]
        )

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The steps that the API tells, once there is the peer's, and the refusal."""
        path = f"/traces/{trace_id}"

        def found() -> list[dict[str, Any]]:
            answer = self.asker.platform.control.get(path)
            steps = answer.json()["steps"] if answer.status_code == 200 else []
            return steps if steps and len(steps) == len(self._records(trace_id)) else []

        return until(found, "the trace in the API")

    def _records(self, trace_id: str) -> list[dict[str, Any]]:
        return self.asker.in_trace(trace_id) + self.helper.in_trace(trace_id)

    def spans(self, trace_id: str, count: int) -> list[Any]:
        """The spans of the trace that came through the collector."""
        until(lambda: len(self.received.of(trace_id)) >= count, f"{count} spans in the collector")
        return self.received.of(trace_id)


@pytest.fixture(scope="module", params=["grpc", "http/protobuf"])
def stage(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _provider: Provider,
) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("otel")
    with ExitStack() as stack:
        real = stack.enter_context(collector())
        platform = Platform(
            directory,
            _provider,
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",  # nobody
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=(
                real.grpc_url if request.param == "grpc" else f"{real.http_url}/v1/traces"
            ),
            OTEL_EXPORTER_OTLP_PROTOCOL=request.param,
        )
        platform.start()
        stack.callback(platform.stop)
        server = start_server("fastmcp2")
        stack.callback(server.stop)
        register_mcp(platform, "otel-mcp", server.url)
        asker, helper = (Started(platform, directory, name, {}) for name in ("asker", "helper"))
        stack.callback(asker.stop)
        stack.callback(helper.stop)
        asker.ready()
        helper.ready()
        asker.put_policy(
            allowed_llm_providers=["openai"],
            allowed_tools=["add"],
            allowed_agents=[helper.agent_id],
        )
        helper.put_policy(allowed_llm_providers=["openai"])
        yield Stage(asker, helper, "otel-mcp", real.received)


def same(spans: list[Any], steps: list[dict[str, Any]]) -> None:
    """Each call is one span, of the same ids and parents, with the verdict of the record."""
    by_id = {span.span_id.hex(): span for span in spans}
    assert len(by_id) == len(spans) == len(steps)
    for step in steps:
        span = by_id[step["span_id"]]
        assert span.trace_id.hex() == step["trace_id"]
        assert span.parent_span_id.hex() == step["parent_span_id"]
        assert span.kind == CLIENT
        told = said(span)
        assert told["amaze.decision.id"] == step["decision_id"]
        assert told["amaze.agent.id"] == step["agent_id"]
        assert told["amaze.turn.id"] == step["turn_id"]
        assert told["amaze.decision.effect"] == ("deny" if step["denied"] else "allow")
        assert (span.status.code == ERROR) == bool(step["denied"] or step["error"])


def test_a_message_is_one_trace_with_the_parents_of_the_api(stage: Stage) -> None:
    answered = stage.converse("one")
    assert answered.reply[1] == "3"
    steps = stage.trace(answered.trace_id)
    spans = stage.spans(answered.trace_id, len(steps))
    same(spans, steps)
    by_name = {span.name: span for span in spans}
    hop = next(span for span in spans if said(span)["amaze.kind"] == "a2a")
    mine, theirs = (span for span in spans if span.name == "chat gpt-4.1-mini")
    assert {said(one)["amaze.agent.id"] for one in (mine, theirs)} == {
        stage.asker.agent_id,
        stage.helper.agent_id,
    }
    theirs = next(s for s in (mine, theirs) if said(s)["amaze.agent.id"] == stage.helper.agent_id)
    assert theirs.parent_span_id == hop.span_id, "the peer's call came of the message to it"
    others = [span for span in spans if span is not theirs]
    assert {span.parent_span_id.hex() for span in others} == {NO_PARENT}
    assert said(hop)["gen_ai.agent.id"] == stage.helper.agent_id
    assert said(mine)["gen_ai.provider.name"] == "openai"
    assert said(mine)["gen_ai.usage.input_tokens"] > 0
    assert said(by_name["tools/call add"])["gen_ai.tool.name"] == "add"
    refused = said(by_name["tools/call secret"])
    assert (refused["error.type"], refused["amaze.decision.reason"]) == (
        "policy_denied",
        "tool-not-allowed",
    )
    assert "first of one" not in str(spans), "never content"


def test_two_users_at_once_are_two_traces_with_nothing_mixed(stage: Stage) -> None:
    with ThreadPoolExecutor(2) as users:
        answers = dict(zip("ab", users.map(stage.converse, ["user-a", "user-b"]), strict=True))
    assert answers["a"].trace_id != answers["b"].trace_id
    assert answers["a"].turn_id != answers["b"].turn_id
    seen: set[str] = set()
    for user, answered in answers.items():
        assert answered.reply[1] == "3"
        steps = stage.trace(answered.trace_id)
        asked = [step["input"] for step in steps if step["kind"] == "llm"]
        assert [f"first of user-{user}" in asked[0], f"last of user-{user}" in asked[1]] == [
            True,
            True,
        ]
        assert len(asked) == 2
        spans = stage.spans(answered.trace_id, len(steps))
        same(spans, steps)
        mine = {span.span_id.hex() for span in spans}
        assert not mine & seen
        seen |= mine
        assert {span.parent_span_id.hex() for span in spans} <= mine | {NO_PARENT}

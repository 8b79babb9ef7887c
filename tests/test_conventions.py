"""What spans are called and say: by the conventions, and never content."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.conventions import Kind, describe
from amaze_proxy.policy.record import AuditRecord


def record(**more: Any) -> AuditRecord:
    values: dict[str, Any] = {
        "decision_id": "d" * 32,
        "ts": 1_700_000_000_000,
        "agent_id": "agent-1",
        "kind": "llm",
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "turn_id": "turn-1",
        "target": "api.openai.com",
        "provider": "openai",
        "model": "gpt-4.1-mini",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "latency_ms": 12.5,
        "policy_version": 3,
        **more,
    }
    return AuditRecord(**values)


def mcp(method: str, **more: Any) -> AuditRecord:
    told = {"kind": "mcp", "target": "files", "provider": "", "model": "", "path": "/mcp"}
    return record(**told, method=method, **more)


def a2a(method: str) -> AuditRecord:
    told = {"kind": "a2a", "target": "writer", "provider": "", "model": "", "path": "/"}
    return record(**told, method=method)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (record(), "chat gpt-4.1-mini"),
        (record(model=""), "chat"),
        (record(path="/v1/responses"), "chat gpt-4.1-mini"),
        (record(path="/v1/messages?beta=true", model="claude"), "chat claude"),
        (record(path="/v1/embeddings", model="e"), "embeddings e"),
        (record(path="/v1beta/models/e:batchEmbedContents", model="e"), "embeddings e"),
        (record(path="/api/embed", model="e"), "embeddings e"),
        (record(path="/api/generate", model="m"), "text_completion m"),
        (record(path="/v1beta/models/g:generateContent", model="g"), "generate_content g"),
        (
            record(path="/v1beta/models/g:streamGenerateContent?alt=sse", model="g"),
            "generate_content g",
        ),
        (record(path="/v1/messages/count_tokens", model="c"), "count_tokens c"),
        (record(path="/v1beta/models/g:countTokens", model="g"), "count_tokens g"),
        (record(path="/v1/models", model="", method="GET"), "list_models"),
        (mcp("tools/call", tool="run_sql"), "tools/call run_sql"),
        (mcp("tools/list"), "tools/list"),
        (mcp("notifications/initialized"), "notifications/initialized"),
        (mcp("GET stream"), "mcp"),
        (mcp("response"), "mcp"),
        (a2a("SendMessage"), "SendMessage"),
        (a2a("message/send"), "message/send"),
        (a2a("GET /tasks/one-of-very-many"), "a2a"),
        (record(kind="http", method="GET", target="a.example:81"), "GET"),
        (record(kind="http", method="MADE-UP"), "HTTP"),
        (record(kind="unknown", method="POST", target="", path="/"), "POST"),
        (record(kind="admin", tool="policy.put"), "admin policy.put"),
        (record(model="m" * 9999), "chat " + "m" * 251),
    ],
)
def test_names(told: AuditRecord, name: str) -> None:
    assert describe(told).name == name


def test_a_model_call() -> None:
    told = record(tokens_in=10, tokens_out=5, tokens_cached=2, cost_microusd=7, ttft_ms=3.5)
    said = describe(told)
    assert (said.kind, said.error) == (Kind.CLIENT, "")
    assert said.attributes == {
        "amaze.agent.id": "agent-1",
        "amaze.kind": "llm",
        "amaze.turn.id": "turn-1",
        "amaze.decision.id": "d" * 32,
        "amaze.decision.effect": "allow",
        "amaze.policy.version": 3,
        "amaze.ttft_ms": 3.5,
        "amaze.usage.estimated": False,
        "amaze.cost.microusd": 7,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "server.address": "api.openai.com",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.agent.id": "agent-1",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 2,
    }


def test_what_used_nothing_says_nothing_of_usage() -> None:
    assert not [name for name in describe(record()).attributes if "usage" in name]


@pytest.mark.parametrize(
    ("provider", "target", "named"),
    [
        ("azure", "x.openai.azure.com", "azure.ai.openai"),
        ("bedrock", "bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("google", "generativelanguage.googleapis.com", "gcp.gemini"),
        ("google", "europe-west1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("google", "aiplatform.eu.rep.googleapis.com", "gcp.vertex_ai"),
        ("mistral", "api.mistral.ai", "mistral_ai"),
        ("xai", "api.x.ai", "x_ai"),
        ("anthropic", "api.anthropic.com", "anthropic"),
        ("our-own", "our-own", "our-own"),
    ],
)
def test_providers_have_the_names_of_the_conventions(
    provider: str, target: str, named: str
) -> None:
    said = describe(record(provider=provider, target=target)).attributes
    assert (said["gen_ai.provider.name"], said["server.address"]) == (named, target)


def test_a_tool_call() -> None:
    said = describe(mcp("tools/call", tool="run_sql", graph_step="2")).attributes
    assert said["mcp.method.name"] == "tools/call"
    assert said["gen_ai.operation.name"] == "execute_tool"
    assert said["gen_ai.tool.name"] == "run_sql"
    assert said["network.transport"] == "tcp"
    assert (said["server.address"], said["amaze.graph.step"]) == ("files", "2")
    listing = describe(mcp("tools/list")).attributes
    assert not {"gen_ai.operation.name", "gen_ai.tool.name"} & listing.keys()
    assert "mcp.method.name" not in describe(mcp("GET stream")).attributes


def test_a_message_to_an_agent_says_who_calls_whom() -> None:
    said = describe(a2a("SendMessage")).attributes
    assert said["a2a.method.name"] == "SendMessage"
    assert (said["amaze.agent.id"], said["gen_ai.agent.id"]) == ("agent-1", "writer")


@pytest.mark.parametrize(
    ("target", "address", "port"),
    [
        ("a.example:81", "a.example", 81),
        ("[::1]:8443", "::1", 8443),
        ("[::1]", "[::1]", None),
        ("fe80::1:2", "fe80::1:2", None),
        ("a.example", "a.example", None),
        ("", None, None),
    ],
)
def test_the_place_of_any_other_call(target: str, address: str | None, port: int | None) -> None:
    said = describe(record(kind="http", target=target)).attributes
    assert (said.get("server.address"), said.get("server.port")) == (address, port)
    assert not [name for name in said if name.startswith("gen_ai.")]


def test_a_refused_call() -> None:
    told = record(denied=True, denial_reason="llm-not-allowed", status=403, alert="a,b")
    said = describe(told)
    assert said.error == "llm-not-allowed"
    assert said.attributes["error.type"] == "policy_denied"
    assert said.attributes["amaze.decision.effect"] == "deny"
    assert said.attributes["amaze.decision.reason"] == "llm-not-allowed"
    assert said.attributes["amaze.decision.alerts"] == ("a", "b")


def test_in_shadow_a_call_passes_and_says_what_would_have_been() -> None:
    said = describe(record(would_deny="budget_exceeded", alert="budget_exceeded"))
    assert (said.error, said.attributes["amaze.decision.effect"]) == ("", "allow")
    assert said.attributes["amaze.decision.would_deny"] == "budget_exceeded"
    assert "error.type" not in said.attributes


@pytest.mark.parametrize(
    ("more", "kind", "error"),
    [
        ({"error": "upstream-timeout: slow"}, "upstream-timeout", "upstream-timeout: slow"),
        ({"error": "client went away"}, "client went away", "client went away"),
        ({"status": 429}, "429", ""),
        ({"denied": True}, "policy_denied", "denied"),
    ],
)
def test_errors(more: dict[str, Any], kind: str, error: str) -> None:
    said = describe(record(**more))
    assert (said.attributes["error.type"], said.error) == (kind, error)


def test_an_act_of_a_person_is_none_of_a_clients_and_names_nobody() -> None:
    said = describe(record(kind="admin", tool="policy.put", caller="jo@example.com"))
    assert said.kind is Kind.INTERNAL
    assert said.attributes["amaze.act"] == "policy.put"
    assert "jo@example.com" not in str(said)


@given(
    st.builds(
        AuditRecord,
        **{
            one.name: {"str": st.text(max_size=12), "bool": st.booleans()}.get(
                str(one.type), st.integers(-1, 1000)
            )
            for one in fields(AuditRecord)
            if one.name not in ("kind", "input", "output")
        },
        kind=st.sampled_from(["llm", "mcp", "a2a", "http", "admin", "unknown", "?"]),
        input=st.just("the question"),
        output=st.just("the answer"),
    )
)
def test_any_record_has_a_span_without_its_content(told: AuditRecord) -> None:
    said = describe(told)
    assert said.name
    assert "the question" not in str(said)
    assert "the answer" not in str(said)
    assert all(value not in ("", ()) for value in said.attributes.values())

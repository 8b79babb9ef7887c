"""Every real client against its real server, without a proxy: what the tests through the proxy
are compared with. A failure here is one of the scripts, not of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.clients.run import Running, run_client, start_server

Servers = Callable[..., Running]
TOOLS = {"add", "echo", "secret", "fail", "slow", "ask", "elicit"}
ADD = {"tool": "add", "arguments": {"a": 1, "b": 2}}
ECHO = {"tool": "echo", "arguments": {"text": "after all"}}
CALLS = [
    ADD,
    {"tool": "fail"},
    {"resource": "demo://note"},
    {"resource": "demo://none"},
    {"prompt": "greet", "arguments": {"name": "Ann"}},
    {"tool": "ask"},
    {"tool": "elicit"},
    ECHO,
]
EXECUTED = ["add", "fail", "note", "greet", "ask", "elicit", "echo"]
SAID = ["3", None, "a note", None, "Greet Ann.", "sampled by the client"]
SAID += ["given by the client", "after all"]
MCP = [
    ("mcp1", "fastmcp2-tls"),
    ("mcp1-sse", "mcp1-sse"),
    ("mcp2", "mcp2"),
    ("mcp2-legacy", "mcp2"),
    ("mcp2-modern", "mcp2"),
    ("fastmcp2", "fastmcp2-tls"),
    ("fastmcp4", "mcp2"),
    ("ts1", "ts1-tls"),
    ("ts1-sse", "mcp1-sse"),
    ("ts2", "ts1-tls"),
    ("ts2-auto", "mcp2"),
]
A2A = ["a2a1", "a2a1-stream", "a2a1-rest", "a2a1-rest-stream", "a2a03", "a2a03-stream"]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of an authority's certificate, and of a server's certificate and key."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    paths = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    leaf.private_key_pem.write_to_path(paths["key"])
    Path(paths["cert"]).write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    return paths


@pytest.fixture(scope="module")
def servers(tls: dict[str, str]) -> Iterator[Servers]:
    """Starts a server at its first use: its kind, `-tls` for https, then its options."""
    with ExitStack() as stack:

        @cache
        def get(name: str, *args: str) -> Running:
            kind = name.removesuffix("-tls")
            secured = ("--cert", tls["cert"], "--key", tls["key"]) if kind != name else ()
            running = start_server(kind, *args, *secured)
            stack.callback(running.stop)
            return running

        yield get


@pytest.fixture
def trust(tls: dict[str, str]) -> dict[str, str]:
    return {"SSL_CERT_FILE": tls["ca"], "NODE_EXTRA_CA_CERTS": tls["ca"]}


def play(client: str, server: Running, calls: list[Any], env: dict[str, str]) -> dict[str, Any]:
    server.forget()
    answer = run_client(client, {"url": server.url, "calls": calls}, env)
    assert answer["died"] == ""
    return answer


@pytest.mark.parametrize(("client", "server"), MCP)
def test_an_mcp_client_makes_every_kind_of_call_in_one_session(
    servers: Servers, trust: dict[str, str], client: str, server: str
) -> None:
    running = servers(server)
    answer = play(client, running, CALLS, trust)
    assert set(answer["tools"]) == TOOLS
    results = answer["results"]
    assert [result["ok"] for result in results] == [said is not None for said in SAID]
    assert [result["text"] for result in results if result["ok"]] == [said for said in SAID if said]
    assert results[1]["error"] == ("ToolError" if "fastmcp" in client else "isError")
    assert "demo://none" in results[3]["text"]
    assert isinstance(results[3]["code"], int)
    assert running.executed == EXECUTED


@pytest.mark.parametrize(
    ("client", "server"),
    [("mcp1", "mcp1"), ("ts1", "ts1")],
)
def test_servers_answer_in_json_and_without_sessions_too(
    servers: Servers, trust: dict[str, str], client: str, server: str
) -> None:
    running = servers(server, "--json", "--stateless")
    answer = play(client, running, [ADD, {"tool": "fail"}, ECHO], trust)
    assert [result["ok"] for result in answer["results"]] == [True, False, True]
    assert running.executed == ["add", "fail", "echo"]


def test_an_agent_of_langchain_calls_what_its_model_asks_for(
    servers: Servers, trust: dict[str, str]
) -> None:
    model, running = servers("llm"), servers("fastmcp2-tls")
    model.forget()
    env = {**trust, "OPENAI_BASE_URL": f"{model.url}/v1"}
    answer = play("langchain", running, [ADD, {"tool": "fail"}, ECHO], env)
    assert set(answer["tools"]) == TOOLS
    assert [result["ok"] for result in answer["results"]] == [True, False, True]
    assert answer["results"][2]["text"] == "after all"
    assert running.executed == ["add", "fail", "echo"]
    assert model.executed == ["llm"] * 4


@pytest.mark.parametrize(
    ("client", "server"),
    [*((client, "a2a1-tls") for client in A2A), ("a2a1", "a2a03"), ("a2a03-stream", "a2a03")],
)
def test_an_agent_answers_by_message_and_by_task(
    servers: Servers, trust: dict[str, str], client: str, server: str
) -> None:
    running = servers(server)
    calls = [{"message": "hello"}, {"message": "work"}, {"message": "again"}]
    answer = play(client, running, calls, trust)
    assert [result["text"] for result in answer["results"]] == [
        "echo: hello",
        "part 0\npart 1\npart 2",
        "echo: again",
    ]
    assert running.executed == ["hello", "work", "again"]


@pytest.mark.parametrize("client", ["genai", "genai-stream"])
def test_gemini_answers(servers: Servers, trust: dict[str, str], client: str) -> None:
    running = servers("llm")
    answer = play(client, running, [{"message": "hello"}, {"message": "again"}], trust)
    assert [result["text"] for result in answer["results"]] == ["echo: hello", "echo: again"]
    assert running.executed == ["llm", "llm"]


def test_nothing_of_this_machine_leaks_into_a_client(
    servers: Servers, tls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the authority, a server of ours is not to be trusted, whatever is set here."""
    monkeypatch.setenv("SSL_CERT_FILE", tls["ca"])
    running = servers("fastmcp2-tls")
    running.forget()
    answer = run_client("mcp1", {"url": running.url, "calls": [ADD]}, {})
    assert "CERTIFICATE_VERIFY_FAILED" in answer["died"]
    assert running.executed == []

"""Every real MCP client against its real server, through the proxy: what is allowed works as
`test_direct_clients` shows it without one; what is refused is told by the client, and its session
goes on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.clients.run import Running, run_client, start_server
from tests.e2e.mcp import register
from tests.e2e.platform import Agent, Platform
from tests.e2e.provider import Provider
from tests.e2e.test_direct_clients import CALLS, ECHO, EXECUTED, SAID, TOOLS

ADD = {"tool": "add", "arguments": {"a": 1, "b": 2}}
GREET = {"prompt": "greet", "arguments": {"name": "Ann"}}
NOTE = {"resource": "demo://note"}
OPEN = {
    "name": "open",
    "allowed_tools": sorted(TOOLS),
    "allowed_resources": ["*/demo://*"],
    "allowed_prompts": ["greet"],
    "allow_sampling": True,
    "allow_elicitation": True,
}
CLOSED = {
    "name": "closed",
    "allowed_tools": ["add", "echo", "ask", "elicit"],
}


@dataclass(frozen=True, slots=True)
class Served:
    """A server and the name that it is registered by."""

    running: Running
    name: str

    def url(self, address: str) -> str:
        """`name`, `name-tls` or `real`."""
        if address == "real":
            return self.running.url
        scheme = "https" if address == "name-tls" else "http"
        return f"{scheme}://{self.name}{self.running.path}"


Servers = Callable[[str], Served]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of the servers' authority, and of their certificate and key."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    paths = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    leaf.private_key_pem.write_to_path(paths["key"])
    Path(paths["cert"]).write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    return paths


@pytest.fixture(scope="module")
def trusting(
    tls: dict[str, str], _provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """A platform that trusts the servers' authority; its agents trust the platform's alone."""
    directory = tmp_path_factory.mktemp("trusting")
    platform = Platform(directory, _provider, AMAZE_UPSTREAM_CA=tls["ca"])
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def servers(tls: dict[str, str], trusting: Platform) -> Iterator[Servers]:
    """Starts and registers a server at its first use: its kind, with `-tls` for https."""
    with ExitStack() as stack:

        @cache
        def get(kind: str) -> Served:
            plain = kind.removesuffix("-tls")
            secured = ("--cert", tls["cert"], "--key", tls["key"]) if kind != plain else ()
            running = start_server(plain, *secured)
            stack.callback(running.stop)
            return Served(running, register(trusting, kind, running.url))

        yield get


def play(
    platform: Platform, agent: Agent, client: str, url: str, calls: list[Any], **env: str
) -> dict[str, Any]:
    """The client's answer, of a session that came to its end."""
    proxy, ca = platform.proxy_url(agent), str(platform.ca_file)
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
    trust = {"SSL_CERT_FILE": ca, "NODE_EXTRA_CA_CERTS": ca, "NODE_USE_ENV_PROXY": "1"}
    job = {"url": url, "calls": calls, "timeout": 30}
    answer = run_client(client, job, {**proxies, **trust, **env}, seconds=120)
    assert answer["died"] == ""
    return answer


# The plain servers by name or, over http, as they are; those with TLS by name or through CONNECT.
ALLOWED = [
    ("mcp1", "fastmcp2-tls", "real"),
    ("mcp1-sse", "mcp1-sse-tls", "real"),
    ("mcp2", "mcp2-tls", "name-tls"),
    ("mcp2-legacy", "mcp2-tls", "real"),
    ("mcp2-modern", "mcp2-tls", "real"),
    ("fastmcp2", "fastmcp2-tls", "name"),
    ("fastmcp4", "mcp2-tls", "real"),
    ("ts1", "ts1-tls", "real"),
    ("ts1-sse", "mcp1-sse-tls", "name-tls"),
    ("ts2", "ts1-tls", "name-tls"),
    ("ts2-auto", "mcp2-tls", "name"),
]
REFUSED = [
    ("mcp1", "mcp1", "name"),
    ("mcp1-sse", "mcp1-sse", "name"),
    ("mcp2", "mcp2-tls", "real"),
    ("mcp2-legacy", "mcp2-tls", "name"),
    ("mcp2-modern", "mcp2-tls", "name-tls"),
    ("fastmcp2", "mcp1", "real"),
    ("fastmcp4", "mcp2-tls", "name"),
    ("ts1", "mcp1", "real"),
    ("ts1-sse", "mcp1-sse", "real"),
    ("ts2", "ts1-tls", "real"),
    ("ts2-auto", "mcp2-tls", "real"),
]


@pytest.mark.parametrize(("client", "server", "address"), ALLOWED)
def test_what_is_allowed_works_as_without_the_proxy(
    trusting: Platform, servers: Servers, client: str, server: str, address: str
) -> None:
    served, agent = servers(server), trusting.agent(OPEN)
    served.running.forget()
    answer = play(trusting, agent, client, served.url(address), CALLS)
    assert set(answer["tools"]) == TOOLS
    results = answer["results"]
    assert [result["ok"] for result in results] == [said is not None for said in SAID]
    assert [result["text"] for result in results if result["ok"]] == [said for said in SAID if said]
    assert results[1]["error"] == ("ToolError" if "fastmcp" in client else "isError")
    assert "demo://none" in results[3]["text"]
    assert served.running.executed == EXECUTED
    records = trusting.audited(agent, len(CALLS))
    assert not any(record["denied"] for record in records)
    assert {(record["kind"], record["target"]) for record in records} == {("mcp", served.name)}
    called = [record["tool"] for record in records if record["tool"]]
    # what its server asks of a client of 2026-07-28 is in the result, and it calls again
    assert list(dict.fromkeys(called)) == ["add", "fail", "ask", "elicit", "echo"]


@pytest.mark.parametrize(("client", "server", "address"), REFUSED)
def test_what_is_refused_is_told_and_the_session_goes_on(
    trusting: Platform, servers: Servers, client: str, server: str, address: str
) -> None:
    served, agent = servers(server), trusting.agent(CLOSED)
    served.running.forget()
    asked = [ADD, {"tool": "secret"}, NOTE, GREET, {"tool": "ask"}, {"tool": "elicit"}, ECHO]
    answer = play(trusting, agent, client, served.url(address), asked)
    assert set(answer["tools"]) == {"add", "echo", "ask", "elicit"}
    first, tool, resource, prompt, sampling, elicitation, last = answer["results"]
    assert (first["text"], last["text"]) == ("3", "after all")
    assert tool["error"] == ("ToolError" if "fastmcp" in client else "isError")
    assert "'secret'" in tool["text"]
    assert "[tool-not-allowed, policy version 1, decision " in tool["text"]
    assert "resource 'demo://note'" in resource["text"]
    assert "prompt 'greet'" in prompt["text"]
    assert (resource["code"], prompt["code"]) == (-31403, -31403)
    assert (sampling["ok"], elicitation["ok"]) == (False, False)
    assert "allow_sampling" in sampling["text"]
    assert "allow_elicitation" in elicitation["text"]
    assert not {"secret", "note", "greet"} & set(served.running.executed)
    refused = [record for record in trusting.audited(agent, 9) if record["denied"]]
    assert [(record["kind"], record["method"], record["denial_reason"]) for record in refused] == [
        ("mcp", "tools/call", "tool-not-allowed"),
        ("mcp", "resources/read", "mcp-not-allowed"),
        ("mcp", "prompts/get", "mcp-not-allowed"),
        ("mcp", "sampling/createMessage", "mcp-not-allowed"),
        ("mcp", "elicitation/create", "mcp-not-allowed"),
    ]
    assert refused[0]["tool"] == "secret"


def test_an_agent_of_langchain_with_its_model_behind_the_proxy_too(
    trusting: Platform, servers: Servers
) -> None:
    served, model = servers("mcp1"), start_server("llm")
    host = f"model-{secrets.token_hex(3)}"
    try:
        made = trusting.control.post(
            "/llms", json={"name": host, "url": model.url, "dialect": "openai"}
        )
        assert made.status_code == 201, made.text
        served.running.forget()
        rules = {"echo": {"text": {"equals": "after all"}}}
        agent = trusting.agent({**CLOSED, "allowed_llm_providers": [host], "tool_rules": rules})
        answer = play(
            trusting,
            agent,
            "langchain",
            served.url("name"),
            [ADD, {"tool": "echo", "arguments": {"text": "else"}}, ECHO],
            OPENAI_BASE_URL=f"http://{host}/v1",
        )
        assert model.executed == ["llm"] * 4
    finally:
        model.stop()
    assert set(answer["tools"]) == {"add", "echo", "ask", "elicit"}
    first, refused, last = answer["results"]
    assert (first["text"], last["text"]) == ("3", "after all")
    assert refused["error"] == "isError"
    assert "argument-not-allowed" in refused["text"]
    assert served.running.executed == ["add", "echo"]
    told = [(record["kind"], record["tool"]) for record in trusting.audited(agent, 7)]
    assert [one for one in told if one[0] == "llm" or one[1]] == [
        ("llm", ""),
        ("mcp", "add"),
        ("llm", ""),
        ("mcp", "echo"),
        ("llm", ""),
        ("mcp", "echo"),
        ("llm", ""),
    ]

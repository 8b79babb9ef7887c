"""Every real MCP client against its real server, through the proxy: what is allowed works as
`test_direct_clients` shows it without one; what is refused is told by the client, and its session
goes on.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.clients.run import Running, run_client, start_server
from tests.e2e.mcp import register
from tests.e2e.platform import Agent, Platform, until
from tests.e2e.provider import Provider
from tests.e2e.test_direct_clients import ADD, CALLS, ECHO, EXECUTED, SAID, TOOLS

OPEN = {
    "name": "open",
    "allowed_tools": sorted(TOOLS - {"secret"}),
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
def tls(_provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of the servers' certificate and key, of the authority that the platform trusts; the
    agents trust the platform's own alone."""
    folder = tmp_path_factory.mktemp("tls")
    leaf = _provider.authority.issue_cert("127.0.0.1")
    paths = {name: str(folder / f"{name}.pem") for name in ("cert", "key")}
    leaf.private_key_pem.write_to_path(paths["key"])
    Path(paths["cert"]).write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    return paths


@pytest.fixture(scope="module")
def servers(tls: dict[str, str], _platform: Platform) -> Iterator[Servers]:
    """Starts and registers a server at its first use: its kind, with `-tls` for https."""
    with ExitStack() as stack:

        @cache
        def get(kind: str) -> Served:
            plain = kind.removesuffix("-tls")
            secured = ("--cert", tls["cert"], "--key", tls["key"]) if kind != plain else ()
            running = start_server(plain, *secured)
            stack.callback(running.stop)
            return Served(running, register(_platform, kind, running.url))

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


# By logical name over http and https, by the real URL over http and, through CONNECT, https.
EVERY = [
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
SOME = [
    ("mcp1", "mcp1", "name"),
    ("mcp1-sse", "mcp1-sse-tls", "name"),
    ("mcp2-modern", "mcp2-tls", "name-tls"),
    ("ts1", "mcp1", "real"),
    ("ts2", "ts1-tls", "real"),
]
BARRED = [{"tool": "secret"}, {"resource": "file:///etc/passwd"}, {"prompt": "other"}]
# What is refused comes between what is not, all in one session.
MIXED = [*CALLS[:1], BARRED[0], *CALLS[1:3], BARRED[1], *CALLS[3:5], BARRED[2], *CALLS[5:]]


@pytest.mark.parametrize(("client", "server", "address"), EVERY)
def test_a_session_works_as_without_the_proxy_but_for_what_is_refused(
    platform: Platform, servers: Servers, client: str, server: str, address: str
) -> None:
    served, agent = servers(server), platform.agent(OPEN)
    served.running.forget()
    answer = play(platform, agent, client, served.url(address), MIXED)
    assert set(answer["tools"]) == TOOLS - {"secret"}
    failure = "ToolError" if "fastmcp" in client else "isError"
    results = answer["results"]
    tool, resource, prompt = (results.pop(MIXED.index(one) - n) for n, one in enumerate(BARRED))
    assert [result["ok"] for result in results] == [said is not None for said in SAID], results
    assert [result["text"] for result in results if result["ok"]] == [said for said in SAID if said]
    assert results[1]["error"] == tool["error"] == failure
    assert "demo://none" in results[3]["text"]
    assert "'secret'" in tool["text"]
    assert "[tool-not-allowed, policy version 1, decision " in tool["text"]
    assert "resource 'file:///etc/passwd'" in resource["text"]
    assert "prompt 'other'" in prompt["text"]
    assert (resource["code"], prompt["code"]) == (-31403, -31403)
    assert served.running.executed == EXECUTED
    # on the first transport the answer may come before the call's own record
    records = until(lambda: _up_to("echo", platform.audit(agent.agent_id)), "the last record")
    assert {(record["kind"], record["target"]) for record in records} == {("mcp", served.name)}
    told = Counter((record["tool"], record["denial_reason"]) for record in records)
    # what its server asks of a client of 2026-07-28 is in the result, and it calls again
    assert told["ask", ""] == told["elicit", ""] == (2 if _inside(client) else 1)
    assert told["add", ""] == told["fail", ""] == told["echo", ""] == 1
    assert told["secret", "tool-not-allowed"] == 1
    assert told["", "mcp-not-allowed"] == 2
    assert sum(record["denied"] for record in records) == 3


def _up_to(last: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return records if any(record["tool"] == last for record in records) else []


def _inside(client: str) -> bool:
    return client in ("mcp2", "mcp2-modern", "fastmcp4", "ts2-auto")


@pytest.mark.parametrize(("client", "server", "address"), SOME)
def test_what_a_server_may_not_ask_is_told_and_the_session_goes_on(
    platform: Platform, servers: Servers, client: str, server: str, address: str
) -> None:
    served, agent = servers(server), platform.agent(CLOSED)
    asked = [ADD, {"tool": "ask"}, {"tool": "elicit"}, ECHO]
    answer = play(platform, agent, client, served.url(address), asked)
    first, sampling, elicitation, last = answer["results"]
    assert (first["text"], last["text"]) == ("3", "after all")
    assert (sampling["ok"], elicitation["ok"]) == (False, False)
    assert "allow_sampling" in sampling["text"]
    assert "allow_elicitation" in elicitation["text"]
    records = until(lambda: _up_to("echo", platform.audit(agent.agent_id)), "the last record")
    refused = [record for record in records if record["denied"]]
    assert [(record["kind"], record["method"], record["denial_reason"]) for record in refused] == [
        ("mcp", "sampling/createMessage", "mcp-not-allowed"),
        ("mcp", "elicitation/create", "mcp-not-allowed"),
    ]


def test_an_agent_of_langchain_with_its_model_behind_the_proxy_too(
    platform: Platform, servers: Servers
) -> None:
    served, model = servers("mcp1"), start_server("llm")
    host = f"model-{secrets.token_hex(3)}"
    try:
        made = platform.control.post(
            "/llms", json={"name": host, "url": model.url, "dialect": "openai"}
        )
        assert made.status_code == 201, made.text
        served.running.forget()
        rules = {"echo": {"text": {"equals": "after all"}}}
        agent = platform.agent({**CLOSED, "allowed_llm_providers": [host], "tool_rules": rules})
        answer = play(
            platform,
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
    told = [(record["kind"], record["tool"]) for record in platform.audited(agent, 7)]
    assert [one for one in told if one[0] == "llm" or one[1]] == [
        ("llm", ""),
        ("mcp", "add"),
        ("llm", ""),
        ("mcp", "echo"),
        ("llm", ""),
        ("mcp", "echo"),
        ("llm", ""),
    ]

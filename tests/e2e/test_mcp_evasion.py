"""Ways round by what two readers of one MCP request could take differently, at real servers.

That each form bites is shown first, without the proxy. Through it none executes what is forbidden,
each is recorded, and what a form lets pass of an allowed tool is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import httpx
import pytest

from tests.clients.run import Running, start_server
from tests.e2e.mcp import handshake, register, tool
from tests.e2e.mcp_attacks import ATTACKS, Attack, one
from tests.e2e.platform import Agent, Platform
from tests.e2e.test_evasion import everything, tunnel

# Whatever is not taken for MCP would be a call of these hosts, which the policy allows.
POLICY = {
    "name": "evaded",
    "allowed_tools": ["echo", "ping", "add"],
    "allowed_hosts": ["127.0.0.1", "localhost", "0.0.0.0"],
    "max_tool_calls_per_turn": 1,
}

Server = tuple[Running, str]
Servers = Callable[[str], Server]


@pytest.fixture(scope="module")
def servers(_platform: Platform) -> Iterator[Servers]:
    """A server of this kind, and the name that it is registered by."""
    with ExitStack() as stack:

        @cache
        def get(kind: str) -> Server:
            running = start_server(kind)
            stack.callback(running.stop)
            return running, register(_platform, kind, running.url)

        yield get


@pytest.fixture
def agent(platform: Platform) -> Agent:
    return platform.agent(POLICY)


KINDS = ["mcp1", "ts1"]
each = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
# A form that neither takes is tried at one of them.
at_takers = pytest.mark.parametrize(
    ("kind", "attack"),
    [
        pytest.param(kind, attack, id=f"{kind}-{name}")
        for kind in KINDS
        for name, attack in ATTACKS.items()
        if kind in attack.runs or (kind == "mcp1" and not attack.runs)
    ],
)


@pytest.mark.parametrize("kind", KINDS)
@each
def test_what_a_server_executes_without_the_proxy(
    servers: Servers, kind: str, attack: Attack
) -> None:
    server, _ = servers(kind)
    server.forget()
    with httpx.Client(trust_env=False, verify=False, timeout=30) as client:
        attack.send(handshake(client, server.url), "secret")
    assert ("secret" in server.executed) == (kind in attack.runs)


@at_takers
def test_no_form_of_a_call_gets_past_the_policy_or_its_budget(
    platform: Platform, agent: Agent, servers: Servers, kind: str, attack: Attack
) -> None:
    server, _ = servers(kind)
    server.forget()
    origin = server.url.removesuffix("/mcp")
    with platform.client(agent) as client:
        session = handshake(client, server.url)
        attack.send(session, "secret", origin)
        refused = platform.audited(agent, 3)[2:]
        assert "secret" not in server.executed
        assert [record["denied"] for record in refused].count(True) == 1
        # one call is left in the turn, in whatever form it is made
        attack.send(session, "echo", origin)
        session.post(tool("echo", text="x"))
        attack.send(session, "echo", origin)
        assert server.executed in (["echo"], [])  # some forms the server itself refuses
        passed = [record for record in platform.audited(agent, 6)[2:] if not record["denied"]]
    assert [record["tool"] for record in passed] == ["echo"]


SPELLINGS = [
    "http://localhost:{port}",
    "http://127.1:{port}",
    "http://2130706433:{port}",
    "http://0x7f.0.0.1:{port}",
    "http://0.0.0.0:{port}",
    "http://[::1]:{port}",
    "http://[::ffff:127.0.0.1]:{port}",
    "http://127.0.0.1.:{port}",
    "http://{name}",
    "http://{upper}",
    "http://{name}.",
    "http://{name}:{port}",
    "https://{name}",
]


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_no_spelling_of_the_server_is_a_way_round(
    platform: Platform, agent: Agent, servers: Servers, chunked: bool
) -> None:
    server, name = servers("mcp1")
    server.forget()
    body = one("secret")
    with platform.client(agent) as client:
        headers = handshake(client, server.url).headers
        for number, spelling in enumerate(SPELLINGS, 3):
            url = spelling.format(port=server.port, name=name, upper=name.upper()) + "/mcp"
            # to the letter: httpx would write the host in its own way
            letter = {"target": url.encode()} if url.startswith("http:") else {}
            answer = client.post(
                url,
                content=iter([body[:30], body[30:]]) if chunked else body,
                headers={**headers, "host": url.split("/")[2]},
                extensions=letter,
            )
            assert answer.headers["x-amaze-decision"] == "deny", spelling
            assert platform.audited(agent, number)[-1]["denied"] is True, spelling
    assert server.executed == []


def test_a_tunnel_to_the_real_address_is_no_way_round(
    platform: Platform, agent: Agent, servers: Servers
) -> None:
    server, _ = servers("mcp1")
    server.forget()
    authority = f"127.0.0.1:{server.port}"
    body = one("secret")
    with platform.client(agent) as client:
        session = handshake(client, server.url)
    for host in (authority, "localhost:1", "api.openai.com"):
        head = [
            "POST /mcp HTTP/1.1",
            f"Host: {host}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in session.headers.items()),
        ]
        with tunnel(platform, agent, authority) as sock:
            sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            said = everything(sock)
        assert b"x-amaze-decision: deny" in said
    assert server.executed == []
    reasons = [record["denial_reason"] for record in platform.audited(agent, 5)[2:]]
    assert reasons == ["tool-not-allowed", "authority-mismatch", "authority-mismatch"]


def test_one_server_is_no_way_to_another_at_its_address(
    platform: Platform, servers: Servers
) -> None:
    """The name of a server whose tool is allowed, and the path of the one beside it."""
    server, _ = servers("mcp1")
    server.forget()
    beside = register(platform, "beside", server.url.replace("/mcp", "/other"))
    agent = platform.agent({**POLICY, "allowed_tools": [f"{beside}/secret"]})
    paths = ["/other/../mcp", "/other/%2e%2e/mcp", "//mcp", "/other/..%2fmcp", "/%6dcp", "/x/mcp"]
    with platform.client(agent) as client:
        session = handshake(client, server.url)
        for path in paths:
            for origin in (f"http://{beside}", server.url.removesuffix("/mcp")):
                client.post(
                    f"{origin}/mcp",
                    content=one("secret"),
                    headers=session.headers,
                    extensions={"target": (origin + path).encode()},
                )
    platform.control.delete(f"/mcp_servers/{beside}").raise_for_status()
    assert all(one["denied"] for one in platform.audited(agent, 2 + 2 * len(paths))[2:])
    assert server.executed == []

"""Real clients, through a real recording proxy, with TLS inside the tunnel."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import json
import os
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import amaze
import httpx
import httpx2
import openai
import pytest
import requests
import urllib3
from amaze import context
from amaze.testing import FakePlatform

Client = Callable[[str], None]


@pytest.fixture
def agent(agent_environment: dict[str, str]) -> Iterator[amaze.Agent]:
    with amaze.init(block=False) as agent:
        yield agent


def use_httpx(url: str) -> None:
    with httpx.Client() as client:
        client.post(url, json={}).raise_for_status()


def use_httpx_async(url: str) -> None:
    async def call() -> None:
        async with httpx.AsyncClient() as client:
            (await client.post(url, json={})).raise_for_status()

    asyncio.run(call())


def use_httpx2(url: str) -> None:
    with httpx2.Client() as client:
        client.post(url, json={}).raise_for_status()


def use_httpx2_async(url: str) -> None:
    async def call() -> None:
        async with httpx2.AsyncClient() as client:
            (await client.post(url, json={})).raise_for_status()

    asyncio.run(call())


def use_requests(url: str) -> None:
    requests.post(url, json={}, timeout=10).raise_for_status()


def use_urllib(url: str) -> None:
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def use_urllib3(url: str) -> None:
    proxy = os.environ["HTTPS_PROXY"]
    basic = urllib3.make_headers(proxy_basic_auth=urllib3.util.parse_url(proxy).auth)
    with urllib3.ProxyManager(
        proxy, proxy_headers=basic, ca_certs=os.environ["SSL_CERT_FILE"]
    ) as pool:
        assert pool.request("POST", url, json={}).status == 200


def use_aiohttp(url: str) -> None:
    async def call() -> None:
        import aiohttp

        async with aiohttp.ClientSession() as client, client.post(url, json={}) as response:
            assert response.status == 200

    asyncio.run(call())


CLIENTS: list[Client] = [
    use_httpx,
    use_httpx_async,
    use_httpx2,
    use_httpx2_async,
    use_requests,
    use_urllib,
    use_urllib3,
]
if importlib.util.find_spec("aiohttp"):
    CLIENTS.append(use_aiohttp)


@pytest.mark.parametrize("url", ["https://api.example/v1", "http://tools.example/search"])
@pytest.mark.parametrize("client", CLIENTS)
def test_calls_carry_identity_and_turn(
    client: Client, url: str, agent: amaze.Agent, platform: FakePlatform
) -> None:
    with context.turn("t1"):
        client(url)
    client(url)
    assert [(call.url, call.agent_id, call.turn) for call in platform.calls] == [
        (url, "one", "t1"),
        (url, "one", None),
    ]
    for call in platform.calls:
        assert platform.agent_of(call.headers["x-amaze-bearer"]) == "one"


def test_a_pooled_connection_serves_several_turns(
    agent: amaze.Agent, platform: FakePlatform
) -> None:
    with httpx.Client() as client:
        for token in ("t1", "t2", None, "t3"):
            with context.turn(token):
                client.get("https://api.example/")
    assert [call.turn for call in platform.calls] == ["t1", "t2", None, "t3"]


async def test_concurrent_calls_of_one_client_do_not_mix_turns(
    agent: amaze.Agent, platform: FakePlatform
) -> None:
    async with httpx.AsyncClient() as client:

        async def call(number: int) -> None:
            with context.turn(f"t{number}"):
                await client.get(f"https://api.example/{number}")

        await asyncio.gather(*(call(number) for number in range(24)))
    assert len(platform.calls) == 24
    for made in platform.calls:
        assert made.turn == f"t{made.url.rpartition('/')[2]}"


def test_the_authors_own_headers_do_not_double_ours(
    agent: amaze.Agent, platform: FakePlatform
) -> None:
    with context.turn("t1"), httpx.Client(headers={"x-amaze-turn": "forged"}) as httpx_client:
        httpx_client.get("https://api.example/")
        requests.get("https://api.example/", headers={"X-AMAZE-TURN": "forged"}, timeout=10)
    assert [call.turn for call in platform.calls] == ["t1", "t1"]


class _Recorder(BaseHTTPRequestHandler):
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def direct() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that is not behind the proxy, and the headers that it got."""
    seen: list[dict[str, str]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Recorder", (_Recorder,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_header_goes_to_a_host_that_is_reached_directly(
    agent: amaze.Agent,
    platform: FakePlatform,
    direct: tuple[str, list[dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, seen = direct
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with context.turn("t1"):
        httpx.get(url)
        httpx2.get(url)
        requests.get(url, timeout=10)
        with urllib.request.urlopen(url, timeout=10):
            pass
        connection = http.client.HTTPConnection("127.0.0.1", int(url.split(":")[2].strip("/")))
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
    assert len(seen) == 5
    assert not platform.calls
    assert not [name for headers in seen for name in headers if name.startswith("x-amaze")]
    assert not [name for headers in seen for name in headers if name.startswith("proxy-")]


def test_no_header_goes_to_another_proxy(
    agent: amaze.Agent, platform: FakePlatform, direct: tuple[str, list[dict[str, str]]]
) -> None:
    url, seen = direct
    with context.turn("t1"), httpx.Client(proxy=url) as client:
        client.get("http://tools.example/")
    assert len(seen) == 1
    assert not [name for name in seen[0] if name.startswith(("x-amaze", "proxy-auth"))]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_clients_of_before_init_are_governed_too(
    scheme: str,
    agent_environment: dict[str, str],
    platform: FakePlatform,
    direct: tuple[str, list[dict[str, str]]],
) -> None:
    url, seen = direct
    with httpx.Client(trust_env=False) as early, httpx.Client() as other:
        early.get(url)  # an open direct connection
        urllib.request.urlopen(url, timeout=10).close()
        with amaze.init(block=False), context.turn("t1"):
            early.get(url)
            early.get(f"{scheme}://api.example/")
            other.get(f"{scheme}://api.example/")
            urllib.request.urlopen(url, timeout=10).close()
    assert len(seen) == 2
    assert [call.turn for call in platform.calls] == ["t1"] * 4


async def test_an_async_client_of_before_init_is_governed_too(
    agent_environment: dict[str, str],
    platform: FakePlatform,
    direct: tuple[str, list[dict[str, str]]],
) -> None:
    url, seen = direct
    async with httpx.AsyncClient() as early:
        await early.get(url)
        with amaze.init(block=False), context.turn("t1"):
            await early.get(url)
            await early.get("https://api.example/")
    assert len(seen) == 1
    assert [call.turn for call in platform.calls] == ["t1"] * 2


def test_a_client_of_before_init_that_knew_the_proxy_without_credentials(
    agent_environment: dict[str, str], platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", platform.proxy.url)
    client = openai.OpenAI(api_key="sk-1")
    platform.answer("https://api.openai.com/v1/models", {"object": "list", "data": []})
    with client, amaze.init(block=False):
        assert client.models.list().data == []
    assert [call.agent_id for call in platform.calls] == ["one"]


def test_nothing_is_added_after_close(
    agent_environment: dict[str, str], platform: FakePlatform
) -> None:
    with amaze.init(block=False):
        proxy, ca = os.environ["HTTPS_PROXY"], Path(os.environ["SSL_CERT_FILE"]).read_text()
    trusted = ssl.create_default_context(cadata=ca)
    with context.turn("t1"), httpx.Client(proxy=proxy, verify=trusted) as client:
        client.get("https://api.example/")
    assert not [name for name in platform.calls[0].headers if name.startswith("x-amaze")]


LATE_IMPORT = """
import sys, json
import amaze
from amaze import context
with amaze.init(block=False):
    before = sorted({"httpx", "httpcore", "requests", "aiohttp"} & set(sys.modules))
    import httpx, httpcore
    with context.turn("t1"):
        httpx.get("https://api.example/")
    print(json.dumps([before, httpcore.__spec__.loader.__class__.__name__]))
"""


def test_a_library_is_patched_when_the_agent_imports_it(
    agent_environment: dict[str, str], platform: FakePlatform
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LATE_IMPORT],
        env=agent_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [[], "SourceFileLoader"]
    assert [call.turn for call in platform.calls] == ["t1"]

"""What is measured: the upstream alone, plain mitmproxy in front of it, and ours."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from processes import descendants, free_port, listens, running

HERE = Path(__file__).parent
TOOLS = HERE.parent / ".tools" / "mitm-venv"
LLM_HOST = "api.openai.com"
FILES_HOST = "files.example"  # an allowed host that is no LLM provider
TOOLS_HOST = "tools.example"  # where the MCP server with TLS is
TOOLS_JSON, TOOLS_SSE, PEER = "bench-json", "bench-sse", "bench-peer"

_UNLIMITED = 10**12
_POLICY = {
    "name": "bench",
    "allowed_llm_providers": ["openai"],
    "allowed_hosts": [FILES_HOST],
    "allowed_tools": ["web_search"],
    "allowed_agents": [PEER],
    "max_tokens_per_turn": _UNLIMITED,
    "max_tool_calls_per_turn": _UNLIMITED,
    "max_agent_calls_per_turn": _UNLIMITED,
}
WINDOWED = _POLICY | {
    "token_rate_limits": [
        {"window": "10m", "max_tokens": _UNLIMITED},
        {"window": "1h", "max_tokens": _UNLIMITED},
    ],
}


@dataclass(frozen=True)
class Upstream:
    """The mock: its TLS and its plain address, and the CA of its certificate."""

    tls: str
    plain: str
    ca: Path


@dataclass(frozen=True)
class Contender:
    """A way to the upstream: the arguments that `load.py` needs to take it."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Platform:
    """Ours, running: where it is, and the processes of its workers."""

    proxy: str
    control: str
    admin_key: str
    ca: Path
    workers: tuple[int, ...]

    def contender(self, agent_id: str, policy: Mapping[str, object] = WINDOWED) -> Contender:
        """A new agent on this platform, with `policy`."""
        made = self._post("/agents", {"agent_id": agent_id, "policy": policy})
        pair = base64.b64encode(f"{agent_id}:{made['credential']}".encode()).decode()
        return Contender(
            "ours",
            (
                *("--proxy", self.proxy, "--ca", str(self.ca)),
                *("--proxy-header", f"Proxy-Authorization: Basic {pair}"),
                *("--header", f"X-Amaze-Bearer: {made['credential']}"),
            ),
        )

    def register(self, up: Upstream) -> None:
        """The mock, as MCP servers with and without TLS, and as an agent, which has none."""
        for name, path in ((TOOLS_JSON, "/mcp"), (TOOLS_SSE, "/mcp-events")):
            self._post("/mcp_servers", {"name": name, "url": f"http://{up.plain}{path}"})
            url = f"https://{TOOLS_HOST}{path}"
            self._post("/mcp_servers", {"name": f"{name}-tls", "url": url})
        host, _, port = up.plain.partition(":")
        self._post("/agents", {"agent_id": PEER, "a2a_host": host, "a2a_port": int(port)})

    def _post(self, path: str, body: Mapping[str, object]) -> Mapping[str, str]:
        request = urllib.request.Request(
            self.control + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.admin_key}"},
        )
        found: Mapping[str, str] = json.loads(_direct(request))
        return found


def _direct(request: urllib.request.Request | str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        content: bytes = response.read()
        return content


@contextmanager
def upstream(directory: Path) -> Iterator[Upstream]:
    """The mock upstream, with a certificate for the hosts that it plays."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(directory / "upstream-ca.pem")
    leaf = ca.issue_cert(LLM_HOST, FILES_HOST, TOOLS_HOST, "127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(directory / "upstream.pem")
    tls, plain = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    argv = [sys.executable, str(HERE / "mock.py"), "--listen", f"{tls}:tls", "--listen", plain]
    argv += ["--cert", str(directory / "upstream.pem")]
    port = int(plain.rpartition(":")[2])
    with running(argv, directory / "mock.log", ready=listens(port)):
        yield Upstream(tls, plain, directory / "upstream-ca.pem")


def direct(up: Upstream) -> Contender:
    return Contender("direct", ("--addr", up.tls, "--ca", str(up.ca)))


@contextmanager
def mitmproxy(directory: Path, up: Upstream) -> Iterator[Contender]:
    """Plain mitmproxy: no add-on of anybody's, quiet, its own CA, verifying the upstream."""
    _install_mitmproxy()
    port = free_port()
    argv = [str(TOOLS / "bin" / "mitmdump"), "--quiet", "--listen-host", "127.0.0.1"]
    argv += ["--listen-port", str(port), "--set", f"confdir={directory / 'mitm'}"]
    argv += ["--set", f"ssl_verify_upstream_trusted_ca={up.ca}"]
    with running(argv, directory / "mitmproxy.log", ready=listens(port)):
        ca = directory / "mitm" / "mitmproxy-ca-cert.pem"
        # It resolves the CONNECT target itself, so that has to be the mock's address.
        yield Contender(
            "mitmproxy",
            ("--proxy", f"http://127.0.0.1:{port}", "--addr", up.tls, "--ca", str(ca)),
        )


def _install_mitmproxy() -> None:
    """In an environment of its own: its pins are not ours."""
    if (TOOLS / "bin" / "mitmdump").exists():
        return
    print("installing mitmproxy, once", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(TOOLS)], check=True)
    subprocess.run([str(TOOLS / "bin" / "pip"), "install", "--quiet", "mitmproxy"], check=True)


@contextmanager
def platform(
    directory: Path, up: Upstream, workers: int, name: str = "w", **more: str
) -> Iterator[Platform]:
    """Ours on its embedded store, as `amaze up --no-ui` starts it; `more` of its environment."""
    home = directory / f"{name}{workers}"
    home.mkdir()
    proxy, control, key = free_port(), free_port(), secrets.token_hex(16)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AMAZE_")} | {
        "AMAZE_DATA_DIR": str(home),
        "AMAZE_PROXY_PORT": str(proxy),
        "AMAZE_CONTROL_PORT": str(control),
        "AMAZE_UI_PORT": str(free_port()),
        "AMAZE_PROXY_WORKERS": str(workers),
        "AMAZE_ADMIN_KEY": key,
        "AMAZE_UPSTREAMS": _places(up),
        "AMAZE_UPSTREAM_CA": str(up.ca),
        "AMAZE_LOG_LEVEL": "warning",
        # A machine that stands still for a moment is slow; a call that it refused is no figure.
        "AMAZE_STORE_TIMEOUT_MS": "10000",
        **more,
    }
    argv = [sys.executable, "-m", "amaze_proxy.cli", "up", "--no-ui"]
    control_url, proxy_url = f"http://127.0.0.1:{control}", f"http://127.0.0.1:{proxy}"

    def ready() -> bool:
        return _healthy(control_url) and _healthy(proxy_url)

    with running(argv, directory / f"amaze-{name}{workers}.log", ready=ready, env=env) as pid:
        ca = home / "proxy-ca.pem"
        ca.write_bytes(_direct(f"{control_url}/ca.pem"))
        yield Platform(proxy_url, control_url, key, ca, _workers(pid, workers))


def _places(up: Upstream) -> str:
    """Where the hosts that the mock plays really are; the LLM host also without TLS."""
    hosts = (LLM_HOST, FILES_HOST, TOOLS_HOST)
    return ",".join([f"{LLM_HOST}:80=http://{up.plain}", *(f"{h}=https://{up.tls}" for h in hosts)])


def _healthy(url: str) -> bool:
    try:
        _direct(f"{url}/health")
    except OSError:
        return False
    return True


def _workers(pid: int, count: int) -> tuple[int, ...]:
    found = descendants(pid, "amaze_proxy.proxy ")
    if len(found) != count:
        raise RuntimeError(f"{len(found)} proxy workers run, {count} were asked for")
    return tuple(found)

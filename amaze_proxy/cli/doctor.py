"""`amaze doctor`: what is wrong on this machine, and the fix."""

from __future__ import annotations

import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import click
import httpx

from amaze_proxy.cli.common import json_option, settings_of, show
from amaze_proxy.settings import Settings

_MOST_SKEW_S = 30
_LEAST_FREE = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, whether it is well, what was seen and what to do."""

    check: str
    ok: bool
    seen: str
    fix: str = ""


def _get(url: str) -> httpx.Response | None:
    try:
        with httpx.Client(trust_env=False, timeout=5) as client:
            return client.get(url)
    except httpx.HTTPError:
        return None


def check_control(settings: Settings) -> list[Finding]:
    """The control API, its parts, and its clock."""
    answer = _get(f"{settings.control_url}/health")
    if answer is None:
        return [_not_running("control API", settings.control_url, settings.control_port, settings)]
    parts = answer.json().get("parts", {})
    found = [Finding("control API", answer.status_code == 200, settings.control_url)]
    for name, state in parts.items():
        well = state in ("ok", True)
        fix = "" if well else f"see the log of `amaze control`; {name} is not answering"
        found.append(Finding(name, well, str(state), fix))
    date = answer.headers.get("date")
    if date:
        skew = abs(time.time() - parsedate_to_datetime(date).timestamp())
        fix = "" if skew < _MOST_SKEW_S else "set the clock: certificates and turns carry times"
        found.append(Finding("clock", skew < _MOST_SKEW_S, f"{skew:.0f} s apart", fix))
    return found


def check_proxy(settings: Settings) -> list[Finding]:
    """The proxy, reached and healthy."""
    answer = _get(f"{settings.proxy_url}/health")
    if answer is None:
        return [_not_running("proxy", settings.proxy_url, settings.proxy_port, settings)]
    well = answer.status_code == 200
    fix = "" if well else "the store does not answer: every call is refused until it does"
    return [Finding("proxy", well, answer.text.strip(), fix)]


def _not_running(name: str, url: str, port: int, settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(2)
        taken = probe.connect_ex((settings.reachable_host.strip("[]"), port)) == 0
    if taken:
        fix = f"another program has port {port}: stop it, or choose another port"
        return Finding(name, False, f"{url}: something else answers", fix)
    return Finding(name, False, f"{url}: nothing listens", "start it: `amaze up`")


def check_ca(settings: Settings) -> list[Finding]:
    """The CA certificate: there, readable, the one that is being served."""
    path = settings.data_dir / "ca" / "ca.pem"
    if not path.exists():
        return [Finding("CA", False, f"{path} is not there", "`amaze up` makes it")]
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        return [Finding("CA", False, str(error), f"restore {path} from a backup")]
    served = _get(f"{settings.control_url}/ca.pem")
    if served is not None and served.content.strip() != path.read_bytes().strip():
        fix = "agents trust another CA than this one: restart the platform"
        return [Finding("CA", False, "the file is not what is served", fix)]
    return [Finding("CA", True, str(path)), *_key_mode(settings.data_dir / "ca" / "ca.key")]


def _key_mode(path: Path) -> list[Finding]:
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return [Finding("CA key", False, f"{path} is not there", "restore it from a backup")]
    fix = "" if mode == 0o600 else f"chmod 600 {path}"
    return [Finding("CA key", mode == 0o600, f"mode {mode:o}", fix)]


def check_disk(settings: Settings) -> list[Finding]:
    """Room for the audit log."""
    try:
        free = shutil.disk_usage(settings.data_dir).free
    except OSError as error:
        fix = "make the directory, or name another with AMAZE_DATA_DIR"
        return [Finding("data directory", False, str(error), fix)]
    fix = "" if free > _LEAST_FREE else "make room: calls are refused when nothing can be recorded"
    return [Finding("disk", free > _LEAST_FREE, f"{free // 2**20:,} MiB free", fix)]


def check_files(settings: Settings) -> list[Finding]:
    """What would keep the platform from starting: keys and database that are not ours."""
    found: list[Finding] = []
    for name, well in (("turn.key", _is_key), ("history.db", _is_sqlite)):
        path = settings.data_dir / name
        try:
            fault = "" if not path.exists() or well(path) else f"{path} is damaged"
        except OSError as error:
            fault = f"{path} cannot be read: {error.strerror}"
        if fault:
            fix = f"repair its owner, or restore {path} from a backup"
            found.append(Finding(name, False, fault, fix))
    return found


def _is_key(path: Path) -> bool:
    return path.stat().st_size == 32


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


CHECKS: tuple[Callable[[Settings], list[Finding]], ...] = (
    check_disk,
    check_files,
    check_ca,
    check_control,
    check_proxy,
)


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check ports, CA, store, clock and disk, and say the fix (exit code 1 if one is needed).

    \b
    amaze doctor --json
    """
    settings = settings_of()
    findings = [finding for check in CHECKS for finding in check(settings)]
    rows = [
        {"check": f.check, "state": "ok" if f.ok else "WRONG", "seen": f.seen, "fix": f.fix}
        for f in findings
    ]
    show(rows, ("check", "state", "seen"), as_json)
    for finding in findings:
        if finding.fix and not as_json:
            click.echo(f"\n{finding.check}: {finding.fix}")
    sys.exit(0 if all(f.ok for f in findings) else 1)

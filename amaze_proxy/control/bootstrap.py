"""What an installation begins with: `policies.yaml` and `mcp_servers.yaml` of a directory.

    policies.yaml       {agent id: policy}
    mcp_servers.yaml    {name: {url: …, tools: […], owner: …}}, or {name: url}

Both are read whole before anything is saved. What has a name that is taken, now or ever before, is
left as it is: an operator's change outlives every start. The store is told by the reconciler.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from amaze_proxy.control import policies
from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import LostUpdate
from amaze_proxy.control.naming import check_name, check_url
from amaze_proxy.control.policy_lines import Lines
from amaze_proxy.history.bundle import History
from amaze_proxy.history.errors import NameHeld
from amaze_proxy.history.policies import PolicyVersion
from amaze_proxy.history.registry import EntryKind, EntryRecord
from amaze_proxy.policy.document import NotUnderstood, read_document
from amaze_proxy.policy.fields import Strict, Text
from amaze_proxy.policy.ids import check_agent_id
from amaze_proxy.policy.model import Policy, PolicyError, Problem, parse_policy
from amaze_proxy.policy.problems import found_by
from amaze_proxy.store.registry import EntryStatus

log = logging.getLogger(__name__)

POLICIES, SERVERS = "policies.yaml", "mcp_servers.yaml"
AUTHOR = "bootstrap"

T = TypeVar("T")


class BootstrapError(Exception):
    """A file cannot be used; the text has a line for each fault, with file, line and field."""


class Server(Strict):
    """An MCP server as it is written in the file."""

    url: Annotated[str, AfterValidator(check_url)]
    tools: tuple[Text, ...] = Field((), max_length=1000)
    owner: Text = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was new, by name."""

    policies: tuple[str, ...]
    servers: tuple[str, ...]


async def load(directory: Path, history: History, clock: Clock) -> Loaded:
    """Save what is not there yet. Raises BootstrapError (then nothing was saved),
    HistoryUnavailable."""
    wanted, servers = await asyncio.to_thread(_read_both, directory)
    known = await history.policies.heads()
    new_policies = [
        agent_id
        for agent_id, policy in wanted.items()
        if agent_id not in known and await _save_policy(history, agent_id, policy, clock())
    ]
    new_servers = [
        name for name, one in servers.items() if await _save_server(history, name, one, clock())
    ]
    for what, names in (("policies", new_policies), ("MCP servers", new_servers)):
        if names:
            log.info("%s from %s: %s", what, directory, ", ".join(names))
    return Loaded(tuple(new_policies), tuple(new_servers))


async def _save_policy(history: History, agent_id: str, policy: Policy, now: int) -> bool:
    draft = policies.draft(agent_id, policy, AUTHOR, now, f"from {POLICIES}")
    try:
        await history.policies.add(draft, _unless_there)
    except LostUpdate:
        return False
    return True


def _unless_there(active: PolicyVersion | None) -> None:
    if active is not None:  # another control process was faster
        raise LostUpdate("there is a policy already")


async def _save_server(history: History, name: str, server: Server, now: int) -> bool:
    wanted = EntryRecord(
        kind=EntryKind.MCP,
        name=name,
        url=server.url,
        status=str(EntryStatus.APPROVED),
        created_ms=now,
        updated_ms=now,
        owner=server.owner,
        tools=server.tools,
    )
    if await history.registry.get(name) is not None:
        return False
    try:
        saved = await history.registry.change(
            EntryKind.MCP, name, lambda before: wanted if before is None else before
        )
    except NameHeld as error:
        log.warning("MCP server %s of %s is left out: %s", name, SERVERS, error)
        return False
    return saved.created_ms == now


def _read_both(directory: Path) -> tuple[Mapping[str, Policy], Mapping[str, Server]]:
    if not directory.is_dir():
        raise BootstrapError(f"{directory} is no directory: AMAZE_CONFIG_DIR must name one")
    wanted = _read(directory / POLICIES, check_agent_id, parse_policy)
    return wanted, _read(directory / SERVERS, check_name, _server)


def _read(path: Path, check: Callable[[str], str], parse: Callable[[object], T]) -> Mapping[str, T]:
    """The entries of a file; none when there is no such file. Raises BootstrapError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BootstrapError(f"{path} cannot be read: {error}") from None
    found: dict[str, T] = {}
    problems: list[Problem] = []
    for name, data in _entries(path, text).items():
        try:
            found[check(name)] = parse(data)
        except PolicyError as error:
            problems += (_below(name, one) for one in error.problems)
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    if problems:
        lines = Lines(text)
        raise BootstrapError("\n".join(_told(path, lines, one) for one in problems))
    return found


def _entries(path: Path, text: str) -> Mapping[str, object]:
    try:
        data = read_document(text)
    except NotUnderstood as error:
        raise BootstrapError(_told(path, Lines(text), Problem("", f"the file {error}"))) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BootstrapError(f"{path}: the file must be a mapping of names")
    return {str(name): value for name, value in data.items()}


def _server(data: object) -> Server:
    try:
        return Server.model_validate({"url": data} if isinstance(data, str) else data)
    except ValidationError as error:
        raise PolicyError(found_by(error)) from None


def _below(name: str, problem: Problem) -> Problem:
    return Problem(f"{name}.{problem.field}" if problem.field else name, problem.message)


def _told(path: Path, lines: Lines, problem: Problem) -> str:
    line = lines.of(problem.field, problem.message)
    return f"{path}:{line}: {problem}" if line else f"{path}: {problem}"

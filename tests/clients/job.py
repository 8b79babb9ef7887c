"""What the Python client scripts share: the job from the last argument, the answer to stdout.

These scripts run in environments of their own, with nothing of ours on the path. A job is
`{"url", "calls": [...], "timeout"?}`; a call is `{"tool", "arguments"?}`, `{"resource"}`,
`{"prompt", "arguments"?}` or, to an agent or a model, `{"message"}`. `timeout` is in seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SAMPLED = "sampled by the client"
ELICITED = {"answer": "given by the client"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a job; what it is not is empty."""

    tool: str = ""
    resource: str = ""
    prompt: str = ""
    message: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """What a client is to do in one session."""

    url: str
    calls: tuple[Call, ...]
    timeout: float
    variant: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the client's caller sees of one call.

    `error` is empty, `isError` (a tool's own failure) or the exception's class; `code` the one of
    JSON-RPC or HTTP that the exception carries.
    """

    ok: bool
    text: str
    error: str = ""
    code: int | None = None


@dataclass(slots=True)
class Answer:
    """What a client prints; `died` is what ended its session, empty where it came to its end."""

    tools: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    died: str = ""


def failed(error: BaseException) -> Result:
    """The exception as the caller reads it; of a group, its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    inner = getattr(error, "error", error)  # where the MCP SDKs have code and message
    code = getattr(inner, "code", None)
    text = getattr(inner, "message", None) or str(error)
    return Result(False, text, type(error).__name__, code if isinstance(code, int) else None)


def shown(is_error: bool, content: Sequence[Any]) -> Result:
    """A tool's result: the texts of its content."""
    text = "\n".join(getattr(part, "text", "") for part in content)
    return Result(not is_error, text, "isError" if is_error else "")


async def attempt(call: Awaitable[Result]) -> Result:
    """The result, or the exception as one."""
    try:
        return await call
    except Exception as error:
        return failed(error)


async def perform(
    job: Job,
    answer: Answer,
    tools: Callable[[], Awaitable[Sequence[Any]]],
    make: Callable[[Call], Awaitable[Result]],
) -> None:
    """Lists the tools and makes the calls in their order, all in the one session."""
    answer.tools = [tool.name for tool in await tools()]
    for call in job.calls:
        answer.results.append(await attempt(make(call)))


def main(play: Callable[[Job, Answer], Awaitable[None]]) -> None:
    """Runs a script: `[variant] job` in argv, one line of JSON on stdout."""
    read = json.loads(sys.argv[-1])
    calls = tuple(Call(**call) for call in read["calls"])
    variant = sys.argv[1] if len(sys.argv) > 2 else ""
    job = Job(read["url"], calls, read.get("timeout", 10), variant)
    answer = Answer()

    async def whole() -> None:
        try:
            await play(job, answer)
        except BaseException as error:
            end = failed(error)
            answer.died = f"{end.error}: {end.text}"

    asyncio.run(whole())
    print(json.dumps(asdict(answer)), flush=True)

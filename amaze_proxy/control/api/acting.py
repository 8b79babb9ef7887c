"""The hook of the route table: what people change is written to the log, before and after."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.acts import Act, Outcome, told
from amaze_proxy.control.api import keys, users, views
from amaze_proxy.control.api.call import Call, Entry
from amaze_proxy.control.api.principals import AgentCaller, Role
from amaze_proxy.control.api.problems import kind_of
from amaze_proxy.control.errors import ControlError

_ACTS = (Role.SELF, Role.OPERATOR, Role.SIGNED_IN, Role.PERSON, Role.ADMIN)
_READS = ("GET", "HEAD")
_NAMES = ("agent_id", "name", "user", "key_id")
_JUDGES = ("/policy/{agent_id}/simulate",)  # reads, with what is to be judged in the body


Look = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What an act is done to: its kind, its name, and how to look at it (None: it names
    nothing)."""

    kind: str
    name: str
    look: Look | None


def is_act(entry: Entry) -> bool:
    """Whether people change something by this route."""
    reads = entry.method in _READS or entry.path in _JUDGES
    return not reads and entry.role in _ACTS


async def handled(entry: Entry, call: Call) -> Response:
    """What the route's handler answers; an act is recorded. Raises as the handler, and
    StoreUnavailable when the act cannot be recorded: it has not happened then."""
    if not is_act(entry) or isinstance(call.principal, AgentCaller):
        return await entry.handler(call)
    what = f"{entry.handler.__module__.rpartition('.')[2]}.{entry.handler.__name__}"
    return await recorded(call, what, _subject(entry, call), lambda: entry.handler(call))


async def recorded(
    call: Call, what: str, subject: Subject, handler: Callable[[], Awaitable[Response]]
) -> Response:
    """What `handler` answers, with both records of the act. Raises as `handled`."""
    act = Act(
        who=call.author,
        via=call.principal.via,
        address=call.address,
        what=what,
        target=f"{subject.kind}/{subject.name}" if subject.name else subject.kind,
        method=call.request.method,
        path=call.request.url.path,
        old=await _state(subject.look),
    )
    begun = await call.services.acts.begin(act)
    try:
        response = await handler()
    except Exception as error:
        problem = kind_of(error)
        outcome = Outcome(problem.status, await _afterwards(subject.look), problem.code)
        await call.services.acts.end(act, begun, outcome)
        raise
    new = _answered(response) or await _afterwards(subject.look)
    await call.services.acts.end(act, begun, Outcome(response.status_code, new))
    return response


def _subject(entry: Entry, call: Call) -> Subject:
    """What the path names."""
    kind = entry.path.removeprefix("/auth").split("/")[1]
    names = call.request.path_params
    name = str(next((names[one] for one in _NAMES if one in names), ""))
    services = call.services

    async def agent() -> object:
        return views.agent(await services.agents.get(name))

    async def policy() -> object:
        return views.version((await services.policies.current(name)).version)

    async def mcp_server() -> object:
        return views.mcp_server(await services.mcp_servers.get(name))

    async def llm() -> object:
        return views.llm(await services.llms.get(name))

    async def user() -> object:
        return users.view(await services.people.get(name))

    async def api_key() -> object:
        return keys.view(await services.access_keys.get(name))

    looks: dict[str, Look] = {
        "agents": agent,
        "policy": policy,
        "mcp_servers": mcp_server,
        "llms": llm,
        "users": user,
        "api-keys": api_key,
    }
    return Subject(kind, name, looks.get(kind) if name else None)


async def _state(look: Look | None) -> str:
    """How it is, as JSON; "" where there is no such thing. Raises HistoryUnavailable."""
    if look is None:
        return ""
    try:
        return told(await look())
    except ControlError:
        return ""


async def _afterwards(look: Look | None) -> str:
    """How it is after the act; the act is not undone by not knowing."""
    try:
        return await _state(look)
    except Exception:  # noqa: BLE001 (the answer, or its own error, is what the caller must see)
        return ""


def _answered(response: Response) -> str:
    if not isinstance(response, JSONResponse):
        return ""
    return told(json.loads(bytes(response.body)))

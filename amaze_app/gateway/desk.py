"""What the desks share: who sees what, and the record of each act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from amaze_app.gateway.principal import Need, Principal, Role
from amaze_app.gateway.refusals import Refused
from amaze_proxy.control.acts import Act, Outcome
from amaze_proxy.control.acts import told as as_json
from amaze_proxy.control.api.problems import kind_of
from amaze_proxy.control.console import EVERYTHING, AgentRecord, Viewer
from amaze_proxy.control.errors import ControlError
from amaze_proxy.control.services import Services

T = TypeVar("T")
Look = Callable[[], Awaitable[object]]

_VIA = "session, web UI"
_METHOD = "UI"


@dataclass(frozen=True, slots=True)
class Deed:
    """An act: `what` as the API's log calls it (`agents.approve`), `target` (`agents/web-1`), and
    how to look at what it changes."""

    what: str
    target: str
    look: Look | None = None


class Desk:
    """All methods raise Refused and Outage."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def _needs(self, who: Principal, need: Need) -> None:
        if not who.may(need):
            raise Refused(f"you are {who.role}: this needs another role (an admin can give it)")

    async def _viewer(self, who: Principal) -> Viewer:
        """Whose calls this person may see."""
        self._needs(who, Need.VIEWER)
        if who.role is not Role.OPERATOR:
            return EVERYTHING
        records = await self._services.history.agents.list()
        return Viewer(frozenset(one.agent_id for one in records if who.sees(one)))

    async def _readable(self, who: Principal, agent_id: str) -> None:
        """Raises Refused unless this person may read about the agent."""
        self._needs(who, Need.VIEWER)
        if who.role is Role.OPERATOR:
            await self._owned(who, agent_id)

    async def _changeable(self, who: Principal, agent_id: str) -> None:
        """Raises Refused unless this person may change the agent."""
        self._needs(who, Need.OPERATOR)
        if who.role is not Role.ADMIN:
            await self._owned(who, agent_id)

    async def _owned(self, who: Principal, agent_id: str) -> AgentRecord:
        record = await self._services.history.agents.get(agent_id)
        if record is None or not who.sees(record):
            raise Refused("there is no such agent, or it is not yours")
        return record

    async def _act(self, who: Principal, deed: Deed, do: Callable[[], Awaitable[T]]) -> T:
        """Does it, with a record before and after. Without the first record it is not done."""
        acts = self._services.acts
        act = Act(
            who=who.name,
            via=_VIA,
            address=who.address,
            what=deed.what,
            target=deed.target,
            method=_METHOD,
            path="",
            old=await _state(deed.look),
        )
        begun = await acts.begin(act)
        try:
            done = await do()
        except Exception as error:
            problem = kind_of(error)
            await acts.end(
                act, begun, Outcome(problem.status, await _afterwards(deed.look), problem.code)
            )
            raise
        await acts.end(act, begun, Outcome(200, await _afterwards(deed.look)))
        return done


async def _state(look: Look | None) -> str:
    if look is None:
        return ""
    try:
        return as_json(await look())
    except ControlError:
        return ""


async def _afterwards(look: Look | None) -> str:
    """How it is after the act, which is not undone by not knowing."""
    try:
        return await _state(look)
    except Exception:  # noqa: BLE001 (what the act did, or its own error, is what counts)
        return ""

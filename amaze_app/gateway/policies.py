"""Policies: the active one, versions, differences, validation, simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.principal import Principal
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.api import views
from amaze_proxy.control.console import PolicyVersion
from amaze_proxy.control.errors import PolicyInvalid, PolicyNotFound
from amaze_proxy.control.policies import Comparison, Current, Policy, parse, read
from amaze_proxy.control.policy_lines import Lines
from amaze_proxy.control.simulate import Flip, Simulation

__all__ = [
    "Comparison",
    "Current",
    "Flip",
    "Judgement",
    "Policy",
    "PolicyDesk",
    "PolicyInvalid",
    "PolicyVersion",
    "Remark",
    "Simulation",
    "parse",
    "read",
]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a field of a document; `line` from 1, 0 where it cannot be told."""

    field: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a document (`errors` empty: nothing), and what may be."""

    errors: tuple[Remark, ...]
    warnings: tuple[Remark, ...]


class PolicyDesk(Desk):
    """All methods raise Refused and Outage."""

    async def current(self, who: Principal, agent_id: str) -> Current | None:
        """The active policy; None: there is none, so every call is refused."""
        with told():
            await self._readable(who, agent_id)
            try:
                return await self._services.policies.current(agent_id)
            except PolicyNotFound:
                return None

    async def versions(
        self, who: Principal, agent_id: str, before: int = 0, limit: int = 50
    ) -> tuple[PolicyVersion, ...]:
        """Versions, newest first, those before `before` (0: from the newest on)."""
        with told():
            await self._readable(who, agent_id)
            return await self._services.policies.versions(agent_id, before, limit)

    async def version(self, who: Principal, agent_id: str, number: int) -> PolicyVersion:
        """One version with its document."""
        with told():
            await self._readable(who, agent_id)
            return await self._services.policies.version(agent_id, number)

    async def compare(
        self, who: Principal, agent_id: str, before: int | None, after: int | None
    ) -> Comparison:
        """What changed from one version to another, field by field."""
        with told():
            await self._readable(who, agent_id)
            return await self._services.policies.compare(agent_id, before, after)

    async def judge(self, who: Principal, agent_id: str, text: str) -> Judgement:
        """Whether a document is a policy, without saving it."""
        with told():
            await self._readable(who, agent_id)
            lines = Lines(text)
            try:
                policy = parse(text)
            except PolicyInvalid as error:
                return Judgement(tuple(_remark(lines, *one) for one in error.errors), ())
            advice = await self._services.policies.advice(policy)
        return Judgement((), tuple(_remark(lines, one.field, one.message) for one in advice))

    async def save(
        self, who: Principal, agent_id: str, text: str, comment: str = "", seen: int | None = None
    ) -> PolicyVersion:
        """A new version, in force when this returns. `seen` is the version that the draft began
        with (0: none; None: whatever there is): another one by now is refused as LostUpdate."""
        with told():
            await self._changeable(who, agent_id)
            policy = parse(text)
            return await self._act(
                who,
                self._deed("save", agent_id),
                lambda: self._services.policies.save(
                    agent_id, policy, author=who.name, comment=comment, expects=_expecting(seen)
                ),
            )

    async def rollback(
        self, who: Principal, agent_id: str, number: int, seen: int | None = None
    ) -> PolicyVersion:
        """A new version with the content of an old one; `seen` as of `save`."""
        with told():
            await self._changeable(who, agent_id)
            return await self._act(
                who,
                self._deed("rollback", agent_id),
                lambda: self._services.policies.rollback(
                    agent_id, number, author=who.name, expects=_expecting(seen)
                ),
            )

    async def simulate(
        self, who: Principal, agent_id: str, text: str, hours: int = 24
    ) -> Simulation:
        """What a draft would have done to the calls of the last `hours` (1 to 744)."""
        if not 1 <= hours <= 744:
            raise Refused("hours must be from 1 to 744")
        with told():
            await self._changeable(who, agent_id)
            return await self._services.simulations.run(agent_id, parse(text), hours)

    def _deed(self, what: str, agent_id: str) -> Deed:
        async def look() -> object:
            return views.version((await self._services.policies.current(agent_id)).version)

        return Deed(f"policies.{what}", f"policy/{agent_id}", look)


def _expecting(seen: int | None) -> Callable[[PolicyVersion | None], bool]:
    def expects(active: PolicyVersion | None) -> bool:
        return seen is None or seen == (0 if active is None else active.version)

    return expects


def _remark(lines: Lines, field: str, message: str) -> Remark:
    return Remark(field, lines.of(field, message) or 0, message)

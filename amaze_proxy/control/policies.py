"""Policies: every save is a version in the history first, and published to the store second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import (
    LostUpdate,
    NotInForce,
    PolicyInvalid,
    PolicyNotFound,
    checked_id,
)
from amaze_proxy.control.naming import BUILT_IN_PROVIDERS
from amaze_proxy.control.policy_advice import Known, Warn, warnings
from amaze_proxy.control.policy_diff import Change, diff
from amaze_proxy.control.publisher import Publisher
from amaze_proxy.history.bundle import History
from amaze_proxy.history.errors import RowMissing
from amaze_proxy.history.policies import NewPolicy, PolicyVersion
from amaze_proxy.history.registry import EntryKind
from amaze_proxy.policy.document import NotUnderstood, read_document
from amaze_proxy.policy.model import (
    Policy,
    PolicyError,
    canonical_json,
    load_policy,
    parse_policy,
    sha256,
)
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.store import Store

Expectation = Callable[[PolicyVersion | None], bool]


@dataclass(frozen=True, slots=True)
class Current:
    """The active version; `in_force` None when the store could not be asked."""

    version: PolicyVersion
    in_force: bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came with version `after`, seen from `before` (0: the empty policy, which denies
    everything)."""

    before: int
    after: int
    changes: tuple[Change, ...]


def parse(text: str) -> Policy:
    """The policy in YAML or JSON. Raises PolicyInvalid with what is wrong and where."""
    with _told():
        return load_policy(text)


def parse_data(data: object) -> Policy:
    """The policy in plain data. Raises PolicyInvalid with what is wrong and where."""
    with _told():
        return parse_policy(data)


def read(text: str) -> object:
    """The plain data that YAML or JSON stands for, read as `parse` reads it, whether it is a
    policy or not. Raises PolicyInvalid."""
    try:
        return read_document(text)
    except NotUnderstood as error:
        message = f"the text {error}"
        raise PolicyInvalid(message, (("", message),)) from None


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PolicyError as error:
        found = tuple((problem.field, problem.message) for problem in error.problems)
        raise PolicyInvalid(str(error), found) from None


def draft(agent_id: str, policy: Policy, author: str, now: int, comment: str) -> NewPolicy:
    """What the history is asked to save."""
    return NewPolicy(
        agent_id=agent_id,
        author=author,
        created_ms=now,
        comment=comment,
        sha256=sha256(policy),
        document=canonical_json(policy),
    )


def anything(_active: PolicyVersion | None) -> bool:
    """The expectation of a caller that has seen nothing."""
    return True


class Policies:
    """The policies of all agents, also of those that are yet to register."""

    def __init__(self, history: History, store: Store, publisher: Publisher, clock: Clock) -> None:
        self._history = history
        self._store = store
        self._publisher = publisher
        self._clock = clock

    async def current(self, agent_id: str) -> Current:
        """Raises InvalidId, PolicyNotFound, HistoryUnavailable."""
        active = await self._history.policies.active(checked_id(agent_id))
        if active is None:
            raise PolicyNotFound(
                f"{agent_id} has no policy, so everything it asks for is denied: PUT one"
            )
        try:
            published = await self._store.policies.get(agent_id)
        except StoreUnavailable:
            return Current(active, None)
        return Current(active, published is not None and published.version == active.version)

    async def save(
        self,
        agent_id: str,
        policy: Policy,
        *,
        author: str,
        comment: str = "",
        expects: Expectation = anything,
    ) -> PolicyVersion:
        """The next version, in force when this returns.

        `expects` judges the active version inside the transaction. Raises InvalidId, LostUpdate,
        NotInForce (saved all the same), HistoryUnavailable (nothing was saved).
        """
        new = draft(checked_id(agent_id), policy, author, self._clock(), comment)
        saved = await self._history.policies.add(new, _held_to(expects))
        if not await self._publisher.publish(agent_id):
            raise NotInForce(
                f"version {saved.version} of the policy of {agent_id} is saved but not yet in "
                "force: the store does not answer. It is published as soon as the store is back "
                "(GET /health); do not save it again"
            )
        return saved

    async def rollback(
        self, agent_id: str, version: int, *, author: str, expects: Expectation = anything
    ) -> PolicyVersion:
        """A new version with the content of `version`. Raises PolicyNotFound and as `save`."""
        old = await self.version(agent_id, version)
        return await self.save(
            agent_id,
            parse(old.document),
            author=author,
            comment=f"rollback to version {version}",
            expects=expects,
        )

    async def version(self, agent_id: str, version: int) -> PolicyVersion:
        """One version. Raises InvalidId, PolicyNotFound, HistoryUnavailable."""
        try:
            return await self._history.policies.get(checked_id(agent_id), version)
        except RowMissing:
            raise PolicyNotFound(
                f"the policy of {agent_id} has no version {version}: "
                f"GET /policy/{agent_id}/versions lists them"
            ) from None

    async def versions(self, agent_id: str, before: int, limit: int) -> tuple[PolicyVersion, ...]:
        """Newest first, those below `before` (0: from the newest). Raises InvalidId,
        HistoryUnavailable."""
        return await self._history.policies.versions(checked_id(agent_id), before, limit)

    async def compare(self, agent_id: str, before: int | None, after: int | None) -> Comparison:
        """`after` None: the active version; `before` None: its parent. Raises InvalidId,
        PolicyNotFound, HistoryUnavailable."""
        new = (
            (await self.current(agent_id)).version
            if after is None
            else await self.version(agent_id, after)
        )
        number = new.parent if before is None else before
        old = parse((await self.version(agent_id, number)).document) if number else Policy()
        return Comparison(number, new.version, diff(old, parse(new.document)))

    async def advice(self, policy: Policy) -> tuple[Warn, ...]:
        """What the policy may not mean to say, here and now. Raises HistoryUnavailable."""
        servers = await self._history.registry.page(EntryKind.MCP)
        hosts = await self._history.registry.page(EntryKind.LLM)
        agents = await self._history.agents.list()
        known = Known(
            providers=BUILT_IN_PROVIDERS | {host.name for host in hosts},
            agents=frozenset(agent.agent_id for agent in agents if not agent.deleted),
            servers={server.name: frozenset(server.tools) for server in servers},
        )
        return warnings(policy, known)


def _held_to(expects: Expectation) -> Callable[[PolicyVersion | None], None]:
    def check(active: PolicyVersion | None) -> None:
        if not expects(active):
            now = f"version {active.version}" if active else "no version"
            raise LostUpdate(
                f"the policy was changed by somebody else ({now} is active): "
                "read it again, and save your change on top of that"
            )

    return check

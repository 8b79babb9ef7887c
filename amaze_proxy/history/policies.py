"""Policy versions: numbered for each agent from 1, only ever added; one of them is active."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from amaze_proxy.history.database import Database
from amaze_proxy.history.errors import RowMissing
from amaze_proxy.history.tables import PolicyHeadRow, PolicyVersionRow


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A saved policy. `parent` is the version that was active before (0: none); `document` the
    canonical JSON of the policy, `sha256` its hash in hex."""

    agent_id: str
    version: int
    parent: int
    author: str
    created_ms: int
    comment: str
    sha256: str
    document: str


@dataclass(frozen=True, slots=True)
class NewPolicy:
    """What is to be saved."""

    agent_id: str
    author: str
    created_ms: int
    comment: str
    sha256: str
    document: str


class PolicyHistory:
    """The versions of all policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, new: NewPolicy, expects: Callable[[PolicyVersion | None], None]
    ) -> PolicyVersion:
        """Saves the next version and makes it the active one, in one transaction.

        `expects` sees the active version first, and raises when it is not what its caller has
        seen. Raises what `expects` raises, and HistoryUnavailable.
        """

        def work(session: Session) -> PolicyVersion:
            return add_version(session, new, expects)

        return await self._database.write(work)

    async def active(self, agent_id: str) -> PolicyVersion | None:
        """The active version, None when there is none."""
        return await self._database.read(lambda session: _active(session, agent_id))

    async def get(self, agent_id: str, version: int) -> PolicyVersion:
        """One version. Raises RowMissing."""

        def work(session: Session) -> PolicyVersion:
            row = session.get(PolicyVersionRow, (agent_id, version))
            if row is None:
                raise RowMissing(f"{agent_id} has no policy version {version}")
            return _version(row)

        return await self._database.read(work)

    async def versions(self, agent_id: str, before: int, limit: int) -> tuple[PolicyVersion, ...]:
        """At most `limit` versions below `before` (0: from the newest on), newest first."""

        def work(session: Session) -> tuple[PolicyVersion, ...]:
            query = select(PolicyVersionRow).where(PolicyVersionRow.agent_id == agent_id)
            if before:
                query = query.where(PolicyVersionRow.version < before)
            query = query.order_by(col(PolicyVersionRow.version).desc()).limit(limit)
            return tuple(map(_version, session.exec(query)))

        return await self._database.read(work)

    async def heads(self) -> dict[str, int]:
        """The active version number of every agent that ever had a policy (0: withdrawn)."""

        def work(session: Session) -> dict[str, int]:
            return {row.agent_id: row.version for row in session.exec(select(PolicyHeadRow))}

        return await self._database.read(work)


def add_version(
    session: Session, new: NewPolicy, expects: Callable[[PolicyVersion | None], None]
) -> PolicyVersion:
    """`PolicyHistory.add` inside somebody's transaction."""
    # the lock of the head row makes writers of one agent queue where BEGIN IMMEDIATE does not
    head = session.get(PolicyHeadRow, new.agent_id, with_for_update=True)
    if head is None:
        head = PolicyHeadRow(agent_id=new.agent_id, version=0)
        session.add(head)
        session.flush()
    expects(_active(session, new.agent_id))
    row = PolicyVersionRow(
        agent_id=new.agent_id,
        version=_newest(session, new.agent_id) + 1,
        parent=head.version,
        author=new.author,
        created_ms=new.created_ms,
        comment=new.comment,
        sha256=new.sha256,
        document=new.document,
    )
    session.add(row)
    head.version = row.version
    return _version(row)


def withdraw(session: Session, agent_id: str) -> None:
    """No version of `agent_id` is active from here on; its history stays."""
    head = session.get(PolicyHeadRow, agent_id, with_for_update=True)
    if head is not None:
        head.version = 0


def _newest(session: Session, agent_id: str) -> int:
    query = select(func.max(PolicyVersionRow.version)).where(PolicyVersionRow.agent_id == agent_id)
    return session.exec(query).one() or 0


def _active(session: Session, agent_id: str) -> PolicyVersion | None:
    head = session.get(PolicyHeadRow, agent_id)
    if head is None or head.version == 0:
        return None
    row = session.get(PolicyVersionRow, (agent_id, head.version))
    return None if row is None else _version(row)


def _version(row: PolicyVersionRow) -> PolicyVersion:
    return PolicyVersion(**row.model_dump())

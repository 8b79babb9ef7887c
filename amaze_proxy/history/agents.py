"""Agents and the hashes of their credentials: the durable copy, written before the store's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from sqlmodel import Session, col, func, select

from amaze_proxy.history.database import Database
from amaze_proxy.history.names import free_name, take_name
from amaze_proxy.history.policies import NewPolicy, add_version, withdraw
from amaze_proxy.history.tables import AgentRow, ClaimRow, CredentialRow

AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an agent listens. Empty host or port 0: it does not."""

    a2a_host: str = ""
    a2a_port: int = 0
    chat_host: str = ""
    chat_port: int = 0


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential by its SHA-256 in hex; it works until `expires_ms` (0: no end is set)."""

    sha256: str
    created_ms: int
    expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A registration of an existing agent without proof: it waits for an operator."""

    sha256: str
    session_id: str
    endpoints: Endpoints
    created_ms: int


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """All that is known of an agent. `created_by` is the hash of the idempotent request that made
    it ("": none); `released_status` what a quarantined agent goes back to; `quarantined_by` who has
    stopped it, `admin_stopped` whether only an admin lets it go again; `deleted` a tombstone, until
    the store has forgotten the agent too."""

    agent_id: str
    status: str
    created_ms: int
    updated_ms: int
    owner: str = ""
    session_id: str = ""
    endpoints: Endpoints = Endpoints()
    created_by: str = ""
    released_status: str = ""
    quarantined_by: str = ""
    admin_stopped: bool = False
    deleted: bool = False
    credentials: tuple[Credential, ...] = ()
    claim: Claim | None = None


Change = Callable[[AgentRecord | None], AgentRecord]


class AgentHistory:
    """The tables of agents, credentials and claims."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, agent_id: str) -> AgentRecord | None:
        """The agent, also when it is a tombstone."""
        return await self._database.read(lambda session: _load(session, agent_id))

    async def list(self, status: str = "", after: str = "", limit: int = 0) -> list[AgentRecord]:
        """Agents by id, those after `after`, at most `limit` (0: all); tombstones only when no
        `status` is asked for and `limit` is 0."""

        def work(session: Session) -> list[AgentRecord]:
            query = select(AgentRow).where(AgentRow.agent_id > after).order_by(AgentRow.agent_id)
            if status:
                query = query.where(AgentRow.status == status)
            if status or limit:
                query = query.where(col(AgentRow.deleted).is_(False))
            if limit:
                query = query.limit(limit)
            return _with_details(session, list(session.exec(query)))

        return await self._database.read(work)

    async def listening_at(self, host: str, port: int) -> tuple[str, ...]:
        """The approved agents whose A2A endpoint this is: whom nobody approved holds nothing."""

        def work(session: Session) -> tuple[str, ...]:
            query = select(AgentRow.agent_id).where(
                AgentRow.a2a_host == host,
                AgentRow.a2a_port == port,
                AgentRow.status == "approved",
                col(AgentRow.deleted).is_(False),
            )
            return tuple(session.exec(query))

        return await self._database.read(work)

    async def count(self, status: str) -> int:
        """How many agents have `status`."""

        def work(session: Session) -> int:
            query = select(func.count()).select_from(AgentRow)
            query = query.where(AgentRow.status == status, col(AgentRow.deleted).is_(False))
            return session.exec(query).one()

        return await self._database.read(work)

    async def change(
        self, agent_id: str, change: Change, policy: NewPolicy | None = None
    ) -> AgentRecord:
        """Replaces the agent by what `change` makes of it, in one transaction.

        `change` is pure: it sees None when there is no such agent, and raises to refuse. `policy`
        is saved with it as the next version; a tombstone has its policy withdrawn. Raises NameHeld
        when a new agent's id is the name of an MCP server or an LLM host.
        """

        def work(session: Session) -> AgentRecord:
            before = _load(session, agent_id, lock=True)
            after = change(before)
            if before is None:
                take_name(session, agent_id, AGENT)
            if after != before:
                _save(session, before, after)
            if after.deleted:
                withdraw(session, agent_id)
            if policy is not None:
                add_version(session, policy, lambda _active: None)
            return after

        return await self._database.write(work)

    async def forget_expired(self, agent_id: str, before_ms: int) -> None:
        """Removes the credentials that ended before that time: the store knows of their end."""

        def work(session: Session) -> None:
            query = select(CredentialRow).where(CredentialRow.agent_id == agent_id)
            query = query.where(CredentialRow.expires_ms > 0, CredentialRow.expires_ms < before_ms)
            for row in session.exec(query):
                session.delete(row)

        await self._database.write(work)

    async def purge(self, agent_id: str) -> None:
        """Removes the tombstone: the store has forgotten the agent."""

        def work(session: Session) -> None:
            row = session.get(AgentRow, agent_id, with_for_update=True)
            if row is not None and row.deleted:
                session.delete(row)
                free_name(session, agent_id, AGENT)

        await self._database.write(work)


def _load(session: Session, agent_id: str, *, lock: bool = False) -> AgentRecord | None:
    row = session.get(AgentRow, agent_id, with_for_update=lock or None)
    return None if row is None else _with_details(session, [row])[0]


def _with_details(session: Session, rows: list[AgentRow]) -> list[AgentRecord]:
    credentials = select(CredentialRow).order_by(col(CredentialRow.created_ms))
    claims = select(ClaimRow)
    if len(rows) == 1:  # a longer list is cheaper read whole than asked for by id
        credentials = credentials.where(CredentialRow.agent_id == rows[0].agent_id)
        claims = claims.where(ClaimRow.agent_id == rows[0].agent_id)
    held: dict[str, list[CredentialRow]] = {}
    for credential in session.exec(credentials):
        held.setdefault(credential.agent_id, []).append(credential)
    claimed = {claim.agent_id: claim for claim in session.exec(claims)}
    return [_record(row, held.get(row.agent_id, ()), claimed.get(row.agent_id)) for row in rows]


def _record(
    row: AgentRow, credentials: Iterable[CredentialRow], claim: ClaimRow | None
) -> AgentRecord:
    return AgentRecord(
        agent_id=row.agent_id,
        status=row.status,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        owner=row.owner,
        session_id=row.session_id,
        endpoints=_endpoints(row),
        created_by=row.created_by,
        released_status=row.released_status,
        quarantined_by=row.quarantined_by,
        admin_stopped=row.admin_stopped,
        deleted=row.deleted,
        credentials=tuple(Credential(c.sha256, c.created_ms, c.expires_ms) for c in credentials),
        claim=None if claim is None else _claim(claim),
    )


def _claim(row: ClaimRow) -> Claim:
    return Claim(row.sha256, row.session_id, _endpoints(row), row.created_ms)


def _endpoints(row: AgentRow | ClaimRow) -> Endpoints:
    return Endpoints(row.a2a_host, row.a2a_port, row.chat_host, row.chat_port)


def _save(session: Session, before: AgentRecord | None, after: AgentRecord) -> None:
    session.merge(
        AgentRow(
            agent_id=after.agent_id,
            status=after.status,
            owner=after.owner,
            session_id=after.session_id,
            **asdict(after.endpoints),
            created_ms=after.created_ms,
            updated_ms=after.updated_ms,
            created_by=after.created_by,
            released_status=after.released_status,
            quarantined_by=after.quarantined_by,
            admin_stopped=after.admin_stopped,
            deleted=after.deleted,
        )
    )
    session.flush()  # the rows below refer to this one
    _save_credentials(session, before.credentials if before else (), after)
    _save_claim(session, before.claim if before else None, after)


def _save_credentials(session: Session, before: tuple[Credential, ...], after: AgentRecord) -> None:
    kept = {credential.sha256 for credential in after.credentials}
    for gone in before:
        if gone.sha256 not in kept:
            session.delete(session.get_one(CredentialRow, gone.sha256))
    for credential in set(after.credentials) - set(before):
        session.merge(CredentialRow(agent_id=after.agent_id, **asdict(credential)))


def _save_claim(session: Session, before: Claim | None, after: AgentRecord) -> None:
    claim = after.claim
    if claim is not None:
        session.merge(
            ClaimRow(
                agent_id=after.agent_id,
                sha256=claim.sha256,
                session_id=claim.session_id,
                **asdict(claim.endpoints),
                created_ms=claim.created_ms,
            )
        )
    elif before is not None:
        session.delete(session.get_one(ClaimRow, after.agent_id))

"""People: their accounts and their sessions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field

from sqlmodel import Session, col, delete, func, select, update

from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import AccessKeyRow, AccountRow, AgentRow, DraftRow, SessionRow

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """A person. `password` is the argon2 hash; `must_change`: it was made for them."""

    name: str
    role: str
    password: str = field(repr=False)
    must_change: bool
    disabled: bool
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class SignedSession:
    """A session by the SHA-256 of its token; `seen_ms` is when it was used last, about."""

    sha256: str = field(repr=False)
    account: str
    created_ms: int
    seen_ms: int
    expires_ms: int


AccountChange = Callable[[Account | None, int], Account | None]
"""Sees the account and how many *other* admins can sign in; None deletes. Raises to refuse."""


class AccountHistory:
    """The tables of accounts and sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> Account | None:
        """The account of this name."""

        def work(session: Session) -> Account | None:
            row = session.get(AccountRow, name)
            return None if row is None else account_of(row)

        return await self._database.read(work)

    async def page(self, after: str, limit: int) -> tuple[Account, ...]:
        """At most `limit` accounts by name, those after `after`."""

        def work(session: Session) -> tuple[Account, ...]:
            query = select(AccountRow).where(AccountRow.name > after).order_by(AccountRow.name)
            return tuple(account_of(row) for row in session.exec(query.limit(limit)))

        return await self._database.read(work)

    async def add_first(self, account: Account) -> bool:
        """Adds the account if there is none at all yet; whether it was added."""

        def work(session: Session) -> bool:
            if session.exec(select(AccountRow.name).limit(1)).first() is not None:
                return False
            session.add(_row(account))
            return True

        return await self._database.write(work)

    async def change(
        self, name: str, change: AccountChange, *, ends_sessions: bool = False
    ) -> Account | None:
        """Replaces the account by what `change` makes of it, in one transaction.

        A deleted account takes its sessions, keys and drafts with it, and its agents are nobody's:
        they are not for the next account of that name. `ends_sessions` ends the sessions of one
        that stays.
        """

        def work(session: Session) -> Account | None:
            row = session.get(AccountRow, name, with_for_update=True)
            after = change(None if row is None else account_of(row), _other_admins(session, name))
            if after is None or ends_sessions:
                session.exec(delete(SessionRow).where(col(SessionRow.account) == name))
            if after is not None:
                session.merge(_row(after))
            elif row is not None:
                session.exec(delete(AccessKeyRow).where(col(AccessKeyRow.account) == name))
                session.exec(delete(DraftRow).where(col(DraftRow.account) == name))
                session.exec(update(AgentRow).where(col(AgentRow.owner) == name).values(owner=""))
                session.delete(row)
            return after

        return await self._database.write(work)

    async def begin(self, new: SignedSession, password: str, most: int) -> bool:
        """Adds a session; False where the account is gone, disabled, or has another password hash
        than `password` by now. Removes those that have ended, and the oldest beyond `most`."""

        def work(session: Session) -> bool:
            account = session.get(AccountRow, new.account, with_for_update=True)
            if account is None or account.disabled or account.password != password:
                return False
            session.exec(delete(SessionRow).where(col(SessionRow.expires_ms) <= new.created_ms))
            newest = select(SessionRow).where(SessionRow.account == new.account)
            newest = newest.order_by(col(SessionRow.created_ms).desc()).offset(most - 1)
            for row in session.exec(newest).all():
                session.delete(row)
            session.add(SessionRow(**asdict(new)))
            return True

        return await self._database.write(work)

    async def session(self, sha256: str) -> tuple[SignedSession, Account] | None:
        """The session of a token, and whose it is; the caller judges whether it has ended."""

        def work(session: Session) -> tuple[SignedSession, Account] | None:
            row = session.get(SessionRow, sha256)
            owner = None if row is None else session.get(AccountRow, row.account)
            if row is None or owner is None:
                return None
            return SignedSession(**row.model_dump()), account_of(owner)

        return await self._database.read(work)

    async def touch(self, sha256: str, now: int) -> None:
        """The session was used."""

        def work(session: Session) -> None:
            row = session.get(SessionRow, sha256, with_for_update=True)
            if row is not None:
                row.seen_ms = now
                session.add(row)

        await self._database.write(work)

    async def sessions(self, names: Collection[str], now: int) -> dict[str, int]:
        """How many sessions each of these accounts has that have not reached their end; those
        without one are not in it."""

        def work(session: Session) -> dict[str, int]:
            query = select(SessionRow.account, func.count()).group_by(SessionRow.account)
            query = query.where(col(SessionRow.account).in_(names), SessionRow.expires_ms > now)
            return dict(session.exec(query).all())

        return await self._database.read(work)

    async def end(self, sha256: str) -> None:
        """Ends one session."""

        def work(session: Session) -> None:
            session.exec(delete(SessionRow).where(col(SessionRow.sha256) == sha256))

        await self._database.write(work)


def _other_admins(session: Session, name: str) -> int:
    query = select(func.count()).select_from(AccountRow).where(AccountRow.name != name)
    query = query.where(AccountRow.role == ADMIN, col(AccountRow.disabled).is_(False))
    return session.exec(query).one()


def account_of(row: AccountRow) -> Account:
    """The record of a row."""
    return Account(**row.model_dump())


def _row(account: Account) -> AccountRow:
    return AccountRow(**asdict(account))

"""MCP servers and LLM hosts, as operators and the servers themselves see and change them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from amaze_proxy.control import entries
from amaze_proxy.control.clock import Clock
from amaze_proxy.control.config import ControlConfig, RegistrationMode
from amaze_proxy.control.errors import EnrolmentRequired, NotInForce, TooManyPending, names_told
from amaze_proxy.control.naming import checked_host_name, checked_name, checked_url
from amaze_proxy.control.registration import enrolled
from amaze_proxy.control.registry_publisher import RegistryPublisher
from amaze_proxy.history.bundle import History
from amaze_proxy.history.registry import EntryChange, EntryKind, EntryRecord
from amaze_proxy.store.registry import EntryStatus

MAX_PENDING = 1000
"""How many new servers may wait for approval: registering must not fill the store."""

Transition = Callable[[EntryRecord, int], EntryRecord]


class Dialect(StrEnum):
    """The wire family that an LLM host speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    MISTRAL = "mistral"


@dataclass(frozen=True, slots=True)
class Saved:
    """An entry as it is now. `in_force`: the store has it too."""

    record: EntryRecord
    in_force: bool


@dataclass(frozen=True, slots=True)
class RegisteredServer:
    """The answer to a registration. `status` is that of this URL: `pending` also beside a server
    that works at another one. `message` says what has to be done ("": nothing)."""

    name: str
    url: str
    status: str
    in_force: bool
    message: str


class _Entries:
    """What both kinds have. Every change goes to the history first, then to the store."""

    kind: EntryKind

    def __init__(self, history: History, publisher: RegistryPublisher, clock: Clock) -> None:
        self._history = history.registry
        self._publisher = publisher
        self._clock = clock

    async def get(self, name: str) -> EntryRecord:
        """Raises InvalidName, EntryNotFound, HistoryUnavailable."""
        return entries.existing(await self._history.get(checked_name(name)), self.kind, name)

    async def page(self, status: str, after: str, limit: int) -> tuple[EntryRecord, ...]:
        """At most `limit` entries by name, those after `after`; `status` "" for all."""
        return await self._history.page(self.kind, status, after, limit)

    async def delete(self, name: str) -> None:
        """Its next call is denied. Raises NotInForce and as `get`."""
        await self.move(name, entries.delete, "deletion")

    async def _save(self, name: str, change: EntryChange) -> Saved:
        with names_told():
            record = await self._history.change(self.kind, name, change)
        return Saved(record, await self._publisher.publish(name))

    async def move(self, name: str, transition: Transition, what: str) -> EntryRecord:
        """The entry as `transition` makes it, in history and store; `what` names the change where
        that fails. Raises NotInForce, what `transition` raises, and as `get`."""
        now = self._clock()

        def moved(record: EntryRecord | None) -> EntryRecord:
            return transition(entries.existing(record, self.kind, name), now)

        await self.get(name)  # a name of another kind is one that is not there
        saved = await self._save(name, moved)
        if not saved.in_force:
            raise NotInForce(
                f"the {what} of {name} is saved but not yet in force: the store does not answer. "
                "It follows by itself as soon as the store is back (GET /health)"
            )
        return saved.record


class McpServers(_Entries):
    """MCP servers by their logical names. Nobody takes over an existing one."""

    kind = EntryKind.MCP

    def __init__(
        self, config: ControlConfig, history: History, publisher: RegistryPublisher, clock: Clock
    ) -> None:
        super().__init__(history, publisher, clock)
        self._config = config

    async def register(
        self,
        name: str,
        url: str,
        tools: tuple[str, ...] | None = None,
        *,
        enroll_key: str | None = None,
        admin: bool = False,
    ) -> RegisteredServer:
        """A server makes itself known, by the rules of the installation; the same again changes
        nothing. Proof is the enrolment key, or an admin's (`admin`): with it a new server is
        approved at once, and an existing one moves to another URL; without it they wait.

        Raises InvalidName, InvalidUrl, EnrolmentRequired, EnrolmentRefused, EntryBarred,
        BeingDeleted, TooManyPending, NameTaken, HistoryUnavailable.
        """
        proven = enrolled(self._config, enroll_key) or admin
        if not proven and self._config.registration is not RegistrationMode.OPEN:
            raise EnrolmentRequired(
                "registration needs proof here: send X-Amaze-Enroll-Key (AMAZE_ENROLL_KEY), or "
                "have an operator run `amaze mcp register`"
            )
        room = proven or await self._history.count(self.kind, EntryStatus.PENDING) < MAX_PENDING
        status = EntryStatus.APPROVED if proven else EntryStatus.PENDING
        wanted = self._new(name, url, status, tools=tools or ())

        def entered(before: EntryRecord | None) -> EntryRecord:
            found = entries.not_being_deleted(before)
            if found is None and not room:
                raise TooManyPending(
                    f"{MAX_PENDING} MCP servers wait for approval already: approve, reject or "
                    "delete some"
                )
            if found is None or found.url == wanted.url:
                return found or wanted
            move = entries.moved if proven else entries.claimed
            return move(found, wanted.url, tools, wanted.updated_ms)

        return _answer(await self._save(name, entered), wanted.url)

    async def create(
        self, name: str, url: str, tools: tuple[str, ...] = (), owner: str = ""
    ) -> Saved:
        """An approved server. Raises InvalidName, InvalidUrl, EntryExists, BeingDeleted,
        NameTaken, HistoryUnavailable."""
        wanted = self._new(name, url, EntryStatus.APPROVED, tools=tools, owner=owner)
        return await self._save(name, lambda before: entries.created(before, wanted))

    async def approve(self, name: str, url: str = "") -> EntryRecord:
        """See `entries.approve`. Raises InvalidUrl, ClaimChanged, NotInForce and as `get`."""
        seen = checked_url(url) if url else ""
        return await self.move(
            name, lambda record, now: entries.approve(record, now, seen), "approval"
        )

    async def reject(self, name: str, url: str = "") -> EntryRecord:
        """See `entries.reject`. Raises as `approve`."""
        seen = checked_url(url) if url else ""
        return await self.move(
            name, lambda record, now: entries.reject(record, now, seen), "rejection"
        )

    def _new(
        self, name: str, url: str, status: EntryStatus, *, tools: tuple[str, ...], owner: str = ""
    ) -> EntryRecord:
        now = self._clock()
        return EntryRecord(
            kind=self.kind,
            name=checked_name(name),
            url=checked_url(url),
            status=str(status),
            created_ms=now,
            updated_ms=now,
            owner=owner,
            tools=tools,
        )


class LlmHosts(_Entries):
    """LLM hosts beside the built-in providers. Operators make them: they are always approved."""

    kind = EntryKind.LLM

    async def create(self, name: str, url: str, dialect: Dialect) -> Saved:
        """Raises InvalidName, InvalidUrl, EntryExists, BeingDeleted, NameTaken,
        HistoryUnavailable."""
        now = self._clock()
        wanted = EntryRecord(
            kind=self.kind,
            name=checked_host_name(name),
            url=checked_url(url),
            status=str(EntryStatus.APPROVED),
            created_ms=now,
            updated_ms=now,
            dialect=str(dialect),
        )
        return await self._save(name, lambda before: entries.created(before, wanted))


def _answer(saved: Saved, url: str) -> RegisteredServer:
    record = saved.record
    name, waits = record.name, record.url != url
    status = str(EntryStatus.PENDING) if waits else record.status
    message = ""
    if waits:
        # quoted: whoever registers chooses the URL, and an operator may copy the command
        message = (
            f"{name} is registered with another URL, which stays until an operator approves this "
            f"one: amaze mcp approve {name} --url {shlex.quote(url)}"
        )
    elif status == EntryStatus.PENDING:
        message = f"{name} cannot be called until an operator runs: amaze mcp approve {name}"
    elif status == EntryStatus.REJECTED:
        message = f"{name} was rejected; an operator can undo it with: amaze mcp approve {name}"
    return RegisteredServer(name, url, status, saved.in_force, message)

"""Who asks, read anew from the session for every request, event and push; never kept in a state."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from amaze_proxy.control.console import AgentRecord
from amaze_proxy.control.people import UserRole as Role

__all__ = ["Need", "Principal", "Role"]


class Need(StrEnum):
    """What a handler asks of its caller. Whose things these are is a second question."""

    VIEWER = "viewer"  # any person; the gateway shows what this one may see
    READER = "reader"  # who may read everything: a viewer or an admin
    OPERATOR = "operator"  # who changes agents: an operator (their own), or an admin
    ADMIN = "admin"


_MAY = {
    Role.VIEWER: frozenset((Need.VIEWER, Need.READER)),
    Role.OPERATOR: frozenset((Need.VIEWER, Need.OPERATOR)),
    Role.ADMIN: frozenset(Need),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A person with a session. `must_change`: opens nothing but the change of the password."""

    name: str
    role: Role
    address: str
    session_sha256: str = field(repr=False)
    must_change: bool = False

    def may(self, need: Need) -> bool:
        """Whether the role is enough."""
        return not self.must_change and need in _MAY[self.role]

    def sees(self, record: AgentRecord) -> bool:
        """Whether this person may see the agent."""
        return self.role is not Role.OPERATOR or record.owner == self.name

    def changes(self, record: AgentRecord) -> bool:
        """Whether this person may change the agent."""
        return self.role is not Role.VIEWER and self.sees(record)

"""Who asks: nobody, an agent (X-Amaze-Bearer), or a person (Authorization: Bearer) with a session,
an API key of theirs, or the installation's admin key; and what for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from starlette.requests import Request

from amaze_proxy.control import keys
from amaze_proxy.control.lifecycle import holds, holds_lasting, not_barred
from amaze_proxy.control.people import UserRole
from amaze_proxy.control.services import Services
from amaze_proxy.history.agents import AgentRecord
from amaze_proxy.store.agents import AgentStatus

BEARER = "x-amaze-bearer"
ENROLL_KEY = "x-amaze-enroll-key"


class Role(StrEnum):
    """What a route asks of its caller."""

    PUBLIC = "public"  # no credential, or checked by the route itself
    AGENT = "agent"  # an approved agent, for itself
    OWN = "own"  # reads: the agent that the path names, its operator, a viewer, an admin
    SELF = "self"  # changes: the agent that the path names, its operator, an admin
    OPERATOR = "operator"  # the operator of the agent that the path names, or an admin
    MEMBER = "member"  # any approved agent, or any person
    STAFF = "staff"  # any person; the route shows what this one may see
    VIEWER = "viewer"  # who may read everything: a viewer or an admin, no key for some agents
    SIGNED_IN = "signed-in"  # any person, also before a password that was made is changed
    PERSON = "person"  # a person by session, or the installation's key: no key makes another
    ADMIN = "admin"


class Unauthenticated(Exception):
    """No credential, or one that is not valid."""


class Forbidden(Exception):
    """The caller is known and may not do this."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A caller of a public route."""

    name: str = "anonymous"
    via: str = "no credential"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, or the holder of the installation's admin key.

    `scope`: the agents that an API key is for (empty: all that its owner may reach); `via` names
    the credential without giving it away; `session_sha256` "" unless it is a session.
    """

    name: str
    role: UserRole
    via: str
    scope: tuple[str, ...] = ()
    must_change: bool = False
    session_sha256: str = field(default="", repr=False)
    installation: bool = False

    @property
    def everywhere(self) -> bool:
        """Whether this is not a key for some agents only."""
        return not self.scope

    def sees(self, record: AgentRecord) -> bool:
        """Whether this person may see the agent."""
        return self._reaches(record.agent_id) and (
            self.role is not UserRole.OPERATOR or record.owner == self.name
        )

    def changes(self, record: AgentRecord) -> bool:
        """Whether this person may change the agent."""
        return self.role is not UserRole.VIEWER and self.sees(record)

    def _reaches(self, agent_id: str) -> bool:
        return not self.scope or agent_id in self.scope


@dataclass(frozen=True, slots=True)
class AgentCaller:
    """An agent with a valid credential, neither quarantined nor rejected."""

    agent_id: str
    approved: bool
    lasting: bool  # the credential was not rotated out
    via: str = "credential"

    @property
    def name(self) -> str:
        return f"agent:{self.agent_id}"


Principal = Anonymous | Person | AgentCaller


async def admit(request: Request, role: Role, services: Services) -> Principal:
    """The caller, if it may use a route of `role`.

    An Authorization header is judged alone: X-Amaze-Bearer beside it is not looked at. Raises
    Unauthenticated, Forbidden, AgentBarred, HistoryUnavailable.
    """
    if role is Role.PUBLIC:
        return Anonymous()
    principal = await _authenticate(request, services)
    subject = str(request.path_params.get("agent_id", ""))
    match principal:
        case Person():
            allowed = await _person_may(principal, role, subject, services)
        case AgentCaller():
            allowed = _agent_may(principal, role, subject)
    if not allowed:
        raise Forbidden(_ADVICE[role])
    return principal


async def admin_shown(request: Request, services: Services) -> Person | None:
    """The admin who asks on a public route, if it is one.

    Raises Unauthenticated for a wrong credential, and Forbidden for another person's: to go on
    without would make a rival registration out of a typing error.
    """
    authorization = request.headers.getlist("authorization")
    if len(authorization) > 1:
        raise Unauthenticated("there is more than one credential: send one")
    if not authorization:
        return None
    person = await _person(authorization[0], services)
    if not await _person_may(person, Role.ADMIN, "", services):
        raise Forbidden(_ADVICE[Role.ADMIN])
    return person


async def _authenticate(request: Request, services: Services) -> Person | AgentCaller:
    authorization = request.headers.getlist("authorization")
    bearers = request.headers.getlist(BEARER)
    if len(authorization) > 1 or len(bearers) > 1:
        raise Unauthenticated("there is more than one credential: send one")
    if authorization:
        return await _person(authorization[0], services)
    if bearers:
        return await _agent(bearers[0], services)
    raise Unauthenticated(
        "a credential is needed: Authorization: Bearer <API key or session token>, or "
        "X-Amaze-Bearer: <agent credential>"
    )


async def _person(authorization: str, services: Services) -> Person:
    scheme, _, rest = authorization.partition(" ")
    shown = rest.strip()
    found = await _holder(shown, services) if scheme.lower() == "bearer" else None
    if found is None:
        raise Unauthenticated(
            "the API key or session is not valid, or has ended, or the key's owner has yet to "
            "change a password that was made for them: sign in again (POST /auth/login), "
            "or use the admin key that the first start has shown, or preset one with "
            "AMAZE_ADMIN_KEY"
        )
    return found


async def _holder(shown: str, services: Services) -> Person | None:
    if await keys.role_of(services.history, shown) == keys.ADMIN:
        return Person(keys.ADMIN, UserRole.ADMIN, "admin key", installation=True)
    held = await services.access_keys.find(shown)
    if held is not None:
        return Person(held.account.name, held.role, held.key.prefix, held.key.scope)
    signed = await services.sessions.find(shown)
    if signed is None:
        return None
    account = signed.account
    return Person(
        account.name,
        UserRole(account.role),
        "session",
        must_change=account.must_change,
        session_sha256=signed.session.sha256,
    )


async def _agent(credential: str, services: Services) -> AgentCaller:
    agent_id = keys.owner_of(credential)
    record = await services.history.agents.get(agent_id) if agent_id else None
    shown = keys.sha256(credential)
    if record is None or not holds(record, shown, services.clock()):
        raise Unauthenticated(
            "the agent credential is not valid: register again, or ask an operator to rotate it"
        )
    approved = not_barred(record).status == AgentStatus.APPROVED
    return AgentCaller(record.agent_id, approved, holds_lasting(record, shown))


async def _person_may(person: Person, role: Role, subject: str, services: Services) -> bool:
    if person.must_change and role is not Role.SIGNED_IN:
        raise Forbidden("the password was made for you: change it first (POST /auth/password)")
    match role:
        case Role.SIGNED_IN | Role.STAFF | Role.MEMBER:
            return True
        case Role.PERSON:
            return person.installation or bool(person.session_sha256)
        case Role.VIEWER:
            return person.everywhere and person.role is not UserRole.OPERATOR
        case Role.ADMIN:
            return person.everywhere and person.role is UserRole.ADMIN
        case Role.OWN | Role.SELF | Role.OPERATOR:
            return await _reaches(person, role, subject, services)
        case _:
            return False


async def _reaches(person: Person, role: Role, subject: str, services: Services) -> bool:
    reads = role is Role.OWN
    if person.everywhere and person.role is UserRole.ADMIN:
        return True
    if person.everywhere and person.role is UserRole.VIEWER:
        return reads
    record = await services.history.agents.get(subject)
    return record is not None and (person.sees(record) if reads else person.changes(record))


def _agent_may(agent: AgentCaller, role: Role, subject: str) -> bool:
    if role in (Role.OWN, Role.SELF):
        return agent.agent_id == subject
    return role in (Role.AGENT, Role.MEMBER) and agent.approved


_ADVICE = {
    Role.PUBLIC: "",
    Role.AGENT: "this is for an approved agent with its own credential in X-Amaze-Bearer",
    Role.OWN: "this is for the agent itself, its owner, viewers and admins",
    Role.SELF: "this is for the agent itself, its owner and admins",
    Role.OPERATOR: "this is for the operator who owns the agent, and for admins",
    Role.MEMBER: "this is for approved agents: ask an operator to approve this one",
    Role.STAFF: "this is for people: sign in, or use an API key (Authorization: Bearer <key>)",
    Role.VIEWER: "this shows everything: it is for viewers and admins, not for a key with a scope",
    Role.SIGNED_IN: "this is for people: sign in (POST /auth/login)",
    Role.PERSON: "this is for somebody who has signed in (POST /auth/login), not for an API key",
    Role.ADMIN: "this needs an admin: Authorization: Bearer <admin API key or session>",
}

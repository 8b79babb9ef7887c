"""Who asks: nobody, an agent (X-Amaze-Bearer) or an admin (Authorization: Bearer), and what for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request

from amaze_proxy.control import keys
from amaze_proxy.control.clock import Clock
from amaze_proxy.control.lifecycle import holds, holds_lasting, not_barred
from amaze_proxy.history.bundle import History
from amaze_proxy.store.agents import AgentStatus

BEARER = "x-amaze-bearer"
ENROLL_KEY = "x-amaze-enroll-key"


class Role(StrEnum):
    """What a route asks of its caller."""

    PUBLIC = "public"  # no credential, or checked by the route itself
    AGENT = "agent"  # an approved agent, for itself
    OWN = "own"  # the agent that the path names, or an admin
    MEMBER = "member"  # any approved agent, or an admin
    ADMIN = "admin"


class Unauthenticated(Exception):
    """No credential, or one that is not valid."""


class Forbidden(Exception):
    """The caller is known and may not do this."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A caller of a public route."""

    name: str = "anonymous"


@dataclass(frozen=True, slots=True)
class Admin:
    """The holder of an admin API key."""

    name: str = keys.ADMIN


@dataclass(frozen=True, slots=True)
class AgentCaller:
    """An agent with a valid credential, neither quarantined nor rejected."""

    agent_id: str
    approved: bool
    lasting: bool  # the credential was not rotated out

    @property
    def name(self) -> str:
        return f"agent:{self.agent_id}"


Principal = Anonymous | Admin | AgentCaller


async def admit(request: Request, role: Role, history: History, clock: Clock) -> Principal:
    """The caller, if it may use a route of `role`.

    An Authorization header is judged alone: X-Amaze-Bearer beside it is not looked at. Raises
    Unauthenticated, Forbidden, AgentBarred, HistoryUnavailable.
    """
    if role is Role.PUBLIC:
        return Anonymous()
    principal = await _authenticate(request, history, clock)
    _authorize(principal, role, request.path_params.get("agent_id", ""))
    return principal


async def _authenticate(request: Request, history: History, clock: Clock) -> Principal:
    authorization = request.headers.getlist("authorization")
    bearers = request.headers.getlist(BEARER)
    if len(authorization) > 1 or len(bearers) > 1:
        raise Unauthenticated("there is more than one credential: send one")
    if authorization:
        return await _admin(authorization[0], history)
    if bearers:
        return await _agent(bearers[0], history, clock())
    raise Unauthenticated(
        "a credential is needed: Authorization: Bearer <admin API key>, or X-Amaze-Bearer: "
        "<agent credential>"
    )


async def admin_shown(request: Request, history: History) -> bool:
    """Whether a public route is asked with an admin API key. Raises Unauthenticated for a wrong
    one: to go on without would make a rival registration out of a typing error."""
    authorization = request.headers.getlist("authorization")
    if len(authorization) > 1:
        raise Unauthenticated("there is more than one credential: send one")
    if not authorization:
        return False
    await _admin(authorization[0], history)
    return True


async def _admin(authorization: str, history: History) -> Principal:
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or await keys.role_of(history, key.strip()) != keys.ADMIN:
        raise Unauthenticated(
            "the API key is not valid: use the admin key that the first start has shown, or "
            "preset one with AMAZE_ADMIN_KEY"
        )
    return Admin()


async def _agent(credential: str, history: History, now: int) -> Principal:
    agent_id = keys.owner_of(credential)
    record = await history.agents.get(agent_id) if agent_id else None
    shown = keys.sha256(credential)
    if record is None or not holds(record, shown, now):
        raise Unauthenticated(
            "the agent credential is not valid: register again, or ask an operator to rotate it"
        )
    approved = not_barred(record).status == AgentStatus.APPROVED
    return AgentCaller(record.agent_id, approved, holds_lasting(record, shown))


def _authorize(principal: Principal, role: Role, subject: str) -> None:
    match principal:
        case Admin():
            allowed = role in (Role.OWN, Role.MEMBER, Role.ADMIN)
        case AgentCaller(agent_id=agent_id, approved=approved):
            allowed = (role is Role.OWN and agent_id == subject) or (
                role in (Role.AGENT, Role.MEMBER) and approved
            )
        case _:
            allowed = False
    if not allowed:
        raise Forbidden(_ADVICE[role])


_ADVICE = {
    Role.PUBLIC: "",
    Role.AGENT: "this is for an approved agent with its own credential in X-Amaze-Bearer",
    Role.OWN: "an agent may see its own things only: use an admin API key for another's",
    Role.MEMBER: "this is for approved agents: ask an operator to approve this one",
    Role.ADMIN: "this needs an admin API key: Authorization: Bearer <key>",
}

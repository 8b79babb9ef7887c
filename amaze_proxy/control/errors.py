"""What the administration can refuse. Each message says what happened and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from amaze_proxy.history.errors import NameHeld
from amaze_proxy.policy.ids import check_agent_id

_KINDS = {"agent": "an agent", "mcp": "an MCP server", "llm": "an LLM host"}


class ControlError(Exception):
    """A refusal; its text is for the caller to read and never holds a secret."""


class InvalidId(ControlError):
    """The text is no agent id."""


class InvalidName(ControlError):
    """The text is no name of an MCP server or an LLM host."""


class InvalidUrl(ControlError):
    """The text is no URL of a server."""


class NameTaken(ControlError):
    """The name belongs to something of another kind."""


class EndpointTaken(ControlError):
    """Another agent listens there: calls to the one would reach the other, past its
    `allowed_callers`."""


class EntryNotFound(ControlError):
    """There is no such MCP server or LLM host."""


class EntryExists(ControlError):
    """The MCP server or LLM host that should be made is there already, and is another."""


class EntryBarred(ControlError):
    """The MCP server was rejected."""


class ProbeFailed(ControlError):
    """The MCP server could not be asked what it has."""


class NothingToAccept(ControlError):
    """Nobody has seen the tools that should be accepted."""


class AgentNotFound(ControlError):
    """There is no such agent."""


class AgentExists(ControlError):
    """The agent that should be made is there already."""


class BeingDeleted(ControlError):
    """The agent was deleted, and the store has not forgotten it yet."""


class WrongState(ControlError):
    """The agent's status does not permit this."""


class ReleaseBarred(ControlError):
    """An admin has quarantined the agent, and it is an operator who asks for its release."""


class OwnerUnknown(ControlError):
    """The owner that an agent should get is no user."""


class ClaimChanged(ControlError):
    """The registration that should be approved is not the one that waits."""


class AgentBarred(ControlError):
    """The agent is quarantined or rejected."""


class NotApproved(ControlError):
    """The agent waits for its approval."""


class EnrolmentRequired(ControlError):
    """This installation takes registrations with proof only."""


class EnrolmentRefused(ControlError):
    """The proof that came with a registration is wrong."""


class TooManyPending(ControlError):
    """No further agents are taken until an operator has judged those that wait."""


class PolicyNotFound(ControlError):
    """The agent has no policy, or not this version of it."""


class PolicyInvalid(ControlError):
    """The document is no policy. `errors` are pairs of a field ("": the whole) and its fault."""

    def __init__(self, message: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class LostUpdate(ControlError):
    """The policy is not any more what the caller has seen."""


class NotInForce(ControlError):
    """Saved, but the store did not take it yet; the reconciler goes on trying."""


class TraceNotFound(ControlError):
    """There is no such trace, or none of it that the caller may see."""


class PeriodInvalid(ControlError):
    """No period that numbers can be given of."""


class TurnInvalid(ControlError):
    """The turn that was shown is not one of this agent."""


class TurnsRefused(ControlError):
    """The agent's policy takes turns from the gateway alone."""


class ChatMissing(ControlError):
    """The agent has registered no chat endpoint."""


class ChatUnreachable(ControlError):
    """The agent's chat endpoint could not be reached, or broke off."""


class ChatTimeout(ControlError):
    """The agent's chat endpoint took too long."""


class ChatNonsense(ControlError):
    """The agent's chat endpoint answered something that is no reply."""


class KeyInvalid(ControlError):
    """The preset admin key cannot be used."""


class PasswordInvalid(ControlError):
    """The new password is too short or too long."""


class SignInRefused(ControlError):
    """Name and password do not belong together; which of them is wrong is not said."""


class TooManyAttempts(ControlError):
    """Whoever has guessed wrong has to wait; `seconds` says how long."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class UserInvalid(ControlError):
    """The text is no name of a user."""


class UserNotFound(ControlError):
    """There is no such user."""


class UserExists(ControlError):
    """The user that should be made is there already."""


class LastAdmin(ControlError):
    """Without this account nobody could administer the platform."""


class KeyNotFound(ControlError):
    """There is no such API key, or it is another's."""


class KeyRefused(ControlError):
    """A key would give more than its owner has."""


class KeyReused(ControlError):
    """An Idempotency-Key came again, with another request."""


class RequestAtWork(ControlError):
    """The request of this Idempotency-Key has not been answered yet."""


class SecretShown(ControlError):
    """The answer held a secret, which is shown once."""


def checked_id(text: str) -> str:
    """`text` as an agent id. Raises InvalidId with the rule."""
    try:
        return check_agent_id(text)
    except ValueError as error:
        raise InvalidId(str(error)) from None


@contextmanager
def names_told() -> Iterator[None]:
    """A name that another kind of thing holds, as NameTaken with what to do."""
    try:
        yield
    except NameHeld as error:
        raise NameTaken(
            f"{error.name} is the name of {_KINDS[error.kind]} already, and both would be the "
            "same host to a caller: take another name, or delete the other one first"
        ) from None

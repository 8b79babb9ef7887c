"""Registration: who this agent is, and the credential that proves it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amaze import credentials, orchestrator
from amaze.egress import BEARER
from amaze.errors import RegistrationError
from amaze.orchestrator import Answer, Unreachable
from amaze.settings import CREDENTIAL, Settings

ENROLL_KEY = "X-Amaze-Enroll-Key"

# The orchestrator is starting, or its store is: not a verdict on this agent.
_TRY_AGAIN = frozenset({425, 429, 500, 502, 503, 504})
# Said of the one proof that was sent; a barred or quarantined agent is told otherwise.
_UNKNOWN_CREDENTIAL = frozenset({"invalid-bearer", "enrolment-refused"})
_FIRST_PAUSE = 0.1  # seconds
_LONGEST_PAUSE = 5.0

log = logging.getLogger("amaze")


@dataclass(frozen=True, slots=True)
class Registration:
    """What the control plane answered. `status` is `approved` or `pending`."""

    agent_id: str
    session_id: str
    status: str
    credential: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the control plane and its proxy reach this agent. `a2a_port` 0: no other agent does."""

    chat_host: str
    chat_port: int
    a2a_host: str = ""
    a2a_port: int = 0

    def fields(self) -> dict[str, object]:
        """As `POST /register` takes them."""
        chat = {"chat_host": self.chat_host, "chat_port": self.chat_port}
        a2a = {"a2a_host": self.a2a_host, "a2a_port": self.a2a_port}
        return {**chat, **(a2a if self.a2a_port else {})}


def register(settings: Settings, directory: Path, endpoints: Endpoints) -> Registration:
    """Register the agent at its orchestrator, and keep its credential in `directory`.

    Waits for an orchestrator that is still starting. A credential given in the settings wins
    over the remembered one. A remembered one that the orchestrator no longer knows is dropped:
    registering without it takes nothing over, for an existing agent the new credential is
    pending until an operator approves it. Raises `RegistrationError`.
    """
    deadline = time.monotonic() + settings.start_timeout
    endpoint = {"agent_id": settings.agent_id, **endpoints.fields()}
    remembered = None
    if settings.credential is None:
        remembered = credentials.recall(directory, settings.agent_id, settings.orchestrator)
    answer = _post(settings, endpoint, _proof(settings, remembered), deadline)
    if remembered is not None and _is_unknown_credential(answer):
        log.warning("the orchestrator does not know the remembered credential: enrolling again")
        answer = _post(settings, endpoint, _proof(settings, None), deadline)
    registration = _accepted(settings, answer)
    _keep(settings, directory, registration.credential)
    return registration


def _keep(settings: Settings, directory: Path, credential: str) -> None:
    try:
        credentials.remember(directory, settings.agent_id, settings.orchestrator, credential)
    except OSError as error:
        log.warning("the credential is not kept for the next start: %s", error.strerror)


def _proof(settings: Settings, remembered: str | None) -> dict[str, str]:
    """The header that shows the right to this agent id; none: an open registration."""
    if credential := settings.credential or remembered:
        return {BEARER: credential}
    return {ENROLL_KEY: settings.enroll_key} if settings.enroll_key else {}


def _post(
    settings: Settings, endpoint: Mapping[str, object], proof: Mapping[str, str], deadline: float
) -> Answer:
    pause = _FIRST_PAUSE
    while True:
        try:
            answer = orchestrator.call(
                settings.orchestrator, "POST", "/register", headers=proof, body=endpoint
            )
            if answer.status not in _TRY_AGAIN:
                return answer
            trouble, status = answer.explanation, answer.status
        except Unreachable as error:
            trouble, status = str(error), None
        left = deadline - time.monotonic()
        if left <= 0:
            raise RegistrationError(
                f"no registration at {settings.orchestrator.url} within "
                f"{settings.start_timeout:g} s: {trouble}. Is the control plane running "
                "(`amaze up`), and is AMAZE_ORCHESTRATOR_URL right?",
                status=status,
            )
        if pause == _FIRST_PAUSE:
            log.warning(
                "waiting for the orchestrator at %s (AMAZE_ORCHESTRATOR_URL): %s",
                settings.orchestrator.url,
                trouble,
            )
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _is_unknown_credential(answer: Answer) -> bool:
    return answer.status == 401 or answer.reason in _UNKNOWN_CREDENTIAL


def _accepted(settings: Settings, answer: Answer) -> Registration:
    agent_id, where = settings.agent_id, settings.orchestrator.url
    if not answer.ok:
        raise RegistrationError(
            f"{where} refused to register {agent_id!r}: {answer.explanation}",
            status=answer.status,
            reason=answer.reason,
        )
    credential = answer.text("bearer_token")
    if answer.text("agent_id") != agent_id or not CREDENTIAL.fullmatch(credential):
        raise RegistrationError(
            f"{where} answered the registration with something else: is it the control plane?",
            status=answer.status,
        )
    return Registration(
        agent_id=agent_id,
        session_id=answer.text("session_id"),
        status=answer.text("status"),
        credential=credential,
    )

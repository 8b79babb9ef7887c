"""What can go wrong, as the agent's author sees it."""

from __future__ import annotations


class AmazeError(Exception):
    """Everything this SDK raises on purpose."""


class ConfigurationError(AmazeError, ValueError):
    """A setting is missing or makes no sense; the text names it and the fix."""


class RegistrationError(AmazeError):
    """The control plane refused this agent, or did not answer in time; the text says why.

    `status` is the HTTP status of the refusal, None when there was no answer; `reason` is the
    control plane's word for it, such as `invalid-bearer`.
    """

    def __init__(self, message: str, *, status: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class EnforcementError(AmazeError):
    """Governance cannot be put in place, so the agent must not run."""


class SendError(AmazeError):
    """A message did not reach its agent, or was refused on the way.

    `status`: what the answer means as an HTTP status; `reason`: why, such as `not-allowed`;
    `body`: the answer. The error's text has `words`, the answer put in words, or else the body.
    """

    def __init__(self, status: int, reason: str, body: str, words: str = "") -> None:
        said = words or body
        super().__init__(f"{status} {reason}: {said}" if said else f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.body = body

"""The settings of the control plane, as the composition root hands them in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from amaze_proxy.protocols.prices import PriceBook


class RegistrationMode(StrEnum):
    """Who may register: anybody (`open`), or whoever has the enrolment key (`enroll`)."""

    OPEN = "open"
    ENROLL = "enroll"


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """Settings. `turn_key` signs turns, `enroll_key_sha256` is hex; times in seconds.

    `audit_key` (32 bytes) signs checkpoints: without one a key is made, and what it has signed
    cannot be verified by the next process. `retention_days` 0: calls stay for ever.
    `journal_dir` is where the workers of this machine have theirs. `metrics_key` opens /metrics to
    other machines. `prices` are those that the proxy counts with.

    Raises ValueError where a setting would leave registration open to the network by accident,
    or turns unsigned.
    """

    turn_key: bytes = field(repr=False)
    ca_pem: bytes = field(repr=False)
    registration: RegistrationMode = RegistrationMode.ENROLL
    enroll_key_sha256: str | None = field(default=None, repr=False)
    listens_on_loopback: bool = True
    instance: str = "amaze"
    version: str = ""
    body_max: int = 1024 * 1024
    chat_timeout: float = 300.0
    store_timeout: float = 0.25
    reconcile_every: float = 1.0
    republish_every: float = 60.0
    sweep_every: float = 5.0
    journal_dir: Path | None = None
    audit_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    retention_days: int = 0
    metrics_key: str = field(default="", repr=False)
    prices: PriceBook = field(default_factory=PriceBook, repr=False)

    def __post_init__(self) -> None:
        if len(self.turn_key) < 32:
            raise ValueError("turn_key must have at least 32 bytes")
        object.__setattr__(self, "registration", RegistrationMode(self.registration))

"""A refusal as every protocol's error is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amaze_proxy.protocols.strictjson import JsonValue


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was refused. `details` (limits, what is left, policy version, …) are for
    programs; `message` says it all for people."""

    reason: str
    message: str
    decision_id: str
    details: Mapping[str, JsonValue]

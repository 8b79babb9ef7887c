"""Who plays in the demo, and what each may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RESEARCHER = "research-agent"
WRITER = "writer-agent"

POLICIES: Mapping[str, Mapping[str, Any]] = {
    RESEARCHER: {
        "name": "demo-research",
        "allowed_llm_providers": ["openai"],
        "allowed_models": ["openai/gpt-4.1*"],
        "max_tokens_per_turn": 2000,
    },
    WRITER: {
        "name": "demo-writer",
        "allowed_llm_providers": ["anthropic"],
        "token_rate_limits": [{"window": "10m", "max_tokens": 180}],
    },
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A message to the agent with the SDK, and what the operator shall see."""

    about: str
    message: str


SCENES = (
    Scene("an allowed call", "openai/gpt-4.1-mini: What is a policy?"),
    Scene("a model that the policy does not name", "openai/gpt-5.5: What is a policy?"),
    Scene("a provider that the policy does not name", "anthropic/claude-haiku-4-5: And this?"),
)

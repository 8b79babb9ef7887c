"""Whose host it is, and what is asked there: known hosts and paths, and nothing else.

A host of a provider that has no routes here, and a path that no route matches, are not
understood: the caller of these functions refuses them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """A wire format: what a request's body, its answer and its stream look like.

    Up to the first hyphen, the value names the dialect of its errors.
    """

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    OPENAI_EMBEDDINGS = "openai-embeddings"
    OPENAI_MODELS = "openai-models"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    ANTHROPIC_COUNT_TOKENS = "anthropic-count-tokens"
    ANTHROPIC_MODELS = "anthropic-models"


@dataclass(frozen=True, slots=True)
class LlmRoute:
    """A call to a provider that we understand."""

    provider: str
    family: Family


_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"

# Host patterns by provider; the hosts are the providers' own, so a subdomain is theirs too.
_HOSTS: tuple[tuple[str, str], ...] = (
    ("openai", rf"(?:{_LABEL}\.)?api\.openai\.com"),
    ("anthropic", r"api\.anthropic\.com"),
    ("azure", rf"{_LABEL}\.(?:openai|cognitiveservices|services\.ai)\.azure\.com"),
    ("azure", rf"{_LABEL}\.azure-api\.net"),
    ("google", r"(?:generativelanguage|claude)\.googleapis\.com"),
    ("google", rf"(?:{_LABEL}-)?aiplatform\.googleapis\.com"),
    ("google", r"aiplatform\.[a-z]+\.rep\.googleapis\.com"),
    ("bedrock", rf"bedrock-(?:runtime|runtime-fips|mantle)\.{_LABEL}\.(?:amazonaws\.com|api\.aws)"),
    ("bedrock", rf"aws-external-anthropic\.{_LABEL}\.api\.aws"),
    ("mistral", r"api\.mistral\.ai"),
    ("cohere", r"api\.cohere\.(?:com|ai)"),
    ("groq", r"api\.groq\.com"),
    ("deepseek", r"api\.deepseek\.com"),
    ("xai", rf"(?:{_LABEL}\.)?api\.x\.ai|management-api\.x\.ai"),
    ("together", r"(?:api|api-inference)\.together\.(?:ai|xyz)"),
    ("openrouter", r"(?:api\.)?openrouter\.ai"),
)
_HOST_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _HOSTS)


def provider_of(host: str) -> str | None:
    """The provider whose host this is (no port; case and one final dot do not matter)."""
    name = host.lower().removesuffix(".")
    for provider, pattern in _HOST_PATTERNS:
        if pattern.fullmatch(name):
            return provider
    return None


_MODEL_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,255}"
_PAGE = r"(?:\?[a-z_]+=[A-Za-z0-9._:-]*(?:&[a-z_]+=[A-Za-z0-9._:-]*)*)?"
_BETA = r"(?:\?beta=true)?"  # what the Anthropic SDK adds to its beta calls

# provider, method, whole request target, family
_ROUTES: tuple[tuple[str, str, str, Family], ...] = (
    ("openai", "POST", r"/v1/chat/completions", Family.OPENAI_CHAT),
    ("openai", "POST", r"/v1/responses", Family.OPENAI_RESPONSES),
    ("openai", "POST", r"/v1/embeddings", Family.OPENAI_EMBEDDINGS),
    ("openai", "GET", rf"/v1/models(?:/{_MODEL_ID})?{_PAGE}", Family.OPENAI_MODELS),
    ("anthropic", "POST", rf"/v1/messages{_BETA}", Family.ANTHROPIC_MESSAGES),
    ("anthropic", "POST", rf"/v1/messages/count_tokens{_BETA}", Family.ANTHROPIC_COUNT_TOKENS),
    ("anthropic", "GET", rf"/v1/models(?:/{_MODEL_ID})?{_PAGE}", Family.ANTHROPIC_MODELS),
)
_ROUTE_PATTERNS = tuple((p, m, re.compile(t, re.ASCII), f) for p, m, t, f in _ROUTES)


def route(provider: str, method: str, path: str) -> LlmRoute | None:
    """What is asked of `provider`, or None when it is not understood.

    `path` is the request target in origin-form, with its query if it has one. It must match a
    route to the letter: no percent-encoding, no `//`, no dot segments, no other query.
    """
    for name, verb, pattern, family in _ROUTE_PATTERNS:
        if name == provider and verb == method and pattern.fullmatch(path):
            return LlmRoute(provider, family)
    return None

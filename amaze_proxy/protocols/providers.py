"""Whose host it is, and what is asked there: known hosts and paths, and nothing else.

A host of a provider that has no routes here, and a path that no route matches, are not
understood: the caller of these functions refuses them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Family(StrEnum):
    """A wire format: what a request's body, its answer and its stream look like.

    Up to the first hyphen, the value names the dialect of its errors.
    """

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    OPENAI_EMBEDDINGS = "openai-embeddings"
    OPENAI_MODELS = "openai-models"
    COMPATIBLE_CHAT = "compatible-chat"  # OpenAI's chat as others speak it: see llm.openai_chat
    OPENROUTER_CHAT = "openrouter-chat"
    MISTRAL_CHAT = "mistral-chat"
    MISTRAL_EMBEDDINGS = "mistral-embeddings"
    MISTRAL_MODELS = "mistral-models"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    ANTHROPIC_COUNT_TOKENS = "anthropic-count-tokens"
    ANTHROPIC_MODELS = "anthropic-models"
    GEMINI_GENERATE = "gemini-generate"
    GEMINI_STREAM = "gemini-stream"  # server-sent events (`alt=sse`)
    GEMINI_STREAM_ARRAY = "gemini-stream-array"  # one JSON array, element by element
    GEMINI_COUNT_TOKENS = "gemini-count-tokens"
    GEMINI_EMBED = "gemini-embed"
    GEMINI_BATCH_EMBED = "gemini-batch-embed"
    GEMINI_MODELS = "gemini-models"
    OLLAMA_CHAT = "ollama-chat"
    OLLAMA_GENERATE = "ollama-generate"
    OLLAMA_EMBED = "ollama-embed"
    OLLAMA_TAGS = "ollama-tags"


@dataclass(frozen=True, slots=True)
class LlmRoute:
    """A call to a provider that we understand. `model` is the one that the URL names, "" where
    the body does: that of the URL is the one that the provider uses."""

    provider: str
    family: Family
    model: str = ""


_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"

# Host patterns by provider; the hosts are the providers' own, so a subdomain is theirs too.
_HOSTS: tuple[tuple[str, str], ...] = (
    ("openai", rf"(?:{_LABEL}\.)?api\.openai\.com"),
    ("anthropic", r"api\.anthropic\.com"),
    ("azure", rf"{_LABEL}\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us)"),
    ("azure", rf"{_LABEL}\.azure-api\.net"),
    ("google", r"(?:generativelanguage|claude)\.googleapis\.com"),
    ("google", rf"(?:{_LABEL}-)?aiplatform\.googleapis\.com"),
    ("google", r"aiplatform\.[a-z]+\.rep\.googleapis\.com"),
    ("bedrock", rf"bedrock-(?:runtime|runtime-fips|mantle)\.{_LABEL}\.(?:amazonaws\.com|api\.aws)"),
    ("bedrock", rf"aws-external-anthropic\.{_LABEL}\.api\.aws"),
    ("mistral", r"(?:api|codestral)\.mistral\.ai"),
    ("cohere", r"api\.cohere\.(?:com|ai)"),
    ("groq", r"api\.groq\.com"),
    ("deepseek", r"api\.deepseek\.com"),
    ("xai", rf"(?:{_LABEL}\.)?api\.x\.ai|management-api\.x\.ai"),
    ("together", r"(?:api|api-inference)\.together\.(?:ai|xyz)"),
    ("openrouter", r"(?:api\.)?openrouter\.ai"),
    ("ollama", r"(?:api\.)?ollama\.com"),
)
_HOST_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _HOSTS)


@lru_cache(maxsize=1024)
def provider_of(host: str) -> str | None:
    """The provider whose host this is (no port; case and one final dot do not matter)."""
    name = host.lower().removesuffix(".")
    for provider, pattern in _HOST_PATTERNS:
        if pattern.fullmatch(name):
            return provider
    return None


_Routes = tuple[tuple[str, str, Family], ...]  # method, whole request target, family

_MODEL_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,255}"
_URL_MODEL = r"(?P<model>[A-Za-z0-9][A-Za-z0-9._-]{0,127})"
_PARAMETER = r"[A-Za-z_]+=[A-Za-z0-9._:-]*"
_PAGE = rf"(?:\?{_PARAMETER}(?:&{_PARAMETER})*)?"
_BETA = r"(?:\?beta=true)?"  # what the Anthropic SDK adds to its beta calls
_AZURE = r"\?api-version=[A-Za-z0-9.-]{1,32}"

# Of Google's query parameters, the key and those that say the form of the answer. Others could
# change what comes back (`fields` leaves the usage out), so they are not understood.
_KEY = r"key=[A-Za-z0-9._-]{1,256}"
_JSON = r"(?:alt=json|%24alt=json%3Benum-encoding%3Dint)"
_AS_JSON = rf"(?:\?(?:{_KEY}|{_JSON}|{_KEY}&{_JSON}|{_JSON}&{_KEY}))?"
_AS_EVENTS = rf"\?(?:alt=sse|{_KEY}&alt=sse|alt=sse&{_KEY})"


def _openai(base: str, chat: Family, query: str = "") -> _Routes:
    return (
        ("POST", rf"{base}/chat/completions{query}", chat),
        ("POST", rf"{base}/embeddings{query}", Family.OPENAI_EMBEDDINGS),
        ("GET", rf"{base}/models(?:/{_MODEL_ID})?{_PAGE}", Family.OPENAI_MODELS),
    )


def _responses(base: str, query: str = "") -> _Routes:
    return (("POST", rf"{base}/responses{query}", Family.OPENAI_RESPONSES),)


def _anthropic(base: str) -> _Routes:
    return (
        ("POST", rf"{base}/messages{_BETA}", Family.ANTHROPIC_MESSAGES),
        ("POST", rf"{base}/messages/count_tokens{_BETA}", Family.ANTHROPIC_COUNT_TOKENS),
        ("GET", rf"{base}/models(?:/{_MODEL_ID})?{_PAGE}", Family.ANTHROPIC_MODELS),
    )


def _mistral(base: str) -> _Routes:
    return (
        ("POST", rf"{base}/chat/completions", Family.MISTRAL_CHAT),
        ("POST", rf"{base}/embeddings", Family.MISTRAL_EMBEDDINGS),
        ("GET", rf"{base}/models(?:/{_MODEL_ID})?{_PAGE}", Family.MISTRAL_MODELS),
    )


def _gemini(base: str) -> _Routes:
    asked = rf"{base}/models/{_URL_MODEL}:"
    return (
        ("POST", rf"{asked}generateContent{_AS_JSON}", Family.GEMINI_GENERATE),
        ("POST", rf"{asked}streamGenerateContent{_AS_EVENTS}", Family.GEMINI_STREAM),
        ("POST", rf"{asked}streamGenerateContent{_AS_JSON}", Family.GEMINI_STREAM_ARRAY),
        ("POST", rf"{asked}countTokens{_AS_JSON}", Family.GEMINI_COUNT_TOKENS),
        ("POST", rf"{asked}embedContent{_AS_JSON}", Family.GEMINI_EMBED),
        ("POST", rf"{asked}batchEmbedContents{_AS_JSON}", Family.GEMINI_BATCH_EMBED),
        ("GET", rf"{base}/models(?:/[A-Za-z0-9][A-Za-z0-9._-]*)?{_PAGE}", Family.GEMINI_MODELS),
    )


_OLLAMA: _Routes = (
    ("POST", r"/api/chat", Family.OLLAMA_CHAT),
    ("POST", r"/api/generate", Family.OLLAMA_GENERATE),
    ("POST", r"/api/embed", Family.OLLAMA_EMBED),
    ("GET", r"/api/(?:tags|ps|version)", Family.OLLAMA_TAGS),
    *_openai("/v1", Family.COMPATIBLE_CHAT),
)
_VERSION = r"/v1[a-z0-9]{0,8}"
_PROJECT = r"[a-z0-9](?:[a-z0-9:._-]{0,62}[a-z0-9])?"
_VERTEX = rf"(?:/projects/{_PROJECT}/locations/[a-z0-9-]{{1,32}})?(?:/publishers/google)?"

_PROVIDERS: dict[str, _Routes] = {
    "openai": (*_openai("/v1", Family.OPENAI_CHAT), *_responses("/v1")),
    "anthropic": _anthropic("/v1"),
    "azure": (
        # The deployment in the URL is what answers, whatever model the body names.
        *_openai(rf"/openai/deployments/{_URL_MODEL}", Family.OPENAI_CHAT, _AZURE)[:2],
        *_responses("/openai", _AZURE),
        *_openai("/openai/v1", Family.OPENAI_CHAT, rf"(?:{_AZURE})?"),
        *_responses("/openai/v1", rf"(?:{_AZURE})?"),
        ("GET", rf"/openai/models{_AZURE}", Family.OPENAI_MODELS),
        *_anthropic("/anthropic/v1"),
    ),
    "google": (
        *_gemini(_VERSION + _VERTEX),
        *_openai("/v1beta/openai", Family.COMPATIBLE_CHAT),
    ),
    "mistral": _mistral("/v1"),
    "groq": (*_openai("/openai/v1", Family.OPENAI_CHAT), *_responses("/openai/v1")),
    "deepseek": (*_openai("(?:/v1)?", Family.COMPATIBLE_CHAT), *_anthropic("/anthropic/v1")),
    "together": _openai("/v1", Family.COMPATIBLE_CHAT),
    "openrouter": (*_openai("/api/v1", Family.OPENROUTER_CHAT), *_responses("/api/v1")),
    "xai": (*_openai("/v1", Family.OPENAI_CHAT), *_responses("/v1")),
    "ollama": _OLLAMA,
}
# What an operator may register a host of his own as.
_DIALECTS: dict[str, _Routes] = {
    "openai": (*_openai("(?:/v1)?", Family.COMPATIBLE_CHAT), *_responses("(?:/v1)?")),
    "anthropic": _anthropic("(?:/v1)?"),
    "gemini": _gemini(rf"(?:{_VERSION})?"),
    "ollama": _OLLAMA,
    "mistral": _mistral("(?:/v1)?"),
}
DIALECTS = tuple(_DIALECTS)

_Patterns = dict[str, tuple[tuple[str, re.Pattern[str], Family], ...]]


def _compiled(tables: dict[str, _Routes]) -> _Patterns:
    return {
        name: tuple(
            (method, re.compile(target, re.ASCII), family) for method, target, family in rows
        )
        for name, rows in tables.items()
    }


_PROVIDER_PATTERNS = _compiled(_PROVIDERS)
_DIALECT_PATTERNS = _compiled(_DIALECTS)


def route(provider: str, method: str, path: str) -> LlmRoute | None:
    """What is asked of `provider`, or None when it is not understood.

    `path` is the request target in origin-form, with its query if it has one. It must match a
    route to the letter: no percent-encoding, no `//`, no dot segments, no other query.
    """
    return _found(_PROVIDER_PATTERNS, provider, provider, method, path)


def dialect_route(dialect: str, provider: str, method: str, target: str) -> LlmRoute | None:
    """`route`, of a host that an operator registered as `provider` with one of `DIALECTS`.

    `target` has the registered base path taken off; that may end in the API's version or not.
    """
    return _found(_DIALECT_PATTERNS, dialect, provider, method, target)


def _found(
    patterns: _Patterns, table: str, provider: str, method: str, target: str
) -> LlmRoute | None:
    for verb, pattern, family in patterns.get(table, ()):
        if verb == method and (match := pattern.fullmatch(target)):
            return LlmRoute(provider, family, match.groupdict().get("model", ""))
    return None


_STREAMS = frozenset({Family.GEMINI_STREAM, Family.GEMINI_STREAM_ARRAY})


def whole_target(family: Family, target: str) -> str:
    """The request target that asks for a whole answer in place of a stream.

    The same target, except where it is the URL that asks for the stream. `target` is one that
    `route` or `dialect_route` found to be of `family`.
    """
    if family not in _STREAMS:
        return target
    path, _, query = target.partition("?")
    kept = "&".join(part for part in query.split("&") if part != "alt=sse")
    path = path.removesuffix("streamGenerateContent") + "generateContent"
    return f"{path}?{kept}" if kept else path

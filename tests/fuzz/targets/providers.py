"""A path that is routed has one reading; a host that is a provider's ends in the provider's."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from amaze_proxy.protocols.providers import (
    DIALECTS,
    LlmRoute,
    dialect_route,
    provider_of,
    route,
    whole_target,
)
from amaze_proxy.wire.authority import AuthorityError, parse_authority

_PROVIDERS = (
    "openai", "anthropic", "azure", "google", "bedrock", "mistral", "cohere", "groq", "deepseek",
    "xai", "together", "openrouter", "ollama",
)  # fmt: skip
_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
_OWNED = (
    "openai.com", "anthropic.com", "azure.com", "azure.us", "azure-api.net", "googleapis.com",
    "amazonaws.com", "api.aws", "mistral.ai", "cohere.com", "cohere.ai", "groq.com",
    "deepseek.com", "x.ai", "together.ai", "together.xyz", "openrouter.ai", "ollama.com",
)  # fmt: skip


def check(data: bytes) -> None:
    text = data.decode("latin-1")
    _check_host(text)
    for method in _METHODS:
        for provider in _PROVIDERS:
            found = route(provider, method, text)
            assert found is None or route(provider.upper(), method, text) is None
            assert found is None or route(provider, method.lower(), text) is None
            _check_route(found, provider, text)
        for dialect in DIALECTS:
            _check_route(dialect_route(dialect, "own", method, text), "own", text)


def _check_route(found: LlmRoute | None, provider: str, text: str) -> None:
    if found is None:
        return
    assert found.provider == provider
    assert text.isascii()
    assert not set(text) & set("\\;#\t\r\n ")
    path = urlsplit(text).path
    assert unquote(path) == path
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))
    assert found.model in path
    _check_whole(found, provider, text)


def _check_whole(found: LlmRoute, provider: str, text: str) -> None:
    whole = whole_target(found.family, text)
    if whole != text:
        tables = [route(provider, "POST", whole)]
        tables += [dialect_route(dialect, provider, "POST", whole) for dialect in DIALECTS]
        routes = [one for one in tables if one is not None]
        assert routes, "the target for a whole answer is not understood"
        assert all(one.model == found.model for one in routes)


def _check_host(text: str) -> None:
    if provider_of(text) is None:
        return
    host = text.lower().removesuffix(".")
    assert host.endswith(tuple(f".{owned}" for owned in _OWNED)) or host in _OWNED
    try:
        dialled = parse_authority(text, "https", 443)
    except AuthorityError:
        return  # never dialled
    assert dialled.host == host

"""Tools at the provider's side that a request gets without an entry in `tools`: by a member of
its own, or by the model it names. Each is decided on like an entry in `tools`.

The members of all providers are looked for in all requests: a host that speaks OpenAI's or
Anthropic's format may be a gateway to any of them.
"""

from __future__ import annotations

import re

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import fields
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

# Members to the tool that they turn on. What they hold does not matter: it is the provider's.
_MEMBERS = {
    "web_search_options": "web_search",  # OpenAI
    "search_parameters": "web_search",  # xAI
    "search_settings": "web_search",  # Groq
    "enable_search": "web_search",  # Qwen
    "compound_custom": "compound",  # Groq: tools, and models of its own
    "data_sources": "data_sources",  # Azure OpenAI: searches an index, by a credential in it
    "mcp_servers": "mcp",
    "preset": "preset",  # OpenRouter: stored models, tools and prompts that we cannot see
    "extra_body": "extra_body",  # Google's OpenAI format: members of its own API
}
# Models that search, or run code, whatever the request says.
_MODELS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (tool, re.compile(pattern, re.IGNORECASE))
    for tool, pattern in (
        ("web_search", r".*:online(?::.*)?"),  # OpenRouter's short form of a plugin
        ("web_search", r".*-search-(?:preview|api)(?:-.*)?"),  # OpenAI
        ("web_search", r"(?:.*/)?sonar(?:-.*)?"),  # Perplexity
        ("compound", r"(?:.*/)?compound(?:-.*)?"),  # Groq
        ("preset", r".*@preset/.*"),  # OpenRouter
    )
)
KEYS = frozenset({*_MEMBERS, "plugins", "models", "deferred"})
_PLUGIN_KEYS = frozenset({"id"})
_OFF: tuple[JsonValue, ...] = (None, False, [])


def tools(document: JsonObject, model: str) -> list[str]:
    """Their kinds. Raises Malformed for a request whose answer could come from a model that it
    does not name in `model`, or that is fetched by another call."""
    others = document.get("models")
    if others not in (None, [], [document.get("model")]):
        # The answer could come from a model that the policy was not asked about.
        raise Malformed("'models' is not supported: ask for one model per request")
    if document.get("deferred") not in (None, False):
        raise Malformed("'deferred' answers cannot be metered, and are not supported")
    kinds = [tool for member, tool in _MEMBERS.items() if document.get(member) not in _OFF]
    plugins = fields.objects(document, "plugins", _PLUGIN_KEYS)
    kinds += [_plugin(fields.text(plugin, "id")) for plugin in plugins]
    return kinds + [tool for tool, pattern in _MODELS if pattern.fullmatch(model)]


def _plugin(name: str) -> str:
    """OpenRouter's web plugin is the same as what others do by a member or a model."""
    return "web_search" if name == "web" else name

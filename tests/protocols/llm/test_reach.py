import json

import pytest

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import parse_request
from amaze_proxy.protocols.llm.reach import tools
from amaze_proxy.protocols.providers import Family

MESSAGES = {"messages": [{"role": "user", "content": "Hi"}]}
QUESTIONS = {
    Family.OPENAI_CHAT: MESSAGES,
    Family.COMPATIBLE_CHAT: MESSAGES,
    Family.OPENROUTER_CHAT: MESSAGES,
    Family.MISTRAL_CHAT: MESSAGES,
    Family.OPENAI_RESPONSES: {"input": "Hi"},
    Family.ANTHROPIC_MESSAGES: {**MESSAGES, "max_tokens": 5},
    Family.ANTHROPIC_COUNT_TOKENS: MESSAGES,
}
REACHING = [
    ({"web_search_options": {}}, "web_search"),
    ({"search_parameters": {"mode": "auto"}}, "web_search"),
    ({"search_settings": {"include_domains": ["a"]}}, "web_search"),
    ({"enable_search": True}, "web_search"),
    ({"compound_custom": {"models": {"answering_model": "x"}}}, "compound"),
    ({"data_sources": [{"type": "azure_search"}]}, "data_sources"),
    ({"mcp_servers": [{"url": "https://x"}]}, "mcp"),
    ({"preset": "mine"}, "preset"),
    ({"extra_body": {"google": {"cached_content": "c"}}}, "extra_body"),
    ({"plugins": [{"id": "web"}]}, "web_search"),
    ({"plugins": [{"id": "file-parser"}]}, "file-parser"),
    ({"model": "openai/gpt-4o:online"}, "web_search"),
    ({"model": "openai/gpt-4o:free:ONLINE"}, "web_search"),
    ({"model": "gpt-4o-search-preview-2025-03-11"}, "web_search"),
    ({"model": "gpt-5-search-api"}, "web_search"),
    ({"model": "perplexity/sonar-pro"}, "web_search"),
    ({"model": "sonar"}, "web_search"),
    ({"model": "groq/compound-mini"}, "compound"),
    ({"model": "compound-beta"}, "compound"),
    ({"model": "openai/gpt-4o@preset/mine"}, "preset"),
    ({"model": "@preset/mine"}, "preset"),
]


def parse(family, members):
    document = {"model": "m", **QUESTIONS[family], **members}
    return parse_request(family, json.dumps(document).encode())


@pytest.mark.parametrize("family", QUESTIONS)
@pytest.mark.parametrize(("members", "tool"), REACHING)
def test_what_reaches_out_by_itself_is_told_in_every_family(family, members, tool):
    assert parse(family, members).provider_tools == (tool,)


@pytest.mark.parametrize("family", QUESTIONS)
@pytest.mark.parametrize(
    "members",
    [
        {"models": ["dear"]},
        {"models": ["m", "dear"]},
        {"models": "dear"},
        {"deferred": True},
        {"deferred": "yes"},
        {"Plugins": [{"id": "web"}]},
        {"PLUGINS": []},
        {"plugins": [{"ID": "web", "id": "pdf"}]},
        {"plugins": ["web"]},
        {"plugins": [{}]},
        {"Search_Parameters": {}},
        {"Models": ["dear"]},
    ],
)
def test_what_cannot_be_decided_on_is_refused(family, members):
    with pytest.raises(Malformed):
        parse(family, members)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"models": [], "plugins": [], "mcp_servers": [], "enable_search": False},
        {"models": ["m"], "model": "m", "deferred": False},
        {"web_search_options": None, "models": None, "deferred": None},
    ],
)
@pytest.mark.parametrize("model", ["m", "online", "composer", "sonarx", "research-preview"])
def test_what_does_not_reach_out(document, model):
    assert tools(document, model) == []

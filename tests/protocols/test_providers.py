import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from amaze_proxy.protocols.providers import Family, LlmRoute, provider_of, route


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com.", "openai"),
        ("eu.api.openai.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("my-res.openai.azure.com", "azure"),
        ("my.cognitiveservices.azure.com", "azure"),
        ("r.services.ai.azure.com", "azure"),
        ("gw.azure-api.net", "azure"),
        ("generativelanguage.googleapis.com", "google"),
        ("claude.googleapis.com", "google"),
        ("europe-west4-aiplatform.googleapis.com", "google"),
        ("aiplatform.googleapis.com", "google"),
        ("aiplatform.eu.rep.googleapis.com", "google"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock"),
        ("bedrock-mantle.us-east-1.api.aws", "bedrock"),
        ("aws-external-anthropic.us-east-1.api.aws", "bedrock"),
        ("api.mistral.ai", "mistral"),
        ("api.cohere.com", "cohere"),
        ("api.cohere.ai", "cohere"),
        ("api.groq.com", "groq"),
        ("api.deepseek.com", "deepseek"),
        ("api.x.ai", "xai"),
        ("management-api.x.ai", "xai"),
        ("api.together.ai", "together"),
        ("api-inference.together.ai", "together"),
        ("api.together.xyz", "together"),
        ("openrouter.ai", "openrouter"),
    ],
)
def test_known_hosts(host, provider):
    assert provider_of(host) == provider


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "openai.com",
        "api.openai.com.evil.com",
        "evil-api.openai.com",
        "apixopenai.com",
        "a.b.api.openai.com",
        ".api.openai.com",
        "api.openai.com..",
        "api.openai.com\n",
        "api.openai.com:443",
        "api。openai。com",
        "openai.azure.com",
        "s3.us-east-1.amazonaws.com",
    ],
)
def test_other_hosts_are_nobodys(host):
    assert provider_of(host) is None


@pytest.mark.parametrize(
    ("provider", "method", "path", "family"),
    [
        ("openai", "POST", "/v1/chat/completions", Family.OPENAI_CHAT),
        ("openai", "POST", "/v1/responses", Family.OPENAI_RESPONSES),
        ("openai", "POST", "/v1/embeddings", Family.OPENAI_EMBEDDINGS),
        ("openai", "GET", "/v1/models", Family.OPENAI_MODELS),
        ("openai", "GET", "/v1/models/ft:gpt-4o-mini:org::id", Family.OPENAI_MODELS),
        ("anthropic", "POST", "/v1/messages", Family.ANTHROPIC_MESSAGES),
        ("anthropic", "POST", "/v1/messages?beta=true", Family.ANTHROPIC_MESSAGES),
        ("anthropic", "POST", "/v1/messages/count_tokens", Family.ANTHROPIC_COUNT_TOKENS),
        ("anthropic", "GET", "/v1/models?limit=20&after_id=m-1", Family.ANTHROPIC_MODELS),
    ],
)
def test_known_routes(provider, method, path, family):
    assert route(provider, method, path) == LlmRoute(provider, family)


@pytest.mark.parametrize(
    ("provider", "method", "path"),
    [
        ("openai", "GET", "/v1/chat/completions"),
        ("openai", "post", "/v1/chat/completions"),
        ("openai", "POST", "/v1/chat/completions/"),
        ("openai", "POST", "//v1/chat/completions"),
        ("openai", "POST", "/v1//chat/completions"),
        ("openai", "POST", "/v1/./chat/completions"),
        ("openai", "POST", "/v1/models/../chat/completions"),
        ("openai", "POST", "/v1/chat%2Fcompletions"),
        ("openai", "POST", "/v1/chat/completion%73"),
        ("openai", "POST", "/V1/chat/completions"),
        ("openai", "POST", "/v1/chat/completions?model=x"),
        ("openai", "POST", "/v1/chat/completions#x"),
        ("openai", "POST", "/v1/chat/completions\n"),
        ("openai", "POST", "/v1/chat/completions;a=b"),
        ("openai", "POST", "v1/chat/completions"),
        ("openai", "POST", "/v1/audio/transcriptions"),
        ("openai", "POST", "/v1/images/edits"),
        ("openai", "POST", "/v1/responses/compact"),
        ("openai", "GET", "/v1/responses/resp_1"),
        ("openai", "GET", "/v1/models/.."),
        ("openai", "GET", "/v1/models/a/b"),
        ("openai", "DELETE", "/v1/models/m"),
        ("openai", "GET", "/v1/models?x=%2e"),
        ("anthropic", "POST", "/v1/messages?beta=1"),
        ("anthropic", "POST", "/v1/messages/batches"),
        ("anthropic", "POST", "/v1/chat/completions"),
        ("mistral", "POST", "/v1/chat/completions"),
        ("nobody", "POST", "/v1/chat/completions"),
    ],
)
def test_all_else_is_not_understood(provider, method, path):
    assert route(provider, method, path) is None


@given(st.text(max_size=40))
def test_no_other_text_is_a_route(path):
    assume(not path.startswith("/v1/"))
    assert route("openai", "POST", path) is None
    assert route("openai", "POST", "/v1/chat/completions" + path) is None or path == ""

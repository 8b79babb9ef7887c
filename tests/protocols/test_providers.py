import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from amaze_proxy.protocols.providers import (
    DIALECTS,
    Family,
    LlmRoute,
    dialect_route,
    provider_of,
    route,
    whole_target,
)


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
        ("codestral.mistral.ai", "mistral"),
        ("my-res.openai.azure.us", "azure"),
        ("ollama.com", "ollama"),
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
        ("mistral", "POST", "/v1/agents/completions"),
        ("mistral", "POST", "/v1/conversations"),
        ("mistral", "POST", "/v1/responses"),
        ("cohere", "POST", "/v2/chat"),
        ("bedrock", "POST", "/model/m/converse"),
        ("azure", "POST", "/openai/deployments/gpt-4o/chat/completions"),
        ("azure", "POST", "/openai/deployments/a/b/chat/completions?api-version=2024-10-21"),
        ("azure", "POST", "/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21"),
        ("azure", "POST", "/openai/deployments/../chat/completions?api-version=2024-10-21"),
        ("azure", "POST", "/openai/deployments/a/extensions/chat/completions?api-version=1"),
        ("azure", "POST", "/openai/v1/chat/completions?api-version=1&model=x"),
        ("google", "POST", "/v1beta/models/g:generateContent?alt=sse"),
        ("google", "POST", "/v1beta/models/g:generateContent?fields=candidates"),
        ("google", "POST", "/v1beta/models/g:streamGenerateContent?alt=sse&alt=json"),
        ("google", "POST", "/v1beta/models/g:streamGenerateContent?alt=proto"),
        ("google", "POST", "/v1beta/models/g:streamGenerateContent?key=a&key=b"),
        ("google", "POST", "/v1beta/models/g:streamGenerateContent?key=a%26alt"),
        ("google", "POST", "/v1beta/models/g%3AgenerateContent"),
        ("google", "POST", "/v1beta/models/..:generateContent"),
        ("google", "POST", "/v1beta/models/a/b:generateContent"),
        ("google", "POST", "/v1beta/models/g:batchGenerateContent"),
        ("google", "POST", "/v1beta/tunedModels/g:generateContent"),
        ("google", "POST", "/v1beta/interactions"),
        ("google", "POST", "/v1beta/cachedContents"),
        ("google", "POST", "/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict"),
        ("google", "GET", "/v1beta/models/g:generateContent"),
        ("openrouter", "POST", "/v1/chat/completions"),
        ("deepseek", "POST", "/v2/chat/completions"),
        ("ollama", "POST", "/api/pull"),
        ("ollama", "DELETE", "/api/delete"),
        ("ollama", "POST", "/api/web_search"),
        ("nobody", "POST", "/v1/chat/completions"),
    ],
)
def test_all_else_is_not_understood(provider, method, path):
    assert route(provider, method, path) is None


DEPLOYED = "/openai/deployments/gpt-4o_mini.2"
VERTEX = "/v1beta1/projects/my-p/locations/eu-west4/publishers/google"


@pytest.mark.parametrize(
    ("provider", "method", "path", "family", "model"),
    [
        (
            "azure",
            "POST",
            f"{DEPLOYED}/chat/completions?api-version=2024-10-21",
            "openai-chat",
            "D",
        ),
        ("azure", "POST", f"{DEPLOYED}/embeddings?api-version=preview", "openai-embeddings", "D"),
        ("azure", "POST", "/openai/responses?api-version=2025-03-01", "openai-responses", ""),
        ("azure", "POST", "/openai/v1/responses", "openai-responses", ""),
        ("azure", "POST", "/openai/v1/chat/completions?api-version=preview", "openai-chat", ""),
        ("azure", "GET", "/openai/models?api-version=2024-10-21", "openai-models", ""),
        ("azure", "POST", "/anthropic/v1/messages", "anthropic-messages", ""),
        ("google", "POST", "/v1/models/G:generateContent", "gemini-generate", "G"),
        ("google", "POST", "/v1beta/models/G:generateContent?key=AI-_.x", "gemini-generate", "G"),
        ("google", "POST", "/v1beta/models/G:streamGenerateContent?alt=sse", "gemini-stream", "G"),
        (
            "google",
            "POST",
            "/v1beta/models/G:streamGenerateContent?key=a&alt=sse",
            "gemini-stream",
            "G",
        ),
        (
            "google",
            "POST",
            "/v1beta/models/G:streamGenerateContent",
            "gemini-stream-array",
            "G",
        ),
        (
            "google",
            "POST",
            "/v1beta/models/G:streamGenerateContent?%24alt=json%3Benum-encoding%3Dint",
            "gemini-stream-array",
            "G",
        ),
        ("google", "POST", "/v1alpha/models/G:countTokens", "gemini-count-tokens", "G"),
        ("google", "POST", "/v1beta/models/G:embedContent", "gemini-embed", "G"),
        ("google", "POST", "/v1beta/models/G:batchEmbedContents", "gemini-batch-embed", "G"),
        ("google", "POST", f"{VERTEX}/models/G:generateContent", "gemini-generate", "G"),
        ("google", "GET", "/v1beta/models?pageSize=50&pageToken=a", "gemini-models", ""),
        ("google", "GET", "/v1beta/models/gemini-2.5-flash", "gemini-models", ""),
        ("google", "POST", "/v1beta/openai/chat/completions", "compatible-chat", ""),
        ("mistral", "POST", "/v1/chat/completions", "mistral-chat", ""),
        ("mistral", "POST", "/v1/embeddings", "mistral-embeddings", ""),
        ("mistral", "GET", "/v1/models", "mistral-models", ""),
        ("groq", "POST", "/openai/v1/chat/completions", "openai-chat", ""),
        ("groq", "POST", "/openai/v1/responses", "openai-responses", ""),
        ("deepseek", "POST", "/chat/completions", "compatible-chat", ""),
        ("deepseek", "POST", "/v1/chat/completions", "compatible-chat", ""),
        ("deepseek", "POST", "/anthropic/v1/messages", "anthropic-messages", ""),
        ("together", "POST", "/v1/chat/completions", "compatible-chat", ""),
        ("openrouter", "POST", "/api/v1/chat/completions", "openrouter-chat", ""),
        ("openrouter", "POST", "/api/v1/responses", "openai-responses", ""),
        ("xai", "POST", "/v1/chat/completions", "openai-chat", ""),
        ("xai", "POST", "/v1/responses", "openai-responses", ""),
        ("ollama", "POST", "/api/chat", "ollama-chat", ""),
        ("ollama", "POST", "/api/generate", "ollama-generate", ""),
        ("ollama", "POST", "/api/embed", "ollama-embed", ""),
        ("ollama", "GET", "/api/tags", "ollama-tags", ""),
        ("ollama", "POST", "/v1/chat/completions", "compatible-chat", ""),
    ],
)
def test_routes_of_the_others(provider, method, path, family, model):
    path = path.replace("models/G:", "models/gemini-2.5-flash_1:")
    names = {"": "", "G": "gemini-2.5-flash_1", "D": "gpt-4o_mini.2"}
    assert route(provider, method, path) == LlmRoute(provider, Family(family), names[model])


@pytest.mark.parametrize(
    ("dialect", "method", "path", "family"),
    [
        ("openai", "POST", "/v1/chat/completions", Family.COMPATIBLE_CHAT),
        ("openai", "POST", "/chat/completions", Family.COMPATIBLE_CHAT),
        ("openai", "POST", "/responses", Family.OPENAI_RESPONSES),
        ("openai", "POST", "/v1/embeddings", Family.OPENAI_EMBEDDINGS),
        ("openai", "GET", "/models", Family.OPENAI_MODELS),
        ("anthropic", "POST", "/v1/messages?beta=true", Family.ANTHROPIC_MESSAGES),
        ("anthropic", "POST", "/messages/count_tokens", Family.ANTHROPIC_COUNT_TOKENS),
        ("mistral", "POST", "/chat/completions", Family.MISTRAL_CHAT),
        ("ollama", "POST", "/api/chat", Family.OLLAMA_CHAT),
        ("ollama", "POST", "/v1/chat/completions", Family.COMPATIBLE_CHAT),
    ],
)
def test_registered_hosts_speak_a_dialect(dialect, method, path, family):
    assert dialect in DIALECTS
    assert dialect_route(dialect, "mine", method, path) == LlmRoute("mine", family)


@pytest.mark.parametrize("base", ["", "/v1beta", "/v1"])
def test_a_registered_host_may_have_the_model_in_its_url(base):
    found = dialect_route("gemini", "mine", "POST", f"{base}/models/g:generateContent")
    assert found == LlmRoute("mine", Family.GEMINI_GENERATE, "g")


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("nothing", "/v1/chat/completions"),
        ("openai", "/v1/v1/chat/completions"),
        ("openai", "chat/completions"),
        ("openai", "/api/chat"),
        ("ollama", "/chat/completions"),
        ("mistral", "/v1/responses"),
        ("gemini", "/v2/models/g:generateContent"),
        ("gemini", "/v1/projects/p/locations/l/models/g:generateContent"),
    ],
)
def test_a_dialect_has_its_own_paths_alone(dialect, path):
    assert dialect_route(dialect, "mine", "POST", path) is None


@pytest.mark.parametrize("query", ["", "?alt=sse", "?key=k&alt=sse", "?alt=sse&key=k", "?key=k"])
def test_a_stream_that_the_url_asks_for_is_unasked_by_it(query):
    streamed = route("google", "POST", f"/v1beta/models/g:streamGenerateContent{query}")
    assert streamed is not None
    target = whole_target(streamed.family, f"/v1beta/models/g:streamGenerateContent{query}")
    assert route("google", "POST", target) == LlmRoute("google", Family.GEMINI_GENERATE, "g")
    assert ("key=k" in target) is ("key" in query)


@pytest.mark.parametrize("family", [f for f in Family if not f.startswith("gemini-stream")])
def test_other_targets_stay_as_they_are(family):
    assert whole_target(family, "/v1/x?alt=sse") == "/v1/x?alt=sse"


@given(st.sampled_from(DIALECTS), st.text("/v1abcdegiklmnopst.:-_%?=&A2", max_size=40))
def test_a_model_in_a_url_is_a_plain_name(dialect, tail):
    for target in (tail, f"/v1/models/{tail}", f"/v1/models/{tail}:generateContent"):
        found = dialect_route(dialect, "mine", "POST", target)
        assert found is None or not found.model or set(found.model).isdisjoint("/%?:&=")


@given(st.text(max_size=40))
def test_no_other_text_is_a_route(path):
    assume(not path.startswith("/v1/"))
    assert route("openai", "POST", path) is None
    assert route("openai", "POST", "/v1/chat/completions" + path) is None or path == ""

import pytest

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import TokenUsage, parse_request, prepare, read_answer
from amaze_proxy.protocols.providers import Family

FAMILIES = [
    Family.OPENAI_MODELS,
    Family.ANTHROPIC_MODELS,
    Family.MISTRAL_MODELS,
    Family.GEMINI_MODELS,
    Family.OLLAMA_TAGS,
]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_listing_spends_nothing(family):
    request = parse_request(family, b"", "GET")
    assert (request.family, request.model, request.input_tokens) == (family, "", 0)
    assert request.output_limit == 0
    assert prepare(request, output_limit=5) is None
    assert read_answer(request, b'{"data":[]}').usage == TokenUsage(0, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_listing_has_no_body(family):
    with pytest.raises(Malformed, match="must not have a body"):
        parse_request(family, b"{}", "GET")
    for body in (b"", b"{}", b'{"model":"a"}'):
        with pytest.raises(Malformed):
            parse_request(family, body, "POST")


@pytest.mark.parametrize("family", [f for f in Family if f not in FAMILIES])
def test_what_is_posted_cannot_be_got(family):
    with pytest.raises(Malformed):
        parse_request(family, b"", "GET")

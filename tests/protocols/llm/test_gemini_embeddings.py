import json

import pytest

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import TokenUsage, parse_request, prepare, read_answer
from amaze_proxy.protocols.providers import Family

MODEL = "gemini-embedding-001"
CONTENT = {"content": {"parts": [{"text": "x" * 300}]}}
NAMED = {**CONTENT, "model": f"models/{MODEL}"}


def parse(document, family=Family.GEMINI_EMBED):
    return parse_request(family, json.dumps(document).encode(), "POST", MODEL)


@pytest.mark.parametrize(
    ("family", "document", "least"),
    [
        (Family.GEMINI_EMBED, CONTENT, 100),
        (Family.GEMINI_EMBED, NAMED, 100),
        (Family.GEMINI_BATCH_EMBED, {"requests": [NAMED, CONTENT]}, 200),
    ],
)
def test_texts_are_estimated(family, document, least):
    request = parse(document, family)
    assert (request.model, request.output_limit, request.stream) == (MODEL, 0, False)
    assert least <= request.input_tokens <= least + 30
    assert prepare(request, output_limit=1) is None


@pytest.mark.parametrize(
    ("family", "document"),
    [
        (Family.GEMINI_EMBED, {}),
        (Family.GEMINI_EMBED, {"content": "Hi"}),
        (Family.GEMINI_EMBED, {**CONTENT, "model": "models/other"}),
        (Family.GEMINI_EMBED, {**CONTENT, "Content": {}}),
        (Family.GEMINI_BATCH_EMBED, {}),
        (Family.GEMINI_BATCH_EMBED, {"requests": []}),
        (Family.GEMINI_BATCH_EMBED, {"requests": [{}]}),
        (Family.GEMINI_BATCH_EMBED, {"requests": [NAMED, {**CONTENT, "model": "models/other"}]}),
        (Family.GEMINI_BATCH_EMBED, {"requests": [NAMED], "model": "models/other"}),
    ],
)
def test_what_cannot_be_decided_on_is_refused(family, document):
    with pytest.raises(Malformed):
        parse(document, family)


@pytest.mark.parametrize(
    ("answer", "usage", "complete"),
    [
        ({"embedding": {"values": []}}, None, True),
        ({"embeddings": [], "usageMetadata": {"promptTokenCount": 7}}, TokenUsage(7, 0), True),
        ({"error": {}}, None, False),
    ],
)
def test_the_usage_is_read_where_it_is_told(answer, usage, complete):
    tally = read_answer(parse(CONTENT), json.dumps(answer).encode())
    assert (tally.usage, tally.complete) == (usage, complete)

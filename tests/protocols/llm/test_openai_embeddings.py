import json

import pytest

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import TokenUsage, meter, parse_request, read_answer, reframe
from amaze_proxy.protocols.providers import Family


def parse(given):
    body = json.dumps({"model": "text-embedding-3-small", "input": given}).encode()
    return parse_request(Family.OPENAI_EMBEDDINGS, body)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ("abcdef", 2),
        ("é", 1),
        (["abc", "abcd"], 3),
        ([1, 2, 3], 3),
        ([[1, 2], [3]], 3),
        ([[1, 2], "abc"], 3),
        ([""], 0),
    ],
)
def test_tokens_of_the_input(given, tokens):
    request = parse(given)
    assert request.input_tokens == tokens
    assert request.output_limit == 0
    assert request.model == "text-embedding-3-small"


@pytest.mark.parametrize("given", [None, "", [], 5, {}, [True], [1.5], [None], [["a"]], [[1, "a"]]])
def test_other_input_is_refused(given):
    with pytest.raises(Malformed, match="'input'"):
        parse(given)


def test_the_answer_is_read():
    body = b'{"data":[],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}'
    tally = read_answer(parse("a"), body)
    assert (tally.usage, tally.model, tally.complete) == (TokenUsage(8, 0), "m", True)
    assert read_answer(parse("a"), b'{"data":[]}').usage is None


def test_there_is_no_stream():
    with pytest.raises(Malformed, match="does not come as a stream"):
        meter(parse("a"))
    with pytest.raises(Malformed, match="does not come as a stream"):
        reframe(parse("a"), b"{}")

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.llm import Tally, estimate, estimate_output


@given(st.text(max_size=300))
def test_text_is_a_token_for_three_bytes(text):
    used = len(text.encode("utf-8"))
    assert estimate.tokens(text) == -(-used // 3)


def test_everything_that_is_read_counts():
    message = {"role": "user", "content": [{"type": "text", "text": "x" * 300}]}
    assert estimate.tokens([message]) > 100
    assert estimate.tokens({"type": ["odd"], "a": {"b": [1, None, True]}}) > 5
    assert estimate.tokens(None) == 0


VALUES = st.recursive(
    st.none() | st.text(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_more_text_is_never_fewer_tokens(value):
    assert estimate.tokens([value, "more"]) >= estimate.tokens([value])


def image(**source):
    return {"type": "image", "source": source}


@pytest.mark.parametrize(
    ("part", "least", "most"),
    [
        ({"type": "image_url", "image_url": {"url": "data:," + "A" * 10**6}}, 2000, 2000),
        ({"type": "input_image", "file_id": "f"}, 2000, 2000),
        (image(type="base64", data="A" * 10**6), 2000, 2000),
        (
            {"type": "input_audio", "input_audio": {"data": "A" * 256_000, "format": "mp3"}},
            1000,
            1100,
        ),
        ({"type": "file", "file": {"file_data": "A" * 600_000}}, 100_000, 100_100),
        ({"type": "input_file", "file_data": "A" * 5000}, 2000, 2000),
        ({"type": "input_file", "file_url": "https://x"}, 10_000, 10_000),
        ({"type": "document", "source": {"type": "base64", "data": "A" * 60_000}}, 10_000, 10_100),
        ({"type": "document", "source": {"type": "url", "url": "https://x"}}, 10_000, 10_000),
        ({"type": "document", "source": {"type": "text", "data": "A" * 30_000}}, 10_000, 10_100),
        ({"type": "document", "source": "A" * 30_000}, 10_000, 10_100),
        ({"type": "input_audio", "parts": ["A" * 256, 5]}, 51, 51),
    ],
)
def test_pictures_sounds_and_files(part, least, most):
    assert least <= estimate.tokens(part) <= most


def test_the_output_of_a_cut_answer():
    assert estimate_output(Tally(text=10, output_bytes=900, model="m")) == 4
    assert estimate_output(Tally(output_bytes=900, model="m")) == 0
    assert estimate_output(Tally(output_bytes=900)) == 300
    assert estimate_output(Tally()) == 0

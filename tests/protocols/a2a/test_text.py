import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.a2a import text_of

PARTS = [{"text": "one"}, {"kind": "data", "data": {}}, {"type": "text", "text": "two"}, 7]


@pytest.mark.parametrize(
    "document",
    [
        {"message": {"parts": PARTS}},
        {"request": {"content": PARTS}},
        {"method": "message/send", "params": {"message": {"parts": PARTS}}},
    ],
)
def test_joins_the_texts(document):
    assert text_of(document) == "one\ntwo"


@pytest.mark.parametrize(
    "document", [{}, {"params": 1}, {"message": "x"}, {"message": {"parts": "x"}}]
)
def test_nothing_to_read_is_no_text(document):
    assert text_of(document) == ""


names = st.sampled_from(["params", "message", "request", "parts", "content", "text"])
values = st.recursive(
    st.none() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
)


@given(st.dictionaries(names, values))
def test_never_raises(document):
    assert isinstance(text_of(document), str)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import fields


@given(st.text(max_size=10))
def test_a_model_is_a_visible_name(name):
    visible = bool(name) and all("!" <= c <= "~" for c in name)
    try:
        assert fields.model_name({"model": name}) == name
    except Malformed:
        assert not visible
    else:
        assert visible


def test_bounds_of_counts():
    assert fields.count({"n": 0}, "n") == 0
    assert fields.count({"n": 2**31 - 1}, "n") == 2**31 - 1
    assert fields.count({}, "n") is None
    for value in (-1, 2**31, False, "1", 1.0, []):
        with pytest.raises(Malformed):
            fields.count({"n": value}, "n")


def test_answers_are_read_tolerantly():
    odd = {"a": 5, "b": [{}, 1], "c": True, "d": -1, "e": "x"}
    assert fields.child(odd, "a") == {}
    assert fields.children(odd, "b") == [{}]
    assert fields.children(odd, "a") == []
    assert fields.number(odd, "c") is None
    assert fields.number(odd, "d") is None
    assert fields.number({"f": 10**30}, "f") is None
    assert fields.string(odd, "a") == ""
    assert fields.size("\ud800é") == 5
    assert fields.loads(b"\xff") == {}
    assert fields.loads("[" * 100_000) == {}

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp.spelling import an_object, exact, members

KNOWN = frozenset({"name", "taskId", "io.x/protocolVersion"})


@pytest.mark.parametrize("document", [{}, {"name": 1}, {"taskId": 1, "other": 2, "Other": 3}])
def test_known_and_other_keys_pass(document):
    exact(document, KNOWN)
    assert an_object(document, "it", KNOWN) is document


@pytest.mark.parametrize(
    "key",
    [
        "Name",
        "NAME",
        " name",
        "name\x00",
        "name\u200b",
        "ｎame",
        "taskid",
        "TaskId",
        "taskID",
        "ta\u017fkId",
        "io.x/protocolversion",
        "IO.x/protocolVersion",
    ],
)
def test_variants_are_refused(key):
    for document in ({key: 1}, {"name": 1, key: 1}):
        with pytest.raises(Malformed):
            exact(document, KNOWN)


@given(st.sampled_from(sorted(KNOWN)), st.data())
def test_no_case_of_a_known_key_passes_but_the_one(key, data):
    flips = data.draw(st.lists(st.booleans(), min_size=len(key), max_size=len(key)))
    variant = "".join(c.swapcase() if flip else c for c, flip in zip(key, flips, strict=True))
    if variant == key:
        exact({variant: 1}, KNOWN)
        assert variant in KNOWN
    else:
        with pytest.raises(Malformed):
            exact({variant: 1}, KNOWN)


@pytest.mark.parametrize("document", [{}, {"it": None}, {"it": {}}])
def test_an_absent_object_is_empty(document):
    assert members(document, "it", KNOWN) == {}


@pytest.mark.parametrize("value", [[], "x", 0, False, {"NAME": 1}])
def test_members_are_of_an_object(value):
    with pytest.raises(Malformed):
        members({"it": value}, "it", KNOWN)

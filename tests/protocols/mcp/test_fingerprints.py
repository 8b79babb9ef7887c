import copy
import json
import string

from hypothesis import assume, given
from hypothesis import strategies as st

from amaze_proxy.protocols.mcp.fingerprints import TOLD, fingerprint

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
TOOLS = st.dictionaries(st.sampled_from(sorted(TOLD)), VALUES, max_size=4)


def turned(value):
    """The same with the keys of all objects the other way round."""
    match value:
        case dict():
            return {key: turned(value[key]) for key in reversed(value)}
        case list():
            return [turned(one) for one in value]
        case _:
            return value


@given(TOOLS)
def test_the_order_of_keys_is_nothing(tool):
    assert fingerprint(turned(tool)) == fingerprint(tool)


@given(TOOLS)
def test_it_is_that_of_what_comes_over_the_wire(tool):
    assert fingerprint(json.loads(json.dumps(tool))) == fingerprint(tool)


@given(TOOLS, st.sampled_from(sorted(TOLD)), st.text(string.ascii_letters, min_size=1))
def test_each_member_counts(tool, member, text):
    assume(tool.get(member) != text)
    assert fingerprint({**tool, member: text}) != fingerprint(tool)


@given(TOOLS, st.text(), VALUES)
def test_nothing_else_counts(tool, key, value):
    assume(key not in TOLD)
    assert fingerprint({**tool, key: value}) == fingerprint(tool)


def test_null_is_absent_and_a_whole_number_is_one_however_it_is_written():
    tool = {"name": "t", "inputSchema": {"maximum": 10, "default": None}}
    same = copy.deepcopy(tool)
    same["inputSchema"]["maximum"] = 10.0
    assert fingerprint({**same, "title": None}) == fingerprint(tool)
    same["inputSchema"]["maximum"] = 10.5
    assert fingerprint(same) != fingerprint(tool)
    del tool["inputSchema"]["default"]
    assert fingerprint(tool) != fingerprint(
        {**tool, "inputSchema": {**tool["inputSchema"], "default": None}}
    )
    assert fingerprint({"name": "t", "inputSchema": {"x": True}}) != fingerprint(
        {"name": "t", "inputSchema": {"x": 1}}
    )


def test_it_is_stable():
    tool = {"name": "add", "description": "Adds.", "inputSchema": {"type": "object"}}
    assert fingerprint(tool) == "721f6e658ca53e1b1b89cd7e9d2d73559454103c810d0fa15abf7dc2b3b7fc7f"

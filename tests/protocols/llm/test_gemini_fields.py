import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm.gemini_fields import Members, child, children, snake

MEMBERS = Members("system_instruction", "tools")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("googleSearch", "google_search"),
        ("google_search", "google_search"),
        ("GoogleSearch", "google_search"),
        ("codeExecution", "code_execution"),
        ("tools", "tools"),
    ],
)
def test_both_spellings_are_one_name(name, plain):
    assert snake(name) == plain


@pytest.mark.parametrize("name", ["", "a b", "é", "_a", "1a", "a-b", "a\n", "a" * 65])
def test_what_is_no_name(name):
    with pytest.raises(Malformed):
        snake(name)


@pytest.mark.parametrize("key", ["systemInstruction", "system_instruction"])
def test_a_member_is_read_in_both_spellings(key):
    document = {key: 1, "tools": None, "labels": {}}
    assert MEMBERS.read(document) == {"system_instruction": 1}
    assert MEMBERS.spelling(document, "system_instruction") == key
    assert MEMBERS.spelling({}, "system_instruction") == "systemInstruction"


@pytest.mark.parametrize(
    "document",
    [
        {"systemInstruction": 1, "system_instruction": 1},
        {"systemInstruction": None, "system_instruction": 1},
        {"SystemInstruction": 1},
        {"systeminstruction": 1},
        {"system_Instruction": 1},
        {"Tools": []},
        {"tools ": []},
        {"_tools": []},
        {"to\u200bols": []},
        {"ｔools": []},
    ],
)
def test_a_third_spelling_or_two_at_once_are_refused(document):
    with pytest.raises(Malformed):
        MEMBERS.read(document)


@given(st.dictionaries(st.text(max_size=20), st.integers()))
def test_other_members_are_nothing(document):
    try:
        found = MEMBERS.read(document)
    except Malformed:
        return
    assert found.keys() <= {"system_instruction", "tools"}


def test_objects_and_lists_of_them():
    known = Members("a_b")
    assert child({}, "x", known) == {}
    assert child({"x": {"aB": 1}}, "x", known) == {"a_b": 1}
    assert children({}, "x") == []
    assert children({"x": [{"a": 1}]}, "x") == [{"a": 1}]


@pytest.mark.parametrize("value", [1, "a", {}, [1], [[]]])
def test_what_is_no_list_of_objects(value):
    with pytest.raises(Malformed):
        children({"x": value}, "x")
    if value != {}:
        with pytest.raises(Malformed):
            child({"x": value}, "x", MEMBERS)

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy.document import MOST_CHARACTERS, NotUnderstood, read_document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1\nb: [x, y]", {"a": 1, "b": ["x", "y"]}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{\t"a":\t1}', {"a": 1}),
        ("{a: none}", {"a": "none"}),
        ("  {a: 1}", {"a": 1}),
        ("--- 5", 5),
    ],
)
def test_read(text: str, value: object) -> None:
    assert read_document(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ('{"x": {"a": 1, "a": 2}}', "has the key 'a' twice"),
        ("a: 1\na: 2", "the key 'a' is there twice (line 2, column 1)"),
        ("x:\n  a: 1\n  'a': 2", "the key 'a' is there twice"),
        ("a: &b 1", "anchors and aliases are not allowed"),
        ("a: *b", "anchors and aliases are not allowed"),
        ("<<: {a: 1}", "a key must be a name"),
        ("[a]: 1", "a key must be a name"),
        ("a: !!python/object:os.system 1", "tags are not allowed"),
        ("a: !!set {b, c}", "tags are not allowed"),
        ('{"a": NaN}', "has NaN"),
        ("a: 1\n---\nb: 2", "is no YAML or JSON"),
        ("a: [", "(line 1, column 5)"),
        ("\x00", "is no YAML or JSON"),
        ("a: 2024-13-45", "has a value that is not understood"),
        ('{"a": ' + "9" * 5000 + "}", "has a value that is not understood"),
        ("[" * 40 + "]" * 40, "is nested deeper than 32"),
        ('{"a":' * 40 + "1" + "}" * 40, "is nested deeper than 32"),
        ("[" * 50_000, "is nested deeper than 32"),
        ('{"a":' * 50_000, "is nested deeper than 32"),
        ("a" * (MOST_CHARACTERS + 1), "is longer than"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        read_document(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[" * 33 + "]" * 33, "- " * 32 + "1", '{"a":' * 32 + "1" + "}" * 32]
)
def test_the_deepest_that_is_read(text: str) -> None:
    read_document(text)
    with pytest.raises(NotUnderstood, match="is nested deeper than 32"):
        read_document(f'{{"a":{text}}}' if text.startswith("{") else f"- {text}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    assert read_document(json.dumps(value)) == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_document(text)
    except NotUnderstood as error:
        assert str(error)  # noqa: PT017

from __future__ import annotations

import json
from typing import Any

import pytest
from amaze.a2a.parts import NotAMessage, message_value, value_part
from amaze.a2a.versions import Version
from hypothesis import given
from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ([], ""),
        ([{"text": "hi"}], "hi"),
        ([{"kind": "text", "text": "hi"}], "hi"),
        ([{"type": "text", "text": "hi"}], "hi"),
        ([{"text": "a"}, {"text": "b"}], "a\nb"),
        ([{"data": [1]}], [1]),
        ([{"data": None}], None),
        ([{"kind": "data", "data": {"a": 1}}], {"a": 1}),
        ([{"data": {"value": 3}, "metadata": {"data_part_compat": True}}], 3),
        ([{"data": {"value": 3}, "metadata": {}}], {"value": 3}),
        ([{"data": {"v": 3}, "metadata": {"data_part_compat": True}}], {"v": 3}),
        ([{"text": "a"}, {"data": 1}], [{"text": "a"}, {"data": 1}]),
        (
            [{"raw": "QQ==", "filename": "a.txt", "mediaType": "text/plain"}],
            [{"file": {"name": "a.txt", "media_type": "text/plain", "bytes": "QQ=="}}],
        ),
        ([{"url": "http://x/y"}], [{"file": {"url": "http://x/y"}}]),
        (
            [{"kind": "file", "file": {"uri": "http://x/y", "mimeType": "a/b", "name": "n"}}],
            [{"file": {"name": "n", "media_type": "a/b", "url": "http://x/y"}}],
        ),
        ([{"type": "file", "file": {"bytes": "QQ=="}}], [{"file": {"bytes": "QQ=="}}]),
    ],
)
def test_what_the_author_sees(parts: list[Any], value: Any) -> None:
    assert message_value({"parts": parts}) == value


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"parts": None},
        {"parts": {}},
        {"parts": [None]},
        {"parts": [{}]},
        {"parts": [{"kind": "text"}]},
        {"parts": [{"text": 1}]},
        {"parts": [{"text": "a", "data": 1}]},
        {"parts": [{"raw": 1}]},
        {"parts": [{"file": None}]},
        {"parts": [{"file": {}}]},
        {"parts": [{"file": {"uri": 1}}]},
    ],
)
def test_what_is_no_message(message: Any) -> None:
    with pytest.raises(NotAMessage):
        message_value(message)


def test_how_old_versions_name_their_parts() -> None:
    assert value_part("hi", Version.V0_3) == {"kind": "text", "text": "hi"}
    assert value_part("hi", Version.V0_2) == {"type": "text", "text": "hi"}
    assert value_part({"a": 1}, Version.V0_3) == {"kind": "data", "data": {"a": 1}}
    assert value_part(None, Version.V1_0) == {"text": ""}


@given(value=json_values, version=st.sampled_from(Version))
def test_every_value_comes_back_as_it_was(value: Any, version: Version) -> None:
    """None alone is a text when it is a reply: an agent that says nothing."""
    sent = json.loads(json.dumps({"parts": [value_part(value, version)]}))
    assert message_value(sent) == ("" if value is None else value)


leaves = st.none() | st.text(max_size=3) | st.integers()
files = st.dictionaries(st.sampled_from(["uri", "bytes", "name", "mimeType"]), leaves, max_size=3)
members = st.sampled_from(["text", "data", "file", "raw", "url", "kind", "metadata", "filename"])
parts = st.lists(st.dictionaries(members, leaves | files, max_size=3) | leaves, max_size=3)


@given(parts)
def test_it_reads_or_refuses(parts: list[Any]) -> None:
    try:
        value = message_value({"parts": parts})
    except NotAMessage:
        return
    assert json.loads(json.dumps(value)) == value

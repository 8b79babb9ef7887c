import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.llm.framing import ARRAY_END, JSON_ARRAY, NDJSON, SSE, Array, Lines
from amaze_proxy.protocols.sse import Event

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=5)
FRAMINGS = {"sse": SSE, "lines": NDJSON, "array": JSON_ARRAY}


def split(splitter, stream, cuts=()):
    """The events of a stream that comes in pieces."""
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events = [event for piece in pieces for event in splitter.feed(piece)]
    rest = splitter.end()
    return events if rest is None else [*events, rest]


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
@given(objects, st.data(), st.sampled_from([None, 1]))
def test_what_is_written_is_read_back_however_it_is_cut(framing, values, data, indent):
    indent = indent if framing is JSON_ARRAY else None
    stream = framing.write([Event(data=json.dumps(value, indent=indent)) for value in values])
    whole = split(framing.splitter(), stream)
    assert [json.loads(event.data) for event in whole if event.data] == values
    assert b"".join(event.raw for event in whole) == stream
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20).map(sorted))
    assert split(framing.splitter(), stream, cuts) == whole


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
@given(st.binary(max_size=60) | st.text('[]{},:"\\ a\n', max_size=40).map(str.encode))
def test_no_bytes_are_lost_or_made_up(framing, stream):
    try:
        events = split(framing.splitter(), stream)
    except Malformed:
        return
    assert b"".join(event.raw for event in events) == stream


@pytest.mark.parametrize(
    ("line", "data"), [(b'{"a":1}\r\n', '{"a":1}'), (b"\n", ""), (b"\xff\n", "\ufffd")]
)
def test_a_line_is_an_event(line, data):
    assert Lines().feed(line) == [Event(data=data, raw=line)]


def test_a_last_line_without_its_end_is_read():
    lines = Lines()
    assert lines.feed(b'{"a"') == []
    assert lines.end() == Event(data='{"a"', raw=b'{"a"')
    assert lines.end() is None


def test_the_elements_of_an_array_come_as_they_are_complete():
    array = Array()
    assert array.feed(b' [ {"a": "}]\\"{"') == []
    assert array.feed(b"}") == [Event(data='{"a": "}]\\"{"}', raw=b' [ {"a": "}]\\"{"}')]
    assert array.feed(b',\n{"b": [{}, []]}') == [
        Event(data='{"b": [{}, []]}', raw=b',\n{"b": [{}, []]}')
    ]
    assert array.feed(b"\n]") == [Event(ARRAY_END, raw=b"\n]")]
    assert array.feed(b"\r\n") == []
    assert array.end() == Event(raw=b"\r\n")
    assert array.end() is None


def test_an_array_may_be_empty():
    assert split(Array(), b" [ ]") == [Event(ARRAY_END, raw=b" [ ]")]


@pytest.mark.parametrize(
    "stream",
    [
        b'{"error":{}}',
        b"x[]",
        b"x[{}]",
        b"[1]",
        b"[1,{}]",
        b'["a",{}]',
        b'["a"]',
        b"[[]]",
        b"[{}{}]",
        b"[{},]",
        b"[{},,{}]",
        b"[,{}]",
        b"[{}]]",
        b"[{}][]",
        b"[{}]{}",
        b"[{}] x",
        b'[{}] "',
        b"[}",
        b"[{]",
        b"]",
    ],
)
def test_what_is_no_array_of_objects_is_refused(stream):
    with pytest.raises(Malformed):
        split(Array(), stream)


def test_a_cut_array_has_no_end():
    events = split(Array(), b'[{"a":1}, {"b"')
    assert [event.event for event in events] == ["", ""]
    assert events[-1] == Event(raw=b', {"b"')


@pytest.mark.parametrize("splitter", [Lines(8), Array(8)])
def test_an_event_without_end_is_an_error(splitter):
    with pytest.raises(TooLarge):
        splitter.feed(b'[{"a": "bcd')


@pytest.mark.parametrize(("kind", "stream"), [(Lines, b'{"a":1}   \n'), (Array, b'[{"a":1234}')])
def test_an_event_that_is_too_large_is_an_error(kind, stream):
    with pytest.raises(TooLarge):
        kind(8).feed(stream)
    assert len(kind(11).feed(stream)) == 1

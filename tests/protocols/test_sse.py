from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols import sse
from amaze_proxy.protocols.errors import TooLarge
from amaze_proxy.protocols.sse import Event, Parser


def read(stream: bytes, cuts: list[int]) -> list[Event]:
    parser = Parser()
    events: list[Event] = []
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    for start, end in pairwise(ends):
        events += parser.feed(stream[start:end])
    rest = parser.end()
    return events + ([rest] if rest else [])


WIRE = (
    b"\xef\xbb\xbfevent: a\ndata: 1\n\n"
    b": comment\r\n\r\n"
    b"data:x\rdata: y\r\r"
    b"id: 7\ndata:  two\ndata\n\n\n"
    b"retry: 10\nfoo: bar\nevent: z\ndata: {}\r\n\r\n"
)


def test_reads_fields_line_ends_and_the_mark():
    assert [event[:3] for event in read(WIRE, [])] == [
        ("a", "1", ""),
        ("", "", ""),
        ("", "x\ny", ""),
        ("", " two\n", "7"),
        ("z", "{}", ""),
    ]


def test_every_cut_gives_the_same_events():
    whole = read(WIRE, [])
    for cut in range(len(WIRE) + 1):
        assert read(WIRE, [cut]) == whole
    assert read(WIRE, list(range(len(WIRE)))) == whole


pieces = st.sampled_from(
    [
        b"\n",
        b"\r",
        b"\r\n",
        b"data: x",
        b"data",
        b"event: e",
        b":",
        b"id: \0",
        b"\xef\xbb\xbf",
        b"\xff",
    ]
)


@given(st.lists(pieces, max_size=25).map(b"".join), st.lists(st.integers(0, 120), max_size=20))
def test_events_do_not_depend_on_the_cuts_and_lose_no_byte(stream, cuts):
    events = read(stream, cuts)
    assert events == read(stream, [])
    assert b"".join(event.raw for event in events) == stream


texts = st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))
names = st.text(alphabet="abc.", max_size=5)


@given(st.lists(texts, min_size=1).map("\n".join), names, names)
def test_what_is_written_reads_as_the_same(data, name, identifier):
    written = sse.format(Event(name, data, identifier))
    parser = Parser()
    (event,) = parser.feed(written)
    assert event == Event(name, data, identifier, written)
    assert parser.end() is None


def test_no_line_end_of_the_data_can_end_the_event():
    assert sse.format(Event(data="a\r\rb\n")) == b"data: a\ndata: \ndata: b\ndata: \n\n"


def test_invalid_utf8_is_replaced_and_kept_raw():
    (event,) = Parser().feed(b"data: \xff\n\n")
    assert (event.data, event.raw) == ("\ufffd", b"data: \xff\n\n")


@pytest.mark.parametrize("tail", [b"", b"\n\n"])
def test_an_event_is_bounded(tail):
    parser = Parser(max_event=100)
    assert len(parser.feed((b"data: " + b"x" * 80 + b"\n\n") * 5)) == 5
    parser.feed(b"data: " + b"x" * 60)
    with pytest.raises(TooLarge):
        parser.feed(b"x" * 60 + tail)

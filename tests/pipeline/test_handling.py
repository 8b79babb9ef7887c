"""What a call gets that is not looked into."""

from __future__ import annotations

from amaze_proxy.pipeline.handling import EVENT_STREAM, Handling, Passing, as_event
from amaze_proxy.pipeline.usage import Used


def test_nothing_is_changed_or_read() -> None:
    plain: Handling = Passing()
    assert not plain.looks_inside
    assert plain.edited() is None
    assert plain.target(b"/a?b") == b"/a?b"
    assert plain.reader(EVENT_STREAM) is None
    assert plain.whole(b"text/plain", b"x") is None
    plain.check_error(b"text/plain", b'{"result": 1}')
    assert plain.used() == Used()
    assert plain.asked() == []
    assert plain.card_urls() == ()


def test_a_document_as_an_event() -> None:
    assert as_event(b'{"a": 1}') == b'event: message\ndata: {"a": 1}\n\n'

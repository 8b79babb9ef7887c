"""What the operator set of places, and the spans that nobody asked for."""

from __future__ import annotations

from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.line import Rules, Spans
from amaze_proxy.wire.authority import Authority

PLACE = Authority("http", "10.0.0.1", 8000)
OTHER = Authority("http", "10.0.0.2", 8000)
ASKED = Authority("https", "api.openai.com", 443)


def test_a_host_without_a_place_is_dialled_as_it_is_and_must_be_public() -> None:
    target = Rules(b"").target(ASKED, "agent-1")
    assert (target.authority, target.dial, target.allow_private) == (ASKED, None, False)
    assert target.owner == "agent-1", "nobody else gets its connections"


def test_a_place_of_the_port_goes_before_one_of_the_host() -> None:
    rules = Rules(b"", places={"api.openai.com": PLACE, "api.openai.com:8443": OTHER})
    assert rules.target(ASKED, "a").dial == PLACE
    assert rules.target(ASKED, "a").allow_private
    assert rules.target(Authority("https", "api.openai.com", 8443), "a").dial == OTHER
    assert rules.target(Authority("https", "x.api.openai.com", 443), "a").dial is None


def test_spans_go_nowhere_unless_asked_for() -> None:
    spans = Spans()
    spans.emit(Evidence(Capture(1), Capture(1)).record())
    spans.close()
    assert (spans.exported, spans.dropped) == (0, 0)

"""Model calls as they are sent and metered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.classify import classify_llm
from amaze_proxy.pipeline.conversation import Conversation
from amaze_proxy.pipeline.enforce import Verdict
from amaze_proxy.pipeline.llm_calls import LlmHandling
from amaze_proxy.pipeline.policies import InForce
from amaze_proxy.policy.decide import decide
from amaze_proxy.policy.model import load_policy
from amaze_proxy.policy.request import AccessRequest
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.providers import Family, LlmRoute
from amaze_proxy.store.admission import Admitted, Outcome
from amaze_proxy.wire.authority import Authority
from tests.pipeline.fakes import OUTPUT, PRICES, PROMPT, STREAM, WHOLE, chat

EVENTS = b"text/event-stream"
CHAT = LlmRoute("openai", Family.OPENAI_CHAT)
TELLS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def handling(
    body: dict[str, Any], streaming: str = "passthrough", found: LlmRoute = CHAT, path: str = "/"
) -> LlmHandling:
    head = Head(Authority("https", "llm.example", 443), "POST", path, {})
    call: Call = classify_llm(head, found, json.dumps(body).encode(), PRICES, 100_000)
    policy = load_policy(
        f"name: p\nallowed_llm_providers: [openai, gemini]\nstreaming: {streaming}\n"
    )
    decision = decide(AccessRequest("a", call.resource), policy)
    verdict = Verdict(
        InForce(1, policy), decision, Admitted(Outcome.ADMITTED), call.charge, Conversation("t")
    )
    assert call.llm is not None
    return LlmHandling(call, call.llm, verdict, PRICES)


def test_a_whole_answer_is_counted() -> None:
    found = handling(chat())
    assert found.edited() is None
    assert found.target(b"/v1/x?y") == b"/v1/x?y"
    assert found.reader(b"application/json") is None
    assert found.whole(b"application/json", WHOLE) is None
    used = found.used()
    assert (used.input, used.output, used.estimated) == (PROMPT, OUTPUT, False)


def test_a_stream_is_counted_and_passes() -> None:
    found = handling(chat(stream=True))
    reader = found.reader(EVENTS)
    assert reader is not None
    assert b"".join(reader.feed(part) for part in STREAM).endswith(STREAM[-1])
    assert reader.end() == b""
    assert reader.complete
    assert (found.used().input, found.used().output) == (PROMPT, OUTPUT)


def test_a_stream_that_nobody_asked_for_is_counted_too() -> None:
    assert handling(chat()).reader(EVENTS) is not None


def test_what_was_not_answered_is_estimated() -> None:
    used = handling(chat()).used()
    assert used.estimated
    assert used.input > 0


def test_a_stream_that_is_held_back_is_made_of_the_whole_answer() -> None:
    found = handling(chat(stream=True), "block")
    edited = found.edited()
    assert edited is not None
    assert json.loads(edited)["stream"] is False
    assert found.reader(EVENTS) is None
    made = found.whole(b"application/json", WHOLE)
    assert made is not None
    assert made[0] == EVENTS
    assert b"Four." in made[1]
    assert made[1].endswith(b"data: [DONE]\n\n")


def test_what_was_no_stream_is_not_held_back() -> None:
    found = handling(chat(), "block")
    assert found.edited() is None
    assert found.target(b"/v1/x") == b"/v1/x"


@pytest.mark.parametrize(("streaming", "whole"), [("block", True), ("passthrough", False)])
def test_where_the_path_says_stream_another_is_asked(streaming: str, whole: bool) -> None:
    path = b"/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    route = LlmRoute("gemini", Family.GEMINI_STREAM, "gemini-2.5-flash")
    found = handling(TELLS, streaming, route, path.decode())
    sent = found.target(path)
    assert (b":generateContent" in sent) is whole
    assert (b"alt=sse" in sent) is not whole


def test_an_answer_that_cannot_be_read_is_none() -> None:
    with pytest.raises(Malformed):
        handling(chat(stream=True), "block").whole(b"application/json", b"<p>")

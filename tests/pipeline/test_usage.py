"""What a call used: exact where it was told, an estimate on the high side where not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.classify import classify_http, classify_llm
from amaze_proxy.pipeline.usage import Used, measure
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols.llm import Tally, TokenUsage
from amaze_proxy.protocols.prices import Price, PriceBook
from amaze_proxy.protocols.providers import Family, LlmRoute
from amaze_proxy.wire.authority import Authority
from tests.pipeline.fakes import chat

BOOK = PriceBook({"openai/known": Price(2_000_000, 1_000_000, 3_000_000)})
CHARGE = Charge(input_price=5_000_000, output_price=7_000_000)
HEAD = Head(Authority("https", "api.openai.com", 443), "POST", "/v1/chat/completions", {})


def call(model: str = "known", **fields: object) -> Call:
    route = LlmRoute("openai", Family.OPENAI_CHAT)
    body = json.dumps({**chat(), "model": model, **fields}).encode()
    return classify_llm(HEAD, route, body, BOOK, 10_000)


def listing() -> Call:
    head = Head(HEAD.authority, "GET", "/v1/models", {})
    return classify_llm(head, LlmRoute("openai", Family.OPENAI_MODELS), b"", BOOK, 10_000)


def test_the_providers_own_count_at_the_models_own_price() -> None:
    tally = Tally(usage=TokenUsage(10, 4, cached_read=2), complete=True)
    assert measure(call(), tally, BOOK, CHARGE) == Used(10, 4, 2, 8 * 2 + 2 * 1 + 4 * 3)


def test_a_model_without_a_price_costs_what_was_reserved_for_it() -> None:
    tally = Tally(usage=TokenUsage(10, 4))
    assert measure(call("gpt-new"), tally, BOOK, CHARGE).cost_microusd == 10 * 5 + 4 * 7


@pytest.mark.parametrize("asked", [classify_http(HEAD), listing()])
def test_what_is_no_model_call_uses_nothing(asked: Call) -> None:
    assert measure(asked, Tally(output_bytes=10_000), BOOK, CHARGE) == Used()


def test_a_stream_that_never_began_is_its_input() -> None:
    asked = call(stream=True)
    assert asked.llm is not None
    used = measure(asked, None, BOOK, CHARGE)
    assert (used.input, used.output, used.estimated) == (asked.llm.input_tokens, 0, True)
    assert used.cost_microusd == used.input * 5


@pytest.mark.parametrize(("limit", "output"), [(None, 256), (50_000, 50_000)])
def test_a_whole_answer_that_nobody_waited_for_is_written_and_billed_all_the_same(
    limit: int | None, output: int
) -> None:
    used = measure(call(), None, BOOK, replace(CHARGE, output_limit=limit))
    assert (used.output, used.estimated) == (output, True)


def test_a_stream_that_was_cut_is_what_was_seen_of_it() -> None:
    cut = Tally(model="known", text=30, begun=TokenUsage(100, 1, cached_read=50))
    used = measure(call(), cut, BOOK, CHARGE)
    assert (used.input, used.output, used.cached, used.estimated) == (100, 10, 50, True)
    short = Tally(model="known", text=3, begun=TokenUsage(100, 8))
    assert measure(call(), short, BOOK, CHARGE).output == 8


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**8))
def test_money_is_rounded_up(input_: int, output: int, price: int) -> None:
    tally = Tally(usage=TokenUsage(input_, output))
    charge = Charge(input_price=price, output_price=1)
    cost = measure(call("gpt-new"), tally, BOOK, charge).cost_microusd
    exact = input_ * price + output
    assert cost * 1_000_000 >= exact > (cost - 1) * 1_000_000

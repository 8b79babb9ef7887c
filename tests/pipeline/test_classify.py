"""What a call is: by the authority that will be dialled, and by the body as parsed once."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.classify import (
    classify_http,
    classify_llm,
    llm_route,
    spoken,
)
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import CallKind, HttpCall, LlmCall
from amaze_proxy.protocols.providers import Family, LlmRoute
from amaze_proxy.wire.authority import Authority
from tests.pipeline.fakes import PRICES, chat

CHAT = LlmRoute("openai", Family.OPENAI_CHAT)
LIMIT = 10_000


def head(
    host: str = "api.openai.com",
    path: str = "/v1/chat/completions",
    method: str = "POST",
    port: int = 443,
    query: str = "",
    headers: dict[bytes, bytes] | None = None,
) -> Head:
    scheme = "http" if port == 80 else "https"
    return Head(Authority(scheme, host, port), method, path, headers or {}, query)


def classified(body: Any, headers: dict[bytes, bytes] | None = None) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify_llm(head(headers=headers), CHAT, data, PRICES, LIMIT)


def refused(body: Any, headers: dict[bytes, bytes] | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        classified(body, headers)
    return caught.value


@pytest.mark.parametrize("port", [80, 443])
def test_a_call_to_a_provider_is_a_model_call(port: int) -> None:
    assert llm_route(head(port=port)) == CHAT
    assert spoken(head(port=port), None) == ("openai", Family.OPENAI_CHAT)


@pytest.mark.parametrize(
    "asked",
    [
        head(path="/v1/files"),
        head(path="/v1//chat/completions"),
        head(path="/v1/chat/completions", query="x=1"),
        head(method="PUT"),
        head(port=8443),
        head(host="api.cohere.com"),
    ],
)
def test_what_is_asked_of_a_provider_and_not_understood_is_refused(asked: Head) -> None:
    with pytest.raises(Refused) as caught:
        llm_route(asked)
    assert caught.value.reason is Reason.LLM_NOT_ALLOWED
    assert caught.value.advice


def test_any_other_host_is_none() -> None:
    other = head(host="example.com", port=8443)
    assert llm_route(other) is None
    assert spoken(other, None) == ("", None)
    call = classify_http(other)
    assert (call.kind, call.resource) == (CallKind.HTTP, HttpCall("example.com"))
    assert (call.target, call.provider, call.llm) == ("example.com:8443", "", None)


def test_a_model_call_and_what_it_may_cost() -> None:
    call = classified(chat(max_tokens=50))
    assert call.kind is CallKind.LLM
    assert call.resource == LlmCall("openai", "gpt-4.1-mini")
    assert (call.provider, call.target) == ("openai", "api.openai.com")
    assert call.charge.output_limit == 50
    assert call.charge.mean_key == "openai/gpt-4.1-mini"
    price = PRICES.price("openai", "gpt-4.1-mini", 10)
    assert price is not None
    assert (call.charge.input_price, call.charge.output_price) == (price.input, price.output)


def test_a_model_without_a_price_is_charged_the_worst() -> None:
    call = classified({**chat(), "model": "gpt-unheard-of"})
    assert call.resource == LlmCall("openai", "gpt-unheard-of", price_known=False)
    assert call.charge.output_price == PRICES.worst_case("openai").output


def test_a_listing_has_no_model_and_no_unknown_price() -> None:
    asked = head(path="/v1/models", method="GET")
    found = LlmRoute("openai", Family.OPENAI_MODELS)
    call = classify_llm(asked, found, b"", PRICES, LIMIT)
    assert call.resource == LlmCall("openai", "")
    assert call.charge.mean_key == ""


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"model":"a","model":"b"}', b"\xff\xfe", {"model": "x"}]
)
def test_a_body_that_is_not_one_clear_request(body: Any) -> None:
    assert refused(body).reason is Reason.MALFORMED_REQUEST


def test_a_compressed_body_is_read_and_kept_as_it_came() -> None:
    packed = gzip.compress(json.dumps(chat()).encode())
    call = classified(packed, {b"content-encoding": b"gzip"})
    assert call.llm is not None
    assert call.llm.model == "gpt-4.1-mini"
    assert call.body == packed


def test_an_encoding_that_is_wrong_or_unknown() -> None:
    for coding in (b"gzip", b"br2"):
        assert refused(chat(), {b"content-encoding": coding}).reason is Reason.MALFORMED_REQUEST


def test_a_body_that_unpacks_to_too_much() -> None:
    bomb = gzip.compress(b" " * (LIMIT + 1))
    assert refused(bomb, {b"content-encoding": b"gzip"}).reason is Reason.REQUEST_TOO_LARGE


@pytest.mark.parametrize(
    ("declared", "ok"),
    [
        (b"application/json", True),
        (b"Application/JSON; charset=UTF-8", True),
        (b'application/json; charset="utf-8"', True),
        (b"application/json; profile=x", True),
        (b"application/json; charset=utf-16", False),
        (b"text/plain", False),
        (b"application/x-www-form-urlencoded", False),
        (b"", False),
    ],
)
def test_a_body_declared_as_something_else_is_refused(declared: bytes, ok: bool) -> None:
    headers = {b"content-type": declared}
    if ok:
        assert classified(chat(), headers).llm is not None
    else:
        assert refused(chat(), headers).reason is Reason.MALFORMED_REQUEST


def test_the_declaration_of_a_request_without_a_body_is_nobodys_business() -> None:
    asked = head(path="/v1/models", method="GET", headers={b"content-type": b"text/plain"})
    found = LlmRoute("openai", Family.OPENAI_MODELS)
    assert classify_llm(asked, found, b"", PRICES, LIMIT).llm is not None


@given(st.binary(max_size=200))
def test_any_body_is_a_request_or_refused(body: bytes) -> None:
    with suppress(Refused):
        assert classified(body).llm is not None


def test_the_head_as_text() -> None:
    asked = head(query="a=b", headers={b"x": b"\xe9"})
    assert asked.request_target == "/v1/chat/completions?a=b"
    assert (asked.text(b"x"), asked.text(b"y")) == ("é", None)

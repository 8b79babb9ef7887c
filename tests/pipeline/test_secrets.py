"""What looks like a credential does not get into a record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.secrets import _KEY, redact


@pytest.mark.parametrize(
    "secret",
    [
        "amz_agent-1.abcdefghijklmnopqrstuvwxyz",
        "amk_abcdefghijklmnopqrstuvwxyz",
        "sk-proj-abcdefghijklmnop1234",
        "sk-ant-api03-abcdefghijklmnop",
        "gsk_abcdefghijklmnop1234",
        "AIzaSyA1234567890abcdefghijk",
        "Bearer abcdefghijklmnopqrstuvwx",
    ],
)
def test_credentials_are_taken_out(secret: str) -> None:
    assert secret not in redact(f'{{"text": "my key is {secret}, keep it"}}')
    assert redact(f"a {secret} b").startswith("a ")


FIELDS = ["authorization_token", "api_key", "API-Key", "password", "refresh_token", "private_key"]


@pytest.mark.parametrize("name", FIELDS)
def test_fields_that_carry_one_are_emptied(name: str) -> None:
    assert redact(f'{{"{name}": "a\\"b", "x": "y"}}') == f'{{"{name}": "[redacted]", "x": "y"}}'


def test_a_value_that_is_cut_off_is_taken_out_too() -> None:
    assert redact('{"password": "abc') == '{"password": "[redacted]"'
    assert redact('{"password": "abc\\') == '{"password": "[redacted]"'


@pytest.mark.parametrize("name", FIELDS)
def test_fields_inside_a_string_of_json(name: str) -> None:
    inner = json.dumps({name: 'a"b\\', "x": "y"})
    redacted = json.loads(redact(json.dumps({"arguments": inner})))
    assert json.loads(redacted["arguments"]) == {name: "[redacted]", "x": "y"}


def test_fields_of_forms_and_queries() -> None:
    form = "client_secret=a.b&grant_type=x&refresh_token=c"
    assert redact(form) == "client_secret=[redacted]&grant_type=x&refresh_token=[redacted]"
    assert redact("see https://x.example/?api_key=abc z") == (
        "see https://x.example/?api_key=[redacted] z"
    )


def test_ordinary_text_stays() -> None:
    text = '{"model": "gpt-4.1-mini", "content": "ask-me about risk-taking and sk-"}'
    assert redact(text) == text


@given(st.from_regex(_KEY, fullmatch=True))
def test_the_hints_miss_nothing_that_the_expression_finds(key: str) -> None:
    assert redact(f"x {key} y") == "x [redacted] y"


def test_a_lone_surrogate_hides_nothing() -> None:
    assert "sk-" not in redact("\ud800 sk-abcdefghijklmnop1234")

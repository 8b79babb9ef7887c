"""What looks like a credential does not get into a record."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", ["authorization_token", "api_key", "API-Key", "password"])
def test_fields_that_carry_one_are_emptied(name: str) -> None:
    assert redact(f'{{"{name}": "a\\"b", "x": "y"}}') == f'{{"{name}": "[redacted]", "x": "y"}}'


def test_ordinary_text_stays() -> None:
    text = '{"model": "gpt-4.1-mini", "content": "ask-me about risk-taking and sk-"}'
    assert redact(text) == text


@given(st.from_regex(_KEY, fullmatch=True))
def test_the_hints_miss_nothing_that_the_expression_finds(key: str) -> None:
    assert redact(f"x {key} y") == "x [redacted] y"

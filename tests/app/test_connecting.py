"""The lines with which a program becomes an agent."""

from __future__ import annotations

import pytest

from amaze_app.connecting import fetch_ca, snippets
from amaze_proxy.settings import load

EVERYWHERE = load({"AMAZE_BIND": "0.0.0.0"}).settings
LOOPBACK = load({}).settings


def test_on_the_loopback_nobody_s_word_counts() -> None:
    shown = snippets(LOOPBACK, "scout", "c", "evil.example:8082")
    assert "http://127.0.0.1:8080" in shown["environment"]
    assert "evil" not in str(shown)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("ui.example", "ui.example"),
        ("ui.example:8443", "ui.example"),
        ("192.0.2.7:8082", "192.0.2.7"),
        ("[2001:db8::7]:8082", "[2001:db8::7]"),
    ],
)
def test_elsewhere_it_is_the_host_of_the_reader_s_browser(header: str, host: str) -> None:
    shown = snippets(EVERYWHERE, "scout", "a b", header)
    port = EVERYWHERE.control_port
    assert f"http://scout:a%20b@{host}:{EVERYWHERE.proxy_port}" in shown["compose"]
    assert f"AMAZE_PROXY_URL='http://{host}:{EVERYWHERE.proxy_port}'" in shown["environment"]
    line = f"curl -so ca.pem http://{host}:{port}/ca.pem"
    assert line in shown["environment"]
    assert fetch_ca(EVERYWHERE, header) == line


@pytest.mark.parametrize("header", ["", "a'; rm -rf x", "[::1", "[x:y]", "$(id)", "-a.example"])
def test_what_is_no_host_is_not_shown(header: str) -> None:
    shown = snippets(EVERYWHERE, "scout", "c", header)
    assert f"AMAZE_PROXY_URL='{EVERYWHERE.proxy_url}'" in shown["environment"]


def test_an_unknown_credential_is_said_to_be_so() -> None:
    assert "Rotate" in snippets(LOOPBACK, "scout", "")["environment"]
    assert "AMAZE_CREDENTIAL" not in snippets(LOOPBACK, "scout", "")["run"]

from __future__ import annotations

import string
from pathlib import Path

import pytest
from amaze import ConfigurationError
from amaze.settings import CREDENTIAL, Origin, read_settings
from hypothesis import given
from hypothesis import strategies as st

SECRET = "amz_one.s3cret"


def test_defaults() -> None:
    settings = read_settings({"AMAZE_AGENT_ID": "one"})
    assert settings.orchestrator == Origin("http", "127.0.0.1", 8001)
    assert settings.proxy == Origin("http", "127.0.0.1", 8080)
    assert settings.state_dir == Path("~/.amaze/agents").expanduser()
    assert (settings.chat_host, settings.chat_port) == (None, 0)
    assert (settings.a2a_host, settings.a2a_port) == (None, None)
    assert settings.credential is None
    assert settings.enroll_key is None


def test_a_port_of_0_is_a_port_for_agents() -> None:
    environ = {"AMAZE_AGENT_ID": "one", "AMAZE_A2A_PORT": "0", "AMAZE_A2A_HOST": "::1"}
    settings = read_settings(environ)
    assert (settings.a2a_host, settings.a2a_port) == ("::1", 0)


def test_id_in_code_wins() -> None:
    assert read_settings({"AMAZE_AGENT_ID": "one"}, "two").agent_id == "two"


def test_proxy_is_that_of_the_environment() -> None:
    environ = {"AMAZE_AGENT_ID": "one", "HTTP_PROXY": "http://proxy:3128"}
    assert read_settings(environ).proxy == Origin("http", "proxy", 3128)
    environ["AMAZE_PROXY_URL"] = "http://other:8080"
    assert read_settings(environ).proxy == Origin("http", "other", 8080)


def test_identity_from_the_proxy_url_of_amaze_run() -> None:
    settings = read_settings({"HTTP_PROXY": f"http://one:{SECRET}@proxy:8080"})
    assert (settings.agent_id, settings.credential) == ("one", SECRET)
    assert settings.proxy.url == "http://proxy:8080"


def test_another_agents_proxy_credential_is_not_ours() -> None:
    environ = {"AMAZE_AGENT_ID": "two", "HTTP_PROXY": f"http://one:{SECRET}@proxy:8080"}
    assert read_settings(environ).credential is None


def test_secrets_are_not_shown() -> None:
    environ = {"AMAZE_AGENT_ID": "one", "AMAZE_CREDENTIAL": SECRET, "AMAZE_ENROLL_KEY": "k3y"}
    shown = repr(read_settings(environ))
    assert "s3cret" not in shown
    assert "k3y" not in shown


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AMAZE_AGENT_ID", "Upper"),
        ("AMAZE_A2A_PORT", "-1"),
        ("AMAZE_A2A_PORT", "65536"),
        ("AMAZE_AGENT_ID", "-one"),
        ("AMAZE_AGENT_ID", "a" * 64),
        ("AMAZE_AGENT_ID", "one\n"),
        ("AMAZE_ORCHESTRATOR_URL", "ftp://host"),
        ("AMAZE_ORCHESTRATOR_URL", "http://"),
        ("AMAZE_PROXY_URL", "http://host:port"),
        ("AMAZE_PROXY_URL", "socks5://host:1080"),
        ("AMAZE_CHAT_PORT", "70000"),
        ("AMAZE_CHAT_PORT", "-1"),
        ("AMAZE_CHAT_PORT", "²"),
        ("AMAZE_START_TIMEOUT", "soon"),
        ("AMAZE_CREDENTIAL", "has space"),
    ],
)
def test_nonsense_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        read_settings({"AMAZE_AGENT_ID": "one", variable: value})


def test_a_missing_id_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="AMAZE_AGENT_ID"):
        read_settings({})


def test_a_wrong_proxy_url_does_not_show_its_credential() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({"AMAZE_PROXY_URL": f"http://one:{SECRET}@host:port"})
    assert "s3cret" not in str(caught.value)


@given(st.text(alphabet=string.printable, min_size=1, max_size=40))
def test_only_plain_credentials_pass(text: str) -> None:
    environ = {"AMAZE_AGENT_ID": "one", "AMAZE_CREDENTIAL": text}
    if CREDENTIAL.fullmatch(text):
        assert read_settings(environ).credential == text
    else:
        with pytest.raises(ConfigurationError):
            read_settings(environ)


def test_origin_of_an_ipv6_address() -> None:
    origin = read_settings({"AMAZE_AGENT_ID": "one", "AMAZE_PROXY_URL": "http://[::1]:8080"}).proxy
    assert origin.url == "http://[::1]:8080"
    assert origin.loopback
    assert origin.is_at("[::1]", 8080)
    assert not origin.is_at("::1", 8081)

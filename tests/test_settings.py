"""Settings: where a value comes from, and what is said of a bad one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amaze_proxy.setting_values import Upstream
from amaze_proxy.settings import SettingsError, load, names, shown


def test_defaults(tmp_path: Path) -> None:
    settings = load({"AMAZE_DATA_DIR": str(tmp_path)}).settings
    assert (settings.proxy_port, settings.control_port, settings.ui_port) == (8080, 8001, 5173)
    assert settings.bind == "127.0.0.1"
    assert settings.registration_mode == "open"
    assert settings.proxy_url == "http://127.0.0.1:8080"


def test_flag_wins_over_environment_over_file(tmp_path: Path) -> None:
    (tmp_path / "amaze.toml").write_text("proxy_port = 1001\ncontrol_port = 1002\nui_port = 1003\n")
    env = {
        "AMAZE_DATA_DIR": str(tmp_path),
        "AMAZE_PROXY_PORT": "2001",
        "AMAZE_CONTROL_PORT": "2002",
    }
    loaded = load(env, {"proxy_port": "3001"})
    settings = loaded.settings
    assert (settings.proxy_port, settings.control_port, settings.ui_port) == (3001, 2002, 1003)
    assert loaded.origin["proxy_port"] == "--proxy-port"
    assert loaded.origin["control_port"] == "AMAZE_CONTROL_PORT"
    assert loaded.origin["ui_port"] == "amaze.toml"
    assert loaded.origin["bind"] == "default"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("AMAZE_PROXY_PORT", "0", "1 to 65535"),
        ("AMAZE_PROXY_PORT", "x", "AMAZE_PROXY_PORT"),
        ("AMAZE_BIND", "localhost", "IP address"),
        ("AMAZE_REGISTRATION", "yes", "open, enroll"),
        ("AMAZE_UPSTREAMS", "api.openai.com", "host=http(s)://"),
        ("AMAZE_UPSTREAMS", "api.openai.com=ftp://x", "host=http(s)://"),
        ("AMAZE_AUDIT_BODY_MAX", "-1", "0 or more"),
    ],
)
def test_a_bad_value_names_the_variable_and_what_is_allowed(
    tmp_path: Path, name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError, match="is not a value of") as caught:
        load({"AMAZE_DATA_DIR": str(tmp_path), name: value})
    assert name in str(caught.value)
    assert allowed in str(caught.value)


def test_an_unknown_key_of_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "amaze.toml").write_text("proxy_prot = 1\n")
    with pytest.raises(SettingsError, match="unknown setting 'proxy_prot'"):
        load({"AMAZE_DATA_DIR": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "seconds"), [("50", 0.05), ("60000", 60), ("49", None), ("60001", None), ("1s", None)]
)
def test_the_patience_with_the_store(tmp_path: Path, text: str, seconds: float | None) -> None:
    env = {"AMAZE_DATA_DIR": str(tmp_path), "AMAZE_STORE_TIMEOUT_MS": text}
    if seconds is None:
        with pytest.raises(SettingsError, match="STORE_TIMEOUT_MS"):
            load(env)
    else:
        assert load(env).settings.store_timeout_ms / 1000 == seconds


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "amaze.toml").write_text("proxy_port =\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        load({"AMAZE_DATA_DIR": str(tmp_path)})


def test_upstreams_round_trip(tmp_path: Path) -> None:
    text = "API.openai.com=https://127.0.0.1:9443,local.llm=http://[::1]:8000"
    settings = load({"AMAZE_DATA_DIR": str(tmp_path), "AMAZE_UPSTREAMS": text}).settings
    assert settings.upstreams["api.openai.com"] == Upstream("https", "127.0.0.1", 9443)
    again = load({"AMAZE_DATA_DIR": str(tmp_path), "AMAZE_UPSTREAMS": shown(settings)["upstreams"]})
    assert again.settings.upstreams == settings.upstreams


def test_prices_round_trip(tmp_path: Path) -> None:
    text = "azure/my-gpt=2.5/10, local/*=0/0,openai/o=a/b=0.000001/0/999999.5"
    settings = load({"AMAZE_DATA_DIR": str(tmp_path), "AMAZE_PRICES": text}).settings
    assert settings.prices == {
        "azure/my-gpt": (2_500_000, 2_500_000, 10_000_000),
        "local/*": (0, 0, 0),
        "openai/o=a/b": (1, 0, 999_999_500_000),
    }
    again = load({"AMAZE_DATA_DIR": str(tmp_path), "AMAZE_PRICES": shown(settings)["prices"]})
    assert again.settings.prices == settings.prices


@pytest.mark.parametrize(
    "text",
    [
        "gpt=1/2",
        "openai/=1/2",
        "/gpt=1/2",
        "openai/gpt=1",
        "a/b=1/2/3/4",
        "a/b=-1/2",
        "a/b=1e3/2",
        "a/b=1/",
        "a/b=1.0000001/2",
        "a/b=٣/1",
        "a/b",
    ],
)
def test_a_price_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"AMAZE_PRICES: .* is not a value of prices"):
        load({"AMAZE_DATA_DIR": str(tmp_path), "AMAZE_PRICES": text})


def test_registration_is_open_on_loopback_alone(tmp_path: Path) -> None:
    env = {"AMAZE_DATA_DIR": str(tmp_path)}
    assert load({**env, "AMAZE_BIND": "0.0.0.0"}).settings.registration_mode == "enroll"
    assert load({**env, "AMAZE_BIND": "::1"}).settings.proxy_url == "http://[::1]:8080"


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    env = {
        "AMAZE_DATA_DIR": str(tmp_path),
        "AMAZE_ADMIN_KEY": "amk_hidden-value",
        "AMAZE_REDIS_URL": "redis://:hidden-value@host",
    }
    assert "hidden-value" not in str(shown(load(env).settings))


def test_every_setting_says_what_it_is_about() -> None:
    assert all(names().values())


def test_the_manual_has_every_setting() -> None:
    manual = (Path(__file__).parents[1] / "docs/operations.md").read_text()
    table = [line for line in manual.splitlines() if line.startswith("| `AMAZE_")]
    told = [name for line in table for name in re.findall("`AMAZE_([A-Z_]+)`", line.split("|")[1])]
    assert sorted(told) == sorted(name.upper() for name in names())

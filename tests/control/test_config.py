from __future__ import annotations

from pathlib import Path

import pytest

from amaze_proxy.control.config import ControlConfig, RegistrationMode
from amaze_proxy.controller import control_config
from amaze_proxy.protocols.prices import Price
from amaze_proxy.settings import load


def test_a_short_turn_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ControlConfig(turn_key=b"short", ca_pem=b"")


def test_registration_is_closed_unless_opened_by_a_known_word() -> None:
    assert ControlConfig(b"k" * 32, b"").registration is RegistrationMode.ENROLL
    assert ControlConfig(b"k" * 32, b"", "open").registration is RegistrationMode.OPEN
    with pytest.raises(ValueError, match="ajar"):
        ControlConfig(b"k" * 32, b"", "ajar")


def test_no_secret_is_in_the_repr() -> None:
    shown = repr(ControlConfig(b"k" * 32, b"", enroll_key_sha256="e" * 64))
    assert "kkk" not in shown
    assert "eee" not in shown


def test_a_simulation_counts_with_the_prices_of_the_settings(tmp_path: Path) -> None:
    env = {"AMAZE_DATA_DIR": str(tmp_path), "AMAZE_PRICES": "local/*=1/0.5/2"}
    config = control_config(load(env).settings, b"")
    assert config.prices.price("local", "llama") == Price(1_000_000, 500_000, 2_000_000)

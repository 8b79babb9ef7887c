"""`amaze config`: what is in force, where it came from, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze


def test_each_value_and_its_origin(amaze: Amaze, tmp_path: Path) -> None:
    (tmp_path / "amaze.toml").write_text('log_level = "debug"\n')
    rows = {
        row["setting"]: row
        for row in json.loads(amaze("config", "--json", "--ui-port", "7777").stdout)
    }
    assert (rows["ui_port"]["value"], rows["ui_port"]["from"]) == ("7777", "--ui-port")
    assert rows["log_level"]["from"] == "amaze.toml"
    assert rows["proxy_port"]["from"] == "AMAZE_PROXY_PORT"
    assert rows["bind"]["from"] == "default"
    assert rows["admin_key"]["value"] == "(set)"
    assert "amk_preset" not in amaze("config").stdout


def test_where_spans_go_is_shown_without_the_headers(
    amaze: Amaze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hidden")
    done = amaze("config", "--json")
    rows = {row["setting"]: row for row in json.loads(done.stdout)}
    endpoint = rows["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert (endpoint["value"], endpoint["from"]) == ("http://collector:4318", "environment")
    assert rows["OTEL_EXPORTER_OTLP_HEADERS"]["value"] == "(set)"
    assert "hidden" not in done.stdout


def test_a_bad_value_is_one_line(amaze: Amaze) -> None:
    done = amaze("config", "--ui-port", "x")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("amaze: --ui-port: 'x' is not a value of ui_port")

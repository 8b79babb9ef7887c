"""What the commands share."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from amaze_proxy.cli import common
from amaze_proxy.cli.common import (
    Failed,
    plainly,
    settings_of,
    settings_options,
    show,
    show_one,
    usage_error,
)
from amaze_proxy.settings import names


def test_flags_go_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("AMAZE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("AMAZE_PROXY_PORT", "1234")
    assert settings_of().proxy_port == 1234
    assert settings_of({"proxy_port": "2345", "bind": None}).proxy_port == 2345
    with pytest.raises(Failed, match="--proxy-port: 'x' is not a value of proxy_port"):
        settings_of({"proxy_port": "x"})


def test_every_setting_but_the_secrets_has_a_flag() -> None:
    @click.command()
    @settings_options
    def command(**flags: str | None) -> None:
        click.echo(json.dumps({name: value for name, value in flags.items() if value}))

    flags = {option for parameter in command.params for option in parameter.opts}
    secret = {"--redis-url", "--database-url", "--admin-key", "--enroll-key", "--metrics-key"}
    assert flags == {f"--{name.replace('_', '-')}" for name in names()} - secret
    done = CliRunner().invoke(command, ["--proxy-port", "1", "--deny-style=http"])
    assert json.loads(done.output) == {"proxy_port": "1", "deny_style": "http"}


def test_an_expected_error_is_its_text_alone() -> None:
    @click.command()
    @click.argument("what")
    @plainly(ValueError, OSError)
    def command(what: str) -> None:
        if what == "value":
            raise ValueError("the fix")
        if what == "key":
            raise KeyError("a bug")
        click.echo("fine")

    runner = CliRunner()
    done = runner.invoke(command, ["value"])
    assert (done.exit_code, done.stderr, done.stdout) == (1, "amaze: the fix\n", "")
    assert isinstance(runner.invoke(command, ["key"]).exception, KeyError)
    assert runner.invoke(command, ["ok"]).output == "fine\n"


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        usage_error("say which")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "amaze: say which\n"


def test_rows(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"agent_id": "a1", "status": None}, {"agent_id": "a2", "status": 3, "more": 1}]
    show(rows, ("agent_id", "status"), as_json=True)
    assert json.loads(capsys.readouterr().out) == rows
    with common.console.capture() as shown:
        show(rows, ("agent_id", "status"), as_json=False)
    lines = [line.split() for line in shown.get().splitlines()]
    assert lines == [["agent", "id", "status"], ["a1"], ["a2", "3"]]


def test_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    with common.console.capture() as shown:
        show([{"a": "x" * 300, "b": "y"}], ("a", "b"), as_json=False)
    assert shown.get().splitlines()[1] == "x" * 300 + "  y"
    show_one({"none": None, "many": [{"a": 1}], "created_ms": 0}, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["none", 'many        [{"a": 1}]']
    assert ":" in lines[2], "a time that one can read"


def test_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    show_one({"a": 1, "longer": "x"}, as_json=False)
    assert capsys.readouterr().out == "a       1\nlonger  x\n"
    show_one({"a": 1}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    show_one({}, as_json=False)
    assert capsys.readouterr().out == ""

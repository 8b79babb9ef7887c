"""Log lines: text or JSON, and the settings that a child process gets."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from amaze_proxy import logs
from amaze_proxy.settings import Settings, load


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """`configure` replaces the handlers of the whole process: put them back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = ("httpx", "httpcore", "uvicorn", "uvicorn.access", "uvicorn.error", "alembic")
    levels = {name: logging.getLogger(name).level for name in quiet}
    root.handlers[:] = []  # basicConfig(force=True) closes those that it finds
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_level="info"), "proxy")
    logging.getLogger("amaze.proxy").info("hello %s", "there")
    logging.getLogger("amaze.proxy").debug("not this")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO {4}proxy: hello there\n", line), line


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json", log_level="warning"), "control")
    log = logging.getLogger("amaze.control")
    log.info("not this")
    log.warning("line\n%s", "two")
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("it failed")
    plain, failed = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert plain.pop("ts") > 1_600_000_000
    assert plain == {
        "level": "warning",
        "process": "control",
        "logger": "amaze.control",
        "message": "line\ntwo",
    }
    assert failed["level"] == "error"
    assert failed["exception"].endswith("ValueError: why")


@pytest.mark.parametrize("chatty", ["httpx", "uvicorn.access", "alembic"])
def test_what_could_log_a_request_line_is_quiet(
    chatty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings(log_level="debug"), "proxy")
    logging.getLogger(chatty).info("GET /?key=sk-secret")
    assert capsys.readouterr().err == ""


def test_a_child_gets_the_settings_but_no_secret(tmp_path: Path) -> None:
    env = {
        "AMAZE_DATA_DIR": str(tmp_path),
        "AMAZE_PROXY_PORT": "9999",
        "AMAZE_ADMIN_KEY": "amk_secret",
        "AMAZE_REDIS_URL": "redis://:secret@host",
        "AMAZE_UPSTREAMS": "api.openai.com=http://10.0.0.1:8000",
    }
    settings = load(env).settings
    child = logs.as_environment(settings)
    assert child["AMAZE_PROXY_PORT"] == "9999"
    assert "secret" not in str(child)
    assert "AMAZE_ADMIN_KEY" not in child
    assert "AMAZE_UPSTREAM_CA" not in child, "what is not set is not passed on"
    again = load(
        {**child, "AMAZE_ADMIN_KEY": "amk_secret", "AMAZE_REDIS_URL": env["AMAZE_REDIS_URL"]}
    )
    assert again.settings == settings

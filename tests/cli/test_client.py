"""The client of the control API: the key it shows, and failures that say the fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from amaze_proxy.cli.client import Control, admin_key_file
from amaze_proxy.cli.common import Failed
from amaze_proxy.settings import Settings

if TYPE_CHECKING:
    from tests.cli.conftest import FakeControl


def client(control: FakeControl, data_dir: Path, key: str = "") -> Control:
    return Control(Settings(control_port=control.port, admin_key=key, data_dir=data_dir))


def test_the_preset_key_goes_before_the_kept_one(control: FakeControl, tmp_path: Path) -> None:
    control.answer("GET /x", {"a": 1})
    assert client(control, tmp_path).json("GET", "/x") == {"a": 1}
    assert "authorization" not in control.last.headers
    admin_key_file(tmp_path).write_text("amk_kept\n")
    client(control, tmp_path).json("GET", "/x")
    assert control.last.headers["authorization"] == "Bearer amk_kept"
    client(control, tmp_path, "amk_preset").json("GET", "/x")
    assert control.last.headers["authorization"] == "Bearer amk_preset"


def test_what_is_sent(control: FakeControl, tmp_path: Path) -> None:
    control.answer("PUT /x", {})
    ours = client(control, tmp_path)
    ours.call("PUT", "/x", content="a: 1", params={"comment": "why & how"})
    assert control.last.body == b"a: 1"
    assert control.last.params == {"comment": "why & how"}
    assert control.last.headers["content-type"] == "application/yaml"
    ours.call("PUT", "/x", content="{}", headers={"content-type": "application/json"})
    assert control.last.headers["content-type"] == "application/json"
    ours.call("PUT", "/x", json={"a": 1})
    assert control.last.json == {"a": 1}


@pytest.mark.parametrize(
    ("status", "document", "says"),
    [
        (404, {"detail": "no such agent", "title": "not found"}, "no such agent [HTTP 404]"),
        (409, {"title": "conflict"}, "conflict [HTTP 409]"),
        (500, {}, "{} [HTTP 500]"),
        (500, [1], "[1] [HTTP 500]"),
        (400, {"error": {"message": "This is the proxy."}}, "This is the proxy. [HTTP 400]"),
        (502, b"<html>", "<html> [HTTP 502]"),
        (401, {"detail": "no key"}, "no key (`amaze login`, or set AMAZE_ADMIN_KEY to an API key)"),
    ],
)
def test_a_failure_says_what_the_api_said(
    control: FakeControl, tmp_path: Path, status: int, document: object, says: str
) -> None:
    control.answer("GET /x", document, status)
    with pytest.raises(Failed) as caught:
        client(control, tmp_path).call("GET", "/x")
    assert caught.value.message == says
    assert caught.value.exit_code == 1


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="is `amaze up` running"):
        Control(Settings(control_port=1, data_dir=tmp_path)).call("GET", "/x")

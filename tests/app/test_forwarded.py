"""Whose word about itself a proxy's headers are."""

from __future__ import annotations

from typing import Any

import pytest

from amaze_app.forwarded import Forwarded

_TOLD = {
    "x-forwarded-for": "192.0.2.9, 10.0.0.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "ui.example",
}


async def _judged(client: str | None, trusted: str, **headers: str) -> dict[str, Any]:
    seen: list[Any] = []

    async def inner(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    raw = [(name.encode(), value.encode()) for name, value in {"host": "x:1", **headers}.items()]
    scope = {"type": "http", "scheme": "http", "headers": raw, "client": client and (client, 5)}
    await Forwarded(inner, trusted)(scope, None, None)  # type: ignore[arg-type]
    found = dict(seen[0]["headers"])
    assert not any(name.startswith(b"x-forwarded") for name in found)
    return {**seen[0], "host": found[b"host"].decode()}


async def test_a_trusted_proxy_is_believed() -> None:
    found = await _judged("10.0.0.1", "10.0.0.0/8", **_TOLD)
    assert (found["client"][0], found["scheme"], found["host"]) == (
        "192.0.2.9",
        "https",
        "ui.example",
    )


@pytest.mark.parametrize(("client", "trusted"), [("192.0.2.1", "10.0.0.0/8"), ("10.0.0.1", "")])
async def test_nobody_else_is(client: str, trusted: str) -> None:
    found = await _judged(client, trusted, **_TOLD)
    assert (found["client"][0], found["scheme"], found["host"]) == (client, "http", "x:1")


async def test_what_stands_before_the_last_stranger_is_anybody_s_word() -> None:
    found = await _judged("10.0.0.1", "10.0.0.0/8", **{"x-forwarded-for": "1.1.1.1, 192.0.2.9"})
    assert found["client"][0] == "192.0.2.9"


async def test_without_a_client_nothing_is_believed() -> None:
    assert (await _judged(None, "10.0.0.0/8", **_TOLD))["host"] == "x:1"

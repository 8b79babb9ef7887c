"""The same request twice makes one thing."""

from __future__ import annotations

import asyncio
import json

import pytest

from amaze_proxy.history.idempotency import BROKEN_OFF_MS, LASTS_MS

LLM = {"name": "lama", "url": "http://10.0.0.6:11434/", "dialect": "ollama"}
USER = {"name": "ann", "role": "viewer"}


async def _post(control, path: str, body: object, key: str = "k"):
    headers = {**control.admin, "Idempotency-Key": key}
    return await control.client.post(path, json=body, headers=headers)


async def test_the_same_answer_for_a_day(control) -> None:
    first = await _post(control, "/llms", LLM)
    again = await _post(control, "/llms", LLM)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (await control.ask("DELETE", "/llms/lama")).status_code == 204
    control.clock.now += LASTS_MS + 1
    assert (await _post(control, "/llms", LLM)).headers.get("idempotency-replayed") is None


async def test_a_secret_is_not_kept_to_be_shown_again(control, tmp_path) -> None:
    first = await _post(control, "/auth/users", USER)
    again = await _post(control, "/auth/users", USER)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency-replayed")
    assert '"name": "ann"' in again.json()["detail"]
    assert first.json()["password"] not in again.text
    await control.create("b")
    key = (await _post(control, "/auth/api-keys", {"user": "ann", "role": "viewer"}, "k3")).json()
    kept = b"".join(one.read_bytes() for one in tmp_path.glob("amaze.db*"))
    assert first.json()["password"].encode() not in kept
    assert key["key"].encode() not in kept


async def test_an_agent_gets_a_further_credential(control) -> None:
    body = {"agent_id": "a"}
    first, again = [await _post(control, "/agents", body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["credential"] != again.json()["credential"]
    other = await _post(control, "/agents", {"agent_id": "b"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")


async def test_a_failure_is_not_kept(control) -> None:
    bad = await _post(control, "/llms", {**LLM, "url": "nonsense"})
    assert bad.status_code == 422
    assert (await _post(control, "/llms", LLM)).status_code == 201


async def test_many_at_once_make_one(control) -> None:
    answers = await asyncio.gather(*(_post(control, "/auth/users", USER) for _ in range(5)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201, 409, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} <= {
        *(None, "idempotency-in-progress", "idempotency-replayed")
    }


async def test_one_that_broke_off_may_be_tried_again(control, monkeypatch) -> None:
    async def lost(_answered: object) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(control.history.idempotency.__class__, "end", lambda *_: lost(None))
        assert (await _post(control, "/llms", LLM)).status_code == 201
    at_work = await _post(control, "/llms", LLM)
    assert (at_work.status_code, at_work.json()["code"]) == (409, "idempotency-in-progress")
    control.clock.now += BROKEN_OFF_MS
    assert (await _post(control, "/llms", LLM)).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "\x07", "\xe9"])
async def test_a_key_that_is_none_is_refused(control, key) -> None:
    headers = [("Authorization", control.admin["Authorization"]), ("Idempotency-Key", key)]
    encoded = [(name, value.encode("latin-1")) for name, value in headers]
    answer = await control.client.post("/llms", json=LLM, headers=encoded)
    assert (answer.status_code, json.loads(answer.text)["code"]) == (422, "invalid-fields")


async def test_another_caller_with_the_same_key_is_another_request(control) -> None:
    await _post(control, "/llms", LLM)
    other = await control.client.post(
        "/llms", json=LLM, headers={"Authorization": "Bearer wrong", "Idempotency-Key": "k"}
    )
    assert other.status_code == 401

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from amaze_proxy.policy.model import load_policy, sha256
from tests.postgres import ON_BOTH

POLICY = {"name": "p", "allowed_llm_providers": ["openai"]}
YAML = """
name: research-agent-policy   # a comment
max_tokens_per_turn: 10000
allowed_llm_providers: [openai, anthropic]
token_rate_limits:
  - window: 10m
    max_tokens: 2000
"""


async def test_a_saved_policy_is_a_version_and_in_force(control) -> None:
    answer = await control.ask("PUT", "/policy/a?comment=first", json=POLICY)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["version"], body["parent"], body["comment"]) == (1, None, "first")
    assert (body["author"], body["created_ms"]) == ("admin", control.clock.now)
    assert answer.headers["etag"] == f'"1-{body["sha256"][:16]}"'
    published = await control.store.policies.get("a")
    assert (published.version, published.sha256) == (1, body["sha256"])
    assert hashlib.sha256(published.document.encode()).hexdigest() == body["sha256"]
    assert load_policy(published.document) == load_policy(json.dumps(POLICY))
    shown = await control.ask("GET", "/policy/a")
    assert (shown.json()["policy"], shown.json()["in_force"]) == (POLICY, True)
    assert shown.headers["etag"] == answer.headers["etag"]


async def test_yaml_is_taken_too(control) -> None:
    answer = await control.ask("PUT", "/policy/a", content=YAML)
    assert answer.status_code == 200
    assert answer.json()["sha256"] == sha256(load_policy(YAML))


async def test_without_a_policy_one_is_told_so(control) -> None:
    answer = await control.ask("GET", "/policy/a")
    assert (answer.status_code, answer.json()["code"]) == (404, "policy-not-found")


@pytest.mark.parametrize(
    ("document", "named"),
    [("max_token_per_turn: 1", "max_token_per_turn"), ("name: [", "line"), ("", "mapping")],
)
async def test_what_is_no_policy_is_refused_with_the_place(control, document, named) -> None:
    answer = await control.ask("PUT", "/policy/a", content=document)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-policy")
    assert named in answer.json()["detail"]
    assert answer.json()["errors"]
    assert (await control.ask("GET", "/policy/a/versions")).json()["versions"] == []


async def test_a_lost_update_is_refused(control) -> None:
    seen = (await control.ask("PUT", "/policy/a", json=POLICY)).headers["etag"]

    async def put(**headers):
        return await control.client.put(
            "/policy/a", json=POLICY, headers={**control.admin, **headers}
        )

    assert (await put(**{"If-Match": seen})).json()["version"] == 2
    late = await put(**{"If-Match": seen})
    assert (late.status_code, late.json()["code"]) == (412, "lost-update")
    assert "version 2" in late.json()["detail"]
    assert (await put(**{"If-Match": f'"x", W/{seen}'})).status_code == 412
    assert (await put(**{"If-None-Match": "*"})).status_code == 412
    assert (await put(**{"If-Match": "*"})).json()["version"] == 3
    fresh = await control.client.put(
        "/policy/b", json=POLICY, headers={**control.admin, "If-Match": "*"}
    )
    assert fresh.status_code == 412
    fresh = await control.client.put(
        "/policy/b", json=POLICY, headers={**control.admin, "If-None-Match": "*"}
    )
    assert fresh.json()["version"] == 1


@ON_BOTH
async def test_a_hundred_concurrent_saves_lose_nothing(control) -> None:
    answers = await asyncio.gather(
        *(control.ask("PUT", "/policy/a", json={"name": f"p{n}"}) for n in range(100))
    )
    assert {answer.status_code for answer in answers} == {200}
    saved = {answer.json()["version"]: answer.json()["policy"]["name"] for answer in answers}
    assert sorted(saved) == list(range(1, 101))
    listed = (await control.ask("GET", "/policy/a/versions?limit=100")).json()["versions"]
    assert [version["parent"] or 0 for version in listed] == list(range(99, -1, -1))
    published = await control.store.policies.get("a")
    assert published.version == 100
    assert json.loads(published.document)["name"] == saved[100]


@ON_BOTH
async def test_of_concurrent_saves_on_one_version_one_wins(control) -> None:
    seen = (await control.ask("PUT", "/policy/a", json=POLICY)).headers["etag"]
    headers = {**control.admin, "If-Match": seen}
    answers = await asyncio.gather(
        *(control.client.put("/policy/a", json=POLICY, headers=headers) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9


async def test_a_rollback_is_a_new_version_with_the_old_content(control) -> None:
    first = (await control.ask("PUT", "/policy/a", json=POLICY)).json()
    second = await control.ask("PUT", "/policy/a", json={})
    answer = await control.ask("POST", "/policy/a/rollback/1")
    body = answer.json()
    assert (body["version"], body["parent"], body["sha256"]) == (3, 2, first["sha256"])
    assert body["comment"] == "rollback to version 1"
    assert (await control.store.policies.get("a")).version == 3
    late = await control.client.post(
        "/policy/a/rollback/2", headers={**control.admin, "If-Match": second.headers["etag"]}
    )
    assert late.status_code == 412


async def test_versions_are_paged_and_shown(control) -> None:
    for number in range(3):
        await control.ask("PUT", "/policy/a", json={"name": str(number)})
    first = (await control.ask("GET", "/policy/a/versions?limit=2")).json()
    assert [version["version"] for version in first["versions"]] == [3, 2]
    assert "policy" not in first["versions"][0]
    rest = (await control.ask("GET", f"/policy/a/versions?before={first['next']}")).json()
    assert ([version["version"] for version in rest["versions"]], rest["next"]) == ([1], None)
    shown = await control.ask("GET", "/policy/a/versions/1")
    assert shown.json()["policy"] == {"name": "0"}


@pytest.mark.parametrize("version", ["4", "0", "-1", "x", "1.0", "9" * 30, "%00"])
async def test_a_version_that_is_none_is_not_found(control, version) -> None:
    await control.ask("PUT", "/policy/a", json=POLICY)
    for method, path in (("GET", "versions"), ("POST", "rollback")):
        answer = await control.ask(method, f"/policy/a/{path}/{version}")
        assert (answer.status_code, answer.json()["code"]) == (404, "policy-not-found")


async def test_validation_saves_nothing(control) -> None:
    good = (await control.ask("POST", "/policy/a/validate", content=YAML)).json()
    assert (good["valid"], good["sha256"]) == (True, sha256(load_policy(YAML)))
    bad = (await control.ask("POST", "/policy/a/validate", json={"mode": "strict"})).json()
    assert bad["valid"] is False
    assert "graph" in bad["errors"][0]["message"]
    assert (await control.ask("GET", "/policy/a/versions")).json()["versions"] == []


async def test_validation_says_the_line_and_what_may_be_wrong(control) -> None:
    bad = (await control.ask("POST", "/policy/a/validate", content="name: p\nnaem: q\n")).json()
    assert [(one["field"], one["line"]) for one in bad["errors"]] == [("", 2)]
    await control.create("writer")
    text = "allowed_agents:\n  - writer\n  - nobody\nallowed_llm_providers: [openai]\n"
    good = (await control.ask("POST", "/policy/a/validate", content=text)).json()
    assert good["valid"] is True
    assert [(one["field"], one["line"]) for one in good["warnings"]] == [("allowed_agents[1]", 3)]
    assert "'nobody'" in good["warnings"][0]["message"]


async def test_versions_are_compared(control) -> None:
    for document in ({"name": "x"}, {"name": "y"}, {"name": "y", "allowed_tools": ["t"]}):
        await control.ask("PUT", "/policy/a", json=document)
    newest = (await control.ask("GET", "/policy/a/diff")).json()
    added = {"path": "allowed_tools", "kind": "added", "old": None, "new": "t"}
    assert newest == {"agent_id": "a", "from": 2, "to": 3, "changes": [added]}
    first = (await control.ask("GET", "/policy/a/diff?to=1")).json()
    renamed = {"path": "name", "kind": "changed", "old": "", "new": "x"}
    assert (first["from"], first["changes"]) == (None, [renamed])
    back = (await control.ask("GET", "/policy/a/diff?from=3&to=1")).json()
    assert [one["kind"] for one in back["changes"]] == ["changed", "removed"]


@pytest.mark.parametrize(
    ("query", "status"), [("from=9", 404), ("to=9", 404), ("from=x", 422), ("to=0", 422)]
)
async def test_a_comparison_with_nothing_is_refused(control, query, status) -> None:
    await control.ask("PUT", "/policy/a", json=POLICY)
    assert (await control.ask("GET", f"/policy/a/diff?{query}")).status_code == status


async def test_without_a_policy_there_is_nothing_to_compare(control) -> None:
    assert (await control.ask("GET", "/policy/a/diff")).json()["code"] == "policy-not-found"


async def test_a_comment_has_an_end(control) -> None:
    answer = await control.ask("PUT", f"/policy/a?comment={'x' * 501}", json=POLICY)
    assert answer.status_code == 422
    answer = await control.ask("PUT", "/policy/a?comment=a%00b", json=POLICY)
    assert answer.status_code == 422

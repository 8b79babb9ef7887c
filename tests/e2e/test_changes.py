"""What an operator changes governs the very next request, also on an open connection."""

from __future__ import annotations

import asyncio

import httpx

from tests.e2e.platform import OPEN_POLICY, OPENAI, Agent, Platform, chat, reason_of

NOTHING = {"name": "nothing"}


def test_a_policy_put_governs_the_next_request_on_an_open_connection(
    platform: Platform, agent: Agent
) -> None:
    with platform.client(agent) as client:
        for round_ in range(5):
            assert client.post(OPENAI, json=chat()).status_code == 200
            version = platform.put_policy(agent, NOTHING)
            refused = client.post(OPENAI, json=chat())
            assert refused.status_code == 403, round_
            assert reason_of(refused) == "llm-not-allowed"
            assert f"policy version {version}" in refused.json()["error"]["message"]
            platform.put_policy(agent, OPEN_POLICY)
    records = platform.audited(agent, 10)
    assert [r["policy_version"] for r in records] == list(range(1, 11))


def test_quarantine_stops_an_open_tunnel_and_release_opens_it(
    platform: Platform, agent: Agent
) -> None:
    with platform.client(agent) as client:
        assert client.post(OPENAI, json=chat()).status_code == 200
        platform.control.post(f"/agents/{agent.agent_id}/quarantine").raise_for_status()
        refused = client.post(OPENAI, json=chat())
        assert (refused.status_code, reason_of(refused)) == (403, "agent-quarantined")
        platform.control.post(f"/agents/{agent.agent_id}/release").raise_for_status()
        assert client.post(OPENAI, json=chat()).status_code == 200


def test_a_pending_agent_is_refused_until_it_is_approved(platform: Platform) -> None:
    made = platform.control.post("/register", json={"agent_id": "newcomer"}).json()
    assert made["status"] == "pending"
    agent = Agent("newcomer", made["bearer_token"])
    platform.put_policy(agent, OPEN_POLICY)
    with platform.client(agent) as client:
        refused = client.post(OPENAI, json=chat())
        assert (refused.status_code, reason_of(refused)) == (403, "agent-not-approved")
        platform.control.post("/agents/newcomer/approve").raise_for_status()
        assert client.post(OPENAI, json=chat()).status_code == 200


def test_an_agent_without_a_policy_is_refused(platform: Platform) -> None:
    made = platform.control.post("/agents", json={"agent_id": "lawless"}).json()
    with platform.client(Agent("lawless", made["credential"])) as client:
        refused = client.post(OPENAI, json=chat())
    assert (refused.status_code, reason_of(refused)) == (403, "policy-not-found")
    assert "amaze policy put lawless" in refused.json()["error"]["message"]


async def test_fifty_concurrent_calls_under_a_budget_that_fits_ten(platform: Platform) -> None:
    """Each call reserves what it asks for; ten of them fill the budget exactly."""
    body = chat("hold", max_tokens=500)
    probe = platform.agent({"name": "p", "allowed_llm_providers": ["openai"]})
    reserved = 0
    async with platform.async_client(probe) as client:
        platform.provider.release.set()
        await client.post(OPENAI, json=body)
        platform.provider.release.clear()
    # what one call reserves is shown when a budget of 1 refuses it
    small = platform.agent(
        {"name": "p", "allowed_llm_providers": ["openai"], "max_tokens_per_turn": 1}
    )
    async with platform.async_client(small) as client:
        refused = await client.post(OPENAI, json=body)
        assert reason_of(refused) == "budget_exceeded"
    reserved = 500 + _input_estimate(platform, body)
    agent = platform.agent(
        {
            "name": "p",
            "allowed_llm_providers": ["openai"],
            "max_tokens_per_turn": reserved * 10 + reserved // 2,
            "turn_detection": "none",
        }
    )

    async def one() -> httpx.Response:
        async with platform.async_client(agent) as client:  # its own connection
            return await client.post(OPENAI, json=body)

    calls = [asyncio.create_task(one()) for _ in range(50)]
    done: set[asyncio.Task[httpx.Response]] = set()
    while len(done) < 40:
        done, _ = await asyncio.wait(calls, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        assert done, "refusals do not wait for the calls that passed"
        await asyncio.sleep(0.01)
    platform.provider.release.set()
    answers = await asyncio.gather(*calls)
    codes = [answer.status_code for answer in answers]
    assert codes.count(200) == 10
    assert codes.count(403) == 40
    assert {reason_of(a) for a in answers if a.status_code == 403} == {"budget_exceeded"}
    records = await asyncio.to_thread(platform.audited, agent, 50)
    assert sum(r["denied"] for r in records) == 40
    assert len({r["writer"] for r in records}) == 2, "both workers took part"


def _input_estimate(platform: Platform, body: dict[str, object]) -> int:
    from amaze_proxy.protocols.llm import parse_request
    from amaze_proxy.protocols.providers import Family

    return parse_request(
        Family.OPENAI_CHAT, httpx.Request("POST", OPENAI, json=body).content
    ).input_tokens


def test_the_budget_is_full_again_with_the_next_message(platform: Platform) -> None:
    agent = platform.agent(
        {"name": "p", "allowed_llm_providers": ["openai"], "max_tokens_per_turn": 60}
    )
    history = [{"role": "user", "content": "hi"}]
    same_turn = chat(max_tokens=10)
    same_turn["messages"] = [
        *history,
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "t", "content": "4"},
    ]
    with platform.client(agent) as client:
        assert client.post(OPENAI, json=chat(max_tokens=10)).status_code == 200
        codes = [client.post(OPENAI, json=same_turn).status_code for _ in range(3)]
        assert codes[-1] == 403
        assert client.post(OPENAI, json=chat(max_tokens=10)).status_code == 200


def test_hard_budgets_lower_the_output_limit_to_what_is_left(platform: Platform) -> None:
    agent = platform.agent(
        {
            "name": "p",
            "allowed_llm_providers": ["openai"],
            "max_tokens_per_turn": 200,
            "hard_budgets": True,
        }
    )
    with platform.client(agent) as client:
        assert client.post(OPENAI, json=chat(max_tokens=5000)).status_code == 200
    sent = platform.provider.seen[-1].json
    assert 0 < sent["max_tokens"] < 200


def test_shadow_mode_records_what_it_would_have_refused(platform: Platform) -> None:
    agent = platform.agent({"name": "p", "enforcement": "shadow"})
    with platform.client(agent) as client:
        assert client.post(OPENAI, json=chat()).status_code == 200
    (record,) = platform.audited(agent, 1)
    assert (record["denied"], record["would_deny"]) == (False, "llm-not-allowed")

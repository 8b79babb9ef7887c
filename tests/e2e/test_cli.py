"""The command line against the running platform, as an operator uses it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.platform import OPENAI, Platform, chat

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_agents_and_policies_from_the_command_line(platform: Platform) -> None:
    file = str(EXAMPLES / "policy-flexible.yaml")
    made = platform.cli("agents", "create", "cli-agent", "--policy", file, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["credential"].startswith("amz_cli-agent.")
    again = platform.cli("agents", "create", "cli-agent")
    assert again.returncode == 1
    assert "cli-agent" in again.stderr
    listed = json.loads(platform.cli("agents", "list", "--json").stdout)
    assert "cli-agent" in [agent["agent_id"] for agent in listed]
    strict = str(EXAMPLES / "policy-strict.yaml")
    put = platform.cli("policy", "put", "cli-agent", strict, "--comment", "graph", "--json")
    assert json.loads(put.stdout)["version"] == 2
    assert "mode: strict" in platform.cli("policy", "get", "cli-agent").stdout
    back = platform.cli("policy", "rollback", "cli-agent", "1", "--json")
    assert json.loads(back.stdout)["version"] == 3
    versions = json.loads(platform.cli("policy", "versions", "cli-agent", "--json").stdout)
    assert [v["version"] for v in versions] == [3, 2, 1]
    assert versions[0]["sha256"] == versions[2]["sha256"]


def test_a_saved_credential_is_what_run_uses(platform: Platform) -> None:
    made = platform.cli("agents", "create", "saved-agent", "--save", "--json")
    credential = json.loads(made.stdout)["credential"]
    shown = platform.cli("run", "--agent", "saved-agent", "--", "printenv", "HTTPS_PROXY")
    assert shown.stdout == f"http://saved-agent:{credential}@127.0.0.1:{platform.proxy_port}\n"
    assert shown.stderr == ""
    (kept,) = platform.data_dir.glob("agents/saved-agent.cred")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_bad_policy_is_refused_with_the_field(platform: Platform, tmp_path: Path) -> None:
    agent = platform.agent()
    file = tmp_path / "bad.yaml"
    file.write_text("name: x\nmax_token_per_turn: 5\n")
    done = platform.cli("policy", "put", agent.agent_id, str(file))
    assert done.returncode == 1
    assert "max_token_per_turn" in done.stderr
    assert "max_tokens_per_turn" in done.stderr


def test_audit_tail_shows_calls(platform: Platform) -> None:
    agent = platform.agent({"name": "p", "allowed_llm_providers": ["anthropic"]})
    with platform.client(agent) as client:
        client.post(OPENAI, json=chat())
    platform.audited(agent, 1)
    shown = platform.cli("audit", "tail", agent.agent_id, "--no-follow")
    assert "refused" in shown.stdout
    assert "llm-not-allowed" in shown.stdout
    as_json = platform.cli("audit", "tail", agent.agent_id, "--no-follow", "--json")
    assert json.loads(as_json.stdout)["denial_reason"] == "llm-not-allowed"


def test_doctor_is_content_with_a_healthy_platform(platform: Platform) -> None:
    done = platform.cli("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert {row["state"] for row in json.loads(done.stdout)} == {"ok"}


def test_config_says_where_each_value_came_from(platform: Platform) -> None:
    rows = {r["setting"]: r for r in json.loads(platform.cli("config", "--json").stdout)}
    assert rows["proxy_port"]["value"] == str(platform.proxy_port)
    assert rows["proxy_port"]["from"] == "AMAZE_PROXY_PORT"
    assert rows["log_level"]["from"] == "default"
    assert rows["admin_key"]["value"] == "(set)"


def test_a_wrong_admin_key_says_what_to_set(platform: Platform) -> None:
    key = platform.env["AMAZE_ADMIN_KEY"]
    platform.env["AMAZE_ADMIN_KEY"] = "amk_wrong-wrong-wrong"
    try:
        done = platform.cli("agents", "list")
    finally:
        platform.env["AMAZE_ADMIN_KEY"] = key
    assert done.returncode == 1
    assert "AMAZE_ADMIN_KEY" in done.stderr

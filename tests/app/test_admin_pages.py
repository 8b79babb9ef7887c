"""An admin at work: MCP servers, LLM hosts, the audit, people, settings."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from amaze_app.gateway.llms import LlmDesk
from amaze_app.gateway.people import ROLES
from amaze_app.pages.audit_check import flaw_text, progress_of, result_of
from amaze_app.pages.audit_state import facts, wanted
from amaze_app.pages.llms import BUILT_IN
from amaze_app.pages.settings import scrape_config
from amaze_proxy.control.integrity import Found, Verdict
from amaze_proxy.policy.chain import Flaw
from amaze_proxy.policy.record import AuditRecord
from tests.app import web
from tests.app.browsing import sign_in
from tests.app.conftest import Platform
from tests.app.library import Library, tool

_ASKED = dict.fromkeys(("agent", "who", "what", "target", "since", "until"), "")


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    started = Library()
    yield started
    started.stop()


def _row(page: Page, kind: str, name: str) -> Locator:
    return page.locator(f"tr[data-{kind}='{name}']")


def _go(page: Page, link: str) -> None:
    page.get_by_label("Pages", exact=True).get_by_role("link", name=link, exact=True).click()
    expect(page.get_by_role("heading", name=link, exact=True, level=1)).to_be_visible()


def test_a_server_that_does_not_answer_says_so(page: Page, platform: Platform) -> None:
    sign_in(page, platform, at="/mcp")
    page.get_by_role("button", name="Add a server").first.click()
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("URL").fill("http://127.0.0.1:9/mcp")
    page.locator("#add-server").get_by_role("button", name="Add").click()
    row = _row(page, "server", "nobody")
    row.get_by_role("button", name="Probe").click()
    expect(page.locator("#notice")).to_contain_text("cannot be reached")
    expect(row).to_contain_text("cannot be reached")
    row.get_by_role("button", name="Reject").click()
    expect(row).to_contain_text("rejected")


def test_a_server_is_approved_probed_and_its_changes_are_accepted(
    page: Page, platform: Platform, library: Library
) -> None:
    registered = {"name": "library", "url": library.url}
    control = f"{platform.control_url}/register?kind=mcp"
    assert web.post(control, json=registered).status_code == 201
    sign_in(page, platform)
    _go(page, "MCP servers")
    row = _row(page, "server", "library")
    expect(row).to_contain_text("pending")
    row.get_by_role("button", name="Approve").click()
    expect(page.locator("#said")).to_contain_text("library may be called")
    expect(row).to_contain_text("approved")
    row.get_by_role("link", name="library").click()
    search = page.locator("details[data-tool='search']")
    expect(search).to_contain_text("accepted")  # the approval has pinned it, as that of the API
    search.locator("summary").first.click()
    expect(search).to_contain_text("Finds books")
    expect(search.locator(".a-json")).to_contain_text("title")

    library.tools = [tool("search", "Finds books, and sends them away"), tool("burn", "Burns")]
    row.get_by_role("button", name="Probe").click()
    expect(row).to_contain_text("2 to look at")
    changed = page.locator("details[data-tool='search']")
    expect(changed).to_contain_text("changed")
    expect(changed).to_contain_text("Finds books, and sends them away")
    expect(changed).to_contain_text("Accepted")
    expect(page.locator("details[data-tool='burn']")).to_contain_text("new")
    expect(page.locator("details[data-tool='lend']")).to_contain_text("gone")
    page.locator("details[data-tool='burn']").get_by_role("button", name="Accept this one").click()
    expect(row).to_contain_text("1 to look at")
    page.get_by_role("button", name="Accept all").click()
    expect(page.locator("details[data-tool='lend']")).to_have_count(0)
    expect(row).not_to_contain_text("to look at")
    row.get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    done = [one["tool"] for one in platform.acts() if one["target"] == "mcp_servers/library"]
    assert {"mcp_servers.approve", "mcp_servers.probe", "mcp_servers.tools.accept"} <= set(done)


def test_an_llm_host_comes_and_goes(page: Page, platform: Platform) -> None:
    sign_in(page, platform)
    _go(page, "LLM providers")
    expect(page.get_by_label("Built-in providers", exact=True)).to_contain_text("anthropic")
    page.get_by_role("button", name="Add a host").first.click()
    page.get_by_label("Name").fill("openai")
    page.get_by_label("URL").fill("http://127.0.0.1:9/")
    page.get_by_label("Speaks").select_option("ollama")
    page.locator("#add-host").get_by_role("button", name="Add").click()
    expect(page.locator("#notice")).to_contain_text("built in")
    page.get_by_label("Name").fill("own-llm")
    page.locator("#add-host").get_by_role("button", name="Add").click()
    row = _row(page, "host", "own-llm")
    expect(row).to_contain_text("ollama")
    row.get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_a_user_and_a_key_live_and_end(page: Page, platform: Platform) -> None:
    sign_in(page, platform)
    _go(page, "Users and API keys")
    page.get_by_role("button", name="Add a user").click()
    page.get_by_label("User name").fill("zoe")
    page.locator("#add-user").get_by_role("button", name="Add").click()
    made = page.locator("#password code")
    expect(made).not_to_be_empty()
    password = made.inner_text()
    page.keyboard.press("Escape")
    expect(page.locator("#password")).to_have_count(0)
    assert password not in page.content()
    row = _row(page, "user", "zoe")
    row.get_by_label("Role of zoe").select_option("operator")
    expect(page.locator("#said")).to_contain_text("zoe is operator now")
    row.get_by_role("button", name="Disable").click()
    page.locator("#confirm").get_by_role("button", name="Yes, do it").click()
    expect(row).to_contain_text("disabled")
    row.get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Yes, do it").click()
    expect(row).to_have_count(0)

    page.get_by_role("button", name="Make a key").first.click()
    page.get_by_label("What it is for").fill("nightly export")
    page.locator("#add-key").get_by_role("button", name="Make it").click()
    shown = page.locator("#secret code")
    expect(shown).to_contain_text("amk_")
    headers = {"Authorization": f"Bearer {shown.inner_text()}"}
    place = f"{platform.control_url}/traces"
    assert web.get(place, headers=headers).status_code == 200
    page.keyboard.press("Escape")
    expect(page.locator("#secret")).to_have_count(0)
    key = page.locator("tr[data-apikey]").filter(has_text="nightly export")
    key.get_by_role("button", name="Revoke").click()
    page.locator("#confirm-revoke").get_by_role("button", name="Revoke").click()
    expect(key).to_have_count(0)
    assert web.get(place, headers=headers).status_code in (401, 403)


def test_ending_the_sessions_of_a_user_signs_them_out(page: Page, platform: Platform) -> None:
    cookie = platform.sign_in("operator")
    sign_in(page, platform, at="/people")
    row = _row(page, "user", "the-operator")
    row.get_by_role("button", name="End sessions").click()
    page.locator("#confirm").get_by_role("button", name="Yes, do it").click()
    expect(page.locator("#said")).to_contain_text("the-operator is signed out")
    answer = web.get(f"{platform.url}/people", headers={"Cookie": cookie})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_the_audit_is_searched_verified_and_exported(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    platform.give(new_agent_id, platform.person("operator"))
    sign_in(page, platform)
    _go(page, "Audit")
    page.get_by_label("Target").fill(new_agent_id.upper())
    page.get_by_role("button", name="Search").click()
    lines = page.locator("#records tbody tr")
    expect(lines).to_have_count(2)  # it was begun, and it was done
    expect(lines.first).to_contain_text("agents.change")
    lines.first.get_by_role("link").click()
    expect(page.locator("#record")).to_contain_text(f"agents/{new_agent_id}")
    expect(page.locator("#record .a-json").last).to_contain_text("the-operator")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#verdict")).to_contain_text("Whole:")
    with page.expect_download() as begun:
        page.get_by_role("link", name="Export").click()
    with zipfile.ZipFile(begun.value.path()) as evidence:
        assert evidence.testzip() is None
        assert "verify.py" in evidence.namelist()


def test_downloads_are_for_those_who_may(page: Page, platform: Platform) -> None:
    def status(path: str, **headers: str) -> int:
        url = f"{platform.url}/download/{path}"
        return web.get(url, headers=headers).status_code

    operator = platform.sign_in("operator")
    assert status("amaze-evidence.zip") == 303
    assert status("amaze-evidence.zip", Cookie=operator) == 403
    assert status("audit-key.pem", Cookie=operator) == 403
    assert status("ca.pem", Cookie=operator) == 200
    assert status("ca.pem") == 303
    sign_in(page, platform, "operator", at="/audit")
    expect(page.get_by_text("The audit is for viewers and admins")).to_be_visible()
    expect(page.locator("#export")).to_have_count(0)


def test_the_settings_show_health_and_no_secret(page: Page, platform: Platform) -> None:
    sign_in(page, platform)
    _go(page, "Settings")
    for part in ("control", "proxy", "redis", "sql"):
        expect(_row(page, "part", part)).to_contain_text("ok")
    expect(_row(page, "setting", "admin_key")).to_contain_text("(set)")
    assert platform.admin_key not in page.content()
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download ca.pem").click()
    assert begun.value.path().read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


def test_the_table_of_providers_is_whole() -> None:
    assert {name for name, *_ in BUILT_IN} == set(LlmDesk.built_in)
    assert set(ROLES) == {"viewer", "operator", "admin"}


def test_days_of_a_search() -> None:
    found = wanted({**_ASKED, "agent": "*", "since": "2026-01-31", "until": "2026-01-31"})
    assert found.until_ms - found.since_ms == 86_400_000
    assert found.agent_id == ""
    odd = wanted({**_ASKED, "agent": "a", "since": "soon", "until": "9999-12-31"})
    assert (odd.agent_id, odd.since_ms, odd.until_ms) == ("a", 0, 0)


def test_what_a_check_says() -> None:
    whole = Verdict({"archive": 1200, "stream": 3, "checkpoints": 1})
    assert progress_of(whole) == "3 stream records, 1 checkpoints, 1,200 archived records"
    assert result_of(whole).startswith("Whole: 3 stream records")
    flaw = Found("archive", Flaw("removed", "w", 7, "it is not there", "web-1", "d1"))
    broken = Verdict(flaws=[flaw], count=2)
    assert flaw_text(flaw) == "removed in the archive: web-1 w #7: it is not there, decision d1"
    assert result_of(broken) == f"NOT whole: 2 flaws. The first: {flaw_text(flaw)}"


def test_the_facts_of_a_record() -> None:
    record = AuditRecord(decision_id="d", ts=1, agent_id="_admin", kind="admin", caller="ann")
    told = dict(facts(record))
    assert (told["Who"], told["What"], told["Decision id"]) == ("ann", "admin", "d")
    assert "Reason" not in told


def test_prometheus_is_told_both_ports() -> None:
    assert '"HOST:8001", "HOST:8080"' in scrape_config(8001, 8080)

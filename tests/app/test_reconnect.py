"""What a tab does while parts of the platform go, and come back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.app.archived import archive
from tests.app.browsing import let_in
from tests.app.conftest import Platform, until

_LOST = "The connection to the control plane is lost"


@pytest.fixture
def tab(context: BrowserContext, platform: Platform) -> Iterator[Page]:
    """A tab of somebody who is in; its console is full of connections that are refused."""
    let_in(context, platform)
    opened = context.new_page()
    yield opened
    opened.close()


def test_a_tab_outlives_the_ui(tab: Page, platform: Platform) -> None:
    tool = f"tool-{secrets.token_hex(3)}"
    tab.goto(f"/traces?tool={tool}&period=24h")
    expect(tab.locator("#live")).to_have_text("live")
    expect(tab.get_by_text("No trace has this")).to_be_visible()
    address = tab.url
    draft = tab.get_by_label("Text in input or output")
    draft.fill("half a thou")
    platform.kill("ui")
    expect(tab.get_by_role("alert").filter(has_text=_LOST)).to_be_visible()
    archive(platform, [{"agent_id": f"{tool}-a", "trace_id": f"{tool}-1", "tool": tool}])
    platform.spawn("ui")
    rows = tab.locator("tr[data-trace]")
    expect(rows).to_have_count(1)  # what happened meanwhile
    expect(tab.get_by_role("alert").filter(has_text=_LOST)).to_have_count(0)
    archive(platform, [{"agent_id": f"{tool}-b", "trace_id": f"{tool}-2", "tool": tool}])
    expect(rows).to_have_count(2)  # and what happens
    assert tab.url == address
    expect(draft).to_have_value("half a thou")
    expect(tab.get_by_label("Tool")).to_have_value(tool)
    expect(tab.locator("#who")).to_have_text(platform.person("admin"))


def test_the_draft_of_a_policy_outlives_the_ui(
    tab: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    tab.goto(f"/agents/{new_agent_id}/policy?tab=yaml")
    tab.locator("#policy-yaml").fill("name: half a thought\n")
    expect(tab.locator("#standing")).to_contain_text("draft, not saved")
    platform.kill("ui")
    lost = tab.get_by_role("alert").filter(has_text=_LOST)
    expect(lost).to_be_visible()
    platform.spawn("ui")
    expect(lost).to_have_count(0)
    tab.reload()  # so that it is no more what the browser remembers
    expect(tab.locator("#standing")).to_contain_text("draft, not saved")
    expect(tab.locator("#policy-yaml")).to_have_value("name: half a thought\n")


def test_a_tab_says_that_the_store_is_away(
    tab: Page, platform: Platform, new_agent_id: str
) -> None:
    credential = platform.register(new_agent_id)
    tab.goto(f"/agents/{new_agent_id}")
    tab.get_by_role("button", name="Approve").click()
    expect(tab.get_by_role("button", name="Quarantine")).to_be_visible()
    live = tab.locator("#live")
    expect(live).to_have_text("live")
    platform.valkey.stop()
    try:
        expect(live).to_have_text("not live")
        said = tab.locator("#trouble")
        expect(said).to_contain_text("every call of an agent is denied")
    finally:
        platform.valkey.start()
    expect(live).to_have_text("live")
    expect(said).to_have_count(0)
    # as soon as the proxy is back too, its calls show up
    until(lambda: platform.call(new_agent_id, credential).json()["reason"] == "policy-not-found")
    expect(tab.locator("#recent-traces tbody tr").first).to_contain_text("denied")


def test_a_tab_says_that_calls_are_not_archived(
    tab: Page, platform: Platform, new_agent_id: str
) -> None:
    credential = platform.register(new_agent_id)
    tab.goto("/overview")
    live = tab.locator("#live")
    expect(live).to_have_text("live")
    platform.kill("control")
    try:
        expect(live).to_have_text("not live")
        said = tab.locator("#trouble")
        expect(said).to_contain_text("the control API does not answer")
        tab.goto(f"/traces?agent={new_agent_id}")
        assert platform.call(new_agent_id, credential).status_code == 403  # not written down yet
    finally:
        platform.spawn("control")
    expect(live).to_have_text("live")
    expect(said).to_have_count(0)
    expect(tab.locator("tr[data-trace]")).to_have_count(1)

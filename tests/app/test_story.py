"""A day of an operator, with everything as it runs: an agent that calls a tool through the proxy,
the proxy that refuses another one, and two tabs of a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.app import web
from tests.app.browsing import sign_in, watched
from tests.app.conftest import Platform
from tests.app.library import Library


@pytest.fixture
def server(platform: Platform, new_agent_id: str) -> Iterator[str]:
    """The name of an MCP server that is registered and approved."""
    library, name = Library(), f"books-{new_agent_id}"
    platform._control("POST", "/mcp_servers", json={"name": name, "url": library.url})
    platform._control("POST", f"/mcp_servers/{name}/approve")
    yield name
    platform._control("DELETE", f"/mcp_servers/{name}")
    library.stop()


def _use(platform: Platform, agent_id: str, credential: str, server: str, tool: str) -> str:
    """Calls a tool as the agent does; what the answer says."""
    proxy = f"http://{agent_id}:{credential}@127.0.0.1:{platform.proxy_port}"
    asked = {"name": tool, "arguments": {"title": "Dune"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
    accepts = {"Accept": "application/json, text/event-stream"}
    with web.client(proxy=proxy) as client:
        answer = client.post(f"http://{server}/mcp", json=call, headers=accepts)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_an_operator_s_day(
    page: Page, context: BrowserContext, platform: Platform, new_agent_id: str, server: str
) -> None:
    sign_in(page, platform)
    navigation = page.get_by_label("Pages", exact=True)
    expect(page.locator("#live")).to_have_text("live")

    # an agent comes, and is let in
    navigation.get_by_role("link", name="Agents").click()
    expect(page.get_by_role("heading", name="Agents", level=1)).to_be_visible()
    credential = platform.register(new_agent_id)
    row = page.locator(f"tr[data-agent='{new_agent_id}']")
    expect(row).to_contain_text("pending")
    row.get_by_role("button", name="Approve").click()
    expect(row).to_contain_text("approved")
    platform._control("PUT", f"/policy/{new_agent_id}", json=_policy(new_agent_id, server))

    with watched(context, platform.url) as alerts:
        # what it is refused appears on a page that is open
        alerts.goto(f"/alerts?agent={new_agent_id}")
        expect(alerts.get_by_text("No alert like this in this time")).to_be_visible()
        assert "On the shelf" in _use(platform, new_agent_id, credential, server, "search")
        assert "tool-not-allowed" in _use(platform, new_agent_id, credential, server, "lend")
        refused = alerts.locator("tr[data-alert]")
        expect(refused).to_have_count(1)
        expect(refused).to_contain_text("tool-not-allowed")

        # its trace: from the arrow to the row, and from the row to the arrow
        refused.get_by_role("link", name="Trace").click()
        alerts.wait_for_url("**/traces/*")
        expect(alerts.locator("tr[data-details]")).to_contain_text("allowed_tools")
        _arrows_and_rows(alerts)

        # a slice of a donut leads to the traces that it counts
        page.goto(f"/agents/{new_agent_id}")
        reasons = page.locator("#reasons")
        expect(reasons).to_contain_text("tool-not-allowed")
        reasons.locator("svg circle").click(position={"x": 2, "y": 42})  # the ring is hollow
        page.wait_for_url(re.compile(rf"/traces\?agent={new_agent_id}.*reason=tool-not-allowed"))
        found = page.locator("tr[data-trace]")
        expect(found).to_have_count(1)
        expect(found).to_contain_text("1 denied")

        # the evidence is whole
        navigation.get_by_role("link", name="Audit").click()
        page.get_by_role("button", name="Verify").click()
        expect(page.locator("#verdict")).to_contain_text("Whole:")

        # out in one tab, out in the other
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("User name")).to_be_visible()
        gone = alerts.get_by_role("heading", name="You are signed out")
        expect(gone).to_be_visible()
        assert new_agent_id not in alerts.content()


def _policy(agent_id: str, server: str) -> dict[str, object]:
    return {"name": f"{agent_id}-policy", "allowed_tools": [f"{server}/search"]}


def _arrows_and_rows(page: Page) -> None:
    """Of a trace of two calls: `search`, allowed, and `lend`, refused."""
    search, lend = page.locator("tr[data-step='1']"), page.locator("tr[data-step='2']")
    allowed = page.get_by_role("button", name="search, allowed")
    denied = page.get_by_role("button", name="lend, denied")
    search.click()
    expect(search).to_have_attribute("data-chosen", "true")
    expect(allowed).to_have_attribute("aria-pressed", "true")
    expect(denied).to_have_attribute("aria-pressed", "false")
    denied.click()
    expect(lend).to_have_attribute("data-chosen", "true")
    expect(search).not_to_have_attribute("data-chosen", "true")
    expect(allowed).to_have_attribute("aria-pressed", "false")

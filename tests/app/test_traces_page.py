"""Traces, the detail of one, and alerts, as an operator uses them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.app.archived import archive, conversation
from tests.app.browsing import let_in
from tests.app.conftest import Platform


@dataclass(frozen=True)
class Told:
    """A conversation in the archive."""

    trace_id: str
    agent: str
    peer: str
    calls: list[str]


@pytest.fixture
def told(platform: Platform) -> Told:
    trace_id, number = secrets.token_hex(16), secrets.token_hex(3)
    agent, peer = f"asks-{number}", f"files-{number}"
    return Told(trace_id, agent, peer, archive(platform, conversation(trace_id, agent, peer)))


@pytest.fixture
def operator(page: Page, platform: Platform) -> Iterator[Page]:
    let_in(page.context, platform)
    yield page
    expect(page.locator("#notice")).to_have_count(0)


def _row(page: Page, told: Told) -> Locator:
    return page.locator(f"tr[data-trace='{told.trace_id}']")


def test_traces_are_found_by_their_filters(operator: Page, told: Told) -> None:
    operator.goto("/overview")
    operator.get_by_role("link", name="Traces", exact=True).click()
    row = _row(operator, told)
    expect(row).to_contain_text(f"{told.agent}, {told.peer}")
    expect(row).to_contain_text("gpt-4.1, ")
    expect(row).to_contain_text("2,400 / 220")
    for mark in ("1 denied", "1 alert", "1 error"):
        expect(row).to_contain_text(mark)
    operator.get_by_label("Agent", exact=True).fill(told.peer)
    operator.get_by_label("Tool").fill("files/delete")
    operator.get_by_label("Text in input or output").fill("no such text")
    operator.get_by_role("button", name="Filter").click()
    expect(operator.get_by_text("No trace has this")).to_be_visible()
    operator.get_by_label("Text in input or output").fill("")
    operator.keyboard.press("Enter")
    expect(operator.locator("tr[data-trace]")).to_have_count(1)
    expect(operator).to_have_url(re.compile(rf"agent={told.peer}.*tool=files%2Fdelete"))
    operator.get_by_role("link", name="allowed", exact=True).click()
    expect(operator.get_by_text("No trace has this")).to_be_visible()
    operator.get_by_role("link", name="denied", exact=True).click()
    expect(row).to_be_visible()
    operator.reload()
    expect(row).to_be_visible()
    expect(operator.get_by_label("Tool")).to_have_value("files/delete")
    operator.get_by_label("From").fill("2035-01-01T00:00")
    operator.get_by_role("button", name="Filter").click()
    expect(operator.get_by_text("No trace has this")).to_be_visible()
    expect(operator).to_have_url(re.compile("since=20[0-9]{11}"))
    operator.get_by_role("link", name="Clear").click()
    row.click(position={"x": 300, "y": 10})
    expect(operator).to_have_url(re.compile(f"/traces/{told.trace_id}"))


def test_a_list_of_many_has_pages(operator: Page, platform: Platform) -> None:
    agent = f"busy-{secrets.token_hex(3)}"
    calls = [
        {"agent_id": agent, "trace_id": f"{agent}-{number}", "ts": 1_700_000_000_000 + number}
        for number in range(60)
    ]
    archive(platform, calls)
    operator.goto(f"/traces?agent={agent}")
    rows = operator.locator("tr[data-trace]")
    expect(rows).to_have_count(50)
    operator.get_by_role("link", name="Next page").click()
    expect(rows).to_have_count(10)
    operator.get_by_role("link", name="First page").click()
    expect(rows.first).to_have_attribute("data-trace", f"{agent}-59")


def test_new_traces_come_by_themselves_unless_the_tail_is_off(
    operator: Page, platform: Platform
) -> None:
    tool = f"tool-{secrets.token_hex(3)}"
    operator.goto(f"/traces?tool={tool}")
    expect(operator.get_by_text("No trace has this")).to_be_visible()
    archive(platform, [{"agent_id": f"{tool}-a", "trace_id": f"{tool}-1", "tool": tool}])
    rows = operator.locator("tr[data-trace]")
    expect(rows).to_have_count(1)
    operator.get_by_role("link", name="Live tail: on").click()
    expect(operator.get_by_role("link", name="Live tail: off")).to_be_visible()
    archive(platform, [{"agent_id": f"{tool}-b", "trace_id": f"{tool}-2", "tool": tool}])
    newer = operator.get_by_role("button", name="Newer traces")
    expect(newer).to_be_visible()
    expect(rows).to_have_count(1)
    newer.click()
    expect(rows).to_have_count(2)
    expect(newer).to_have_count(0)


def test_an_arrow_leads_to_its_row_and_back(operator: Page, told: Told) -> None:
    operator.set_viewport_size({"width": 1280, "height": 700})
    operator.goto(f"/traces/{told.trace_id}")
    expect(operator.get_by_role("heading", name=f"Trace {told.trace_id}")).to_be_visible()
    expect(operator.locator("#sequence button")).to_have_count(7)
    refused = operator.get_by_role("button", name="files/delete, denied, tool-not-allowed")
    refused.click()
    expect(refused).to_have_attribute("aria-pressed", "true")
    row = operator.locator("tr[data-step='4']")
    expect(row).to_have_attribute("data-chosen", "true")
    expect(row).to_be_in_viewport()
    expect(operator.locator("#step-4")).to_be_focused()
    operator.keyboard.press("Enter")  # unfolds it
    details = operator.locator("tr[data-details='4']")
    expect(details).to_contain_text("allowed_tools does not name it")
    expect(details.get_by_role("link", name="version 3")).to_be_visible()
    operator.locator("tr[data-step='7']").click()
    last = operator.locator("#arrow-7")
    expect(last).to_have_attribute("aria-pressed", "true")
    expect(last).to_be_in_viewport()
    expect(refused).to_have_attribute("aria-pressed", "false")
    limits = operator.get_by_role("table", name="Limits before and after").get_by_role("row")
    expect(limits.nth(1)).to_have_text("tokens1,2802,3002,7005,000")
    operator.locator("#step-4").click()
    expect(details).to_have_count(0)


def test_long_bodies_are_shown_whole_when_asked_for(operator: Page, told: Told) -> None:
    operator.goto(f"/traces/{told.trace_id}?call={told.calls[0]}")
    details = operator.locator("tr[data-details='1']")
    expect(details).to_contain_text("40.1kB")
    expect(details).not_to_contain_text("the end of it")
    details.get_by_role("button", name="Show all of the input").click()
    expect(details.locator(".a-json").first).to_contain_text("messages")
    details.locator(".a-json summary", has_text="0: {2}").click()
    expect(details).to_contain_text("the end of it")
    expect(details.get_by_role("button", name="Show all of the input")).to_have_count(0)


def test_a_trace_grows_while_it_is_looked_at(
    operator: Page, platform: Platform, told: Told
) -> None:
    operator.goto(f"/traces/{told.trace_id}")
    expect(operator.locator("tr[data-step]")).to_have_count(7)
    archive(platform, [{"agent_id": f"late-{told.agent}", "trace_id": told.trace_id}])
    expect(operator.locator("tr[data-step]")).to_have_count(8)
    operator.goto("/traces/nothing")
    expect(operator.get_by_text("No such trace")).to_be_visible()


def test_an_operator_sees_the_traces_of_their_agents_alone(
    page: Page, platform: Platform, told: Told
) -> None:
    let_in(page.context, platform, "operator")
    for path in (f"/traces/{told.trace_id}", f"/traces?agent={told.agent}", "/alerts"):
        page.goto(path)
        nothing = page.get_by_text(re.compile("No such trace|No trace has|No alert"))
        expect(nothing.first).to_be_visible()
        expect(page.locator(".a-skeleton")).to_have_count(0)
        assert "files/delete" not in page.content()


def test_alerts_are_filtered_by_donut_and_pills(operator: Page, told: Told) -> None:
    operator.goto("/overview")
    operator.get_by_role("link", name="Alerts", exact=True).click()
    rows = operator.locator("tr[data-alert]")
    mine = operator.locator(f"tr[data-alert='{told.calls[3]}']")
    expect(mine).to_contain_text("tool-not-allowed")
    operator.locator("#by-reason").get_by_role("link", name="budget_exceeded").click()
    expect(operator).to_have_url(re.compile("reason=budget_exceeded"))
    shadow = operator.locator(f"tr[data-alert='{told.calls[4]}']")
    expect(shadow.locator(".a-badge")).to_have_text("would deny")
    expect(mine).to_have_count(0)
    operator.get_by_role("link", name=re.compile("tool-not-allowed [0-9]")).click()
    expect(mine).to_be_visible()
    operator.get_by_label("Agent id").fill(told.peer)
    operator.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(operator).to_have_url(re.compile(f"agent={told.peer}"))
    operator.get_by_role("link", name="1h").click()
    expect(rows).to_have_count(1)
    mine.get_by_role("link", name="Trace").click()
    expect(operator.locator("tr[data-details='4']")).to_contain_text("allowed_tools")

"""An operator at work, in a real browser."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.app.browsing import PASSWORD, sign_in, sign_in_by_hand
from tests.app.conftest import Platform, until


def _row(page: Page, agent_id: str) -> Locator:
    return page.locator(f"tr[data-agent='{agent_id}']")


def test_an_operator_approves_an_agent_and_sees_its_call_refused(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    sign_in_by_hand(page, platform)
    page.get_by_role("link", name="Agents", exact=True).click()
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    credential = platform.register(new_agent_id)  # after the page: it comes by push
    row = _row(page, new_agent_id)
    expect(row).to_contain_text("pending")
    row.get_by_role("button", name="Approve").click()
    expect(row).to_contain_text("approved")
    assert platform.agent(new_agent_id)["status"] == "approved"
    page.get_by_role("link", name="Overview", exact=True).click()
    refused = _row(page, new_agent_id).locator("td").nth(4)
    expect(refused).to_have_text("0")
    assert platform.call(new_agent_id, credential).status_code == 403
    expect(refused).to_have_text("1")
    page.get_by_role("link", name="Agents", exact=True).click()
    row.get_by_role("button", name="Quarantine").click()
    page.locator("#confirm").get_by_role("button", name="Quarantine").click()
    expect(row).to_contain_text("quarantined")
    assert platform.call(new_agent_id, credential).json()["reason"] == "agent-quarantined"
    row.get_by_role("button", name="Release").click()
    expect(row).to_contain_text("approved")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    page.goto("/agents")
    expect(page.get_by_label("User name")).to_be_visible()


def test_a_pending_agent_can_be_rejected(page: Page, platform: Platform, new_agent_id: str) -> None:
    platform.register(new_agent_id)
    sign_in(page, platform, at=f"/agents?status=pending&q={new_agent_id}")
    row = _row(page, new_agent_id)
    row.get_by_role("button", name="Reject").click()
    expect(row).to_have_count(0)
    expect(page.get_by_text("No such agent")).to_be_visible()
    assert platform.agent(new_agent_id)["status"] == "rejected"


def test_a_new_credential_is_shown_once_and_can_be_copied(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    sign_in(page, platform, at=f"/agents?q={new_agent_id}")
    row = _row(page, new_agent_id)
    row.get_by_role("button", name="Approve").click()
    expect(row).to_contain_text("approved")
    row.get_by_role("button", name="Rotate").click()
    dialog = page.locator("#connect")
    expect(dialog).to_contain_text("shown this once")
    page.locator("#copy-credential").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert platform.call(new_agent_id, copied).json()["reason"] == "policy-not-found"
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert copied not in page.content()


def test_an_agent_can_be_made_and_gets_an_owner(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    owner = platform.person("operator")
    sign_in(page, platform, at=f"/agents?q={new_agent_id}")
    page.get_by_role("button", name="Add an agent").click()
    page.get_by_label("Agent id").fill(new_agent_id)
    page.locator("#add").get_by_role("button", name="Create").click()
    expect(page.locator("#connect")).to_contain_text("AMAZE_CREDENTIAL")
    page.keyboard.press("Escape")
    row = _row(page, new_agent_id)
    row.get_by_role("button", name="Owner").click()
    page.get_by_label("User name").fill(owner)
    page.keyboard.press("Enter")
    expect(row).to_contain_text(owner)
    assert platform.agent(new_agent_id)["owner"] == owner


def test_a_viewer_is_offered_nothing_to_change(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    sign_in(page, platform, "viewer", at=f"/agents?q={new_agent_id}")
    row = _row(page, new_agent_id)
    expect(row).to_contain_text("pending")
    expect(row.get_by_role("button")).to_have_text(["Connect"])


def test_signing_out_in_one_tab_ends_the_others(
    page: Page, context: BrowserContext, platform: Platform
) -> None:
    sign_in(page, platform)
    expect(page.locator("#live")).to_have_text("live")
    other = context.new_page()
    other.goto("/agents")
    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.locator("table")).to_have_count(0)


def test_dark_and_light(page: Page, platform: Platform) -> None:
    sign_in(page, platform)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Dark or light").click()
    until(lambda: page.evaluate(background) != dark)
    page.reload()
    expect(page.locator("#who")).not_to_be_empty()
    assert page.evaluate(background) != dark


def test_the_keyboard_alone_signs_in_and_skips_to_the_content(
    page: Page, platform: Platform
) -> None:
    name = platform.person("admin")
    page.goto("/login")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_a_wrong_password_says_so(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("a password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")

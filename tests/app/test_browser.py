"""An operator at work, in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.app.conftest import Platform, until

_CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # of this module alone: while it is open, no other test could run an event loop
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_QUIET))
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser, platform: Platform) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=platform.url, color_scheme="dark")
    opened.grant_permissions(["clipboard-read", "clipboard-write"])
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, platform: Platform) -> Iterator[Page]:
    """A tab that must stay without errors, and must speak to our host alone."""
    opened = context.new_page()
    errors: list[str] = []
    strange: list[str] = []
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda asked: _note(strange, asked.url, platform.url))
    opened.on("websocket", lambda made: _note(strange, made.url, platform.url))
    yield opened
    assert errors == []
    assert strange == []


def _note(strange: list[str], url: str, own: str) -> None:
    host = own.removeprefix("http")
    if not url.startswith((f"http{host}", f"ws{host}", "data:", "blob:")):
        strange.append(url)


def _sign_in(page: Page, platform: Platform) -> None:
    page.goto("/")
    page.get_by_label("Admin API key").fill(platform.admin_key)
    page.get_by_role("button", name="Sign in").click()
    _wait_until_loaded(page)


def _wait_until_loaded(page: Page) -> None:
    expect(page.locator("#loaded")).to_be_visible()


def test_an_operator_approves_an_agent_and_sees_its_call_refused(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    _sign_in(page, platform)
    credential = platform.register(new_agent_id)  # after the page: it comes by push
    row = page.locator(f"tr[data-agent='{new_agent_id}']")
    expect(row).to_contain_text("pending")
    row.get_by_role("button", name="Approve").click()
    expect(row).to_contain_text("approved")
    assert platform.agent(new_agent_id)["status"] == "approved"
    row.get_by_role("link", name=new_agent_id).click()
    expect(page.get_by_text("No such call among the newest")).to_be_visible()
    assert platform.call(new_agent_id, credential).status_code == 403
    call = page.locator("tr[data-verdict='denied']")
    expect(call).to_contain_text("policy-not-found", timeout=2000)
    page.get_by_role("link", name="Agents", exact=True).click()
    row.get_by_role("button", name="Quarantine").click()
    expect(row).to_contain_text("quarantined")
    assert platform.call(new_agent_id, credential).json()["reason"] == "agent-quarantined"
    row.get_by_role("button", name="Release").click()
    expect(row).to_contain_text("approved")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin API key")).to_be_visible()
    page.goto("/calls")
    expect(page.get_by_label("Admin API key")).to_be_visible()


def test_a_pending_agent_can_be_rejected(page: Page, platform: Platform, new_agent_id: str) -> None:
    platform.register(new_agent_id)
    _sign_in(page, platform)
    page.get_by_role("link", name="pending").click()
    row = page.locator(f"tr[data-agent='{new_agent_id}']")
    row.get_by_role("button", name="Reject").click()
    expect(row).to_have_count(0)
    assert platform.agent(new_agent_id)["status"] == "rejected"


def test_the_commands_of_an_agent_can_be_copied(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    _sign_in(page, platform)
    row = page.locator(f"tr[data-agent='{new_agent_id}']")
    row.get_by_role("button", name="Connect").click()
    expect(page.locator("#connect h1")).to_have_text(f"Connect {new_agent_id}")
    page.locator("#copy-1").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"amaze run --agent {new_agent_id} -- python agent.py"
    page.keyboard.press("Escape")
    expect(page.locator("#connect")).to_have_count(0)


def test_signing_out_in_one_tab_ends_the_others(
    page: Page, context: BrowserContext, platform: Platform
) -> None:
    _sign_in(page, platform)
    page.goto("/calls")
    expect(page.locator("#live")).to_have_text("live")
    other = context.new_page()
    other.goto("/agents")
    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.locator("table")).to_have_count(0)


def test_dark_and_light(page: Page, platform: Platform) -> None:
    _sign_in(page, platform)
    background = "getComputedStyle(document.querySelector('main')).color"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Dark or light").click()
    until(lambda: page.evaluate(background) != dark)
    page.reload()
    _wait_until_loaded(page)
    assert page.evaluate(background) != dark


def test_the_keyboard_alone_signs_in(page: Page, platform: Platform) -> None:
    page.goto("/login")
    page.keyboard.type(platform.admin_key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Agents", exact=True)).to_be_visible()


def test_a_wrong_key_says_so(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Admin API key").fill("amk_not-the-key")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This is not the admin API key.")

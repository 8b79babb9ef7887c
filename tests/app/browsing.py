"""A real browser, and a person at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

if TYPE_CHECKING:
    from tests.app.conftest import Platform

PASSWORD = "a password of these tests"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# for a machine that stands still at times; what does come is seen at once
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # of this module alone: while it is open, no other test could run an event loop
    with launched() as opened:
        yield opened


@contextmanager
def launched(*arguments: str) -> Iterator[Browser]:
    """A browser with more arguments."""
    with sync_playwright() as playwright:
        command = [*QUIET, *arguments]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=command)
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
    with watched(context, platform.url) as opened:
        yield opened


@contextmanager
def watched(context: BrowserContext, own: str) -> Iterator[Page]:
    """Another tab like that; `own` is the one address that it may speak to."""
    opened = context.new_page()
    errors: list[str] = []
    strange: list[str] = []
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda asked: _note(strange, asked.url, own))
    opened.on("websocket", lambda made: _note(strange, made.url, own))
    yield opened
    assert errors == []
    assert strange == []


def _note(strange: list[str], url: str, own: str) -> None:
    host = own.removeprefix("http")
    if not url.startswith((f"http{host}", f"ws{host}", "data:", "blob:")):
        strange.append(url)


def let_in(context: BrowserContext, platform: Platform, role: str = "admin") -> None:
    """Its tabs are of somebody with this role."""
    name, _, value = platform.session(role).partition("=")
    context.add_cookies(
        [
            {
                "name": name,
                "value": value,
                "url": platform.url,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )


def sign_in(page: Page, platform: Platform, role: str = "admin", at: str = "/overview") -> None:
    """Somebody with this role, who is in, at a page."""
    let_in(page.context, platform, role)
    page.goto(at)
    expect(page.locator("#who")).to_have_text(platform.person(role))


def sign_in_by_hand(page: Page, platform: Platform, role: str = "admin") -> None:
    """As a person does it: it takes the time of three pages, and a session of its own."""
    name = platform.person(role)
    page.goto("/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.locator("#who")).to_have_text(name)

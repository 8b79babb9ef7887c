"""The UI as a company serves it: by TLS, under a name of its own, behind a reverse proxy."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx
import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.app import web
from tests.app.browsing import PASSWORD, launched, sign_in_by_hand, watched
from tests.app.conftest import Platform
from tests.app.reverse import NAME, reverse_proxy
from tests.app.test_socket import _UPGRADE

_EVIL = "https://evil.example"
_MOST = 40  # a person has 20 wrong attempts from an address before the first wait


@dataclass(frozen=True)
class Site:
    """What the world sees."""

    url: str
    port: int

    def ask(
        self, method: str, path: str, client: str = "127.0.0.1", name: str = "", **more: str
    ) -> httpx.Response:
        """A request to the site by somebody at the address `client`, with these headers; a POST
        tries to sign in as `name`, or as somebody whom nobody knows, each time as another."""
        transport = httpx.HTTPTransport(verify=False, local_address=client)
        headers = {"Host": self.url.removeprefix("https://"), "Origin": self.url, **more}
        with httpx.Client(transport=transport, trust_env=False, timeout=60) as http:
            nobody = {"name": name or f"nobody-{secrets.token_hex(4)}", "password": "x"}
            form = nobody if method == "POST" else None
            url = f"https://127.0.0.1:{self.port}{path}"
            return http.request(method, url, headers=headers, data=form)


@pytest.fixture(scope="module")
def site(platform: Platform) -> Iterator[Site]:
    """The platform's UI, which believes the reverse proxy in front of it."""
    with reverse_proxy(platform.ui_port) as proxy:
        yield Site(f"https://{NAME}:{proxy.port}", proxy.port)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as opened:
        yield opened


@pytest.fixture
def context(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=site.url, ignore_https_errors=True)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Iterator[Page]:
    with watched(context, site.url) as opened:
        yield opened


def test_a_person_works_as_without_it(
    page: Page, context: BrowserContext, platform: Platform, site: Site, new_agent_id: str
) -> None:
    sign_in_by_hand(page, platform)
    (cookie,) = context.cookies()
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
    page.get_by_role("link", name="Agents", exact=True).click()
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    expect(page.locator("#live")).to_have_text("live")
    platform.register(new_agent_id)
    row = page.locator(f"tr[data-agent='{new_agent_id}']")
    expect(row).to_contain_text("pending")  # pushed, through the proxy
    row.get_by_role("button", name="Approve").click()
    expect(row).to_contain_text("approved")
    (begun, *_) = [one for one in platform.acts() if one["target"] == f"agents/{new_agent_id}"]
    assert "127.0.0.1" in begun["session_id"]  # of the browser, not of the proxy
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    assert page.url == f"{site.url}/login"
    assert context.cookies() == []


def test_nothing_comes_from_another_site(platform: Platform, site: Site) -> None:
    cookie = platform.sign_in()  # it is the same session everywhere
    evil = {"Origin": _EVIL, "X-Forwarded-Host": "evil.example"}
    socket = "/_event/?EIO=4&transport=websocket"
    assert site.ask("GET", "/agents", Cookie=cookie).status_code == 200
    for origin in ({"Origin": _EVIL}, evil):
        assert site.ask("POST", "/login", **origin).status_code == 403
        assert site.ask("POST", "/login", **origin).text.startswith("This came from another")
        refused = site.ask("GET", socket, Cookie=cookie, **_UPGRADE, **origin)
        assert refused.status_code == 403
    # the same with our own origin: it is the origin that was refused
    assert "wrong" in site.ask("POST", "/login").text
    assert site.ask("GET", socket, **_UPGRADE).status_code == 403  # and this is for the session


def test_who_is_no_trusted_proxy_is_not_believed(platform: Platform) -> None:
    told = {
        "X-Forwarded-For": "192.0.2.66",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
    }
    own = platform.url
    name = platform.person("viewer")

    def sign_in_from(origin: str) -> httpx.Response:
        form = {"name": name, "password": PASSWORD}
        headers = {"Origin": origin, **told}
        return web.post(f"{own}/login", data=form, headers=headers)

    assert sign_in_from(_EVIL).status_code == 403
    done = sign_in_from(own)
    assert done.status_code == 303
    assert "Secure" not in done.headers["set-cookie"]
    noted = next(one for one in platform.acts() if one["caller"] == name)
    assert "127.0.0.1" in noted["session_id"]
    assert "192.0.2.66" not in noted["session_id"]


@pytest.fixture
def guessed(platform: Platform) -> Iterator[list[str]]:
    """Names to be guessed at, one for each four guesses: an account makes people wait after five.
    Their hashes take next to no work, and so does a guess: that of a name that nobody has is
    compared with one that takes 0.4 s of CPU."""
    names = [f"guessed-{number}" for number in range(_MOST // 4)]
    encoded = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    place = platform.directory / "data" / "history.db"
    with closing(sqlite3.connect(place, timeout=60)) as sql:
        with sql:
            sql.executemany(
                "INSERT INTO account (name, role, password, must_change, disabled, created_ms,"
                " updated_ms) VALUES (?, 'viewer', ?, 0, 0, 0, 0)",
                [(name, encoded) for name in names],
            )
        yield names
        with sql:
            sql.execute("DELETE FROM account WHERE name LIKE 'guessed-%'")


def test_who_guesses_waits_by_the_address_that_the_proxy_saw(
    site: Site, guessed: list[str]
) -> None:
    for number in range(_MOST):
        forged = {"X-Forwarded-For": f"192.0.2.{number}"}
        answer = site.ask("POST", "/login", "127.0.0.3", name=guessed[number // 4], **forged)
        if answer.status_code == 429:
            break
        assert answer.status_code == 403
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "Too many attempts" in answer.text
    other = site.ask("POST", "/login", "127.0.0.4")
    assert other.status_code == 403
    assert "wrong" in other.text

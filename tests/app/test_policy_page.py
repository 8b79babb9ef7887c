"""The policy page, as an operator uses it, with the proxy that the policy governs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.app import web
from tests.app.browsing import sign_in, watched
from tests.app.conftest import Platform, until

_REPLY = {
    "id": "c1",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
_ASKED = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}


class _Model(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(_REPLY).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


@contextmanager
def _model(platform: Platform, name: str) -> Iterator[None]:
    """An LLM host of this name."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    host = {"name": name, "url": f"http://127.0.0.1:{server.server_port}", "dialect": "openai"}
    try:
        platform._control("POST", "/llms", json=host)
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _approved(platform: Platform, agent_id: str) -> str:
    credential = platform.register(agent_id)
    platform._control("POST", f"/agents/{agent_id}/approve")
    return credential


def _reason(platform: Platform, agent_id: str, credential: str, host: str) -> str:
    """Why the agent's next call of the model is refused ("": it is not)."""
    proxy = f"http://{agent_id}:{credential}@127.0.0.1:{platform.proxy_port}"
    with web.client(proxy=proxy) as client:
        answer = client.post(f"http://{host}/v1/chat/completions", json=_ASKED)
    refused = answer.headers.get("x-amaze-reason", "")
    assert answer.status_code == (403 if refused else 200), answer.text
    return refused


def _put(platform: Platform, agent_id: str, text: str) -> None:
    headers = {"Content-Type": "application/yaml"}
    platform._control("PUT", f"/policy/{agent_id}", content=text, headers=headers)


def test_a_policy_is_written_limited_and_rolled_back(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    host, credential = f"llm-{new_agent_id}", _approved(platform, new_agent_id)
    sign_in(page, platform, at=f"/agents/{new_agent_id}")
    page.get_by_role("link", name="Write one").click()
    page.get_by_role("link", name="YAML").click()
    area, said = page.locator("#policy-yaml"), page.locator("#said")
    expect(page.locator("#standing")).to_contain_text("It has no policy")
    with _model(platform, host):
        # what is wrong is told at its line, and what was typed stays, also when it is refused
        wrong = f"allowed_llm_providers: [{host}]\nmax_tokens_per_turn: lots\n"
        area.fill(wrong)
        page.locator("#remarks").get_by_role("button", name="line 2").click()
        assert area.evaluate("a => a.value.slice(a.selectionStart, a.selectionEnd)") == (
            "max_tokens_per_turn: lots"
        )
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#notice")).to_contain_text("max_tokens_per_turn")
        expect(area).to_have_value(wrong)
        area.fill(wrong.replace("lots", "0"))
        page.get_by_role("button", name="Save").click()
        expect(said).to_contain_text("Version 1 is saved")
        assert _reason(platform, new_agent_id, credential, host) == ""
        # a limit of the form, and a comment
        page.get_by_role("link", name="Form", exact=True).click()
        page.get_by_label("Tokens per turn").fill("50")
        page.get_by_label("Comment").fill("not so many")
        expect(page.locator("#standing")).to_contain_text("draft, not saved")
        page.get_by_role("button", name="Save").click()
        expect(said).to_contain_text("Version 2 is saved")
        assert _reason(platform, new_agent_id, credential, host) == "budget_exceeded"
        # what has changed, and the way back
        page.get_by_role("link", name="Versions").click()
        expect(page.locator("tr[data-version='2']")).to_contain_text("not so many")
        changed = page.locator("tr[data-field='max_tokens_per_turn']")
        expect(changed.locator("pre")).to_have_text(["0", "50"])
        page.get_by_role("button", name="Roll back to version 1").click()
        page.locator("#confirm").get_by_role("button", name="Roll back").click()
        expect(said).to_contain_text("Version 3 is as version 1 was")
        expect(page.locator("tr[data-version='3']")).to_contain_text("in force")
        assert _reason(platform, new_agent_id, credential, host) == ""
    acts = [one["tool"] for one in platform.acts() if one["target"] == f"policy/{new_agent_id}"]
    assert acts[:2] == ["policies.rollback", "policies.rollback"]


def test_a_draft_outlives_a_reload_and_who_was_faster_is_told(
    page: Page, context: BrowserContext, platform: Platform, new_agent_id: str
) -> None:
    _approved(platform, new_agent_id)
    _put(platform, new_agent_id, "name: first")
    path = f"/agents/{new_agent_id}/policy?tab=yaml"
    sign_in(page, platform, at=path)
    area = page.locator("#policy-yaml")
    expect(area).to_have_value("name: first\n")
    mine = "# why\nname: mine\nmax_tokens_per_turn: 7\n"
    area.fill(mine)
    expect(page.locator("#standing")).to_contain_text("draft, not saved")
    page.reload()
    expect(area).to_have_value(mine)
    with watched(context, platform.url) as other:
        other.goto(path)
        expect(other.locator("#policy-yaml")).to_have_value(mine)
        other.locator("#policy-yaml").fill("name: faster\n")
        other.get_by_role("button", name="Save").click()
        expect(other.locator("#said")).to_contain_text("Version 2 is saved")
    overtaken = page.locator("#overtaken")
    expect(overtaken).to_contain_text(f"Version 2 was saved by {platform.person('admin')}")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notice")).to_contain_text("changed by somebody else")
    expect(area).to_have_value(mine)
    page.reload()
    expect(area).to_have_value(mine)
    page.get_by_role("link", name="See the difference").click()
    changed = page.locator("tr[data-field='name']")
    expect(changed.locator("pre")).to_have_text(["first", "faster"])
    page.get_by_role("button", name="Keep my draft upon it").click()
    expect(overtaken).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#said")).to_contain_text("Version 3 is saved")
    page.get_by_role("link", name="YAML").click()
    expect(area).to_have_value("name: mine\nmax_tokens_per_turn: 7\n")
    area.fill("name: [")
    page.get_by_role("link", name="Form", exact=True).click()
    expect(page.get_by_text("The draft is no YAML that can be read")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    page.locator("#confirm").get_by_role("button", name="Discard").click()
    expect(page.get_by_label("Tokens per turn")).to_have_value("7")


def test_a_draft_is_simulated_before_it_is_saved(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    credential = _approved(platform, new_agent_id)
    _put(platform, new_agent_id, "name: closed")
    assert platform.call(new_agent_id, credential).status_code == 403
    until(lambda: platform._control("GET", f"/traces?agent={new_agent_id}").json()["traces"])
    sign_in(page, platform, at=f"/agents/{new_agent_id}/policy")
    page.get_by_label("Other hosts: add").first.fill("nowhere.example")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Remove nowhere.example")).to_be_visible()
    page.get_by_label("Only these agents may call it").click()
    expect(page.get_by_label("Only these agents may call it")).to_be_checked()
    page.get_by_label("Tokens in a sliding window: at most").fill("many")
    page.get_by_label("Tokens in a sliding window: window").fill("10m")
    page.keyboard.press("Enter")
    field = page.locator("[data-field='token_rate_limits']")
    expect(field.get_by_role("alert")).to_contain_text("must be a whole number")
    page.get_by_label("Remove many tokens in 10m").click()
    expect(field.get_by_role("alert")).to_have_count(0)
    page.get_by_role("link", name="YAML").click()
    expect(page.locator("#policy-yaml")).to_have_value(
        "name: closed\nallowed_callers: []\nallowed_hosts:\n  - nowhere.example\n"
    )
    page.get_by_role("link", name="Simulate").click()
    page.get_by_role("button", name="Simulate").click()
    flip = page.locator("#flips tbody tr")
    expect(flip).to_contain_text("host-not-allowed")
    expect(flip).to_contain_text("allowed")
    flip.get_by_role("link").click()
    page.wait_for_url("**/traces/*")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_can_change_nothing(
    page: Page, platform: Platform, new_agent_id: str, role: str
) -> None:
    _approved(platform, new_agent_id)
    for name in ("first", "second"):
        _put(platform, new_agent_id, f"name: {name}\nallowed_tools: [search]")
    sign_in(page, platform, role, at=f"/agents/{new_agent_id}/policy")
    if role == "operator":  # it is another one's
        expect(page.locator("#notice")).to_contain_text("no such agent, or it is not yours")
        expect(page.get_by_text("Its policy cannot be shown")).to_be_visible()
        expect(page.get_by_text("second")).to_have_count(0)
    else:
        expect(page.get_by_label("Name", exact=True)).to_be_disabled()
        expect(page.get_by_label("Name", exact=True)).to_have_value("second")
    for tab in ("form", "yaml", "versions", "simulate"):
        if tab != "form":  # that is where the page begins
            page.goto(f"/agents/{new_agent_id}/policy?tab={tab}")
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator(".a-skeleton")).to_have_count(0)
        for name in ("Save", "Discard", "Add", "Roll back", "Simulate", "Remove"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        if tab == "yaml" and role == "viewer":
            expect(page.locator("#policy-yaml")).to_have_attribute("readonly", "")
        if tab == "versions" and role == "viewer":
            expect(page.locator("tr[data-field='name'] pre")).to_have_text(["first", "second"])

"""The graph editor: drawn with the mouse and by keyboard, saved, and in force at the next call."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.app.browsing import sign_in
from tests.app.conftest import Platform, until
from tests.app.test_every_page import _violations
from tests.app.test_story import _use, server

__all__ = ["server"]

_NODES, _EDGES = ".react-flow__node", ".react-flow__edge"


def _node(page: Page, step_id: int) -> Locator:
    return page.locator(f"{_NODES}[data-id='{step_id}']")


def _handle(page: Page, step_id: int, end: str) -> Locator:
    return _node(page, step_id).locator(f"[data-handleid='{end}']")


def _place(page: Page, step_id: int) -> str:
    return str(_node(page, step_id).evaluate("one => one.style.transform"))


def _open(page: Page, platform: Platform, agent_id: str, role: str = "admin") -> None:
    sign_in(page, platform, role, at=f"/agents/{agent_id}/policy?tab=graph")
    expect(page.locator("#graph")).to_be_visible()


def _drag(page: Page, begin: Locator, end: Locator) -> None:
    for place, at in enumerate((begin, end)):
        at.scroll_into_view_if_needed()
        box = at.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y, steps=1 + 7 * place)
        if not place:
            page.mouse.down()
    page.mouse.up()


def _steps(*callees: str, **last: object) -> dict[str, object]:
    """A strict policy whose steps follow each other."""
    steps: list[dict[str, object]] = [
        {"step_id": n, "call_type": "tool", "callee_id": callee, "next_steps": [n + 1]}
        for n, callee in enumerate(callees, 1)
    ]
    steps[-1] = {**steps[-1], "next_steps": [], **last}
    return {"mode": "strict", "graph": {"start_step": 1, "steps": steps}}


def test_a_graph_is_drawn_and_governs_the_next_call(
    page: Page, platform: Platform, new_agent_id: str, server: str
) -> None:
    credential = platform.register(new_agent_id)
    platform._control("POST", f"/agents/{new_agent_id}/approve")
    _open(page, platform, new_agent_id)
    expect(page.get_by_text("Flexible: there is no graph")).to_be_visible()
    page.get_by_role("button", name="Draw a graph").click()
    expect(page.locator("#graph-notes")).to_contain_text("add the first one")
    page.get_by_label("Find what a step can call").fill(server)
    for place, tool in enumerate(("search", "lend"), 1):
        page.get_by_role("button", name=f"Add tool {server}/{tool}", exact=True).click()
        expect(page.locator(_NODES)).to_have_count(place)
    expect(_node(page, 1)).to_contain_text("start")
    expect(_node(page, 2)).to_contain_text("never reached")  # nothing leads to it yet
    expect(page.locator("#graph-notes")).to_have_count(0)

    _drag(page, _handle(page, 1, "out"), _handle(page, 2, "in"))
    expect(page.locator(_EDGES)).to_have_count(1)
    expect(page.locator("[data-marked='true']")).to_have_count(0)
    _node(page, 2).press("Enter")
    where = _place(page, 2)
    # a key that comes while the canvas takes what the server says is not heard: it is held down
    until(lambda: _node(page, 2).press("ArrowRight") or _place(page, 2) != where)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#said")).to_contain_text("is saved")
    page.reload()
    expect(page.locator(_EDGES)).to_have_count(1)
    assert _place(page, 2) != where  # as it was put, for whoever put it there

    assert "graph_violation" in _use(platform, new_agent_id, credential, server, "lend")
    assert "On the shelf" in _use(platform, new_agent_id, credential, server, "search")
    assert "On the shelf" in _use(platform, new_agent_id, credential, server, "lend")


def test_steps_are_removed_put_back_and_marked(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    platform._control("PUT", f"/policy/{new_agent_id}", json=_steps("a", "b"))
    _open(page, platform, new_agent_id)
    expect(page.locator(_EDGES)).to_have_count(1)

    _node(page, 2).click()
    opened = page.locator("#steps [aria-expanded='true']")
    expect(opened).to_contain_text("b")
    page.keyboard.press("Delete")
    expect(page.locator(_NODES)).to_have_count(1)
    expect(page.locator(_EDGES)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(_NODES)).to_have_count(2)
    expect(page.locator(_EDGES)).to_have_count(1)
    page.get_by_role("button", name="Redo").click()
    expect(page.locator(_NODES)).to_have_count(1)
    _node(page, 1).click()
    page.keyboard.press("Control+z")
    expect(page.locator(_NODES)).to_have_count(2)

    page.get_by_text("Something else").click()
    page.get_by_label("Type", exact=True).select_option("agent")
    page.get_by_label("Name", exact=True).fill("Nobody At All")
    page.get_by_role("button", name="Add", exact=True).click()
    marked = page.locator("[data-marked='true']")
    expect(marked).to_have_count(1)
    expect(_node(page, 3).locator(marked)).to_contain_text("is no agent id")
    expect(page.locator("#standing")).to_contain_text("draft, not saved")

    # where it was put, and what was drawn, is there after a reload
    where = _place(page, 3)
    _drag(page, _node(page, 3), page.get_by_role("button", name="Zoom In"))

    def is_kept() -> bool:
        moved = _place(page, 3)
        page.reload()
        expect(page.locator(_NODES)).to_have_count(3)
        return _place(page, 3) == moved != where

    until(is_kept)
    expect(_node(page, 3)).to_contain_text("is no agent id")
    way = page.locator(f"{_EDGES}[data-id='1-2']")
    way.press("Enter")
    expect(way).to_have_class(re.compile("selected"))
    way.press("Delete")
    expect(page.locator(_EDGES)).to_have_count(0)


def test_the_list_does_all_of_it_by_keyboard(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    platform._control("PUT", f"/policy/{new_agent_id}", json=_steps("a", "b", max_loops=1))
    _open(page, platform, new_agent_id)
    step = page.locator("#steps").get_by_role("button", name="2 b")
    step.press("Enter")
    expect(step).to_have_attribute("aria-expanded", "true")
    page.get_by_label("Step that may follow").select_option("1")
    page.get_by_role("button", name="Connect", exact=True).press("Enter")
    expect(page.locator(_EDGES)).to_have_count(2)
    page.get_by_label("Runs in a turn").fill("7")
    page.get_by_label("Runs in a turn").press("Enter")
    expect(_node(page, 2)).to_contain_text("up to 7×")
    page.get_by_role("button", name="Make it the start").press("Enter")
    expect(_node(page, 2)).to_contain_text("start")
    page.get_by_role("button", name="Disconnect step 1").press("Enter")
    expect(page.locator(_EDGES)).to_have_count(1)
    assert _violations(page) == []
    page.get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(page.locator(_NODES)).to_have_count(1)
    expect(_node(page, 1)).to_contain_text("start")
    page.get_by_role("button", name="Flexible").press("Enter")
    expect(page.get_by_text("Flexible: there is no graph")).to_be_visible()
    page.get_by_role("button", name="Strict").press("Enter")  # with the graph that was there
    expect(_node(page, 1)).to_contain_text("start")
    saved = platform._control("GET", f"/policy/{new_agent_id}").json()
    assert saved["version"] == 1  # nothing of this was saved


def test_who_may_not_change_it_sees_it(page: Page, platform: Platform, new_agent_id: str) -> None:
    platform.register(new_agent_id)
    platform._control("PUT", f"/policy/{new_agent_id}", json=_steps("a", "b"))
    _open(page, platform, new_agent_id, "viewer")
    expect(page.locator(_EDGES)).to_have_count(1)
    _node(page, 2).click()
    expect(page.locator("#steps [aria-expanded='true']")).to_contain_text("b")
    page.keyboard.press("Delete")
    _drag(page, _handle(page, 2, "out"), _handle(page, 1, "in"))
    for name in ("Arrange", "Undo", "Connect", "Apply", "Add", "Save"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Flexible")).to_be_disabled()
    expect(page.locator(_NODES)).to_have_count(2)
    expect(page.locator(_EDGES)).to_have_count(1)

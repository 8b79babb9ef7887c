"""Drafts of policies: kept of each person for each agent, bounded, forgotten in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amaze_proxy.control.drafts import MOST_LAYOUT, MOST_TEXT, Drafts
from amaze_proxy.control.errors import InvalidId, PolicyInvalid
from amaze_proxy.history.bundle import History, open_history
from tests.control.conftest import Clock


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await open_history(f"sqlite:///{tmp_path}/amaze.db")
    yield opened
    await opened.close()


@pytest.fixture
def drafts(history: History) -> Drafts:
    return Drafts(history, Clock())


async def test_each_person_has_one_for_each_agent(drafts: Drafts) -> None:
    assert await drafts.get("ann", "a") is None
    await drafts.keep("ann", "a", "name: [", 3, '{"1": [2, 3]}')
    await drafts.keep("eve", "a", "name: hers", 0)
    await drafts.keep("ann", "b", "name: other", 1)
    await drafts.keep("ann", "a", "name: x", 4, '{"1": [2, 4]}')
    found = await drafts.get("ann", "a")
    assert found is not None
    assert (found.text, found.seen, found.layout) == ("name: x", 4, '{"1": [2, 4]}')
    assert found.updated_ms == Clock().now
    theirs = await drafts.get("eve", "a")
    assert theirs is not None
    assert (theirs.text, theirs.seen, theirs.layout) == ("name: hers", 0, "")


async def test_it_is_forgotten_if_it_is_that_one(drafts: Drafts) -> None:
    await drafts.keep("ann", "a", "name: x", 1)
    await drafts.drop("ann", "a", "name: y")
    assert await drafts.get("ann", "a") is not None
    await drafts.drop("ann", "a", "name: x")
    assert await drafts.get("ann", "a") is None
    await drafts.drop("ann", "a")


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("x" * (MOST_TEXT + 1), ""),
        ("x", "x" * (MOST_LAYOUT + 1)),
        ("a\0b", ""),
        ("a", "\0"),
        ("\ud800", ""),
    ],
)
async def test_what_cannot_be_kept_is_refused(drafts: Drafts, text: str, layout: str) -> None:
    with pytest.raises(PolicyInvalid, match="not kept"):
        await drafts.keep("ann", "a", text, 0, layout)
    assert await drafts.get("ann", "a") is None


async def test_no_agent_has_such_an_id(drafts: Drafts) -> None:
    for refused in (
        drafts.get("ann", "A/B"),
        drafts.keep("ann", "", "x", 0),
        drafts.drop("a", "*"),
    ):
        with pytest.raises(InvalidId):
            await refused


async def test_the_largest_draft_is_kept_whole(drafts: Drafts) -> None:
    await drafts.keep("ann", "a", "é" * MOST_TEXT, 0, "x" * MOST_LAYOUT)
    found = await drafts.get("ann", "a")
    assert found is not None
    assert (len(found.text), len(found.layout)) == (MOST_TEXT, MOST_LAYOUT)

"""Records by who, what, target and time."""

from __future__ import annotations

from typing import Any

import pytest

from amaze_proxy.history import records
from amaze_proxy.history.records import RecordFilter
from tests.history.calls import Book

_START = 1_900_000_000_000


async def _found(history: Any, filter_: RecordFilter, limit: int = 50) -> list[str]:
    """The ids of all pages."""
    ids: list[str] = []
    page = await history.records.page(filter_, None, limit)
    while True:
        ids += [one.decision_id for one in page.lines]
        if page.following is None:
            return ids
        page = await history.records.page(filter_, page.following, limit)


@pytest.fixture
async def book(history: Any) -> Book:
    book = Book(history)
    book.call("_admin", caller="ann", tool="agents.approve", target="agents/web-1", kind="admin")
    book.call("_admin", caller="bob", tool="users.create", target="users/zoe", kind="admin")
    book.call("web-1", tool="search", target="library", output="found")
    book.call("_admin", caller="Ann", tool="users.delete", target="users/100%", kind="admin")
    await book.save()
    return book


@pytest.mark.usefixtures("book")
async def test_each_field_narrows(history: Any) -> None:
    assert await _found(history, RecordFilter()) == ["d4", "d3", "d2", "d1"]
    assert await _found(history, RecordFilter("_admin")) == ["d4", "d2", "d1"]
    assert await _found(history, RecordFilter(who="ANN")) == ["d4", "d1"]
    assert await _found(history, RecordFilter("_admin", what="users.")) == ["d4", "d2"]
    assert await _found(history, RecordFilter(target="0%")) == ["d4"]
    assert await _found(history, RecordFilter("_admin", target="library")) == []
    between = RecordFilter(since_ms=_START + 2000, until_ms=_START + 4000)
    assert await _found(history, between) == ["d3", "d2"]


@pytest.mark.usefixtures("book")
async def test_pages_follow_one_another_also_where_little_is_found(
    history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await _found(history, RecordFilter(), limit=1) == ["d4", "d3", "d2", "d1"]
    monkeypatch.setattr(records, "WINDOW", 1)
    assert await _found(history, RecordFilter(who="bob"), limit=2) == ["d2"]


@pytest.mark.usefixtures("book")
async def test_a_record_with_its_bodies(history: Any) -> None:
    found = await history.records.get("d3")
    assert (found.agent_id, found.output) == ("web-1", "found")
    assert await history.records.get("nothing") is None

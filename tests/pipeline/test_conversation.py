"""The last known conversation of each agent."""

from __future__ import annotations

from amaze_proxy.pipeline.conversation import Ambients, Conversation


def test_the_last_one_is_known() -> None:
    known = Ambients()
    assert known.get("a") is None
    known.put("a", Conversation("1"))
    known.put("a", Conversation("2", "span", 1))
    assert known.get("a") == Conversation("2", "span", 1)


def test_the_oldest_one_is_dropped() -> None:
    known = Ambients(size=2)
    for agent_id in ("a", "b", "a", "c"):
        known.put(agent_id, Conversation(agent_id))
    assert known.get("b") is None
    assert known.get("a") == Conversation("a")
    assert known.get("c") == Conversation("c")

"""Strangers' records are bounded; an agent's own never are."""

from __future__ import annotations

from dataclasses import replace

from amaze_proxy.pipeline.strangers import Strangers
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.keys import UNKNOWN_AGENT

STRANGER = AuditRecord("d", 1, UNKNOWN_AGENT, "unknown", error="bad")


def test_beyond_the_burst_they_are_counted_and_told() -> None:
    now = [0.0]
    strangers = Strangers(burst=2, per_second=1, clock=lambda: now[0])
    assert [strangers.worth(STRANGER) for _ in range(5)] == [STRANGER, STRANGER, None, None, None]
    now[0] += 1
    told = strangers.worth(replace(STRANGER, error=""))
    assert told is not None
    assert told.error == "3 refusals of unknown callers before this one were only counted"
    now[0] += 1000  # no more than the burst is saved up
    assert [strangers.worth(STRANGER) for _ in range(3)] == [STRANGER, STRANGER, None]
    now[0] += 1
    told = strangers.worth(STRANGER)
    assert told is not None
    assert told.error.startswith("bad; 1 refusals")


def test_an_agents_own_records_are_always_written() -> None:
    strangers = Strangers(burst=0, per_second=0)
    own = replace(STRANGER, agent_id="agent-1")
    assert all(strangers.worth(own) is own for _ in range(10))

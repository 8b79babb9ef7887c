"""`kill -9` of every part, under load: what a client was answered is in the log, once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from tests.e2e.kills import (
    MANY,
    PARTS,
    Census,
    kill_in_turn,
    loaded,
    until_archived,
    until_ended,
    whole,
)
from tests.e2e.platform import Platform, runs, until

KILLS = int(os.environ.get("TEST_KILLS", "8"))


def test_what_was_answered_is_recorded_once_whatever_is_killed(
    own_platform: Callable[..., Platform],
) -> None:
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")
    platform = own_platform()
    before = Census.of(platform)
    with loaded(platform) as load:
        killed = kill_in_turn(platform, load, KILLS, seed)
    assert set(killed) == set(PARTS)
    assert sum(not one.reason for one in load.answered) >= MANY * KILLS
    assert until_archived(platform, load.answered) == []
    assert until_ended(platform).twice == [], "each admitted call has one end"
    assert "the evidence is whole" in whole(platform)
    until(lambda: Census.of(platform).zombies == 0, "those that ended to be waited for")
    after = Census.of(platform)
    assert after.parts == before.parts
    assert after.files <= before.files + 2, "no file is left open for each one that ended"
    held = platform.pids("")
    assert platform.stop() == 0
    assert not [pid for pid in held if runs(pid)]

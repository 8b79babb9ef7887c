"""Parts of a platform under load are killed with SIGKILL, one after the other, at random moments.

Also by hand: `python -m tests.e2e.kills --kills 100 [--seed N]`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import secrets
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis

from tests.e2e.agents.asks import Ask, llm, register_mcp, tool
from tests.e2e.agents.peer import Peer
from tests.e2e.platform import Agent, Platform, state, until
from tests.e2e.provider import Provider

PARTS = {
    "worker": "amaze_proxy.proxy",
    "control": "amaze_proxy.cli control",
    "store": "valkey-server",
    "proxy": "amaze_proxy.cli proxy",
}
"""What is killed, by a part of its command line. With the last one, all workers die."""

POLICY = {"name": "load", "allowed_llm_providers": ["openai"], "allowed_tools": ["search"]}
_CALLERS = 3
MANY = 10
_BETWEEN_S = 0.01  # leaves some of the machine to what is starting again
_AGAIN_S = 0.1  # after a call that broke: nobody listens for a while
_LONGEST_PAUSE_S = 0.6
_BACK_WITHIN_S = 120.0
_SERVER = "kills-mcp"


@dataclass(frozen=True, slots=True)
class Answered:
    """A call whose whole answer came. `mark` is in its body; `reason` empty: it was passed."""

    decision_id: str
    mark: str
    kind: str
    reason: str


@dataclass(slots=True)
class Load:
    """Callers that go on until stopped; what they were answered."""

    platform: Platform
    agents: list[Agent]
    answered: list[Answered] = field(default_factory=list)
    broken: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(_CALLERS) as pool:
            callers = [pool.submit(self._drive, number) for number in range(_CALLERS)]
            try:
                yield
            finally:
                self._stop.set()
            for each in callers:
                each.result()

    def passes(self) -> None:
        """Returns when MANY calls have passed that were made from now on."""
        begun = len(self.answered) + _CALLERS
        until(
            lambda: sum(not one.reason for one in self.answered[begun:]) >= MANY,
            "calls to pass",
            _BACK_WITHIN_S,
        )

    def _drive(self, number: int) -> None:
        agent = self.agents[number % len(self.agents)]
        while not self._stop.is_set():
            with self.platform.client(agent) as client:
                try:
                    for turn in itertools.count():
                        if self._stop.wait(_BETWEEN_S):
                            return
                        self.answered.append(_call(client, turn % 3))
                except httpx.HTTPError:  # no answer, no promise
                    self.broken += 1
            time.sleep(_AGAIN_S)


def _call(client: httpx.Client, kind: int) -> Answered:
    mark = f"mark-{secrets.token_hex(8)}"
    ask = (llm(mark), llm(mark, stream=True), tool(_SERVER, "search", mark))[kind]
    with client.stream("POST", ask.url, json=ask.body, headers=ask.headers) as answer:
        answer.read()
    headers = answer.headers
    name = "mcp" if _is_tool(ask) else "llm"
    return Answered(headers["x-amaze-decision-id"], mark, name, headers.get("x-amaze-reason", ""))


def _is_tool(ask: Ask) -> bool:
    return _SERVER in ask.url


class Dice:
    """The same choices for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._number = 0

    def below(self, most: float) -> float:
        self._number += 1
        digest = hashlib.sha256(f"{self._seed}:{self._number}".encode()).digest()
        return most * int.from_bytes(digest[:6]) / 2**48

    def one_of(self, among: list[int]) -> int:
        return among[int(self.below(len(among)))]


@dataclass(frozen=True, slots=True)
class Census:
    """The processes of a platform by part, dead ones that nobody has waited for, open files of
    those that were not killed."""

    parts: dict[str, int]
    zombies: int
    files: int

    @classmethod
    def of(cls, platform: Platform) -> Census:
        states = (state(pid) for pid in platform.pids(""))
        return cls(
            {name: len(platform.pids(marker)) for name, marker in PARTS.items()},
            sum(each == "Z" for each in states),
            len(os.listdir(f"/proc/{platform.pid}/fd")),
        )


@contextmanager
def loaded(platform: Platform) -> Iterator[Load]:
    """The platform with agents and a server that callers call, from now until the end."""
    peer = Peer()
    try:
        register_mcp(platform, _SERVER, f"http://127.0.0.1:{peer.port}/mcp")
        load = Load(platform, [platform.agent(POLICY) for _ in range(2)])
        with load.running():
            load.passes()
            yield load
    finally:
        peer.close()


def kill_in_turn(platform: Platform, load: Load, kills: int, seed: int) -> Counter[str]:
    """How often each part was killed. Each is back, and calls pass, before the next is killed."""
    dice, killed = Dice(seed), Counter[str]()
    for number, part in zip(range(kills), itertools.cycle(PARTS), strict=False):
        time.sleep(dice.below(_LONGEST_PAUSE_S))
        before = platform.pids(PARTS[part])
        victim = dice.one_of(before)
        os.kill(victim, signal.SIGKILL)
        killed[part] += 1
        what = f"kill {number + 1} of seed {seed}: {part} to be back"
        until(lambda: _is_back(platform, part, len(before), victim), what, _BACK_WITHIN_S)  # noqa: B023
        load.passes()
    return killed


def _is_back(platform: Platform, part: str, count: int, victim: int) -> bool:
    now = platform.pids(PARTS[part])
    return victim not in now and len(now) == count and platform.is_ready()


def wrong_records(platform: Platform, answered: list[Answered]) -> list[str]:
    """The answered calls that do not have exactly one archived record of their own."""
    path = f"file:{platform.data_dir / 'history.db'}?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as database:
        rows = database.execute("SELECT decision_id, kind, record FROM call").fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for decision_id, kind, record in rows:
        found.setdefault(decision_id, []).append((kind, record))
    return [
        f"{one}: {len(records)} records"
        for one in answered
        if len(records := found.get(one.decision_id, [])) != 1
        or (not one.reason and (records[0][0] != one.kind or one.mark not in records[0][1]))
    ]


@dataclass(frozen=True, slots=True)
class Ends:
    """How the admitted calls ended: `abandoned` records, decisions with more than one record."""

    abandoned: int
    twice: list[str]


def until_ended(platform: Platform) -> Ends:
    """Waits until no admitted call is without an end, in the store and in the archive."""
    with redis.Redis(unix_socket_path=platform.store_socket) as store:
        until(
            lambda: not list(store.scan_iter("open:*")) and _archived_all(platform, store),
            "all that was admitted to be recorded",
            _BACK_WITHIN_S,
        )
    path = f"file:{platform.data_dir / 'history.db'}?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as database:
        decisions = [one for (one,) in database.execute("SELECT decision_id FROM call")]
        told = "SELECT count(*) FROM call WHERE error LIKE 'abandoned:%'"
        (abandoned,) = database.execute(told).fetchone()
    twice = [one for one, count in Counter(decisions).items() if count > 1]
    return Ends(abandoned, twice)


def _archived_all(platform: Platform, store: redis.Redis) -> bool:
    path = f"file:{platform.data_dir / 'history.db'}?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as database:
        cursors = dict(database.execute("SELECT agent_id, entry_id FROM archive_cursor"))
    return all(
        cursors.get(agent_id) == newest[0][0].decode()
        for agent_id in (one.decode() for one in store.smembers("agents"))
        if (newest := store.xrevrange(f"audit:{{{agent_id}}}", count=1))
    )


def whole(platform: Platform) -> str:
    """What `amaze audit verify` says. Raises AssertionError when the log is not whole."""
    checked = platform.cli("audit", "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return checked.stdout


def by_hand() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        provider = Provider(Path(directory))
        platform = Platform(Path(directory) / "platform", provider)
        platform.directory.mkdir()
        platform.start()
        try:
            before = Census.of(platform)
            with loaded(platform) as load:
                killed = kill_in_turn(platform, load, given.kills, given.seed)
            wrong = until_archived(platform, load.answered)
            ends = until_ended(platform)
            print(f"seed {given.seed}; killed: {dict(killed)}")
            reasons = Counter(one.reason or "passed" for one in load.answered)
            print(f"answered: {dict(reasons)}; broken off: {load.broken}")
            print(f"without exactly one record: {len(wrong)}", *wrong[:20], sep="\n  ")
            print(f"abandoned: {ends.abandoned}; recorded twice: {ends.twice}")
            print(before, Census.of(platform), sep="\n")
            print(whole(platform))
        finally:
            platform.stop()
            provider.close()
        if wrong or ends.twice:
            raise SystemExit(1)


def until_archived(platform: Platform, answered: list[Answered], seconds: float = 90) -> list[str]:
    """Waits until all that was answered is archived; what is wrong when it was waited enough."""
    deadline = time.monotonic() + seconds
    while (wrong := wrong_records(platform, answered)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return wrong


if __name__ == "__main__":
    by_hand()

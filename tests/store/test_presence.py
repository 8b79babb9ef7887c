from __future__ import annotations

import os
import subprocess
import sys

import pytest

from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.presence import Presence, Watcher, place_of


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "journal"
    made.mkdir(exist_ok=True)
    return made


async def beat_of(store):
    return (await store.open_calls.beats())["one"]


async def test_a_process_lives_until_it_ends(store, directory):
    presence = Presence(store.open_calls, "one", directory)
    await presence.beat()
    watcher = Watcher(directory)
    beat = await beat_of(store)
    assert watcher.lives("one", beat) is True
    await presence.beat()
    assert await beat_of(store) != beat
    presence.close()
    assert watcher.lives("one", beat) is False


def test_a_stopped_process_lives_and_a_killed_one_does_not(directory):
    code = (
        "import sys, time; from pathlib import Path; from amaze_proxy.store.presence import *\n"
        "held = Presence(None, 'one', Path(sys.argv[1])); print('there', flush=True)\n"
        "sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(directory)]
    pipe = subprocess.PIPE
    beat = f"1 {place_of(directory)}"
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as process:
        assert process.stdout.readline() == b"there\n"
        process.send_signal(19)  # SIGSTOP
        assert Watcher(directory).lives("one", beat) is True
        process.kill()
        process.wait()
    watcher = Watcher(directory)
    assert watcher.lives("one", beat) is False
    watcher.clear("one")
    assert os.listdir(directory) == []


def test_what_waits_in_its_journal_is_waited_for(directory):
    (directory / "one.journal").write_bytes(b"x")
    beat = f"1 {place_of(directory)}"
    assert Watcher(directory).lives("one", beat) is True
    (directory / "one.journal").write_bytes(b"")
    assert Watcher(directory).lives("one", beat) is False


@pytest.mark.parametrize("beat", ["", "1", "1 ", "1 other-machine:1:2"])
def test_another_machines_worker_cannot_be_seen(directory, beat):
    assert Watcher(directory).lives("one", beat) is None


def test_without_a_directory_nobody_is_seen():
    assert Watcher(None).lives("one", "1 ") is None
    assert place_of(None) == ""


@pytest.mark.parametrize("name", ["../x", "a/b", "", "."])
def test_a_name_is_no_path(directory, name):
    beat = f"1 {place_of(directory)}"
    assert Watcher(directory).lives(name, beat) is None


async def test_it_beats_though_the_store_is_away(directory):
    class Away:
        beats = 0

        async def beat(self, instance, text):
            self.beats += 1
            presence.stop()
            raise StoreUnavailable("away")

    calls = Away()
    presence = Presence(calls, "one", directory / "no-such")
    assert place_of(directory / "no-such") == ""
    import amaze_proxy.store.presence as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BEAT_S", 0.0)
        await presence.run()
    assert calls.beats == 1

from __future__ import annotations

import os
import stat
from dataclasses import replace

import pytest

from amaze_proxy.policy.record import GENESIS, seal
from amaze_proxy.store.errors import StoreError
from amaze_proxy.store.journal import Journal, adopt, decode, encode
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE


def sealed(script, seq=1, link=GENESIS):
    settlement = script.refusal(limits=(script.tokens(5, 1000), script.cost(7)))
    return replace(settlement, record=seal(settlement.record, "w", seq, link))


def test_a_settlement_survives_as_it_is(script):
    settlement = sealed(script)
    settlement = replace(settlement, record=replace(settlement.record, input="\ud800 é\n"))
    line = encode(settlement)
    assert line.count(b"\n") == 1
    assert decode(line) == settlement


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"{", b'{"record": 1}', b"\xff"])
def test_anything_else_is_an_error(line):
    with pytest.raises(ValueError):
        decode(line)


def test_the_file_is_private_and_locked(tmp_path, script):
    journal = Journal.create(tmp_path / "journal", "one")
    journal.append([sealed(script)])
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert adopt(tmp_path / "journal") == []
    journal.close()
    (orphan,) = adopt(tmp_path / "journal")
    assert len(list(orphan.read())) == 1
    orphan.clear()
    orphan.close()
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_torn_last_line_is_ignored_wherever_it_is_cut(tmp_path, script):
    whole = [encode(sealed(script, n)) for n in (1, 2)]
    data = b"".join(whole)
    path = tmp_path / "x.journal"
    for cut in (
        0,
        1,
        len(whole[0]) - 1,
        len(whole[0]),
        len(whole[0]) + 1,
        len(data) - 1,
        len(data),
    ):
        path.write_bytes(data[:cut])
        (orphan,) = adopt(tmp_path)
        expected = whole[: (cut >= len(whole[0])) + (cut == len(data))]
        assert [line for _, line in orphan.read()] == expected
        orphan.close()


def test_a_failed_write_leaves_nothing_behind(tmp_path, script):
    journal = Journal.create(tmp_path, "one")
    journal.append([sealed(script)])
    os.write(journal._descriptor, b'{"half')
    journal.append([sealed(script, 2)])
    assert [decode(line).record.seq for _, line in journal.read()] == [1, 2]
    journal.clear()
    journal.close()


def test_a_directory_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="journal directory"):
        Journal.create(tmp_path / "file", "one")


async def test_damaged_lines_are_set_aside_and_the_rest_is_replayed(
    own_server, script, tmp_path, until
):
    (tmp_path / "old.journal").write_bytes(b"garbage\n" + encode(sealed(script)))
    store = await open_store(own_server.url, tmp_path, timeout=PATIENCE)

    async def arrived():
        return len(await store.audit.recent("alice")) == 1

    await until(arrived)

    async def set_aside():
        return (tmp_path / "old.damaged").exists()

    await until(set_aside)
    await store.close()
    assert [path.name for path in tmp_path.glob("old*")] == ["old.damaged"]

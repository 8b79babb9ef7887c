from __future__ import annotations

import asyncio

import pytest

from amaze_proxy.control.bootstrap import BootstrapError, Loaded, load
from amaze_proxy.controller import _bootstrap
from amaze_proxy.history.registry import EntryKind
from amaze_proxy.settings import Settings, SettingsError

POLICIES = """
writer:
  name: w
  allowed_tools: [files/read]
reader: {}
"""
SERVERS = """
files:
  url: http://files.local:9000/mcp
  tools: [read, write]
  owner: me
web: https://web.example/mcp
"""


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "config"
    made.mkdir()
    (made / "policies.yaml").write_text(POLICIES)
    (made / "mcp_servers.yaml").write_text(SERVERS)
    return made


async def test_what_is_not_there_is_saved_once(directory, history, clock) -> None:
    loaded = await load(directory, history, clock)
    assert loaded == Loaded(("writer", "reader"), ("files", "web"))
    saved = await history.policies.active("writer")
    assert (saved.version, saved.author, saved.comment) == (1, "bootstrap", "from policies.yaml")
    files, web = await history.registry.page(EntryKind.MCP)
    assert (files.url, files.tools, files.owner) == (
        "http://files.local:9000/mcp",
        ("read", "write"),
        "me",
    )
    assert (web.status, web.url) == ("approved", "https://web.example/mcp")
    clock.now += 1
    assert await load(directory, history, clock) == Loaded((), ())


async def test_two_starts_at_once_save_once(directory, history, clock) -> None:
    both = await asyncio.gather(load(directory, history, clock), load(directory, history, clock))
    assert sorted(name for one in both for name in one.policies) == ["reader", "writer"]
    assert (await history.policies.heads())["writer"] == 1


async def test_it_is_published_by_the_reconciler(
    directory, history, store, clock, config, serve, until
) -> None:
    await load(directory, history, clock)
    async with serve(config, store, history, clock) as control:

        async def published() -> bool:
            return await control.store.policies.get("writer") is not None

        await until(published)
        assert (await control.ask("GET", "/mcp_servers/web")).json()["status"] == "approved"


async def test_nothing_is_overwritten_or_brought_back(directory, control) -> None:
    await control.create("writer", policy={"name": "mine"})
    await control.create("reader", policy={})
    await control.ask("DELETE", "/agents/reader")
    await control.ask("POST", "/mcp_servers", json={"name": "web", "url": "http://mine/mcp"})
    await control.create("files")  # an agent's name
    assert await load(directory, control.history, control.clock) == Loaded((), ())
    assert (await control.ask("GET", "/policy/writer")).json()["policy"] == {"name": "mine"}
    assert (await control.ask("GET", "/policy/reader")).status_code == 404
    assert (await control.ask("GET", "/mcp_servers/web")).json()["url"] == "http://mine/mcp"


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("policies.yaml", "a:\n  name: x\n  naem: y\n", "policies.yaml:3: a: unknown key 'naem'"),
        ("policies.yaml", "a: {}\nB: {}\n", "policies.yaml:2: B: 'B' is no agent id"),
        ("policies.yaml", "a:\n- 1\n", "policies.yaml:1: a: must be a mapping"),
        ("policies.yaml", "a:\n  allowed_tools:\n  - '*'\n", "policies.yaml:3: a.allowed_tools[0]"),
        ("policies.yaml", "a: [\n", "policies.yaml:2: the file is no YAML"),
        ("policies.yaml", "- a\n", "must be a mapping of names"),
        ("mcp_servers.yaml", "a:\n  tools: []\n", "mcp_servers.yaml:1: a.url: is required"),
        ("mcp_servers.yaml", "a: ftp://x\n", "mcp_servers.yaml:1: a.url: must be http"),
        ("mcp_servers.yaml", "a.b: http://x\n", "mcp_servers.yaml:1: a.b: 'a.b' is no name"),
    ],
)
async def test_a_fault_says_file_and_line_and_saves_nothing(
    directory, history, clock, file, text, words
) -> None:
    (directory / file).write_text(text)
    with pytest.raises(BootstrapError) as caught:
        await load(directory, history, clock)
    assert words in str(caught.value)
    assert await history.policies.heads() == {}
    assert await history.registry.page(EntryKind.MCP) == ()


async def test_every_fault_of_a_file_is_told(directory, history, clock) -> None:
    (directory / "policies.yaml").write_text("a: {x: 1}\nb: {y: 1}\n")
    with pytest.raises(BootstrapError) as caught:
        await load(directory, history, clock)
    assert len(str(caught.value).splitlines()) == 2


async def test_a_file_may_be_missing_or_empty_and_a_directory_may_not(
    directory, history, clock
) -> None:
    (directory / "policies.yaml").unlink()
    (directory / "mcp_servers.yaml").write_text("# none yet\n")
    assert await load(directory, history, clock) == Loaded((), ())
    (directory / "policies.yaml").write_bytes(b"\xff")
    with pytest.raises(BootstrapError, match="cannot be read"):
        await load(directory, history, clock)
    with pytest.raises(BootstrapError, match="AMAZE_CONFIG_DIR"):
        await load(directory / "none", history, clock)


async def test_a_fault_stops_the_start_as_a_bad_setting_does(directory, history) -> None:
    (directory / "policies.yaml").write_text("a: 1\n")
    with pytest.raises(SettingsError, match=r"policies.yaml:1"):
        await _bootstrap(Settings(config_dir=directory), history)
    await _bootstrap(Settings(), history)
    assert await history.policies.heads() == {}

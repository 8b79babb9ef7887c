"""Who is where."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.directory import (
    AgentPlace,
    Ambiguous,
    Directory,
    Disguised,
    HostPlace,
    Place,
    ServerPlace,
    authority_of,
)
from amaze_proxy.store import registry
from amaze_proxy.store.agents import Endpoint
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.registry import EntryStatus, LlmHost, McpServer
from amaze_proxy.wire.authority import AuthorityError

APPROVED, PENDING = EntryStatus.APPROVED, EntryStatus.PENDING


@dataclass
class Fixed:
    """A source that says what it is told to."""

    servers: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    agents: dict[str, Endpoint] = field(default_factory=dict)
    number: int = 1
    reads: int = 0
    away: bool = False

    async def generation(self) -> int:
        if self.away:
            raise StoreUnavailable("away")
        return self.number

    async def claim(self, agent_id: str, addresses: Sequence[str]) -> None:
        self.number += 1

    async def saw(self, name: str, tools: Mapping[str, str]) -> None:
        self.number += 1

    async def directory(self) -> registry.Directory:
        self.reads += 1
        agents = tuple(registry.AgentPlace(name, at) for name, at in self.agents.items())
        return registry.Directory(
            self.number,
            tuple(McpServer(name, url, APPROVED) for name, url in self.servers.items()),
            tuple(LlmHost(name, url, "openai", PENDING) for name, url in self.hosts.items()),
            tuple(one for one in agents if one.endpoint.a2a_port or one.endpoint.chat_port),
            frozenset(self.agents),
        )


async def found(source: Fixed, url: str) -> Place | None:
    directory = Directory(source)
    await directory.refresh()
    rest = url.partition("://")[2]
    return directory.find(authority_of(url), "/" + rest.partition("/")[2])


def named(place: Place | None) -> tuple[str, str] | None:
    match place:
        case ServerPlace(server=server, path=path):
            return server.name, path
        case HostPlace(host=host, path=path):
            return host.name, path
        case _:
            return None


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://demo/mcp", "/tools/mcp"),
        ("http://demo/", "/tools/mcp"),
        ("https://demo/mcp", "/tools/mcp"),
        ("http://demo/messages", "/messages"),
        ("http://10.0.0.1:9000/tools/mcp", "/tools/mcp"),
        ("http://10.0.0.1:9000/messages", "/messages"),
    ],
)
async def test_a_server_by_its_name_and_where_it_is(url: str, path: str) -> None:
    source = Fixed(servers={"demo": "http://10.0.0.1:9000/tools/mcp"})
    assert named(await found(source, url)) == ("demo", path)


async def test_a_server_without_a_path() -> None:
    source = Fixed(servers={"demo": "http://10.0.0.1:9000"})
    assert named(await found(source, "http://demo/mcp")) == ("demo", "/")


async def test_names_are_places_at_the_default_ports_alone() -> None:
    source = Fixed(
        servers={"demo": "http://a:1/"}, hosts={"own": "http://b:1/"}, agents={"w": Endpoint()}
    )
    for name in ("demo", "own", "w"):
        assert await found(source, f"http://{name}:8000/") is None
        assert await found(source, f"http://{name}/") is not None


async def test_the_longest_path_of_several_servers() -> None:
    source = Fixed(servers={"a": "http://h:9000/x", "b": "http://h:9000/x/y", "c": "http://h:9000"})
    assert named(await found(source, "http://h:9000/x/y/z")) == ("b", "/x/y/z")
    assert named(await found(source, "http://h:9000/x/yy")) == ("a", "/x/yy")
    assert named(await found(source, "http://h:9000/other")) == ("c", "/other")


async def test_a_path_that_is_none_of_several_servers() -> None:
    source = Fixed(servers={"a": "http://h:9000/x", "b": "http://h:9000/y"})
    assert await found(source, "http://h:9000/z") == Ambiguous(("a", "b"))


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_the_longest_base_of_several_llm_hosts(order: tuple[str, str]) -> None:
    urls = {"a": "http://h:9000/", "b": "http://h:9000/b/"}
    source = Fixed(hosts={name: urls[name] for name in order})
    assert named(await found(source, "http://h:9000/b/v1/chat")) == ("b", "/v1/chat")
    assert named(await found(source, "http://h:9000/v1/chat")) == ("a", "/v1/chat")
    assert named(await found(source, "http://h:9000/bb")) == ("a", "/bb")


async def test_a_host_by_its_name_and_below_its_base() -> None:
    source = Fixed(hosts={"own": "https://llm.example/base"})
    assert named(await found(source, "http://own/v1/chat")) == ("own", "/v1/chat")
    assert named(await found(source, "https://llm.example/base/v1")) == ("own", "/v1")
    assert named(await found(source, "https://llm.example/base")) == ("own", "/")
    assert await found(source, "https://llm.example/other") is None


async def test_an_agent_by_its_name_and_where_it_listens() -> None:
    both = Endpoint(chat_host="c", chat_port=1, a2a_host="d", a2a_port=2)
    source = Fixed(agents={"writer": both, "silent": Endpoint()})
    assert await found(source, "http://writer/x") == AgentPlace("writer")
    assert await found(source, "http://silent/") == AgentPlace("silent")
    assert await found(source, "http://c:1/") == AgentPlace("writer", chat=True)
    assert await found(source, "http://d:2/") == AgentPlace("writer")
    assert await found(source, "http://e:2/") is None


async def test_one_address_for_both_takes_calls_of_agents() -> None:
    same = Endpoint(chat_host="d", chat_port=2, a2a_host="d", a2a_port=2)
    assert await found(Fixed(agents={"w": same}), "http://d:2/") == AgentPlace("w")


@pytest.mark.parametrize("url", ["ftp://x/", "http://a b/", "x", "http://user@h/", "http://h:0/"])
async def test_nobody_is_led_to_what_cannot_be_dialled(url: str) -> None:
    with pytest.raises(AuthorityError):
        authority_of(url)
    source = Fixed(servers={"demo": url}, hosts={"own": url})
    assert await found(source, "http://x/") is None


async def test_it_is_read_anew_when_it_changed() -> None:
    source = Fixed()
    directory = Directory(source)
    assert await directory.refresh()
    assert not await directory.refresh()
    source.number = 2
    assert await directory.refresh()
    assert source.reads == 2


async def test_the_watch_outlives_the_stores_silence() -> None:
    source = Fixed(servers={"demo": "http://h:1/"}, away=True)
    directory = Directory(source)
    watching = asyncio.create_task(directory.watch(every=0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert source.reads == 0
    source.away = False
    while not source.reads:
        await asyncio.sleep(0)
    directory.close()
    await watching
    assert directory.find(authority_of("http://demo/"), "/") is not None


PATH = st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=4).map(lambda x: "/" + "/".join(x))


@given(PATH, PATH)
def test_a_host_gets_what_is_below_its_base_and_nothing_else(base: str, path: str) -> None:
    place = asyncio.run(found(Fixed(hosts={"own": f"http://h:9000{base}"}), f"http://h:9000{path}"))
    stem = base.rstrip("/")
    if place is None or isinstance(place, Disguised):
        assert path != stem
        assert not path.startswith(f"{stem}/")
    else:
        assert isinstance(place, HostPlace)
        assert stem + place.path in (path, f"{path}/")

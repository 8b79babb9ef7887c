"""What a malicious agent, MCP server, callee or stranger tries on the whole line."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from amaze_proxy.pipeline.relay import Abort
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.a2a import answers
from amaze_proxy.store.admission import Admission, Admitted, Outcome
from amaze_proxy.store.registry import EntryStatus
from amaze_proxy.wire.upstream import BrokenResponse
from tests.pipeline.fakes import (
    BEARER,
    JSON,
    SSE,
    WEB,
    WRONG,
    FakeResponse,
    Reply,
    World,
    whole,
)

REAL = "http://127.0.0.1:9000/mcp"
MCP = (BEARER, JSON, (b"accept", b"application/json, text/event-stream"))
STRANGER = (b"x-amaze-bearer", WRONG.encode())
POLICY: dict[str, Any] = {
    "name": "narrow",
    "allowed_tools": ["add"],
    "allowed_agents": ["writer"],
    "allowed_hosts": ["files.example.com", "mcp.example.com"],
}


@pytest.fixture
async def world() -> World:
    world = World(POLICY)
    world.registered.server("demo", REAL)
    world.registered.agent("writer", ("10.0.0.5", 9100))
    await world.line.directory.refresh()
    world.upstreams.reply = Reply([result({"content": []})])
    return world


def result(value: Any, rpc_id: Any = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": rpc_id, "result": value}).encode()


def rpc(method: str, rpc_id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": rpc_id, "method": method, "params": params}


def tool(name: str, rpc_id: Any = 1) -> dict[str, Any]:
    return rpc("tools/call", rpc_id, name=name, arguments={})


def event(value: bytes) -> bytes:
    return b"event: message\ndata: " + value + b"\n\n"


def asks(rpc_id: int, method: str = "sampling/createMessage") -> bytes:
    return event(json.dumps(rpc(method, rpc_id)).encode())


# -- other ways into the machine of an MCP server ---------------------------------------------


@pytest.mark.parametrize("method", ["DELETE", "GET"])
async def test_a_server_has_no_other_place_than_its_own(world: World, method: str) -> None:
    """Beside /mcp there may be the very API that the tools stand for."""
    answer = await world.call("http://demo/users/5", method=method, headers=MCP)
    assert answer.status >= 400
    assert world.upstreams.sent == []
    assert world.record.denied


@pytest.mark.parametrize("method", ["DELETE", "GET", "POST"])
async def test_a_server_at_the_root_has_no_other_place_either(world: World, method: str) -> None:
    world.registered.server("root", "http://127.0.0.1:9001")
    await world.line.directory.refresh()
    body = rpc("ping") if method == "POST" else b""
    for where in ("http://root/users/5", "http://127.0.0.1:9001/users/5"):
        answer = await world.call(where, body, method=method, headers=MCP)
        assert answer.status >= 400 or answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


@pytest.mark.parametrize("where", ["http://demo", "http://127.0.0.1:9000"])
async def test_a_ping_is_no_way_to_post_to_another_place(world: World, where: str) -> None:
    """Frameworks that read a body into a model pass over the members that they do not know."""
    body = {**rpc("ping"), "name": "mallory", "role": "admin"}
    answer = await world.call(f"{where}/users", body, headers=MCP)
    assert answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


@pytest.mark.parametrize("accept", [b"*/*", b"text/*", b"application/json"])
async def test_a_stream_of_the_server_is_read_whatever_the_client_says_it_accepts(
    world: World, accept: bytes
) -> None:
    world.registered.server("public", "https://mcp.example.com/sse")
    await world.line.directory.refresh()
    world.upstreams.reply = Reply([asks(7)], headers=[SSE])
    headers = (BEARER, (b"accept", accept))
    answer = await world.call("https://mcp.example.com/sse", method="GET", headers=headers)
    assert b"sampling" not in answer.body


@pytest.mark.parametrize("path", ["/%73se", "//sse", "/SSE", "/x/../sse", "/x/%2e%2e/sse"])
async def test_a_stream_has_no_second_spelling(world: World, path: str) -> None:
    world.registered.server("public", "https://mcp.example.com/sse")
    await world.line.directory.refresh()
    answer = await world.call(f"https://mcp.example.com{path}", method="GET", headers=(BEARER,))
    assert answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


async def test_what_is_next_to_a_server_is_another_host(world: World) -> None:
    """OAuth's metadata, for one."""
    world.registered.server("public", "https://mcp.example.com/mcp")
    await world.line.directory.refresh()
    url = "https://mcp.example.com/.well-known/oauth-protected-resource"
    world.upstreams.reply = whole()
    answer = await world.call(url, method="GET", headers=(BEARER,))
    assert (answer.status, world.record.kind) == (200, "http")


@pytest.mark.parametrize(
    "header",
    [
        (b"mcp-session-id", b"s-1"),
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", b"tools/call"),
    ],
)
@pytest.mark.parametrize("kind", [b"application/json", b"text/json", b"application/json, x/y"])
async def test_mcp_to_nobody_is_known_by_its_headers(
    world: World, header: tuple[bytes, bytes], kind: bytes
) -> None:
    """Chunked, or with a media type of its own, its body is not looked into."""
    headers = (BEARER, (b"content-type", kind), header)
    answer = await world.call(WEB, tool("drop"), headers=headers)
    assert answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


async def test_a_server_that_is_a_model_provider_is_no_way_round_the_budgets(
    world: World,
) -> None:
    world.registered.server("sly", "https://api.openai.com/v1/chat/completions")
    await world.line.directory.refresh()
    body = {**rpc("ping"), "model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}
    answer = await world.call("http://sly/mcp", body, headers=MCP)
    assert answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


@pytest.mark.parametrize("path", ["//v1/chat/completions", "/v1%2fchat/x", "/V1/x"])
async def test_the_rest_of_a_model_host_is_no_free_host(world: World, path: str) -> None:
    world.registered.host("house", "https://mcp.example.com/v1")
    await world.line.directory.refresh()
    answer = await world.call(f"https://mcp.example.com{path}", {"model": "x"}, headers=MCP)
    assert answer.reason == "llm-not-allowed"
    assert world.upstreams.sent == []


# -- who waits for approval ---------------------------------------------------------------------


async def test_a_server_that_waits_takes_no_host_from_anybody(world: World) -> None:
    world.registered.server("squat", "https://files.example.com/", EntryStatus.PENDING)
    await world.line.directory.refresh()
    world.upstreams.reply = whole()
    answer = await world.call(WEB, b"x", headers=(BEARER,))
    assert (answer.status, world.record.kind) == (200, "http")


async def test_a_server_that_waits_takes_no_address_from_another(world: World) -> None:
    world.registered.servers.clear()
    world.registered.server("aaa", REAL, EntryStatus.PENDING)
    world.registered.server("demo", REAL)
    await world.line.directory.refresh()
    answer = await world.call(REAL, tool("add"), headers=MCP)
    assert (answer.status, world.record.target, world.record.denied) == (200, "demo", False)


@pytest.mark.parametrize(
    ("method", "discovery"),
    [
        ("initialize", True),
        ("ping", True),
        ("tools/list", True),
        ("logging/setLevel", False),
        ("tasks/list", False),
        ("subscriptions/listen", False),
    ],
)
async def test_discovery_is_to_look_at_what_there_is(
    world: World, method: str, discovery: bool
) -> None:
    """It is what agents may do that are not approved, or have no policy."""
    world.upstreams.reply = Reply([result({})])
    await world.call("http://demo/mcp", rpc(method), headers=MCP)
    assert [one.discovery for one in world.gate.admissions] == [discovery]


async def test_an_answer_to_a_server_is_no_discovery(world: World) -> None:
    world.upstreams.reply = Reply(status=202, headers=[])
    await world.call("http://demo/mcp", result({"role": "assistant"}), headers=MCP)
    assert [one.discovery for one in world.gate.admissions] == [False]


# -- refusals on MCP's first transport ----------------------------------------------------------

ROUND = "http://demo/messages/?session_id=7"


async def test_a_stranger_moves_nothing_to_a_server(world: World) -> None:
    answer = await world.call(ROUND, tool("add"), headers=(STRANGER, *MCP[1:]))
    assert answer.reason == "invalid-bearer"
    assert world.upstreams.sent == []


@pytest.mark.parametrize("reason", [Reason.AGENT_QUARANTINED, Reason.AGENT_NOT_APPROVED])
async def test_the_refusal_of_an_agent_moves_nothing_to_a_server(
    world: World, reason: Reason
) -> None:
    def refuse(_: Admission) -> Admitted:
        return Admitted(Outcome.REFUSED, reason, session_id="session-1")

    world.gate.answers.append(refuse)
    answer = await world.call(ROUND, tool("add"), headers=MCP)
    assert answer.reason == reason.value
    assert world.upstreams.sent == []


async def test_a_rejected_server_hears_nothing(world: World) -> None:
    world.registered.server("demo", REAL, EntryStatus.REJECTED)
    answer = await world.call(ROUND, tool("add"), headers=MCP)
    assert answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


# -- A2A ----------------------------------------------------------------------------------------

SEND = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}


@pytest.mark.parametrize(
    "path",
    [
        "/a2a/v1/message:send",
        "/Message:Send",
        "/MESSAGE:STREAM",
        "/x/y/z/message:send",
        "/a/b/tasks/t1/pushNotificationConfigs",
    ],
)
async def test_a_look_is_no_message_at_another_servers_path(world: World, path: str) -> None:
    """Express matches paths in any case, and an application may be mounted anywhere: there the
    path says what is done, and the method in the body nothing."""
    body = {**rpc("GetTask", id="t"), "message": SEND}
    answer = await world.call(f"http://writer{path}", body, headers=(BEARER, JSON))
    assert answer.reason in ("not-allowed", "malformed-request")
    assert world.upstreams.sent == []


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example\\@files.example.com/",
        "http://files.example.com@evil.example/",
        "http://evil.example#@files.example.com/",
        "http://0x7f.1/",
    ],
)
async def test_a_webhook_is_where_every_reader_of_its_url_goes(world: World, url: str) -> None:
    """A backslash is a slash to WHATWG's readers: `http://evil\\@allowed/` is at evil."""
    params = {"message": SEND, "configuration": {"pushNotificationConfig": {"url": url}}}
    answer = await world.call(
        "http://writer/", rpc("SendMessage", **params), headers=(BEARER, JSON)
    )
    assert world.upstreams.sent == []
    assert answer.reason in ("malformed-request", "host-not-allowed")


async def test_the_secrets_of_a_webhook_are_not_recorded(world: World) -> None:
    hook = {
        "url": "https://files.example.com/hook",
        "authentication": {"schemes": ["Bearer"], "credentials": "hunter2hunter2"},
    }
    params = {"message": SEND, "configuration": {"pushNotificationConfig": hook}}
    await world.call("http://writer/", rpc("SendMessage", **params), headers=(BEARER, JSON))
    assert "files.example.com" in world.record.input
    assert "hunter2" not in world.record.input


async def test_an_agent_that_listens_at_a_model_provider(world: World) -> None:
    world.registered.agent("writer", ("api.openai.com", 443))
    body = {**rpc("SendMessage", message=SEND), "model": "gpt-4.1", "messages": []}
    url = "http://writer/v1/chat/completions"
    answer = await world.call(url, body, headers=(BEARER, JSON))
    assert answer.reason == "not-allowed"
    assert world.upstreams.sent == []


async def test_an_answer_of_many_values_is_not_built_in_memory(world: World) -> None:
    """64 MB of `[],` are a gigabyte of lists."""
    body = b'{"jsonrpc":"2.0","id":1,"result":[' + b"[]," * 200_000 + b"0]}"
    world.upstreams.reply = Reply([body])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "json", None)  # whoever asks it to read fails
        answer = await world.call(
            "http://writer/", rpc("SendMessage", message=SEND), headers=(BEARER, JSON)
        )
    assert answer.body == body
    assert not world.settlement.burn_step


# -- answers ------------------------------------------------------------------------------------


async def test_an_error_in_disguise_tells_no_result(world: World) -> None:
    body = gzip.compress(result({"tools": [{"name": "drop"}]}))
    world.upstreams.reply = Reply(
        [body], status=400, headers=[JSON, (b"content-encoding", b"gzip")]
    )
    answer = await world.call("http://demo/mcp", rpc("tools/list"), headers=MCP)
    assert answer.reason == "upstream-unreachable"


async def test_a_server_asks_no_more_than_can_be_recorded(world: World) -> None:
    one = {"method": "sampling/createMessage", "params": {}}
    inputs = {str(number): one for number in range(5000)}
    world.upstreams.reply = Reply([result({"inputRequests": inputs})])
    await world.call("http://demo/mcp", tool("add"), headers=MCP)
    assert len(world.gate.settlements) < 200


async def test_a_long_method_of_a_server_is_not_recorded_whole(world: World) -> None:
    parts = [asks(9, "x" * 1_000_000), event(result({"content": []}))]
    world.upstreams.reply = Reply(parts, headers=[SSE])
    await world.call("http://demo/mcp", tool("add"), headers=MCP)
    refused, _ = [one.record for one in world.gate.settlements]
    assert len(refused.method) <= 256


# -- batches ------------------------------------------------------------------------------------


def batch(*messages: dict[str, Any]) -> bytes:
    return json.dumps(messages).encode()


@pytest.mark.parametrize("headers", [MCP, MCP[:2]])
async def test_a_batch_that_breaks_off_is_recorded_as_what_it_was(
    world: World, headers: Any
) -> None:
    world.upstreams.reply = Reply(
        [event(json.dumps({"jsonrpc": "2.0", "method": "notifications/x"}).encode())],
        headers=[SSE],
        fault=BrokenResponse("cut"),
    )
    answer = await world.call(
        "http://demo/mcp", batch(tool("add"), tool("add", 2)), headers=headers
    )
    assert isinstance(answer.error, Abort)
    assert {one.record.tool for one in world.gate.settlements} == {"add"}
    assert not any(one.record.denied for one in world.gate.settlements)
    assert not answer.complete


@pytest.mark.parametrize("at", range(12))
async def test_a_client_that_leaves_a_batch_leaves_its_records(world: World, at: int) -> None:
    world.leave_at = at
    await world.call("http://demo/mcp", batch(tool("add"), tool("drop", 2)), headers=MCP)
    records = [one.record for one in world.gate.settlements]
    assert not any(one.denial_reason == "internal-error" for one in records)
    ids = [one.decision_id for one in records]
    assert len(set(ids)) == len(ids)
    assert len(records) >= 1


async def test_an_answer_of_a_batch_may_speak_of_methods(world: World) -> None:
    told = result({"content": [], "structuredContent": {"method": "GET"}})
    world.upstreams.reply = Reply([event(told)], headers=[SSE])
    answer = await world.call("http://demo/mcp", batch(tool("add")), headers=MCP[:2])
    assert [one["id"] for one in answer.json] == [1]


async def test_what_a_batch_keeps_is_bounded(world: World) -> None:
    world.rule(answer_body_max=10_000)
    note = event(json.dumps({"jsonrpc": "2.0", "method": "notifications/x"}).encode())
    world.upstreams.reply = Reply([note] * 1000 + [event(result({}))], headers=[SSE])
    answer = await world.call("http://demo/mcp", batch(tool("add")), headers=MCP[:2])
    assert [one["id"] for one in answer.json] == [1]


# -- the exit -----------------------------------------------------------------------------------


async def test_a_client_that_leaves_just_before_the_settlement_is_settled(world: World) -> None:
    """Whoever is cancelled between the start of the settlement and its first step."""
    chunks = FakeResponse.chunks

    async def leaving(self: FakeResponse) -> AsyncIterator[bytes]:
        async for part in chunks(self):
            yield part
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeResponse, "chunks", leaving)
        await world.call("http://demo/mcp", tool("add"), headers=MCP)
    assert world.record.tool == "add"
    assert world.settlement.charged


async def test_a_hop_ends_also_where_the_refusal_is_not_worth_a_record(world: World) -> None:
    body = rpc("SendMessage", message=SEND)
    await world.call("http://writer/", body, headers=(BEARER, JSON))
    world.gate.answers.append(Admitted(Outcome.REFUSED, Reason.INVALID_BEARER))
    for _ in range(600):
        await world.call("http://writer/", body, headers=(STRANGER, JSON))
    await world.call("http://writer/", body, headers=(BEARER, JSON))
    assert len(world.registered.hops) == len(world.registered.ended)

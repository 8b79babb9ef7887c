"""MCP on the whole line: what passes, what is refused in which shape, what is recorded."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from amaze_proxy.policy.decision import Reason
from amaze_proxy.store.admission import Admission, Admitted, Outcome
from amaze_proxy.store.registry import EntryStatus
from tests.pipeline.fakes import BEARER, JSON, SSE, WRONG, Reply, World
from tests.pipeline.mcp import MCP, POLICY, REAL, URL, event, make, result, rpc, tool


@pytest.fixture
async def world() -> World:
    return await make(POLICY)


async def test_an_allowed_tool_reaches_the_registered_url(world: World) -> None:
    answer = await world.call(URL, tool("add", a=1), headers=MCP)
    assert answer.status == 200
    assert answer.json["result"] == {"content": []}
    sent = world.sent
    assert (str(sent.target.authority), sent.raw_path) == ("http://127.0.0.1:9000", b"/mcp")
    assert sent.target.allow_private
    record = world.record
    assert (record.kind, record.target, record.tool) == ("mcp", "demo", "add")
    assert (record.method, record.denied) == ("tools/call", False)
    (asked,) = world.gate.admissions
    assert asked.charge.tool_calls == 1


async def test_the_real_url_is_the_same_server(world: World) -> None:
    answer = await world.call(REAL, tool("drop"), headers=MCP)
    assert answer.json["result"]["isError"] is True
    assert world.record.target == "demo"


@pytest.mark.parametrize(
    ("body", "reason"),
    [(tool("drop"), "tool-not-allowed"), (tool("add", a=3), "argument-not-allowed")],
)
async def test_a_refused_tool_is_a_result_that_the_model_can_read(
    world: World, body: dict[str, Any], reason: str
) -> None:
    answer = await world.call(URL, body, headers=MCP)
    assert answer.verdict == (200, reason)
    told = answer.json["result"]
    assert told["isError"] is True
    assert reason in told["content"][0]["text"]
    assert world.upstreams.sent == []
    assert (world.record.denied, world.record.denial_reason) == (True, reason)


async def test_a_client_without_a_stream_gets_the_status(world: World) -> None:
    answer = await world.call(URL, tool("drop"), headers=(BEARER, JSON))
    assert answer.verdict == (403, "tool-not-allowed")
    assert answer.json["reason"] == "tool-not-allowed"


async def test_other_methods_are_refused_as_errors(world: World) -> None:
    answer = await world.call(URL, rpc("resources/read", {"uri": "file:///etc"}), headers=MCP)
    assert answer.status == 200
    assert answer.json["error"]["code"] == -31403
    assert world.upstreams.sent == []


async def test_a_method_that_is_not_known_is_refused(world: World) -> None:
    answer = await world.call(URL, rpc("tools/execute", {"name": "drop"}), headers=MCP)
    assert answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


STATELESS = (*MCP, (b"mcp-protocol-version", b"2026-07-28"))


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        (MCP, rpc("tools/execute"), 200, -32601),
        (STATELESS, rpc("tools/execute"), 404, -32601),
        (STATELESS, rpc("resources/subscribe"), 404, -32601),
        ((*STATELESS, (b"mcp-method", b"ping")), rpc("tools/list"), 400, -32020),
        ((*STATELESS, (b"mcp-name", b"=?base64?x?=")), tool("add", a=1), 400, -32020),
        ((*MCP, (b"mcp-protocol-version", b"v999.0.0")), rpc("tools/list"), 400, -32022),
        (MCP, rpc("resources/read"), 400, -32602),
    ],
)
async def test_what_any_server_would_refuse_is_refused_as_it_would(
    world: World, headers: Any, body: dict[str, Any], status: int, code: int
) -> None:
    answer = await world.call(URL, body, headers=headers)
    told = answer.json
    assert (answer.status, told["id"], told["error"]["code"]) == (status, 1, code)
    record = world.record
    assert told["error"]["data"]["reason"] == answer.reason == record.denial_reason
    assert told["error"]["data"]["decision_id"] == record.decision_id
    assert (record.denied, record.target, record.method) == (True, "demo", body["method"])
    assert world.upstreams.sent == []
    if code == -32022:
        assert told["error"]["data"]["supported"] == ["2026-07-28"]


@pytest.mark.parametrize(
    ("document", "status", "reason"),
    [
        ({"method": "tools/execute"}, 202, "mcp-not-allowed"),
        ({"method": "tools/call", "params": {"name": "drop"}}, 400, "malformed-request"),
    ],
)
async def test_a_notification_gets_no_json_rpc_answer(
    world: World, document: dict[str, Any], status: int, reason: str
) -> None:
    answer = await world.call(URL, {"jsonrpc": "2.0", **document}, headers=MCP)
    assert answer.verdict == (status, reason)
    assert b"jsonrpc" not in answer.body
    assert world.upstreams.sent == []


async def test_a_stranger_learns_nothing_of_a_message_that_is_wrong(world: World) -> None:
    headers = ((b"x-amaze-bearer", WRONG.encode()), *MCP[1:])
    answer = await world.call(URL, rpc("tools/execute"), headers=headers)
    assert answer.reason == "invalid-bearer"
    assert answer.json["error"]["code"] == -31403


@pytest.mark.parametrize(("event_id", "whole"), [(b"id: 1\n", True), (b"", False)])
async def test_a_stream_may_end_early_if_it_can_be_resumed(
    world: World, event_id: bytes, whole: bool
) -> None:
    world.upstreams.reply = Reply([event_id + b"data:\n\n"], headers=[SSE])
    answer = await world.call(URL, tool("add", a=1), headers=MCP)
    assert answer.complete is whole
    assert (b"upstream-unreachable" in answer.body) is not whole
    assert world.settlement.charged


async def test_a_list_shows_what_may_be_called(world: World) -> None:
    tools = [{"name": "add"}, {"name": "drop"}, {"name": "echo"}]
    world.upstreams.reply = Reply([result({"tools": tools, "nextCursor": "x"})])
    answer = await world.call(URL, rpc("tools/list"), headers=MCP)
    assert [one["name"] for one in answer.json["result"]["tools"]] == ["add", "echo"]
    assert answer.json["result"]["nextCursor"] == "x"


async def test_a_streamed_list_is_filtered_too(world: World) -> None:
    listed = event(result({"tools": [{"name": "drop"}, {"name": "add"}]}))
    world.upstreams.reply = Reply([listed[:40], listed[40:]], headers=[SSE])
    answer = await world.call(URL, rpc("tools/list"), headers=MCP)
    assert b"add" in answer.body
    assert b"drop" not in answer.body


async def test_a_server_that_nobody_registered(world: World) -> None:
    body = json.dumps(tool("add", a=1)).encode()
    headers = (*MCP, (b"content-length", b"%d" % len(body)))
    answer = await world.call("http://other.example/mcp", body, headers=headers)
    assert answer.reason == "mcp-not-allowed"
    assert answer.json["result"]["isError"] is True
    assert world.upstreams.sent == []


@pytest.mark.parametrize("status", [EntryStatus.PENDING, EntryStatus.REJECTED])
async def test_a_server_that_is_not_approved(world: World, status: EntryStatus) -> None:
    world.registered.server("demo", REAL, status)
    answer = await world.call(URL, tool("add", a=1), headers=MCP)
    assert answer.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []
    assert not world.settlement.charged


async def test_what_a_worker_has_not_heard_of_yet_is_looked_up(world: World) -> None:
    world.registered.server("fresh", "http://127.0.0.1:9001/x")
    body = json.dumps(tool("add", a=1)).encode()
    headers = (*MCP, (b"content-length", b"%d" % len(body)))
    answer = await world.call("http://fresh/mcp", body, headers=headers)
    assert answer.status == 200
    assert world.sent.raw_path == b"/x"


async def test_a_pending_agent_may_look_at_what_is_new_to_the_worker_too(world: World) -> None:
    def pending(admission: Admission) -> Admitted:
        if not admission.discovery:
            return Admitted(Outcome.REFUSED, Reason.AGENT_NOT_APPROVED, session_id="s")
        return Admitted(Outcome.ADMITTED, turn_id="t", session_id="s")

    world.registered.server("fresh", "http://127.0.0.1:9001/x")
    world.upstreams.reply = Reply([result({})])
    world.gate.answers.extend([pending, pending])
    body = json.dumps(rpc("initialize")).encode()
    headers = (*MCP, (b"content-length", b"%d" % len(body)))
    answer = await world.call("http://fresh/mcp", body, headers=headers)
    assert answer.verdict == (200, "")
    assert world.sent.raw_path == b"/x"


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"drop"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"drop"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","NAME":"drop"}}',
        b"\xef\xbb\xbf" + json.dumps(tool("add", a=1)).encode(),
        json.dumps(tool("add", a=1)).encode("utf-16"),
        json.dumps(tool("add", a=1)).encode() + b"\n" + json.dumps(tool("drop")).encode(),
        b"[" * 3000 + b"]" * 3000,
        json.dumps({**tool("drop"), "id": None}).encode(),
        json.dumps(tool("")).encode(),
        b"/* x */" + json.dumps(tool("add", a=1)).encode(),
    ],
)
async def test_what_two_readers_could_take_differently_is_refused(
    world: World, body: bytes
) -> None:
    answer = await world.call(URL, body, headers=MCP)
    assert answer.verdict == (400, "malformed-request")
    assert world.upstreams.sent == []
    assert world.record.denied


@pytest.mark.parametrize("method", ["PUT", "PATCH", "GET", "DELETE"])
async def test_a_body_in_another_method_is_refused(world: World, method: str) -> None:
    answer = await world.call(URL, tool("drop"), method=method, headers=MCP)
    assert answer.reason == "malformed-request"
    assert world.upstreams.sent == []


async def test_a_batch_is_decided_one_by_one(world: World) -> None:
    batch = [tool("add", 1, a=1), tool("drop", 2), rpc("notifications/initialized")]
    del batch[2]["id"]
    answer = await world.call(URL, json.dumps(batch).encode(), headers=(BEARER, JSON))
    first, second = answer.json
    assert first["result"] == {"content": []}
    assert second["result"]["isError"] is True
    records = [one.record for one in world.gate.settlements]
    assert [(one.tool, one.denied) for one in records] == [
        ("add", False),
        ("drop", True),
        ("", False),
    ]
    assert [json.loads(sent.body)["method"] for sent in world.upstreams.sent] == [
        "tools/call",
        "notifications/initialized",
    ]


async def test_a_batch_for_a_client_that_takes_events(world: World) -> None:
    batch = [tool("add", 1, a=1), tool("drop", 2)]
    answer = await world.call(URL, json.dumps(batch).encode(), headers=MCP)
    data = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if "data: " in line]
    assert [one["id"] for one in data] == [1, 2]
    assert data[1]["result"]["isError"] is True


async def test_an_answer_that_cannot_be_read_is_counted_and_recorded(world: World) -> None:
    headers = [JSON, (b"content-encoding", b"gzip")]
    world.upstreams.reply = Reply([result({"content": []})], headers=headers)
    answer = await world.call(URL, tool("add", a=1), headers=MCP)
    assert answer.reason == "upstream-unreachable"
    assert answer.json["result"]["isError"] is True
    assert world.settlement.charged
    assert not world.record.denied


async def test_an_error_of_the_server_does_not_burn_a_step(world: World) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "unknown tool"}}
    world.upstreams.reply = Reply([json.dumps(error).encode()])
    answer = await world.call(URL, tool("add", a=1), headers=MCP)
    assert answer.json["error"]["message"] == "unknown tool"
    assert world.settlement.charged
    assert not world.settlement.burn_step


async def test_a_refusal_on_the_first_transport_goes_round_by_the_server(world: World) -> None:
    world.registered.server("demo", "http://127.0.0.1:9000/sse")
    await world.line.directory.refresh()
    opened = b"event: endpoint\ndata: http://127.0.0.1:9000/messages/?session_id=7\n\n"
    world.upstreams.reply = Reply([opened], headers=[SSE])
    stream = await world.call("http://demo/sse", method="GET", headers=MCP)
    endpoint = stream.body.partition(b"data: ")[2].strip().decode()
    assert endpoint.startswith("/messages/?session_id=7&")
    world.upstreams.sent.clear()
    world.upstreams.reply = Reply([b"Accepted"], status=202, headers=[])
    answer = await world.call(f"http://demo{endpoint}", tool("drop"), headers=(BEARER, JSON))
    assert answer.verdict == (202, "tool-not-allowed")
    ping = world.sent.json
    assert ping["method"] == "ping"
    assert b"drop" not in world.sent.body
    world.upstreams.reply = Reply(
        [
            opened,
            event(result({}, ping["id"])),
        ],
        headers=[SSE],
    )
    stream = await world.call("http://demo/sse", method="GET", headers=MCP)
    second = stream.body.split(b"\n\n")[1]
    told = json.loads(second.partition(b"data: ")[2])
    assert told["id"] == 1
    assert told["result"]["isError"] is True


async def test_what_a_server_may_not_ask_is_answered_for_the_client(world: World) -> None:
    asks = {"jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage", "params": {}}
    parts = [event(json.dumps(asks).encode()), event(result({"content": []}))]
    world.upstreams.reply = Reply(parts, headers=[SSE])
    answer = await world.call(URL, tool("add", a=1), headers=MCP)
    assert b"sampling" not in answer.body
    assert answer.complete
    reply = world.upstreams.sent[1].json
    assert (reply["id"], "error" in reply) == (9, True)
    refused, passed = [one.record for one in world.gate.settlements]
    assert (refused.method, refused.denied) == ("sampling/createMessage", True)
    assert not passed.denied


async def test_shadow_mode_lets_everything_pass_and_says_what_it_would_do() -> None:
    world = await make({**POLICY, "enforcement": "shadow"})
    answer = await world.call(URL, tool("drop"), headers=MCP)
    assert answer.json["result"] == {"content": []}
    assert world.record.would_deny == "tool-not-allowed"


async def test_a_compressed_request_is_sent_as_it_was_read(world: World) -> None:
    body = gzip.compress(json.dumps(tool("add", a=1)).encode())
    headers = (*MCP, (b"content-encoding", b"gzip"))
    answer = await world.call(URL, body, headers=headers)
    assert answer.status == 200
    assert world.sent.json == tool("add", a=1)
    assert world.sent.header(b"content-encoding") is None

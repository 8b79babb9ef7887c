from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from amaze import current_turn
from amaze.chat import ChatService
from amaze.server import AgentServer, NoHandler
from amaze.turns import Arrival, NoTurn


def turn_of(arrival: Arrival) -> str:
    if arrival.turn == "forged":
        raise NoTurn(403, "invalid-turn", "the turn is not one of this agent")
    return arrival.turn or "fresh"


def reply(message: str) -> Any:
    match message:
        case "turn":
            return current_turn()
        case "fail":
            raise ValueError("the password is hunter2")
        case "object":
            return object()
        case "unhandled":
            raise NoHandler("this agent has no function receive_message_from_user(message)")
        case _:
            return message.upper()


@pytest.fixture
def server() -> Iterator[AgentServer]:
    server = AgentServer("127.0.0.1", 0, "chat")
    server.start(ChatService("one", turn_of, reply))
    yield server
    server.close()


@pytest.fixture
def ask(server: AgentServer) -> Callable[..., tuple[int, Any]]:
    def ask(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = json.loads(response.read())
        connection.close()
        return response.status, content

    return ask


Ask = Callable[..., tuple[int, Any]]


def test_a_message_gets_its_reply(ask: Ask) -> None:
    assert ask("POST", "/chat", b'{"message": "hi"}') == (200, {"reply": "HI"})


def test_health(ask: Ask) -> None:
    assert ask("GET", "/health") == (200, {"status": "ok", "agent_id": "one"})


def test_the_handler_runs_in_the_gateways_turn_or_a_fresh_one(ask: Ask) -> None:
    body = b'{"message": "turn"}'
    assert ask("POST", "/chat", body, X_Amaze_Turn="t7") == (200, {"reply": "t7"})
    assert ask("POST", "/chat", body) == (200, {"reply": "fresh"})


def test_without_a_turn_nothing_is_handled(ask: Ask) -> None:
    assert ask("POST", "/chat", b'{"message": "hi"}', X_Amaze_Turn="forged") == (
        403,
        {"error": "the turn is not one of this agent", "reason": "invalid-turn"},
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"message": 1}', b'{"text": "hi"}', b"[" * 100_000],
)
def test_what_is_no_message_is_answered_400(ask: Ask, body: bytes) -> None:
    status, content = ask("POST", "/chat", body)
    assert status == 400
    assert '{"message": "…"}' in content["error"]


def test_a_failing_handler_tells_no_secrets(ask: Ask) -> None:
    status, content = ask("POST", "/chat", b'{"message": "fail"}')
    assert (status, content) == (500, {"error": "the agent failed: ValueError"})


def test_a_reply_that_is_not_json_fails(ask: Ask) -> None:
    assert ask("POST", "/chat", b'{"message": "object"}')[0] == 500


def test_an_agent_without_the_function_says_so(ask: Ask) -> None:
    status, content = ask("POST", "/chat", b'{"message": "unhandled"}')
    assert status == 501
    assert "receive_message_from_user" in content["error"]


def test_web_pages_cannot_give_orders(ask: Ask) -> None:
    assert ask("POST", "/chat", b'{"message": "hi"}', Origin="https://evil.example")[0] == 403


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/chat"), ("POST", "/health")])
def test_other_paths(ask: Ask, method: str, path: str) -> None:
    assert ask(method, path)[0] == 404


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /chat HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /chat HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /chat HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b'POST /chat HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{"mess', b"400"),
    ],
)
def test_framing(server: AgentServer, request_bytes: bytes, status: bytes) -> None:
    assert raw(server.port, request_bytes).startswith(b"HTTP/1.1 " + status)


def test_a_client_that_hangs_up_harms_nobody(server: AgentServer, ask: Ask) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /chat HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
    assert ask("GET", "/health")[0] == 200


def test_a_port_that_is_taken_is_an_error(server: AgentServer) -> None:
    with pytest.raises(OSError, match="in use"):
        AgentServer("127.0.0.1", server.port, "chat")


def test_ipv6() -> None:
    server = AgentServer("::1", 0, "chat")
    server.start(ChatService("one", turn_of, reply))
    connection = HTTPConnection("::1", server.port, timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
    server.close()

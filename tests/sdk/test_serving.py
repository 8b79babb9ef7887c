from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection

import pytest
from amaze.server import Request, Response, json_response
from amaze.serving import bind
from amaze.settings import Settings, read_settings


@pytest.fixture
def settings() -> Settings:
    return read_settings({"AMAZE_AGENT_ID": "one"})


def get(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    status = connection.getresponse().status
    connection.close()
    return status


def test_users_and_agents_have_a_port_each(settings: Settings) -> None:
    servers = bind(settings, takes_agents=True)
    servers.start(lambda _: json_response(200, {}), lambda _: json_response(404, {}))
    assert get(servers.endpoints.chat_port) == 200
    assert get(servers.endpoints.a2a_port) == 404
    servers.close(1)


def test_agents_are_served_if_there_is_a_function_or_a_port(settings: Settings) -> None:
    for takes_agents, port, served in (
        (False, None, False),
        (True, None, True),
        (False, 0, True),
    ):
        servers = bind(replace(settings, a2a_port=port), takes_agents=takes_agents)
        assert (servers.a2a is not None) is served
        assert (servers.endpoints.a2a_port > 0) is served
        servers.close(0)


def test_an_address_for_listening_is_not_told(settings: Settings) -> None:
    everywhere = replace(settings, chat_host="0.0.0.0", a2a_host="::")
    servers = bind(everywhere, takes_agents=True)
    assert (servers.endpoints.chat_host, servers.endpoints.a2a_host) == ("127.0.0.1", "127.0.0.1")
    servers.close(0)


def test_a_port_that_is_taken_leaves_none_bound(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bind(replace(settings, a2a_port=port), takes_agents=True)


def test_messages_being_handled_have_one_grace_in_all(settings: Settings) -> None:
    """Both servers are stopped first, so that nothing new comes to either."""
    entered, leave = threading.Semaphore(0), threading.Event()

    def slow(_: Request) -> Response:
        entered.release()
        leave.wait(timeout=20)
        return json_response(200, {})

    servers = bind(settings, takes_agents=True)
    servers.start(slow, slow)
    ports = [servers.endpoints.chat_port, servers.endpoints.a2a_port]
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(get, port) for port in ports]
        entered.acquire()
        entered.acquire()
        closed = pool.submit(servers.close, 20)
        leave.set()
        assert [one.result(timeout=20) for one in asked] == [200, 200]
        closed.result(timeout=20)
    for port in ports:
        with pytest.raises(OSError):
            get(port)

"""Other ways round: each is refused, closed, recorded, and nothing is forwarded."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.platform import OPENAI, Agent, Platform, chat, reason_of, until
from tests.e2e.test_credentials import basic


@contextmanager
def tunnel(platform: Platform, agent: Agent, authority: str) -> Iterator[socket.socket]:
    """An open CONNECT tunnel."""
    with socket.create_connection(("127.0.0.1", platform.proxy_port), 60) as sock:
        credentials = basic(agent.agent_id, agent.credential).decode()
        head = (
            f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
            f"Proxy-Authorization: {credentials}\r\n\r\n"
        )
        sock.sendall(head.encode())
        sock.settimeout(60)
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = sock.recv(4096)
            assert part, f"the tunnel was not opened: {answer!r}"
            answer += part
        assert answer.startswith(b"HTTP/1.1 200"), answer
        yield sock


def everything(sock: socket.socket) -> bytes:
    out = b""
    try:
        while part := sock.recv(65536):
            out += part
    except (TimeoutError, ConnectionError, ssl.SSLError):
        pass
    return out


def tls_in(platform: Platform, sock: socket.socket, sni: str | None) -> ssl.SSLSocket:
    context = platform.tls()
    context.check_hostname = False
    return context.wrap_socket(sock, server_hostname=sni)


def request(host: str, path: str = "/v1/chat/completions") -> bytes:
    body = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}'
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


def refused_as(platform: Platform, agent: Agent, reason: str) -> dict[str, object]:
    (record,) = platform.audited(agent, 1)
    assert record["denied"] is True
    assert record["denial_reason"] == reason
    return record


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A local server that must never be reached."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(1)
                    got.append(b"connected")

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], got
        stop.set()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]"])
def test_connect_to_this_machine_or_to_metadata_reaches_nothing(
    platform: Platform, host: str, listener: tuple[int, list[bytes]]
) -> None:
    port, got = listener
    # even a policy that names the host does not open this machine
    bare = host.strip("[]")
    agent = platform.agent({"name": "p", "allowed_hosts": [bare] if ":" not in bare else []})
    with tunnel(platform, agent, f"{host}:{port}") as sock:
        sock.sendall(request(f"{host}:{port}", "/"))
        answer = everything(sock)
    assert answer.startswith(b"HTTP/1.1 403"), answer
    assert b"host-not-allowed" in answer
    refused_as(platform, agent, "host-not-allowed")
    assert got == []


@pytest.mark.parametrize("part", ["proxy_port", "control_port"])
def test_our_own_ports_are_no_target(platform: Platform, part: str) -> None:
    agent = platform.agent({"name": "p", "allowed_hosts": ["127.0.0.1", "localhost"]})
    port = getattr(platform, part)
    with platform.client(agent) as client:
        answer = client.get(f"http://127.0.0.1:{port}/health")
    assert (answer.status_code, reason_of(answer)) == (403, "host-not-allowed")


def test_a_name_that_resolves_to_a_private_address_is_refused(platform: Platform) -> None:
    name = "localhost"
    agent = platform.agent({"name": "p", "allowed_hosts": [name]})
    with platform.client(agent) as client:
        answer = client.get(f"http://{name}:9/")
    assert (answer.status_code, reason_of(answer)) == (403, "host-not-allowed")
    assert "may not be dialled" in answer.json()["error"]["message"]


def test_raw_tcp_in_a_tunnel_is_closed_and_recorded(platform: Platform, agent: Agent) -> None:
    with tunnel(platform, agent, "api.openai.com:443") as sock:
        sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        everything(sock)
    refused_as(platform, agent, "malformed-request")
    assert platform.provider.seen == []


def test_tls_with_something_else_inside_is_closed_and_recorded(
    platform: Platform, agent: Agent
) -> None:
    with (
        tunnel(platform, agent, "api.openai.com:443") as sock,
        tls_in(platform, sock, "api.openai.com") as tls,
    ):
        tls.sendall(b"\x00\x01\x02\x03 not http at all\r\n\r\n")
        everything(tls)
    refused_as(platform, agent, "malformed-request")


def test_another_server_name_than_the_connect_target(platform: Platform, agent: Agent) -> None:
    with (
        tunnel(platform, agent, "api.openai.com:443") as sock,
        tls_in(platform, sock, "api.anthropic.com") as tls,
    ):
        tls.sendall(request("api.openai.com"))
        answer = everything(tls)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"authority-mismatch" in answer
    refused_as(platform, agent, "authority-mismatch")
    assert platform.provider.seen == []


def test_another_host_than_the_connect_target(platform: Platform, agent: Agent) -> None:
    with (
        tunnel(platform, agent, "api.openai.com:443") as sock,
        tls_in(platform, sock, "api.openai.com") as tls,
    ):
        tls.sendall(request("api.anthropic.com"))
        answer = everything(tls)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    refused_as(platform, agent, "authority-mismatch")
    assert platform.provider.seen == []


def absolute(agent: Agent, head: str, body: bytes = b"") -> bytes:
    credentials = basic(agent.agent_id, agent.credential).decode()
    return (
        head.replace("\n", "\r\n")
        .format(auth=f"Proxy-Authorization: {credentials}")
        .encode("latin-1")
        + body
    )


MALFORMED = {
    "cl-te": "POST http://api.openai.com/v1/chat/completions HTTP/1.1\nHost: api.openai.com\n"
    "{auth}\nContent-Length: 5\nTransfer-Encoding: chunked\n\n",
    "te-10": "POST http://api.openai.com/ HTTP/1.0\nHost: api.openai.com\n{auth}\n"
    "Transfer-Encoding: chunked\n\n",
    "two-cl": "POST http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n{auth}\n"
    "Content-Length: 5\nContent-Length: 5\n\n",
    "te-odd": "POST http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n{auth}\n"
    "Transfer-Encoding: gzip, chunked\n\n",
    "obs-fold": "GET http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n{auth}\nX-A: 1\n 2\n\n",
    "two-hosts": "GET http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n"
    "Host: api.openai.com\n{auth}\n\n",
    "host-differs": "GET http://api.openai.com/ HTTP/1.1\nHost: other.example\n{auth}\n\n",
    "no-host": "GET http://api.openai.com/ HTTP/1.1\n{auth}\n\n",
    "nul": "GET http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n{auth}\nX-A: a\0b\n\n",
    "space-colon": "GET http://api.openai.com/ HTTP/1.1\nHost : api.openai.com\n{auth}\n\n",
    "userinfo": "GET http://u:p@api.openai.com/ HTTP/1.1\nHost: api.openai.com\n{auth}\n\n",
    "trace": "TRACE http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n{auth}\n\n",
    "connection-names-auth": "GET http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n{auth}\n"
    "Connection: authorization\n\n",
    "http2-preface": "PRI * HTTP/2.0\n\nSM\n\n",
}


@pytest.mark.parametrize("head", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests_are_refused_closed_and_recorded(
    platform: Platform, agent: Agent, head: str
) -> None:
    with socket.create_connection(("127.0.0.1", platform.proxy_port), 60) as sock:
        sock.sendall(absolute(agent, head))
        sock.settimeout(60)
        answer = everything(sock)  # ends when the proxy closes
    status = int(answer.split(b" ")[1])
    assert 400 <= status < 500 or status == 501, answer
    records = until(
        lambda: platform.audit(agent.agent_id) or platform.audit("_unknown")[-1:], "a record"
    )
    assert records[0]["denied"] is True
    assert platform.provider.seen == []


def test_bare_line_feeds_are_refused(platform: Platform, agent: Agent) -> None:
    credentials = basic(agent.agent_id, agent.credential)
    with socket.create_connection(("127.0.0.1", platform.proxy_port), 60) as sock:
        sock.sendall(
            b"GET http://api.openai.com/ HTTP/1.1\nHost: api.openai.com\n"
            b"Proxy-Authorization: " + credentials + b"\n\n"
        )
        sock.settimeout(60)
        answer = everything(sock)
    assert answer.startswith(b"HTTP/1.1 400"), answer


BODIES = {
    "duplicate-key": b'{"model":"gpt-4.1-mini","model":"gpt-5.5","messages":[]}',
    "case-variant": b'{"Model":"gpt-5.5","model":"gpt-4.1-mini","messages":[]}',
    "trailing": b'{"model":"gpt-4.1-mini","messages":[]} {"model":"gpt-5.5"}',
    "bom": b'\xef\xbb\xbf{"model":"gpt-4.1-mini","messages":[]}',
    "utf-16": '{"model":"gpt-4.1-mini","messages":[]}'.encode("utf-16"),
    "invalid-utf-8": b'{"model":"gpt-4.1-mini","messages":[],"x":"\xff"}',
    "deep": b'{"model":"gpt-4.1-mini","messages":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "nan": b'{"model":"gpt-4.1-mini","messages":[],"temperature":NaN}',
    "not-json": b"model=gpt-4.1-mini",
    "array": b'[{"model":"gpt-4.1-mini"}]',
    "empty": b"",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_ambiguous_bodies_are_refused_and_recorded(
    platform: Platform, agent: Agent, body: bytes
) -> None:
    with platform.client(agent) as client:
        answer = client.post(OPENAI, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, reason_of(answer)) == (400, "malformed-request")
        # the same connection goes on
        assert client.post(OPENAI, json=chat()).status_code == 200
    records = platform.audited(agent, 2)
    assert [r["denial_reason"] for r in records] == ["malformed-request", ""]
    assert len(platform.provider.seen) == 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "gzip, gzip", "x-unknown", "GZIP"])
def test_an_encoding_that_does_not_decode_is_refused(
    platform: Platform, agent: Agent, encoding: str
) -> None:
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    with platform.client(agent) as client:
        answer = client.post(OPENAI, content=b'{"model":"gpt-4.1-mini"}', headers=headers)
    assert (answer.status_code, reason_of(answer)) == (400, "malformed-request")
    assert platform.provider.seen == []


def test_a_compressed_body_is_read_and_decided_on(platform: Platform, agent: Agent) -> None:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    allowed = gzip.compress(json.dumps(chat()).encode())
    refused = gzip.compress(json.dumps(chat(model="no such provider/x ")).encode())
    with platform.client(agent) as client:
        assert client.post(OPENAI, content=allowed, headers=headers).status_code == 200
        answer = client.post(OPENAI, content=refused, headers=headers)
    assert (answer.status_code, reason_of(answer)) == (400, "malformed-request")


@pytest.mark.parametrize("size", [20_000_000, 200_000_000], ids=["ratio", "size"])
def test_a_compression_bomb_is_refused(platform: Platform, agent: Agent, size: int) -> None:
    bomb = gzip.compress(b'{"model":"gpt-4.1-mini","messages":[],"x":"' + b" " * size)
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    with platform.client(agent) as client:
        answer = client.post(OPENAI, content=bomb, headers=headers)
    assert answer.status_code in (400, 413)
    assert reason_of(answer) in ("malformed-request", "request-too-large")
    assert platform.provider.seen == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/%63hat/completions",
        "/v1/x/../chat/completions",
        "/V1/chat/completions",
        "/v1/files",
        "/v1/chat/completions%00",
    ],
)
def test_other_spellings_of_a_path_are_not_understood(
    platform: Platform, agent: Agent, path: str
) -> None:
    with (
        tunnel(platform, agent, "api.openai.com:443") as sock,
        tls_in(platform, sock, "api.openai.com") as tls,
    ):
        tls.sendall(request("api.openai.com", path))
        answer = everything(tls)
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), answer
    assert platform.provider.seen == []
    (record,) = platform.audited(agent, 1)
    assert record["denied"] is True


@pytest.mark.parametrize("host", ["API.OPENAI.COM", "api.openai.com."])
def test_other_spellings_of_a_host_are_the_same_host(
    platform: Platform, agent: Agent, host: str
) -> None:
    with platform.client(agent) as client:
        answer = client.post(f"http://{host}/v1/chat/completions", json=chat(model="x"))
        assert answer.status_code == 200
    (record,) = platform.audited(agent, 1)
    assert (record["kind"], record["target"]) == ("llm", "api.openai.com")


def test_an_allowed_host_passes_and_is_recorded_as_http(platform: Platform) -> None:
    agent = platform.agent({"name": "p", "allowed_hosts": ["allowed.example"]})
    with platform.client(agent) as client:
        answer = client.post("https://allowed.example/some/path?key=hidden", content=b"x" * 1000)
        assert answer.json()["size"] == 1000
        assert answer.headers["x-amaze-decision"] == "allow"
        other = client.get("https://other.example/")
        assert (other.status_code, reason_of(other)) == (403, "host-not-allowed")
    first, second = platform.audited(agent, 2)
    assert (first["kind"], first["target"], first["path"]) == (
        "http",
        "allowed.example",
        "/some/path",
    )
    assert second["denial_reason"] == "host-not-allowed"


def test_upgrade_is_refused(platform: Platform, agent: Agent) -> None:
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    with platform.client(agent) as client:
        answer = client.get("https://api.openai.com/v1/realtime", headers=headers)
    assert answer.status_code in (400, 403)
    (record,) = platform.audited(agent, 1)
    assert record["denied"] is True


def test_the_proxy_port_explains_itself(platform: Platform) -> None:
    answer = httpx.get(f"http://127.0.0.1:{platform.proxy_port}/", trust_env=False, timeout=60)
    assert answer.status_code == 400
    assert "HTTP_PROXY=" in answer.json()["error"]["message"]

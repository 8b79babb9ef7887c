from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.tls import TlsSession, upstream_context


@pytest.fixture
def pair(leaves: LeafCache, strict_context: ssl.SSLContext) -> tuple[TlsSession, TlsSession]:
    server = TlsSession(leaves.context_for("api.example"), server_side=True)
    client = TlsSession(strict_context, server_side=False, server_name="api.example")
    while not (client.handshake() and server.handshake()):
        server.feed(client.outgoing())
        server.handshake()
        client.feed(server.outgoing())
    return server, client


def test_both_ways(pair: tuple[TlsSession, TlsSession]) -> None:
    server, client = pair
    assert server.requested_name == "api.example"
    assert client.requested_name is None
    server.feed(client.encrypt(b"hello"))
    assert server.read() == b"hello"
    assert server.read() == b""
    big = bytes(300_000)
    client.feed(server.encrypt(big))
    assert client.read() == big
    assert not client.closed


def test_records_cut_anywhere(pair: tuple[TlsSession, TlsSession]) -> None:
    server, client = pair
    for cut in range(1, 27):
        wire = client.encrypt(b"hello")
        server.feed(wire[:cut])
        got = server.read()
        server.feed(wire[cut:])
        assert got + server.read() == b"hello"


def test_close_notify(pair: tuple[TlsSession, TlsSession]) -> None:
    server, client = pair
    client.feed(server.encrypt(b"bye") + server.close())
    assert client.read() == b"bye"
    assert client.read() == b""
    assert client.closed


def test_garbage_raises(pair: tuple[TlsSession, TlsSession]) -> None:
    server, _ = pair
    server.feed(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with pytest.raises(ssl.SSLError):
        server.read()
    assert server.close() is not None


def test_upstream_context_verifies(ca_file: Path, tmp_path: Path) -> None:
    context = upstream_context(ca_file)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    subjects = [str(root["subject"]) for root in context.get_ca_certs()]
    assert any("aMaze" in subject for subject in subjects)
    with pytest.raises(OSError):
        upstream_context(tmp_path / "absent.pem")


def test_without_system_roots_there_are_certifis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert len(upstream_context().get_ca_certs()) > 50

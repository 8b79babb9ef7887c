from __future__ import annotations

import asyncio
import datetime
import os
import signal
import socket
import ssl
import time
from contextlib import asynccontextmanager

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from amaze_proxy.store import connection as module
from amaze_proxy.store.client import endpoint_of, open_client
from amaze_proxy.store.connection import Connection, Endpoint
from amaze_proxy.store.errors import ConnectionLost, StoreError, StoreUnavailable
from tests.patience import PATIENCE


@pytest.fixture
async def connection(own_server):
    made = Connection(Endpoint(path=str(own_server.socket_path)), PATIENCE)
    yield made
    await made.close()


@asynccontextmanager
async def scripted(path, tick_s):
    """An open connection, and its other end: the store is the test."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        connection = Connection(Endpoint(path=str(path)), PATIENCE)
        connection._open()
        await connection._opening
        connection._tick_s = tick_s
        with listener.accept()[0] as store:
            yield connection, store
            await connection.close()


async def test_replies_meet_their_commands(connection):
    replies = await asyncio.gather(*(connection.submit("ECHO", n) for n in range(500)))
    assert replies == [str(n).encode() for n in range(500)]


async def test_a_cancelled_command_does_not_shift_the_replies(connection):
    commands = [connection.submit("ECHO", n) for n in range(10)]
    commands[3].cancel()
    assert await commands[9] == b"9"


async def test_an_error_reply_is_unavailable_and_the_connection_stays(connection):
    refused, fine = connection.submit("NONSENSE"), connection.submit("ECHO", "x")
    with pytest.raises(StoreUnavailable, match="unknown command"):
        await refused
    assert await fine == b"x"


async def test_after_a_time_out_no_late_reply_is_taken(own_server, until):
    connection = Connection(Endpoint(path=str(own_server.socket_path)))
    connection._open()
    await connection._opening
    os.kill(own_server.pid, signal.SIGSTOP)
    late = [connection.submit("ECHO", f"late{n}") for n in range(3)]
    try:
        for one in late:
            with pytest.raises(ConnectionLost, match="in time"):
                await one
    finally:
        os.kill(own_server.pid, signal.SIGCONT)

    async def answers():
        try:
            reply = await connection.submit("ECHO", "new")
        except StoreUnavailable:
            return False
        assert reply == b"new"
        return True

    await until(answers)
    await connection.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_busy_process_does_not_blame_the_store(tmp_path, monkeypatch, new_loop):
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        other, far = socket.socketpair()
        with other, far:
            async with scripted(tmp_path / "store.sock", tick_s=0.2) as (connection, store):
                monkeypatch.setattr(module, "TICKS", 0)  # the next tick is the last

                def busy() -> None:
                    """While the loop reads: uvloop judges timers before it reads again."""
                    loop.remove_reader(other)
                    time.sleep(0.25)
                    store.sendall(b"$5\r\nthere\r\n")

                loop.add_reader(other, busy)
                asked = connection.submit("ECHO", "there")
                far.send(b"x")
                return await asked

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(main()) == b"there"


async def test_a_machine_that_stood_still_is_not_the_stores_silence(tmp_path):
    async with scripted(tmp_path / "store.sock", tick_s=0.05) as (connection, store):
        asked = connection.submit("ECHO", "there")
        await asyncio.sleep(0)
        time.sleep(0.5)  # all stands still: this process, and the store
        asyncio.get_running_loop().call_later(0.05, store.sendall, b"$5\r\nthere\r\n")
        assert await asked == b"there"


async def test_a_silent_store_is_told_from_a_standstill_by_the_ticks(tmp_path):
    async with scripted(tmp_path / "store.sock", tick_s=0.001) as (connection, _):
        asked = connection.submit("ECHO", "there")
        with pytest.raises(ConnectionLost, match="in time"):
            await asked
        assert connection._ticks == module.TICKS + 1


async def test_it_reconnects_on_the_next_call(connection, own_server, until):
    await connection.submit("PING")
    own_server.stop()
    with pytest.raises(StoreUnavailable):
        await connection.submit("PING")
    own_server.start()

    async def answers():
        try:
            return await connection.submit("PING") == b"PONG"
        except StoreUnavailable:
            return False

    await until(answers)


async def test_it_reconnects_in_the_background(connection, own_server, until):
    await connection.submit("PING")
    own_server.stop()
    own_server.start()

    async def connected():
        return connection._protocol is not None

    await until(connected)


async def test_the_queue_is_bounded(connection, monkeypatch):
    monkeypatch.setattr(module, "QUEUE", 2)
    commands = [connection.submit("PING") for _ in range(3)]
    with pytest.raises(StoreUnavailable, match="too many"):
        await commands[2]
    assert await commands[1] == b"PONG"


async def test_nothing_listens(tmp_path):
    connection = Connection(Endpoint(path=str(tmp_path / "none.sock")), PATIENCE)
    with pytest.raises(StoreUnavailable, match="cannot connect"):
        await connection.submit("PING")
    await connection.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await connection.submit("PING")


async def test_a_server_that_speaks_something_else(tmp_path):
    async def answer(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_unix_server(answer, str(tmp_path / "web.sock"))
    connection = Connection(Endpoint(path=str(tmp_path / "web.sock")), PATIENCE)
    with pytest.raises(ConnectionLost):
        await connection.submit("PING")
    await connection.close()
    server.close()
    await server.wait_closed()


async def test_a_server_that_accepts_and_is_silent(tmp_path):
    gone = asyncio.Event()

    async def hold(reader, writer):
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_unix_server(hold, str(tmp_path / "mute.sock"))
    connection = Connection(Endpoint(path=str(tmp_path / "mute.sock"), password="secret"))
    with pytest.raises(StoreUnavailable, match="in time"):
        await connection.submit("PING")
    await connection.close()
    await gone.wait()
    server.close()
    await server.wait_closed()


async def test_password_user_and_database(connection, own_server):
    await connection.submit("ACL", "SETUSER", "amaze", "on", ">word", "~*", "+@all")
    await connection.submit("CONFIG", "SET", "requirepass", "secret")
    path = str(own_server.socket_path)
    for endpoint in (
        Endpoint(path=path, password="secret", db=3),
        Endpoint(path=path, username="amaze", password="word", db=3),
    ):
        known = Connection(endpoint, PATIENCE)
        await known.submit("SET", "where", "3")
        assert b"db=3" in await known.submit("CLIENT", "INFO")
        await known.close()
    stranger = Connection(Endpoint(path=path, password="wrong"), PATIENCE)
    with pytest.raises(StoreUnavailable, match="WRONGPASS"):
        await stranger.submit("PING")
    await stranger.close()
    await connection.submit("CONFIG", "SET", "requirepass", "")


def certificate(directory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = directory / "cert.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


async def test_tls_checks_the_server(own_server, tmp_path):
    path = certificate(tmp_path)

    async def relay(reader, writer):
        up_reader, up_writer = await asyncio.open_unix_connection(str(own_server.socket_path))
        while data := await reader.read(4096):
            up_writer.write(data)
            writer.write(await up_reader.read(4096))
        up_writer.close()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    server = await asyncio.start_server(relay, "localhost", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trusting = Connection(endpoint_of(f"rediss://localhost:{port}?ssl_ca_certs={path}"), PATIENCE)
    assert await trusting.submit("PING") == b"PONG"
    await trusting.close()
    doubting = Connection(endpoint_of(f"rediss://localhost:{port}"), PATIENCE)
    with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await doubting.submit("PING")
    await doubting.close()
    server.close()
    await server.wait_closed()


def test_urls_become_endpoints():
    assert endpoint_of("redis://u:p@h:1/2") == Endpoint("", "h", 1, 2, "u", "p")
    assert endpoint_of("unix:///tmp/x.sock?db=4") == Endpoint(
        path="/tmp/x.sock", host="localhost", port=6379, db=4
    )


@pytest.mark.parametrize("url", ["http://h", "nonsense", "redis+cluster://h:port"])
def test_a_wrong_url_is_told(url):
    with pytest.raises(StoreError, match="AMAZE_REDIS_URL"):
        open_client(url)

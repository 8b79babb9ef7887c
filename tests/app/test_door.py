"""What passes the outermost layer, and what comes back through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from amaze_app.access import Access
from amaze_app.attempts import ALLOWED, Attempts
from amaze_app.door import Door
from amaze_app.gateway import Outage, sha256
from amaze_app.login.routes import front
from amaze_app.sessions import Sessions

KEY = "amk_of-this-test"
URL = "http://ui.example"
SAME = {"Origin": URL}


class Keys:
    """Stands for the gateway: which keys there are."""

    def __init__(self) -> None:
        self.roles = {sha256(KEY): "admin", sha256("amk_viewer"): "viewer"}
        self.down = False

    async def role_of(self, key: str) -> str | None:
        return await self.role_of_sha256(sha256(key))

    async def role_of_sha256(self, key_sha256: str) -> str | None:
        if self.down:
            raise Outage("away")
        return self.roles.get(key_sha256)


class Inner:
    """Stands for the application: takes down what got through."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            await PlainTextResponse("inside")(scope, receive, send)
        else:
            await send({"type": "websocket.accept"})


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def door(keys: Keys, inner: Inner, tmp_path: Path) -> Door:
    (tmp_path / "login.css").write_text("body {}")
    access = Access(keys, Sessions())  # type: ignore[arg-type]
    return Door(inner, front(access, Attempts(), tmp_path), access, "default-src 'self'")


@pytest.fixture
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(door, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as made:
        yield made


async def sign_in(client: httpx.AsyncClient, key: str = KEY, **more: Any) -> httpx.Response:
    return await client.post("/login", data={"key": key}, headers=SAME, **more)


async def handshake(door: Door, **headers: str) -> str:
    """`websocket.accept` or `websocket.close`."""
    given = {"host": "ui.example", **headers}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(message)

    scope = {"type": "websocket", "path": "/_event", "headers": raw, "scheme": "ws"}
    await door(scope, receive, send)
    return str(said[0]["type"])


@pytest.mark.parametrize("path", ["/", "/agents", "/calls?agent=a", "/_upload", "/ping", "/x/../y"])
async def test_without_a_session_everything_leads_to_the_login(
    client: httpx.AsyncClient, inner: Inner, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert inner.scopes == []


async def test_health_login_and_its_files_are_open(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert "Admin API key" in (await client.get("/login")).text
    assert (await client.get("/front/login.css")).text == "body {}"
    assert (await client.get("/front/../page.html")).status_code in (303, 404)


async def test_the_published_code_is_open_but_nothing_through_it(
    client: httpx.AsyncClient, inner: Inner
) -> None:
    assert (await client.get("/assets/x.js")).text == "inside"
    assert inner.scopes.pop()["path"] == "/assets/x.js"
    scope_path = "/assets/../agents.html"
    request = client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=scope_path.encode())
    assert (await client.send(request)).status_code == 303
    assert inner.scopes == []


async def test_signing_in_and_out(client: httpx.AsyncClient, door: Door) -> None:
    answer = await sign_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/agents")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert KEY not in cookie
    assert (await client.get("/agents")).text == "inside"
    assert (await client.get("/login")).status_code == 303
    session = f"amaze_session={client.cookies['amaze_session']}"
    assert await handshake(door, origin=URL, cookie=session) == "websocket.accept"
    left = await client.post("/logout", headers=SAME)
    assert left.headers["location"] == "/login"
    # revoked here, not only forgotten by that browser
    assert (await client.get("/agents", headers={"Cookie": session})).status_code == 303
    assert await handshake(door, origin=URL, cookie=session) == "websocket.close"


async def test_by_https_the_cookie_stays_there(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/login", data={"key": KEY}, headers={"Origin": "https://ui.example"}
    )
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "body", ["", "key=", "key=amk_wrong", "key=a&key=b", "k=1", "key=amk_viewer"]
)
async def test_a_key_that_is_no_admin_key_opens_nothing(
    client: httpx.AsyncClient, body: str
) -> None:
    answer = await client.post(
        "/login",
        content=body,
        headers={**SAME, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "not the admin API key" in answer.text


async def test_a_form_without_an_end_is_not_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", content=f"key={KEY}&x={'x' * 5000}", headers=SAME)
    assert answer.status_code == 403


async def test_attempts_are_limited_also_for_the_right_key(client: httpx.AsyncClient) -> None:
    for _ in range(ALLOWED):
        assert (await sign_in(client, "amk_wrong")).status_code == 403
    answer = await sign_in(client)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_a_replaced_key_ends_its_sessions(client: httpx.AsyncClient, keys: Keys) -> None:
    await sign_in(client)
    held = keys.roles.pop(sha256(KEY))
    assert (await client.get("/agents")).status_code == 303
    keys.roles[sha256(KEY)] = held
    assert (await client.get("/agents")).status_code == 303


async def test_an_outage_opens_nothing_and_ends_nothing(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    await sign_in(client)
    keys.down = True
    assert (await client.get("/agents")).status_code == 303
    assert (await sign_in(client)).status_code == 503
    keys.down = False
    assert (await client.get("/agents")).text == "inside"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "http://evil.example",
        "http://ui.example:81",
        "ui.example",
        "http://[",
        "http://ui.example.evil.example",
        "file://ui.example",
    ],
)
async def test_nothing_comes_from_another_site(
    client: httpx.AsyncClient, door: Door, inner: Inner, origin: str | None
) -> None:
    await sign_in(client)
    headers = {} if origin is None else {"Origin": origin}
    for method, path in (("POST", "/login"), ("POST", "/logout"), ("POST", "/x"), ("PUT", "/x")):
        assert (await client.request(method, path, headers=headers)).status_code == 403
    session = f"amaze_session={client.cookies['amaze_session']}"
    given = {} if origin is None else {"origin": origin}
    assert await handshake(door, cookie=session, **given) == "websocket.close"
    assert inner.scopes == []


async def test_a_socket_needs_a_session(door: Door, inner: Inner) -> None:
    assert await handshake(door, origin=URL) == "websocket.close"
    assert await handshake(door, origin=URL, cookie="amaze_session=x") == "websocket.close"
    assert inner.scopes == []


async def test_every_answer_has_its_headers(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    for path in ("/health", "/login", "/agents", "/assets/x.js", "/nothing"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "default-src" in headers["content-security-policy"]
    assert (await client.get("/agents")).headers["cache-control"] == "no-store"
    assert "immutable" in (await client.get("/assets/x.js")).headers["cache-control"]


async def test_what_is_no_protocol_of_ours_is_refused(door: Door) -> None:
    with pytest.raises(RuntimeError):
        await door({"type": "strange"}, None, None)  # type: ignore[arg-type]

"""What passes the outermost layer, and what comes back through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from amaze_app.access import Access
from amaze_app.door import Door
from amaze_app.gateway import Outage, Principal, Refused, Role, TooOften
from amaze_app.login.routes import front

PASSWORD = "the password of ann"
URL = "http://ui.example"
SAME = {"Origin": URL}


class Desk:
    """Stands for the gateway's sessions: who may sign in, and who is in."""

    def __init__(self) -> None:
        self.open: dict[str, Principal] = {}
        self.must_change = False
        self.down = False
        self.wait = 0

    async def begin(self, name: str, password: str, address: str) -> str:
        if self.down:
            raise Outage("away")
        if self.wait:
            raise TooOften(f"too many attempts: try again in {self.wait} s", self.wait)
        if (name, password) != ("ann", PASSWORD):
            raise Refused("name or password is wrong, or the account is disabled")
        token = f"ams_{len(self.open)}"
        self.open[token] = Principal(name, Role.ADMIN, address, token, self.must_change)
        return token

    async def find(self, token: str, address: str) -> Principal | None:
        if self.down:
            raise Outage("away")
        return self.open.get(token)

    async def end(self, who: Principal) -> None:
        self.open.pop(who.session_sha256, None)

    async def change_password(self, who: Principal, old: str, new: str) -> None:
        if old != PASSWORD:
            raise Refused("name or password is wrong")
        self.open.clear()


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
def desk() -> Desk:
    return Desk()


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def door(desk: Desk, inner: Inner, tmp_path: Path) -> Door:
    (tmp_path / "login.css").write_text("body {}")
    access = Access(desk)  # type: ignore[arg-type]
    return Door(inner, front(access, tmp_path), access, "default-src 'self'")


@pytest.fixture
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(door, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as made:
        yield made


async def sign_in(client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    form = {"name": "ann", "password": password}
    return await client.post("/login", data=form, headers=SAME)


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


@pytest.mark.parametrize("path", ["/", "/agents", "/agents?q=a", "/_upload", "/ping", "/x/../y"])
async def test_without_a_session_everything_leads_to_the_login(
    client: httpx.AsyncClient, inner: Inner, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert inner.scopes == []


async def test_health_login_and_its_files_are_open(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert "User name" in (await client.get("/login")).text
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
    assert (answer.status_code, answer.headers["location"]) == (303, "/overview")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert PASSWORD not in cookie
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
        "/login",
        data={"name": "ann", "password": PASSWORD},
        headers={"Origin": "https://ui.example"},
    )
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "body",
    ["", "name=ann", "name=ann&password=x", "name=ann&name=ann&password=x", "a=1&" * 9, "%ff=1"],
)
async def test_what_is_wrong_opens_nothing(client: httpx.AsyncClient, body: str) -> None:
    answer = await client.post("/login", content=body, headers=SAME)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "Name or password is wrong" in answer.text


async def test_a_form_without_an_end_is_not_read(client: httpx.AsyncClient) -> None:
    body = f"name=ann&password={PASSWORD}&x={'x' * 5000}"
    assert (await client.post("/login", content=body, headers=SAME)).status_code == 403


async def test_a_name_is_shown_again_as_text(client: httpx.AsyncClient) -> None:
    form = {"name": '"><script>', "password": "x"}
    assert "<script>" not in (await client.post("/login", data=form, headers=SAME)).text.replace(
        '<script src="/front/theme.js">', ""
    )


async def test_who_guesses_waits(client: httpx.AsyncClient, desk: Desk) -> None:
    desk.wait = 7
    answer = await sign_in(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_a_password_that_was_made_opens_its_change_alone(
    client: httpx.AsyncClient, desk: Desk, door: Door
) -> None:
    desk.must_change = True
    await sign_in(client)
    assert (await client.get("/agents")).headers["location"] == "/password"
    session = f"amaze_session={client.cookies['amaze_session']}"
    assert await handshake(door, origin=URL, cookie=session) == "websocket.close"
    assert "was made for you" in (await client.get("/password")).text
    new = {"old": PASSWORD, "new": "another long one", "again": "another long one"}
    for wrong in ({"again": "different"}, {"old": "x"}, {"new": PASSWORD, "again": PASSWORD}):
        answer = await client.post("/password", data={**new, **wrong}, headers=SAME)
        assert answer.status_code == 422
    done = await client.post("/password", data=new, headers=SAME)
    assert done.headers["location"] == "/login?changed=1"
    assert desk.open == {}
    assert (await client.get("/password")).headers["location"] == "/login"


async def test_an_outage_opens_nothing_and_ends_nothing(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    await sign_in(client)
    desk.down = True
    assert (await client.get("/agents")).status_code == 303
    assert (await sign_in(client)).status_code == 503
    desk.down = False
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

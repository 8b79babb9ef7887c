"""A world round the governed line, without sockets: a scripted store, upstream and client.

Every part reports what happens to one list of events, in order, and may be told to have the
client leave, or an operator stop the agent, at any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import h11
from starlette.middleware import Middleware

from amaze_proxy.pipeline.app import create_app
from amaze_proxy.pipeline.directory import Directory
from amaze_proxy.pipeline.inflight import InFlight
from amaze_proxy.pipeline.line import Line, Rules, Spans
from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.protocols.prices import PriceBook
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.store import registry
from amaze_proxy.store.admission import Admission, Admitted, LimitState, Link, Outcome, Settlement
from amaze_proxy.store.agents import AgentStatus, Endpoint
from amaze_proxy.store.peers import Callee, Hop
from amaze_proxy.store.registry import AgentPlace, EntryStatus, LlmHost, McpServer
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ingress import BodyFault, ClientDisconnected, Ingress
from amaze_proxy.wire.response import ResponseWriter
from amaze_proxy.wire.upstream import Target

AGENT = "agent-1"
CREDENTIAL = f"amz_{AGENT}.s3cret-s3cret_s3cret~x"
SHA256 = hashlib.sha256(CREDENTIAL.encode()).hexdigest()
WRONG = f"amz_{AGENT}.wrong-wrong-wrong-wrong"
TURN_KEY = b"k" * 32
BEARER = (b"x-amaze-bearer", CREDENTIAL.encode())
JSON = (b"content-type", b"application/json")
SSE = (b"content-type", b"text/event-stream")

OPENAI = "https://api.openai.com/v1/chat/completions"
ANTHROPIC = "https://api.anthropic.com/v1/messages"
WEB = "https://files.example.com/a%20b?c=d"
OPEN: Mapping[str, object] = {
    "name": "open",
    "allowed_llm_providers": ["openai", "anthropic"],
    "allowed_hosts": ["files.example.com"],
}
PRICES = PriceBook()

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Published:
    version: int
    document: str


@dataclass
class PolicyTable:
    """What is published; the store's word on the version."""

    published: dict[str, Published] = field(default_factory=dict)
    reads: int = 0

    def put(self, policy: Mapping[str, object], agent_id: str = AGENT) -> int:
        """Put a policy in force; its version."""
        before = self.published.get(agent_id)
        version = before.version + 1 if before else 1
        self.published[agent_id] = Published(version, json.dumps(policy))
        return version

    @property
    def version(self) -> int:
        found = self.published.get(AGENT)
        return found.version if found else 0

    async def get(self, agent_id: str) -> Published | None:
        self.reads += 1
        return self.published.get(agent_id)


Answer = Admitted | Exception | Callable[[Admission], Admitted]


class ScriptedGate:
    """A Gate that knows AGENT's credential. `answers` go before what it would say by itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.answers: deque[Answer] = deque()
        self.admissions: list[Admission] = []
        self.given: list[Admitted] = []
        self.settlements: list[Settlement] = []
        self.settle_fault: Exception | None = None

    async def admit(self, admission: Admission) -> Admitted:
        self.admissions.append(admission)
        await self._world.reach("admit")
        answer: Answer = self.answers.popleft() if self.answers else self._judge
        if isinstance(answer, Exception):
            raise answer
        given = answer if isinstance(answer, Admitted) else answer(admission)
        self.given.append(given)
        return given

    def _judge(self, admission: Admission) -> Admitted:
        if (admission.agent_id, admission.credential_sha256) != (AGENT, SHA256):
            return Admitted(Outcome.REFUSED, Reason.INVALID_BEARER)
        if admission.policy_version != self._world.policies.version:
            return Admitted(Outcome.STALE, session_id="session-1")
        return Admitted(
            Outcome.ADMITTED,
            limits=tuple(LimitState(x.name, x.maximum, 1) for x in admission.limits),
            turn_id=admission.turn_id or "ambient~1",
            policy_version=admission.policy_version,
            session_id="session-1",
        )

    async def settle(self, settlement: Settlement) -> Link:
        self.settlements.append(settlement)  # begun, it is written even if the caller is cancelled
        await self._world.reach("settle")
        if self.settle_fault is not None:
            raise self.settle_fault
        self._world.events.append("settled")
        return Link("w:a", len(self.settlements), "0" * 64)


class Registered:
    """Who is registered, as the store knows it: the source of a Directory, and Peers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.number = 0
        self.servers: dict[str, McpServer] = {}
        self.hosts: dict[str, LlmHost] = {}
        self.agents: dict[str, Callee] = {}
        self.claims: dict[str, tuple[str, ...]] = {}
        self.hops: list[Hop] = []
        self.ended: list[tuple[str, str, bool]] = []

    def server(self, name: str, url: str, status: EntryStatus = EntryStatus.APPROVED) -> None:
        self.number += 1
        self.servers[name] = McpServer(name, url, status, revision=self.number)

    def host(self, name: str, url: str, dialect: str = "openai") -> None:
        self.number += 1
        self.hosts[name] = LlmHost(name, url, dialect, EntryStatus.APPROVED)

    def agent(
        self,
        agent_id: str,
        address: tuple[str, int] = ("", 0),
        status: AgentStatus = AgentStatus.APPROVED,
        credentials: tuple[str, ...] = (),
    ) -> None:
        self.number += 1
        self.agents[agent_id] = Callee(agent_id, status, *address, credentials, 0)

    async def generation(self) -> int:
        return self.number

    async def claim(self, agent_id: str, addresses: Sequence[str]) -> None:
        self.number += 1
        self.claims[agent_id] = tuple(addresses)

    async def directory(self) -> registry.Directory:
        places = (
            AgentPlace(
                one.agent_id,
                Endpoint(a2a_host=one.host, a2a_port=one.port),
                self.claims.get(one.agent_id, ()),
            )
            for one in self.agents.values()
            if one.port
        )
        return registry.Directory(
            self.number,
            tuple(self.servers.values()),
            tuple(self.hosts.values()),
            tuple(places),
            frozenset(self.agents),
        )

    async def hop(self, hop: Hop) -> Callee:
        self.hops.append(hop)
        return await self.look(hop.callee)

    async def look(self, callee: str) -> Callee:
        await self._world.reach("look")
        found = self.agents.get(callee) or Callee(callee, None, "", 0, (), 0)
        policy = self._world.policies.published.get(callee)
        return replace(found, policy_version=policy.version if policy else 0)

    async def hop_end(self, callee: str, decision_id: str, *, reached: bool = True) -> None:
        self.ended.append((callee, decision_id, reached))

    def hop_ended(self, callee: str, decision_id: str, *, reached: bool) -> None:
        self.ended.append((callee, decision_id, reached))

    async def saw(self, name: str, tools: Mapping[str, str]) -> None:
        """As the store: what is pinned so is no news."""
        await self._world.reach("saw")
        server = self.servers[name]
        pins = server.pins or {}
        news = {tool: sha for tool, sha in tools.items() if pins.get(tool) != sha}
        self.number += 1
        self.servers[name] = replace(server, seen={**server.seen, **news})

    async def mcp(self, name: str, tool: str = "") -> McpServer | None:
        await self._world.reach("look")
        return self.servers.get(name)

    async def llm(self, name: str) -> LlmHost | None:
        await self._world.reach("look")
        return self.hosts.get(name)


@dataclass
class Reply:
    """What the upstream does. `fault` comes in place of the answer when `dial`, else after
    `parts`. `length` is its Content-Length."""

    parts: Sequence[bytes] = ()
    status: int = 200
    headers: Sequence[Header] = (JSON,)
    length: int | None = None
    fault: Exception | None = None
    dial: bool = False
    hang: bool = False  # the end of the answer never comes


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as the upstream got it."""

    target: Target
    method: str
    raw_path: bytes
    headers: Sequence[Header]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: bytes) -> bytes | None:
        return next((v for n, v in self.headers if n == name), None)


class FakeResponse:
    """What `Upstreams.send` returns, as far as the pipeline knows it."""

    def __init__(self, world: World, reply: Reply) -> None:
        self._world = world
        self._reply = reply
        self.status = reply.status
        self.headers = list(reply.headers)
        self.content_length = reply.length
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for part in self._reply.parts:
            await self._world.reach("chunk")
            yield part
        if self._reply.fault is not None:
            raise self._reply.fault
        if self._reply.hang:
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


class FakeUpstreams:
    """The way out: keeps what is sent, answers `reply`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reply = Reply()
        self.sent: list[Sent] = []
        self.responses: list[FakeResponse] = []

    async def send(
        self,
        target: Target,
        method: str,
        raw_path: bytes,
        headers: Sequence[Header],
        body: bytes | AsyncIterator[bytes],
        *,
        keep: Iterable[bytes] = (),
    ) -> FakeResponse:
        await self._world.reach("dial")
        if not isinstance(body, bytes):
            body = b"".join([part async for part in body])
        self.sent.append(Sent(target, method, raw_path, headers, body))
        if self.reply.dial and self.reply.fault is not None:
            raise self.reply.fault
        response = FakeResponse(self._world, self.reply)
        self.responses.append(response)
        return response


class KeptSpans(Spans):
    """Remembers what tracing was told."""

    def __init__(self) -> None:
        self.told: list[tuple[AuditRecord, TraceContext | None]] = []

    def emit(self, record: AuditRecord, sent: TraceContext | None = None) -> None:
        self.told.append((record, sent))


@dataclass
class Answered:
    """What a client saw. `error` is what the application raised in the end."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    reason_phrase: bytes = b""
    complete: bool = False
    error: BaseException | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return self.headers.get(b"x-amaze-reason", b"").decode()

    @property
    def verdict(self) -> tuple[int, str]:
        return self.status, self.reason


class World:
    """One worker's line with everything round it scripted."""

    def __init__(
        self,
        policy: Mapping[str, object] | None = OPEN,
        plugins: Sequence[Middleware] = (),
        **rules: Any,
    ) -> None:
        self.events: list[str] = []
        self.leave_at = self.stop_at = -1
        self.gone = False
        self.serving: asyncio.Task[None] | None = None
        self.healthy = True
        self.policies = PolicyTable()
        if policy is not None:
            self.policies.put(policy)
        self.gate = ScriptedGate(self)
        self.upstreams = FakeUpstreams(self)
        self.spans = KeptSpans()
        self.registered = Registered(self)
        self.line = Line(
            gate=self.gate,
            policies=PolicyCache(self.policies),
            prices=PRICES,
            upstreams=self.upstreams,  # type: ignore[arg-type]
            rules=Rules(turn_key=TURN_KEY, **rules),
            in_flight=InFlight(),
            directory=Directory(self.registered),
            peers=self.registered,
            seal=Seal(TURN_KEY),
            spans=self.spans,
        )
        self.app = create_app(self.line, self._health, plugins)

    async def _health(self) -> bool:
        return self.healthy

    def rule(self, **changed: Any) -> None:
        """Change the rules of the installation."""
        self.line = replace(self.line, rules=replace(self.line.rules, **changed))
        self.app = create_app(self.line, self._health)

    async def reach(self, event: str) -> None:
        """Something happens now; whoever is to leave or to be stopped here, is."""
        self.events.append(event)
        here = len(self.events) - 1
        if here == self.leave_at:
            self.leave()
        if here == self.stop_at:
            self.line.in_flight.stop(AGENT)
        await asyncio.sleep(0)

    def leave(self) -> None:
        """The client is gone: as the server says it."""
        self.gone = True
        assert self.serving is not None
        self.serving.cancel()

    @property
    def settlement(self) -> Settlement:
        """The one settlement of the one call."""
        (only,) = self.gate.settlements
        return only

    @property
    def record(self) -> AuditRecord:
        return self.settlement.record

    @property
    def sent(self) -> Sent:
        """The one request that the upstream got."""
        (only,) = self.upstreams.sent
        return only

    async def call(
        self,
        url: str = OPENAI,
        body: bytes | Sequence[bytes] | dict[str, Any] = b"",
        *,
        method: str = "POST",
        headers: Sequence[Header] = (BEARER,),
        form: str = "tunnel",
        proxy_authorization: bytes | None = None,
        leaves: bool = False,
        fault: BodyFault | None = None,
    ) -> Answered:
        """One call of an agent. `leaves`: the client hangs up in place of the body's end;
        `fault`: the body is broken there."""
        scope = make_scope(url, method, headers, form, proxy_authorization)
        parts = body_parts(body)
        ends = fault or ({"type": "http.disconnect"} if leaves else None)
        client = _Client(self, method, parts, ends)

        async def serve() -> None:
            await self.app(scope, client.receive, client.send)

        task = self.serving = asyncio.create_task(serve())
        await asyncio.wait([task])
        if task.cancelled():
            client.seen.error = asyncio.CancelledError()
        else:
            client.seen.error = task.exception()
        return client.seen


def body_parts(body: bytes | Sequence[bytes] | dict[str, Any]) -> list[bytes]:
    if isinstance(body, dict):
        return [json.dumps(body).encode()]
    return [body] if isinstance(body, bytes) else list(body)


def make_scope(
    url: str,
    method: str,
    headers: Sequence[Header],
    form: str = "tunnel",
    proxy_authorization: bytes | None = None,
) -> dict[str, Any]:
    """The scope that `wire.scope` makes; an URL without a scheme is for the proxy itself."""
    scheme, _, rest = url.rpartition("://")
    netloc, slash, target = rest.partition("/")
    host, _, port = netloc.partition(":")
    authority = (
        Authority(scheme, host, int(port or {"http": 80, "https": 443}[scheme]))
        if (scheme)
        else None
    )
    path, _, query = (slash + target).partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme or "http",
        "path": path.replace("%20", " "),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 40000),
        "server": (host, 443),
        "extensions": {
            "amaze": Ingress(
                form if authority else "origin",  # type: ignore[arg-type]
                authority,
                proxy_authorization,
                "",
                "127.0.0.1:40000",
            )
        },
    }


class _Client:
    """The far end of a call: what the app sends goes through the server's own framing, and is
    read by an independent HTTP client."""

    def __init__(
        self, world: World, method: str, parts: list[bytes], ends: BodyFault | Any | None
    ) -> None:
        self._world = world
        self._parts = deque(parts)
        self._ends = ends
        self._writer = ResponseWriter(method, 1, lambda: False)
        self._reader = h11.Connection(h11.CLIENT)
        self._reader.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        self._reader.send(h11.EndOfMessage())
        self.seen = Answered()

    async def receive(self) -> Any:
        await self._world.reach("receive")
        if self._parts:
            more = len(self._parts) > 1 or self._ends is not None
            return {"type": "http.request", "body": self._parts.popleft(), "more_body": more}
        if isinstance(self._ends, BodyFault):
            raise self._ends
        if self._ends is not None:
            self._world.gone = True
            return self._ends
        return {"type": "http.request"}

    async def send(self, message: Any) -> None:
        if self._world.gone:
            raise ClientDisconnected("the client is gone")
        if message["type"] == "http.response.start":
            self._writer.start(message["status"], message["headers"])
        else:
            self._writer.body(message["body"], message.get("more_body", False))
        await self._world.reach("send")
        self._read(self._writer.take())

    def _read(self, data: bytes) -> None:
        if not data:
            return
        self._reader.receive_data(data)
        while (event := self._reader.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                self.seen.status = event.status_code
                self.seen.reason_phrase = bytes(event.reason)
                self.seen.headers = dict(event.headers)
            elif isinstance(event, h11.Data):
                self.seen.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.seen.complete = True
                self._world.events.append("complete")


def chat(stream: bool = False, **more: Any) -> dict[str, Any]:
    """A chat request."""
    body: dict[str, Any] = {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "What is two and two?"}],
        **more,
    }
    return {**body, "stream": True} if stream else body


PROMPT, OUTPUT = 21, 9
USAGE = {"prompt_tokens": PROMPT, "completion_tokens": OUTPUT, "total_tokens": PROMPT + OUTPUT}
WHOLE = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4.1-mini",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Four."},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
).encode()


def chunk_event(**more: Any) -> bytes:
    """One event of a chat stream."""
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1-mini"}
    return b"data: " + json.dumps({**body, **more}).encode() + b"\n\n"


def words(text: str) -> bytes:
    """An event that says something."""
    return chunk_event(choices=[{"index": 0, "delta": {"content": text}}], usage=None)


DONE = b"data: [DONE]\n\n"
STREAM = (words("Fo"), words("ur."), chunk_event(choices=[], usage=USAGE), DONE)


def whole(**more: Any) -> Reply:
    """A whole answer of the provider."""
    return replace(Reply((WHOLE,), length=len(WHOLE)), **more)


def streamed(parts: Sequence[bytes] = STREAM, **more: Any) -> Reply:
    """A streamed answer of the provider."""
    return replace(Reply(parts, headers=(SSE,)), **more)


@contextlib.contextmanager
def silent(logger: str) -> Iterator[None]:
    """No log line of this logger on the terminal."""
    found = logging.getLogger(logger)
    before = found.disabled
    found.disabled = True
    try:
        yield
    finally:
        found.disabled = before

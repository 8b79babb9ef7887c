"""`init`: everything in its order, and everything undone if one step fails."""

from __future__ import annotations

import functools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from amaze import egress, environment, handlers, orchestrator, patches
from amaze.chat import ChatServer, ChatService, NoHandler
from amaze.egress import Egress
from amaze.errors import EnforcementError
from amaze.files import state_directory
from amaze.handlers import HandlerLoop, Namespace
from amaze.orchestrator import Unreachable
from amaze.patches.httpclient import forget_default_opener
from amaze.registration import Registration, register
from amaze.settings import Origin, Settings, read_settings
from amaze.trust import fetch_ca, write_trust
from amaze.turns import turns_from

PROXY_WAIT = 10.0  # seconds: the orchestrator is up by then, so the proxy should be
GRACE = 8.0  # seconds for messages being handled when the agent is told to stop

_running = threading.Lock()


class Agent:
    """A governed, serving agent. Close it, or use it as a context manager."""

    def __init__(
        self, registration: Registration, host: str, port: int, resources: ExitStack
    ) -> None:
        self.agent_id = registration.agent_id
        self.status = registration.status
        self.host = host
        self.port = port
        self._resources = resources

    def close(self) -> None:
        """Stop serving, and take governance of this process back. Harmless to repeat."""
        self._resources.close()

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<amaze.Agent {self.agent_id} ({self.status}) on {self.host}:{self.port}>"


def init(
    agent_id: str | None = None,
    *,
    block: bool = True,
    on_startup: Callable[[], Any] | None = None,
) -> Agent:
    """Register this agent, put it under governance and serve its messages.

    Calls the `receive_message_from_user(message)` of the calling module, or of `__main__`, sync
    or async. `on_startup` (sync or async) runs once when the agent is governed and before it
    serves. `block`: serve until SIGTERM or SIGINT, and return then; else return at once.

    Raises `ConfigurationError`, `RegistrationError`, or `EnforcementError` if governance cannot
    be put in place; the process is then as it was before.
    """
    namespaces = (sys._getframe(1).f_globals, vars(sys.modules["__main__"]))
    settings = read_settings(os.environ, agent_id)
    if not _running.acquire(blocking=False):
        raise RuntimeError("this process is an agent already: close it before another init")
    with ExitStack() as undo:
        undo.callback(_running.release)
        agent = _start(settings, namespaces, on_startup, undo)
    if block:
        with _stop_signal() as wait, agent:
            _say(_welcome(agent, settings.proxy))
            wait()
    return agent


def _start(
    settings: Settings,
    namespaces: Sequence[Namespace],
    on_startup: Callable[[], Any] | None,
    undo: ExitStack,
) -> Agent:
    """Every step that needs undoing says so to `undo`, which survives only if all succeed."""
    host = settings.chat_host or _reachable_address(settings.orchestrator)
    chat = ChatServer(host, settings.chat_port)
    undo.callback(chat.close, GRACE)
    directory = undo.enter_context(state_directory(settings.state_dir))
    registration = register(settings, directory, _registered_host(settings, host), chat.port)
    ca = fetch_ca(settings.orchestrator)
    _await_proxy(settings.proxy, min(PROXY_WAIT, settings.start_timeout))
    trust = write_trust(directory, registration.agent_id, ca, os.environ)
    _govern(
        Egress(settings.proxy, registration.agent_id, trust.ca, registration.credential),
        environment.governed(settings.proxy, registration.agent_id, registration.credential, trust),
        undo,
    )
    loop = HandlerLoop()
    undo.callback(loop.close)
    if on_startup is not None:
        loop.call(on_startup)
    chat.start(
        ChatService(
            agent_id=registration.agent_id,
            turn_of=turns_from(settings.orchestrator, registration.credential),
            reply=functools.partial(_reply, namespaces, loop),
        )
    )
    undo.callback(chat.close, GRACE)  # first of all: nothing new while the rest goes away
    return Agent(registration, host, chat.port, undo.pop_all())


def _govern(way: Egress, variables: dict[str, str | None], undo: ExitStack) -> None:
    """From here on every client that honours environment or patches uses our proxy."""
    undo.callback(forget_default_opener)
    undo.callback(environment.apply, environment.apply(variables))
    patches.install()
    egress.set_current(way)
    undo.callback(egress.set_current, None)
    forget_default_opener()


def _reply(namespaces: Sequence[Namespace], loop: HandlerLoop, message: str) -> Any:
    handler = handlers.find(namespaces, handlers.USER_HANDLER)
    if handler is None:
        raise NoHandler(f"this agent has no function {handlers.USER_HANDLER}(message)")
    return loop.call(handler, message)


def _await_proxy(proxy: Origin, patience: float) -> None:
    """A proxy that does not say it is well cannot enforce anything."""
    deadline = time.monotonic() + patience
    while True:
        try:
            answer = orchestrator.call(proxy, "GET", "/health", timeout=5.0)
            trouble = "" if answer.ok else f"its /health answers {answer.status}"
        except Unreachable as error:
            trouble = str(error)
        if not trouble:
            return
        if time.monotonic() >= deadline:
            raise EnforcementError(
                f"the proxy {proxy.url} cannot be used: {trouble}. The agent would run "
                "ungoverned. Is the proxy running, and is AMAZE_PROXY_URL (or HTTP_PROXY) right?"
            )
        time.sleep(0.1)


def _reachable_address(origin: Origin) -> str:
    """Where the control plane can reach this agent: the address that faces it."""
    if origin.loopback:
        return "127.0.0.1"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            origin.host, origin.port, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # UDP: chooses a route, sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"  # it cannot be resolved; registering will say so


def _registered_host(settings: Settings, host: str) -> str:
    """`0.0.0.0` is for listening: nobody can connect to it."""
    return _reachable_address(settings.orchestrator) if host in ("0.0.0.0", "::") else host  # noqa: S104


@contextmanager
def _stop_signal() -> Iterator[Callable[[], object]]:
    """A function that waits for SIGTERM or SIGINT; in another thread than the main one, for ever.

    A pipe, because a signal handler may interrupt code that holds an event's lock.
    """
    receiver, sender = os.pipe()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, lambda *_: os.write(sender, b"."))
    try:
        yield functools.partial(os.read, receiver, 1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        os.close(receiver)
        os.close(sender)


def _welcome(agent: Agent, proxy: Origin) -> str:
    waiting = " (its calls are refused until an operator approves it)"
    return (
        f"{agent.agent_id} is {agent.status}{waiting if agent.status == 'pending' else ''}, "
        f"governed by {proxy.url}, and takes messages at http://{agent.host}:{agent.port}/chat"
    )


def _say(line: str) -> None:
    print(f"amaze: {line}", file=sys.stderr, flush=True)

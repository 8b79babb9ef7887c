"""`init`: everything in its order, and everything undone if one step fails."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from amaze import egress, environment, handlers, orchestrator, patches
from amaze.a2a.ingress import A2aService
from amaze.callers import Callers
from amaze.chat import ChatService
from amaze.egress import Egress
from amaze.errors import EnforcementError
from amaze.files import state_directory
from amaze.handlers import HandlerLoop, Namespace
from amaze.orchestrator import Unreachable
from amaze.patches.httpclient import forget_default_opener
from amaze.registration import Registration, register
from amaze.server import NoHandler
from amaze.serving import Servers, bind
from amaze.settings import Origin, Settings, read_settings
from amaze.trust import fetch_ca, write_trust
from amaze.turns import turns_from

PROXY_WAIT = 10.0  # seconds: the orchestrator is up by then, so the proxy should be
GRACE = 8.0  # seconds for messages being handled when the agent is told to stop

_running = threading.Lock()


class Agent:
    """A governed, serving agent. Close it, or use it as a context manager."""

    def __init__(self, registration: Registration, servers: Servers, resources: ExitStack) -> None:
        self.agent_id = registration.agent_id
        self.status = registration.status
        self.host = servers.endpoints.chat_host
        self.port = servers.endpoints.chat_port
        self.a2a_port = servers.endpoints.a2a_port  # 0: other agents cannot send it messages
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

    Calls the `receive_message_from_user(message)` and `receive_message_from_agent(caller, message)`
    of the calling module, or of `__main__`, sync or async. Other agents can send messages if the
    latter is there when this is called, or if AMAZE_A2A_PORT is set.

    `on_startup` (sync or async) runs once when the agent is governed and before it serves.
    `block`: serve until SIGTERM or SIGINT, and return then; else return at once.

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
    takes_agents = handlers.find(namespaces, handlers.AGENT_HANDLER) is not None
    servers = bind(settings, takes_agents=takes_agents)
    undo.callback(servers.close, GRACE)
    directory = undo.enter_context(state_directory(settings.state_dir))
    registration = register(settings, directory, servers.endpoints)
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
    _serve(settings, registration, servers, functools.partial(_reply, namespaces, loop))
    undo.callback(servers.close, GRACE)  # first of all: nothing new while the rest goes away
    return Agent(registration, servers, undo.pop_all())


def _serve(
    settings: Settings, registration: Registration, servers: Servers, reply: Callable[..., Any]
) -> None:
    servers.start(
        ChatService(
            agent_id=registration.agent_id,
            turn_of=turns_from(settings.orchestrator, registration.credential),
            reply=functools.partial(reply, handlers.USER_HANDLER),
        ),
        A2aService(
            agent_id=registration.agent_id,
            verify=Callers(registration.agent_id, [registration.credential]).verify,
            reply=functools.partial(reply, handlers.AGENT_HANDLER),
        ),
    )


def _govern(way: Egress, variables: dict[str, str | None], undo: ExitStack) -> None:
    """From here on every client that honours environment or patches uses our proxy."""
    undo.callback(forget_default_opener)
    undo.callback(environment.apply, environment.apply(variables))
    patches.install()
    egress.set_current(way)
    undo.callback(egress.set_current, None)
    forget_default_opener()


def _reply(namespaces: Sequence[Namespace], loop: HandlerLoop, name: str, *message: Any) -> Any:
    handler = handlers.find(namespaces, name)
    if handler is None:
        raise NoHandler(f"this agent has no function {handlers.SIGNATURES[name]}")
    return loop.call(handler, *message)


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

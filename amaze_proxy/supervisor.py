"""Keep processes running: start in order, wait until ready, restart what dies, stop in time."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

log = logging.getLogger("amaze.supervisor")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_STEADY_S = 10.0  # a process that ran this long starts again without a pause


class StartError(Exception):
    """A process did not become ready; the text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A process to keep. `ready_url` answers 200 once it works ('' = at once)."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready_url: str = ""
    ready_within_s: float = 60.0
    pass_fds: Sequence[int] = ()


@dataclass(slots=True)
class Kept:
    """One process under supervision."""

    spec: Spec
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    stopping: bool = False
    _task: asyncio.Task[None] | None = field(default=None)

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises StartError."""
        await self._spawn()
        await self._wait_ready()
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    async def _spawn(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self.spec.argv,
            env=dict(self.spec.env),
            pass_fds=tuple(self.spec.pass_fds),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, who tell them in order
        )

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + self.spec.ready_within_s
        # plain HTTP on this machine: no public roots, which take longer to load than all the rest
        async with httpx.AsyncClient(trust_env=False, timeout=2, verify=False) as client:  # noqa: S501
            while self.spec.ready_url:
                if self.process is not None and self.process.returncode is not None:
                    raise StartError(
                        f"{self.spec.name} stopped with code {self.process.returncode} before it "
                        "was ready; its own message is above"
                    )
                try:
                    if (await client.get(self.spec.ready_url)).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                if time.monotonic() > deadline:
                    raise StartError(
                        f"{self.spec.name} was not ready within {self.spec.ready_within_s:.0f} s "
                        f"({self.spec.ready_url}); see its log above"
                    )
                await asyncio.sleep(0.05)

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE_S
        while self.process is not None:
            started = time.monotonic()
            code = await self.process.wait()
            if self.stopping:
                return
            steady = time.monotonic() - started > _STEADY_S
            pause = _FIRST_PAUSE_S if steady else min(pause * 2, _LONGEST_PAUSE_S)
            log.warning("%s ended (%s); starting it again in %.1f s", self.spec.name, code, pause)
            await asyncio.sleep(pause)
            if self.stopping:
                return
            self.restarts += 1
            await self._spawn()

    async def stop(self, within_s: float) -> None:
        """SIGTERM, then SIGKILL when it takes longer than it may."""
        self.stopping = True
        process = self.process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), within_s)
            except TimeoutError:
                log.warning("%s did not stop in time: killed", self.spec.name)
                process.kill()
                await process.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class Supervisor:
    """Several kept processes; stops them in reverse order, all within one time limit.

    `together`: they do not need each other, so they are all told to stop at once, and each has
    the whole time.
    """

    def __init__(self, stop_within_s: float = 9.0, *, together: bool = False) -> None:
        self._kept: list[Kept] = []
        self._stop_within_s = stop_within_s
        self._together = together

    async def start(self, spec: Spec) -> Kept:
        kept = Kept(spec)
        self._kept.append(kept)
        await kept.start()
        return kept

    async def stop(self) -> None:
        for kept in self._kept:
            kept.stopping = True  # what ends while others are being stopped stays ended
        if self._together:
            await asyncio.gather(*(kept.stop(self._stop_within_s) for kept in self._kept))
            return
        deadline = time.monotonic() + self._stop_within_s
        for kept in reversed(self._kept):
            await kept.stop(max(0.5, deadline - time.monotonic()))


def python(module: str, *args: str) -> list[str]:
    """The argv that runs one of our modules with this interpreter."""
    return [sys.executable, "-m", module, *args]


def run(main: Coroutine[Any, Any, None]) -> None:
    """asyncio.run, where SIGTERM and SIGINT cancel `main` until it waits for them by itself.

    Raises StartError when it was cancelled so: it has cleaned up, and was not ready.
    """

    async def outer() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (asyncio.run made it)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await main

    try:
        asyncio.run(outer())
    except asyncio.CancelledError:
        raise StartError("stopped while it was starting") from None


async def until_signal() -> None:
    """Wait for SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()

"""What the pages' states reach: set once, when the server starts."""

from __future__ import annotations

from dataclasses import dataclass

from amaze_app.access import Access
from amaze_app.gateway import Gateway
from amaze_app.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Runtime:
    """The open platform."""

    gateway: Gateway
    access: Access
    pulse: Pulse


_running: list[Runtime] = []


def install(runtime: Runtime) -> None:
    """Makes `runtime` the one of this process: Reflex makes states itself, and hands in nothing."""
    _running[:] = [runtime]


def current() -> Runtime:
    """The runtime of this process. Raises RuntimeError before `install`."""
    if not _running:
        raise RuntimeError("the UI is not being served: start it with python -m amaze_app.serve")
    return _running[0]

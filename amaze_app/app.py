"""The Reflex application. It serves behind `amaze_app.door` only."""

from __future__ import annotations

import reflex as rx
from reflex.app import default_error_boundary

from amaze_app import live
from amaze_app.gate import Gate
from amaze_app.pages import (
    agent,
    agents,
    alerts,
    audit,
    ended,
    llms,
    mcp,
    overview,
    people,
    policy,
    settings,
    trace,
    traces,
)
from amaze_app.shell import unreachable

__all__ = [
    "agent",
    "agents",
    "alerts",
    "app",
    "audit",
    "ended",
    "llms",
    "mcp",
    "overview",
    "people",
    "policy",
    "settings",
    "trace",
    "traces",
]


def _report(exception: Exception) -> None:
    """A handler failed: the log says how; the browser learns nothing."""
    live.log.error("a handler failed", exc_info=exception)


async def _live() -> None:
    await live.push_changes(app)


app = rx.App(
    head_components=[rx.el.link(rel="icon", href="/front/icon.svg", type="image/svg+xml")],
    app_wraps={
        (55, "ErrorBoundary"): lambda stateful: default_error_boundary(),
        (5, "Overlay"): lambda stateful: unreachable() if stateful else None,
    },
    backend_exception_handler=_report,
    html_lang="en",
    stylesheets=["/front/tokens.css", "/front/app.css"],
)
app.add_middleware(Gate(), index=0)
app.register_lifespan_task(_live)

"""The one way in which our processes give an ASGI app to uvicorn (the proxy has its own server)."""

from __future__ import annotations

import signal
import socket
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

_MESSAGE_MAX = 1024 * 1024  # bytes of a websocket message
_GRACE_S = 3


async def serve(app: ASGIApp, sock: socket.socket, ws: Literal["none", "wsproto"] = "none") -> None:
    """Serve `app` on the bound socket until SIGTERM or SIGINT, then return."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws=ws,
        ws_max_size=_MESSAGE_MAX,
        lifespan="on",
        proxy_headers=False,  # X-Forwarded-For is anybody's word
        server_header=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    # uvicorn raises a signal again when it is done: by default that would end the process before
    # its caller has closed what it opened.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    await uvicorn.Server(config).serve(sockets=[sock])

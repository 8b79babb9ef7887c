"""What the Python servers share: options, the socket, the line that says the port, the proof.

Each prints `{"port": N}` when it listens; whoever connects from then on is answered. PROOF names
a file that gets a line for each call that was executed.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn


def options() -> argparse.ArgumentParser:
    """The options of every server; a server adds its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert", help="serve TLS with this certificate chain")
    parser.add_argument("--key")
    return parser


def mcp_options() -> argparse.Namespace:
    """The options of the MCP servers, read."""
    parser = options()
    parser.add_argument("--json", action="store_true", help="answers as JSON, not as SSE")
    parser.add_argument("--stateless", action="store_true")
    return parser.parse_args()


def executed(what: str) -> None:
    """Leaves proof that this call was executed."""
    if path := os.environ.get("PROOF"):
        with Path(path).open("a") as proof:
            proof.write(what + "\n")


def serve(args: argparse.Namespace, make: Callable[[str], Any]) -> None:
    """Serves the ASGI application that `make` gives for the base URL, until it is ended."""
    listener = socket.create_server(("127.0.0.1", args.port))
    port = listener.getsockname()[1]
    app = make(f"{'https' if args.cert else 'http'}://127.0.0.1:{port}")
    config = uvicorn.Config(
        app,
        log_level="warning",
        ssl_certfile=args.cert,
        ssl_keyfile=args.key,
        timeout_graceful_shutdown=1,
    )
    print(json.dumps({"port": port}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])

"""An MCP server of books."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Library:
    """Its tools change when a test says so, and each of them finds the same."""

    def __init__(self) -> None:
        self.tools = [tool("search", "Finds books"), tool("lend", "Lends a book")]
        library = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                answer = library.answer(asked)
                body = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), **answer}).encode()
                self.send_response(200 if "id" in asked else 202)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.send_response(405)
                self.send_header("content-length", "0")
                self.end_headers()

            do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/mcp"

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The result, or the error, of a JSON-RPC request."""
        match asked["method"]:
            case "initialize":
                about = {"name": "library", "version": "7"}
                capabilities: dict[str, Any] = {"tools": {}}
                revision = "2025-06-18"
                return {
                    "result": {
                        "protocolVersion": revision,
                        "capabilities": capabilities,
                        "serverInfo": about,
                    }
                }
            case "tools/list":
                return {"result": {"tools": self.tools}}
            case "tools/call":
                content = [{"type": "text", "text": "On the shelf by the window."}]
                return {"result": {"content": content, "isError": False}}
            case _:
                return {"error": {"code": -32601, "message": "no such method"}}

    def stop(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def tool(name: str, description: str) -> dict[str, Any]:
    """As `tools/list` names it."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    return {"name": name, "description": description, "inputSchema": schema}

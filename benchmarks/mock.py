#!/usr/bin/env python3
"""A fast upstream: one process, no dependencies (uvloop if it is there).

/v1/chat/completions   a completion of 1 KB, 25 tokens; server-sent events if `"stream": true`,
                       in one packet if the request says `at-once`
/mcp, /mcp-events      a JSON-RPC tool result of the same size, as JSON and as an event
/, /a2a                an A2A task of the same size
/size/N                N bytes in writes of 64 KiB
/echo                  the request's head as text
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

from http_messages import Body

_TEXT = "The quick brown fox jumps over the lazy dog. " * 14
_USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
_COMPLETION = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": _TEXT[:640]},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": _USAGE,
    "system_fingerprint": "fp_bench",
}
_BLOCK = b"x" * 65536


def answer(body: bytes, kind: str = "application/json", status: int = 200) -> bytes:
    """A whole response."""
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_COMPLETED = json.dumps(_COMPLETION).encode()
WHOLE = {b"/v1/chat/completions": answer(_COMPLETED)}


def _chunk(**fields: object) -> str:
    chunk = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o-mini", **fields}
    return f"data: {json.dumps(chunk)}\n\n"


def _events_at_once() -> bytes:
    """The same completion as events, in one packet, and of the same size."""
    ends = _chunk(choices=[], usage=_USAGE) + "data: [DONE]\n\n"
    empty = len(_chunk(choices=[{"index": 0, "delta": {"content": ""}}]) + ends)
    text = "x" * (len(_COMPLETED) - empty)
    return (_chunk(choices=[{"index": 0, "delta": {"content": text}}]) + ends).encode()


AT_ONCE = answer(_events_at_once(), "text/event-stream")


def tool_result(text: str) -> object:
    return {"content": [{"type": "text", "text": text}], "isError": False}


def task(text: str) -> object:
    artifacts = [{"artifactId": "a", "parts": [{"text": text}]}]
    status = {"state": "TASK_STATE_COMPLETED"}
    return {"task": {"id": "t", "contextId": "c", "status": status, "artifacts": artifacts}}


class Rpc:
    """A JSON-RPC answer of the size of a completion, with the id of its request."""

    def __init__(self, result: Callable[[str], object], *, event: bool = False) -> None:
        empty = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result("")})
        self._result = json.dumps(result("x" * (len(_COMPLETED) - len(empty)))).encode()
        self._event = event

    def answer(self, request: bytes) -> bytes:
        try:
            request_id = json.dumps(json.loads(request)["id"]).encode()
        except (ValueError, LookupError, TypeError):
            return answer(b'{"error": "no JSON-RPC request"}', status=400)
        body = b'{"jsonrpc": "2.0", "id": %b, "result": %b}' % (request_id, self._result)
        if self._event:
            return answer(b"event: message\ndata: %b\n\n" % body, "text/event-stream")
        return answer(body)


RPC = {
    b"/mcp": Rpc(tool_result),
    b"/mcp-events": Rpc(tool_result, event=True),
    b"/": Rpc(task),
    b"/a2a": Rpc(task),
}


async def big(size: int) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
    yield b"Content-Length: %d\r\n\r\n" % size
    for _ in range(size // len(_BLOCK)):
        yield _BLOCK
    yield _BLOCK[: size % len(_BLOCK)]


async def stream(events: int, gap: float) -> AsyncIterator[bytes]:
    """A streamed completion: `events` tokens, `gap` seconds between them."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    yield b"Transfer-Encoding: chunked\r\n\r\n"
    for number in range(events):
        yield _event({"choices": [{"index": 0, "delta": {"content": f"token {number} "}}]})
        await asyncio.sleep(gap)
    yield _event({"choices": [], "usage": _USAGE})
    yield b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def _event(fields: dict[str, object]) -> bytes:
    data = _chunk(**fields).encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """One connection; requests are answered one after the other."""

    events = 3
    gap = 0.02

    def __init__(self) -> None:
        self._buffer = b""
        self._head = b""
        self._body: Body | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio.Transport, only alike.
        self._transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._task is None and self._advance():
            pass

    def _advance(self) -> bool:
        """Take the next step that the buffer allows; False if it allows none."""
        if self._body is None:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return False
            self._head, self._buffer = head, rest
            self._body = Body(head.lower() + b"\r\n", keep=True)
        self._buffer = self._body.feed(self._buffer)
        if not self._body.done:
            return False
        body, self._body = bytes(self._body.payload), None
        self._respond(self._head, body)
        return bool(self._buffer)

    def _respond(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        streamed = b'"stream": true' in body or b'"stream":true' in body
        if path in WHOLE and not streamed:
            self._transport.write(WHOLE[path])
        elif path in WHOLE and b"at-once" in body:
            self._transport.write(AT_ONCE)
        elif path in WHOLE:
            self._send(stream(self.events, self.gap))
        elif path in RPC:
            self._transport.write(RPC[path].answer(body))
        elif path.startswith(b"/size/"):
            self._send(big(int(path[6:])))
        elif path == b"/echo":
            self._transport.write(answer(head, "text/plain"))
        else:
            self._transport.write(answer(b'{"error": "no such route"}', status=404))

    def _send(self, pieces: AsyncIterator[bytes]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._write(pieces))

    async def _write(self, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            await self._writable.wait()
            if self._transport.is_closing():
                return
            self._transport.write(piece)
        self._task = None
        if self._buffer:
            self.data_received(b"")


async def serve(listen: list[str], cert: str | None, key: str | None) -> None:
    context = None
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.set_alpn_protocols(["http/1.1"])
    loop = asyncio.get_running_loop()
    for place in listen:
        host, port, *tls = place.split(":")
        await loop.create_server(
            Upstream, host, int(port), ssl=context if tls else None, backlog=1024
        )
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listen", action="append", required=True, metavar="IP:PORT[:tls]")
    parser.add_argument("--cert", help="PEM with certificate chain")
    parser.add_argument("--key", help="PEM with its private key, if it is not in --cert")
    parser.add_argument("--stream", default="3:20", metavar="EVENTS:MS", help="default %(default)s")
    arguments = parser.parse_args()
    events, gap = arguments.stream.split(":")
    Upstream.events, Upstream.gap = int(events), int(gap) / 1000
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(serve(arguments.listen, arguments.cert, arguments.key))


if __name__ == "__main__":
    main()

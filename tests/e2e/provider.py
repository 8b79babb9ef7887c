"""A mock LLM provider with faults: real TLS, real sockets, its own thread.

What it does is named by words in the last message: `hold` (first token, then waits for
`release`), `break` (cuts the connection in mid-answer), `unfinished` (ends cleanly without the
terminator), `error500`, `gzip`, `endless`, `bare` (no usage in the stream unless asked: always so),
`big` (an answer that used many tokens).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h11
import trustme

from tests.e2e import dialects
from tests.e2e.dialects import TOKENS

PROMPT_TOKENS, OUTPUT_TOKENS = 20, 5
BIG = (500, 400)  # prompt and output tokens
LLM_HOSTS = (
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "us-central1-aiplatform.googleapis.com",
    "unit.openai.azure.com",
    "api.mistral.ai",
    "api.groq.com",
    "api.deepseek.com",
    "api.together.xyz",
    "openrouter.ai",
    "api.x.ai",
    "ollama.com",
)
HOSTS = (*LLM_HOSTS, "allowed.example", "127.0.0.1")
_SSE, _NDJSON, _JSON = "text/event-stream", "application/x-ndjson", "application/json"


@dataclass
class Seen:
    """One request as the provider got it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    @property
    def url_model(self) -> str:
        """The model that Gemini's URLs name."""
        return self.path.rpartition("/models/")[2].partition(":")[0]


class Provider:
    """Start it, point AMAZE_UPSTREAMS at `url`, trust `ca_file`; `plain_url` is without TLS."""

    def __init__(self, directory: Path) -> None:
        self.authority = authority = trustme.CA()
        self.ca_file = directory / "provider-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*HOSTS).configure_cert(self._tls)
        self.seen: list[Seen] = []
        self.release = threading.Event()
        self.port = 0
        self.plain_port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def plain_url(self) -> str:
        return f"http://127.0.0.1:{self.plain_port}"

    @property
    def local_url(self) -> str:
        """`plain_url` at another address."""
        return f"http://localhost:{self.plain_port}"

    def clear(self) -> None:
        self.seen.clear()
        self.release.clear()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        plain = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.plain_port = plain.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        plain.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER)
        while True:
            seen = await _read(http, reader)
            if seen is None:
                return
            self.seen.append(seen)
            await self._answer(http, seen, reader, writer)
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _answer(
        self,
        http: h11.Connection,
        seen: Seen,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        words = _words(seen)
        if "error500" in words:
            _send(http, writer, 500, b'{"error": {"message": "mock failure"}}')
        elif seen.body.startswith(b"{") and (no := dialects.refusal(seen.host, seen.json)):
            _send(http, writer, 422, no)
        elif streamed := _stream_of(seen):
            await self._stream(http, seen, *streamed, words, reader, writer)
        else:
            if "hold" in words:
                await asyncio.to_thread(self.release.wait, 60)
            body = json.dumps(_document(seen)).encode()
            extra = []
            if "gzip" in words:
                body, extra = gzip.compress(body), [("content-encoding", "gzip")]
            _send(http, writer, 200, body, extra)
        await writer.drain()

    async def _stream(
        self,
        http: h11.Connection,
        seen: Seen,
        content_type: str,
        events: list[bytes],
        words: set[str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        head = h11.Response(
            status_code=200,
            headers=[("content-type", content_type), ("transfer-encoding", "chunked")],
        )
        writer.write(http.send(head))
        watch = asyncio.ensure_future(reader.read(1))  # the proxy closes when its client is gone
        watch.add_done_callback(lambda _: seen.gone.set())
        for number, event in enumerate(events):
            writer.write(http.send(h11.Data(data=event)))
            await writer.drain()
            if number == 1 and "hold" in words:
                while not self.release.is_set() and not seen.gone.is_set():
                    await asyncio.sleep(0.01)
            while "endless" in words and number == 1 and not seen.gone.is_set():
                await asyncio.sleep(0.02)
                writer.write(http.send(h11.Data(data=event)))
                await writer.drain()
            if number == 2 and "break" in words:
                writer.transport.abort()
                return
            if number == 2 and "unfinished" in words:
                break
        writer.write(http.send(h11.EndOfMessage()))
        if watch.done():
            raise ConnectionError
        watch.cancel()


async def _read(http: h11.Connection, reader: asyncio.StreamReader) -> Seen | None:
    request: h11.Request | None = None
    body = b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(65536)
            if not data and request is None:
                return None
            http.receive_data(data)
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            headers = {n.decode(): v.decode() for n, v in request.headers}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            return Seen(request.method.decode(), request.target.decode(), headers, body)
        else:
            return None


def _send(
    http: h11.Connection,
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    extra: list[tuple[str, str]] | None = None,
) -> None:
    headers = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("x-amaze-decision", "spoofed"),
        *(extra or []),
    ]
    writer.write(http.send(h11.Response(status_code=status, headers=headers)))
    writer.write(http.send(h11.Data(data=body)))
    writer.write(http.send(h11.EndOfMessage()))


def _words(seen: Seen) -> set[str]:
    try:
        document = seen.json
        given = document.get("prompt") or document.get("input", "")
        last = (document.get("messages") or [{"content": given}])[-1]
        if contents := document.get("contents"):
            last = {"content": contents[-1]["parts"][0]["text"]}
        return set(str(last["content"]).split())
    except (ValueError, KeyError, AttributeError, IndexError):
        return set()


def _spent(seen: Seen) -> tuple[int, int]:
    """Tokens of prompt and answer."""
    return BIG if "big" in _words(seen) else (PROMPT_TOKENS, OUTPUT_TOKENS)


def _stream_of(seen: Seen) -> tuple[str, list[bytes]] | None:
    """The content type and the parts of a streamed answer; None: it comes whole."""
    if seen.path.endswith(":streamGenerateContent"):
        elements = dialects.gemini_elements(seen.url_model, _spent(seen))
        if "alt=sse" in seen.target:
            return _SSE, dialects.gemini_events(elements)
        return _JSON, dialects.gemini_array(elements)
    if not seen.body.startswith(b"{"):
        return None
    if seen.path in ("/api/chat", "/api/generate"):  # these stream unless told not to
        lines = dialects.ollama_lines(seen.json, _spent(seen))
        return (_NDJSON, lines) if seen.json.get("stream", True) else None
    return (_SSE, _events(seen)) if seen.json.get("stream") else None


def _document(seen: Seen) -> dict[str, Any]:
    text = "".join(TOKENS)
    prompt_tokens, output_tokens = _spent(seen)
    if seen.path.endswith(":generateContent"):
        return dialects.gemini(seen.url_model, (prompt_tokens, output_tokens))
    if seen.path in ("/api/chat", "/api/generate"):
        return dialects.ollama(seen.json, (prompt_tokens, output_tokens))
    if seen.path.endswith("/messages"):
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": seen.json["model"],
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": prompt_tokens, "output_tokens": output_tokens},
        }
    if seen.path.endswith("/embeddings"):
        return {
            "object": "list",
            "model": seen.json["model"],
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
            "usage": {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS},
        }
    if seen.path.endswith("/responses"):
        return _response(seen, text)
    if not seen.path.endswith("/chat/completions"):
        return {"echo": seen.target, "headers": seen.headers, "size": len(seen.body)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": seen.json["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": prompt_tokens + output_tokens,
        },
    }


def _response(seen: Seen, text: str) -> dict[str, Any]:
    prompt_tokens, output_tokens = _spent(seen)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": seen.json["model"],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [
            {
                "id": "m1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }
        ],
        "usage": {
            "input_tokens": prompt_tokens,
            "output_tokens": output_tokens,
            "total_tokens": prompt_tokens + output_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _events(seen: Seen) -> list[bytes]:
    if seen.path.endswith("/messages"):
        return _anthropic_events(seen)
    if seen.path.endswith("/responses"):
        return _responses_events(seen)
    base = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": seen.json["model"],
    }
    frames: list[dict[str, Any]] = [
        {**base, "choices": [{"index": 0, "delta": {"content": token}, "finish_reason": None}]}
        for token in TOKENS
    ]
    frames.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    asked = bool((seen.json.get("stream_options") or {}).get("include_usage"))
    frames = dialects.add_usage(seen.host, frames, _document(seen)["usage"], asked=asked)
    events = [b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames]
    if seen.host == "openrouter.ai":
        events.insert(0, b": OPENROUTER PROCESSING\n\n")
    return [*events, b"data: [DONE]\n\n"]


def _named(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def _anthropic_events(seen: Seen) -> list[bytes]:
    message = {**_document(seen), "content": [], "stop_reason": None}
    message["usage"] = {"input_tokens": _spent(seen)[0], "output_tokens": 1}
    block = {"type": "text", "text": ""}
    events = [
        _named("message_start", message=message),
        _named("content_block_start", index=0, content_block=block),
    ]
    for token in TOKENS:
        delta = {"type": "text_delta", "text": token}
        events.append(_named("content_block_delta", index=0, delta=delta))
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        *events,
        _named("content_block_stop", index=0),
        _named("message_delta", delta=stop, usage={"output_tokens": _spent(seen)[1]}),
        _named("message_stop"),
    ]


def _responses_events(seen: Seen) -> list[bytes]:
    done = _response(seen, "".join(TOKENS))
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    part = {"type": "output_text", "text": "", "annotations": []}
    item = {"id": "m1", "type": "message", "role": "assistant", "status": "in_progress"}
    item["content"] = []  # type: ignore[assignment]
    where = {"item_id": "m1", "output_index": 0, "content_index": 0}
    events = [
        _named("response.created", response=begun, sequence_number=0),
        _named("response.output_item.added", output_index=0, item=item, sequence_number=1),
        _named("response.content_part.added", **where, part=part, sequence_number=2),
    ]
    for number, token in enumerate(TOKENS):
        events.append(
            _named(
                "response.output_text.delta",
                **where,
                delta=token,
                logprobs=[],
                sequence_number=3 + number,
            )
        )
    return [*events, _named("response.completed", response=done, sequence_number=20)]

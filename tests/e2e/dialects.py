"""What the mock provider answers in the dialects of Gemini and Ollama, and the manners of those
who speak OpenAI's: what each refuses, and where it tells its usage."""

from __future__ import annotations

import json
from typing import Any

TOKENS = ["Hello", " from", " the", " mock", "!"]
TEXT = "".join(TOKENS)
_THOUGHTS = 2  # of Gemini's output, told apart
_GEMINI = "gemini-2.5-flash"
# What FastAPI says to members that it does not know; Mistral is strict.
STRICT = {
    "api.mistral.ai": ("stream_options", "max_completion_tokens"),
}


def gemini_request(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """Of generateContent."""
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **fields}


def gemini(model: str, spent: tuple[int, int]) -> dict[str, Any]:
    """A whole answer of generateContent; `spent` the tokens of prompt and answer."""
    return _gemini_element(TEXT, "STOP", model, spent)


def _gemini_element(text: str, end: str, model: str, spent: tuple[int, int]) -> dict[str, Any]:
    prompt, output = spent
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": [{"text": text}]},
        "index": 0,
    }
    if end:
        candidate["finishReason"] = end
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": prompt,
            "candidatesTokenCount": output - _THOUGHTS,
            "thoughtsTokenCount": _THOUGHTS,
            "totalTokenCount": prompt + output,
        },
        "modelVersion": model or _GEMINI,
        "responseId": "r1",
    }


def gemini_elements(model: str, spent: tuple[int, int]) -> list[dict[str, Any]]:
    """The same as elements of a stream, with running totals."""
    prompt, output = spent
    last = len(TOKENS) - 1
    return [
        _gemini_element(token, "STOP" if n == last else "", model, (prompt, output - last + n))
        for n, token in enumerate(TOKENS)
    ]


def gemini_events(elements: list[dict[str, Any]]) -> list[bytes]:
    """With `alt=sse`."""
    return [b"data: " + json.dumps(element).encode() + b"\r\n\r\n" for element in elements]


def gemini_array(elements: list[dict[str, Any]]) -> list[bytes]:
    """Without: one array, pretty-printed as Google does."""
    parts = [json.dumps(element, indent=2).encode() for element in elements]
    return [b"[" + parts[0], *(b"\n,\r\n" + part for part in parts[1:]), b"\n]"]


def ollama(asked: dict[str, Any], spent: tuple[int, int]) -> dict[str, Any]:
    """A whole answer of /api/chat, or of /api/generate for who sent a prompt."""
    return _ollama_line(asked, TEXT) | _ollama_end(spent)


def _ollama_line(asked: dict[str, Any], text: str) -> dict[str, Any]:
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
    if "messages" not in asked:
        said = {"response": text}
    head = {"model": asked["model"], "created_at": "2026-11-22T00:00:00Z"}
    return {**head, **said, "done": False}


def _ollama_end(spent: tuple[int, int]) -> dict[str, Any]:
    prompt, output = spent
    return {
        "done": True,
        "done_reason": "stop",
        "total_duration": 9,
        "prompt_eval_count": prompt,
        "eval_count": output,
    }


def ollama_lines(asked: dict[str, Any], spent: tuple[int, int]) -> list[bytes]:
    """The same, line by line; the last has the totals."""
    lines = [_ollama_line(asked, token) for token in TOKENS]
    lines.append(_ollama_line(asked, "") | _ollama_end(spent))
    return [json.dumps(line).encode() + b"\n" for line in lines]


def refusal(host: str, asked: dict[str, Any]) -> bytes | None:
    """What a strict provider says to a body with members that it does not know."""
    unknown = [name for name in STRICT.get(host, ()) if name in asked]
    if not unknown:
        return None
    detail = {"type": "extra_forbidden", "loc": ["body", unknown[0]], "msg": "not permitted"}
    return json.dumps({"object": "error", "message": {"detail": [detail]}}).encode()


def add_usage(
    host: str, frames: list[dict[str, Any]], usage: dict[str, Any], *, asked: bool
) -> list[dict[str, Any]]:
    """The chunks of an OpenAI stream with the usage where this host tells it. The last chunk is
    the one with the finish reason."""
    *_, end = frames
    if host == "api.mistral.ai":
        end["usage"] = usage
        return frames
    if host == "api.groq.com":
        end["x_groq"] = {"id": "req_1", "usage": usage}
    if asked or host == "openrouter.ai":
        told = frames if host != "openrouter.ai" else []
        for frame in told:
            frame["usage"] = None
        return [*frames, {**end, "choices": [], "usage": usage}]
    return frames

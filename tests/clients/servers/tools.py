"""The tools of every Python MCP server here; those that ask the client differ by SDK."""

from __future__ import annotations

import asyncio
from typing import Any

from serving import executed

NOTE = "demo://note"
QUESTION = "What is the answer?"
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    executed("add")
    return a + b


def echo(text: str) -> str:
    """The text as it is."""
    executed("echo")
    return text


def secret() -> str:
    """What no agent of the tests may call."""
    executed("secret")
    return "the secret"


def fail() -> str:
    """A tool that fails: an error of its own, not of the protocol."""
    executed("fail")
    raise ValueError("it failed")


async def slow(seconds: float = 0.2) -> str:
    """Answers after some seconds."""
    executed("slow")
    await asyncio.sleep(seconds)
    return "done"


def note() -> str:
    """A resource."""
    executed("note")
    return "a note"


def greet(name: str) -> str:
    """A prompt."""
    executed("greet")
    return f"Greet {name}."


PLAIN = (add, echo, secret, fail, slow)


async def sampled(session: Any, message: Any, **kwargs: Any) -> str:
    """What the client's model says: a sampling request inside the answer's stream."""
    executed("ask")
    done = await session.create_message(messages=[message], max_tokens=20, **kwargs)
    return str(done.content.text)


async def elicited(session: Any, **kwargs: Any) -> str:
    """What the client's user says: an elicitation request inside the answer's stream."""
    executed("elicit")
    done = await session.elicit(QUESTION, SCHEMA, **kwargs)
    return str((done.content or {}).get("answer", done.action))

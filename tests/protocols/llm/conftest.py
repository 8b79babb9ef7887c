"""The real SDKs, answered with bytes of ours, and real wire examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest

DATA = Path(__file__).parents[2] / "data" / "llm"


@pytest.fixture
def wire() -> Callable[[str], bytes]:
    """A file of tests/data/llm."""
    return lambda name: (DATA / name).read_bytes()


@pytest.fixture
def transport() -> Iterator[Callable[..., httpx2.Client]]:
    """An HTTP client that gets one answer, whatever it asks."""
    with ExitStack() as stack:

        def client(body: bytes, kind: str, status: int = 200, headers=()) -> httpx2.Client:
            told = [(b"content-type", kind.encode()), *headers]
            asked: list[httpx2.Request] = []

            def answer(request: httpx2.Request) -> httpx2.Response:
                asked.append(request)
                return httpx2.Response(status, headers=told, content=body)

            made = stack.enter_context(httpx2.Client(transport=httpx2.MockTransport(answer)))
            made.asked = asked
            return made

        yield client


@pytest.fixture
def openai_client(transport):
    return lambda *told: openai.OpenAI(api_key="k", http_client=transport(*told))


@pytest.fixture
def anthropic_client(transport):
    return lambda *told: anthropic.Anthropic(api_key="k", http_client=transport(*told))


@pytest.fixture(scope="session")
def wire_files() -> dict[str, bytes]:
    """All files of tests/data/llm, for hypothesis (which needs a fixture that does not change)."""
    return {path.name: path.read_bytes() for path in DATA.iterdir()}

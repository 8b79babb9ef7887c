"""Which Python runs the demo's agents: they have packages that the platform does not need."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import amaze_proxy

_NEEDED = ("amaze", "fastmcp", "langchain", "langchain_openai", "langchain_mcp_adapters", "a2a")
_CHECKOUT = Path(amaze_proxy.__file__).parent.parent


class AgentsMissing(Exception):
    """The agents' packages are not installed; the text says how to get them."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python with the agents' packages; `path` is to be on its PYTHONPATH, "" for nothing."""

    python: str
    path: str = ""


def find(checkout: Path = _CHECKOUT) -> Interpreter:
    """This Python if it has them all, else the environment that a checkout's `make demo` makes.

    Raises AgentsMissing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if not missing:
        return Interpreter(sys.executable)
    python = checkout / ".tools" / "agents-venv" / "bin" / "python"
    if (python.parent.parent / ".ready").exists():
        return Interpreter(str(python), str(checkout / "amaze_sdk"))
    if (checkout / "Makefile").exists():
        raise AgentsMissing("the demo's agents are not installed yet: run `make demo`")
    raise AgentsMissing(
        f"the demo's agents need Python packages that are not installed ({', '.join(missing)}): "
        "pip install 'amaze-control-plane[demo]' amaze-sdk"
    )

from __future__ import annotations

from amaze_proxy.cli.llm import DIALECTS
from amaze_proxy.control.registry import Dialect


def test_the_command_line_knows_every_dialect() -> None:
    assert tuple(Dialect) == DIALECTS

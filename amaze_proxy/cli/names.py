"""The argument that `amaze mcp` and `amaze llm` share: a name, checked before it is in a path."""

from __future__ import annotations

import re

import click

# as control/naming.py, which loads what a command line need not
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def _checked(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            f"{name[:80]!r} is no name: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a "
            "letter or a digit"
        )
    return name


name_argument = click.argument("name", callback=_checked)

"""What the commands share: settings, errors that say what to do, output as text or JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.text import Text

from amaze_proxy.settings import Settings, SettingsError, is_secret, load, names

P = ParamSpec("P")
R = TypeVar("R")

console = Console()
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Failed(click.ClickException):
    """Ends the command with its message and exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"amaze: {self.message}", err=True)


def settings_of(flags: Mapping[str, str | None] | None = None) -> Settings:
    """The settings in force."""
    try:
        return load(os.environ, flags).settings
    except SettingsError as error:
        raise Failed(str(error)) from None


def settings_options(command: Callable[P, R]) -> Callable[P, R]:
    """A flag for each setting that is not a secret."""
    for name, about in reversed(list(names().items())):
        # Every user of the machine can read a command line.
        if not is_secret(name):
            flag = f"--{name.replace('_', '-')}"
            command = click.option(flag, name, default=None, help=about)(command)
    return command


def plainly(*errors: type[Exception]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """These errors end the command with their text instead of a traceback."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except errors as error:
                raise Failed(str(error)) from None

        return inner

    return decorate


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Rows as a table, or as JSON."""
    if as_json:
        click.echo(json.dumps(list(rows), indent=2))
        return
    heads = [name.removesuffix("_ms").replace("_", " ") for name in columns]
    table = [heads, *([_cell(name, row.get(name)) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for number, cells in enumerate(table):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        # Never cut nor folded to the terminal's width: a value is there to be copied.
        console.print(Text(line.rstrip(), style="" if number else "bold"), soft_wrap=True)


def _cell(name: str, value: Any) -> str:
    if name.endswith("_ms") and isinstance(value, int):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value / 1000))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "" if value is None else str(value)


def show_one(document: Mapping[str, Any], as_json: bool) -> None:
    """One document, as lines or as JSON."""
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    width = max((len(name) for name in document), default=0)
    for name, value in document.items():
        click.echo(f"{name:<{width}}  {_cell(name, value)}".rstrip())


def show_gone(name: str, as_json: bool) -> None:
    """What was deleted: nothing to read, but for a script."""
    if as_json:
        click.echo(json.dumps({"deleted": name}))


def usage_error(message: str) -> NoReturn:
    """Exit code 2."""
    click.echo(f"amaze: {message}", err=True)
    sys.exit(2)

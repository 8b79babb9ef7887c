"""Every verb explains itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from amaze_proxy.cli import main

# They run until they are stopped, or run another program.
_NO_ANSWER = {"up", "demo", "proxy", "control", "ui", "run"}


def _verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _verbs(found, (*path, name))


VERBS = sorted(_verbs(main))


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_an_example_and_json(verb: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*verb, "--help"])
    assert shown.exit_code == 0
    whole = shown.stdout + CliRunner().invoke(main, [verb[0], "--help"]).stdout
    examples = [line.strip() for line in whole.splitlines() if line.startswith("  amaze ")]
    assert any(line.startswith(f"amaze {' '.join(verb)}") for line in examples), examples
    if verb[0] not in _NO_ANSWER:
        assert "--json" in shown.stdout


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_an_option_that_is_none_is_a_wrong_use(verb: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*verb, "--no-such-option"])
    if verb == ("run",):
        assert done.exit_code != 0
    else:
        assert (done.exit_code, "No such option" in done.stderr) == (2, True)


def test_the_manual_has_every_verb() -> None:
    manual = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `amaze [^|]*` \|.*", manual, re.MULTILINE)
    for command, *verb in VERBS:
        (row,) = [one for one in rows if f"`amaze {command}`" in one.split("|")[1]]
        assert not verb or f"`{verb[0]}`" in row.split("|")[2]

"""`amaze llm …`: LLM hosts beside the providers that are built in."""

from __future__ import annotations

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import json_option, settings_of, show, show_gone, show_one
from amaze_proxy.cli.names import name_argument

DIALECTS = ("openai", "anthropic", "gemini", "ollama", "mistral")
_COLUMNS = ("name", "dialect", "url", "created_ms")


@click.group()
def llm() -> None:
    """LLM hosts of your own: add, list, delete.

    Agents reach a host by its name (http://NAME/…) or by its URL; a policy allows it by naming it
    in allowed_llm_providers.

    \b
    amaze llm add local-llama http://10.0.0.6:11434 --dialect ollama
    amaze llm list
    amaze llm delete local-llama
    """


@llm.command("list")
@json_option
def list_(as_json: bool) -> None:
    """All LLM hosts."""
    show(Control(settings_of()).pages("/llms", "llms", "after"), _COLUMNS, as_json)


@llm.command()
@name_argument
@click.argument("url")
@click.option("--dialect", type=click.Choice(DIALECTS), required=True, help="what it speaks")
@json_option
def add(name: str, url: str, dialect: str, as_json: bool) -> None:
    """Add an LLM host."""
    body = {"name": name, "url": url, "dialect": dialect}
    show_one(Control(settings_of()).json("POST", "/llms", json=body), as_json)


@llm.command()
@name_argument
@click.confirmation_option(prompt="Delete the LLM host? Its next call is denied.")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Remove an LLM host.

    \b
    amaze llm delete local-llama --yes
    """
    Control(settings_of()).call("DELETE", f"/llms/{name}")
    show_gone(name, as_json)

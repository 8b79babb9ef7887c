"""`amaze config`: the settings in force."""

from __future__ import annotations

import os

import click

from amaze_proxy import otlp
from amaze_proxy.cli.common import Failed, json_option, settings_options, show
from amaze_proxy.settings import SettingsError, load, names, shown


@click.command()
@settings_options
@json_option
def config(as_json: bool, **flags: str | None) -> None:
    """What is in force, and where each value came from: the settings of `amaze up`.

    Each is also AMAZE_<SETTING> in the environment, or a key of amaze.toml in the data directory.
    OTEL_* come from the environment alone.

    \b
    amaze config --json
    """
    try:
        loaded = load(os.environ, flags)
    except SettingsError as error:
        raise Failed(str(error)) from None
    values = shown(loaded.settings)
    rows = [
        {"setting": name, "value": values[name], "from": loaded.origin[name], "about": about}
        for name, about in names().items()
    ]
    for name, value in otlp.shown(loaded.settings.otel).items():
        about = "OpenTelemetry's own: where spans are sent"
        rows.append({"setting": name, "value": value, "from": "environment", "about": about})
    show(rows, ("setting", "value", "from"), as_json)

"""`amaze up`, `proxy`, `control`: the platform's processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import click
from rich.panel import Panel

from amaze_proxy import installation, logs
from amaze_proxy.cli.client import admin_key_file, first_password_file
from amaze_proxy.cli.common import (
    console,
    plainly,
    settings_of,
    settings_options,
)
from amaze_proxy.history.errors import HistoryError
from amaze_proxy.settings import Settings, SettingsError
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.errors import ServerStartError, StoreError
from amaze_proxy.supervisor import Spec, StartError, Supervisor, python, run, until_signal
from amaze_proxy.wire.ca_files import CaError

log = logging.getLogger("amaze.up")
_PLAIN = plainly(SettingsError, StoreError, HistoryError, CaError, StartError)


@contextlib.asynccontextmanager
async def store_url(settings: Settings) -> AsyncIterator[str]:
    """The store's address: the settings', or the embedded server's, started (or adopted) now."""
    if settings.redis_url:
        yield settings.redis_url
        return
    embedded = EmbeddedValkey(settings.data_dir / "valkey")
    await asyncio.to_thread(embedded.start)
    keeping = asyncio.create_task(_keep(embedded))
    try:
        yield embedded.url
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await asyncio.to_thread(embedded.stop)


async def _keep(embedded: EmbeddedValkey) -> None:
    """Start the embedded server again when it dies."""
    while True:
        await asyncio.sleep(0.2)
        if not embedded.is_running():
            log.warning("the embedded store ended; starting it again")
            try:
                await asyncio.to_thread(embedded.start)
            except ServerStartError as error:
                log.error("%s", error)
                await asyncio.sleep(2)


async def running(settings: Settings, redis_url: str, *, ui: bool) -> Supervisor:
    """Control, proxy and (where asked for) the web UI, started in this order and ready."""
    env = {
        **os.environ,
        **logs.as_environment(settings),
        "AMAZE_REDIS_URL": redis_url,
        "AMAZE_SUPERVISED": "1",
    }
    supervisor = Supervisor()
    try:
        control_health = f"{settings.control_url}/health"
        await supervisor.start(
            Spec("control", python("amaze_proxy.cli", "control"), env, control_health)
        )
        proxy_health = f"{settings.proxy_url}/health"
        await supervisor.start(Spec("proxy", python("amaze_proxy.cli", "proxy"), env, proxy_health))
        if ui:
            # The app is above us: it is started as a process, never imported.
            await supervisor.start(
                Spec("ui", python("amaze_app.serve"), env, f"{settings.ui_url}/health")
            )
    except BaseException:
        await supervisor.stop()
        raise
    return supervisor


@click.command()
@settings_options
@click.option("--no-ui", is_flag=True, help="without the web UI")
@_PLAIN
def up(no_ui: bool, **flags: str | None) -> None:
    """Start the platform: store, control API, proxy. Ctrl-C stops it.

    \b
    amaze up --no-ui --proxy-port 8080
    """
    settings = settings_of(flags)
    installation.prepare(settings)
    with installation.claimed(settings):
        installation.check_ports(settings, ui=not no_ui)
        logs.configure(settings, "up")
        run(_up(settings, ui=not no_ui))


async def _up(settings: Settings, *, ui: bool) -> None:
    first = not admin_key_file(settings.data_dir).exists()
    console.print("starting: store, control API, proxy" + (", web UI" if ui else "") + " …")
    async with store_url(settings) as url:
        supervisor = await running(settings, url, ui=ui)
        try:
            console.print(_screen(settings, first=first, ui=ui))
            await until_signal()
        finally:
            await supervisor.stop()


def _screen(settings: Settings, *, first: bool, ui: bool) -> Panel:
    lines = [
        *([f"web UI       {settings.ui_url}   (sign in with your user name)"] if ui else []),
        f"proxy        {settings.proxy_url}",
        f"control API  {settings.control_url}   (OpenAPI: /openapi.json)",
        f"CA           {settings.data_dir / 'ca' / 'ca.pem'}   ({settings.control_url}/ca.pem)",
        f"data         {settings.data_dir}",
        "",
    ]
    key_file = admin_key_file(settings.data_dir)
    if first and key_file.exists() and not settings.admin_key:
        lines += [
            f"admin API key (shown this once, kept for the command line in {key_file}):",
            f"  {key_file.read_text().strip()}",
            "",
        ]
    lines += _first_password(settings)
    lines += [
        "next:",
        "  amaze agents create my-agent --policy examples/policy-flexible.yaml --save",
        "  amaze run --agent my-agent -- python agent.py",
        "  amaze audit tail",
    ]
    return Panel("\n".join(lines), title="aMaze is up", expand=False)


def _first_password(settings: Settings) -> list[str]:
    """The first admin's password, this once: its file goes."""
    path = first_password_file(settings.data_dir)
    if not path.exists():
        return []
    password = path.read_text().strip()
    path.unlink()
    return [
        "user admin, with a password that is shown this once and must be changed",
        "(lost? amaze users passwd admin):",
        f"  {password}",
        "",
    ]


def _serve(
    settings: Settings, name: str, serve: Callable[[Settings, str], Awaitable[None]]
) -> None:
    installation.prepare(settings)
    logs.configure(settings, name)
    if os.environ.get("AMAZE_SUPERVISED"):
        installation.die_with_parent()

    async def main() -> None:
        async with store_url(settings) as url:
            await serve(settings, url)

    asyncio.run(main())


@click.command()
@settings_options
@_PLAIN
def proxy(**flags: str | None) -> None:
    """Run the proxy alone (its store: AMAZE_REDIS_URL, or the embedded one).

    \b
    amaze proxy --bind 0.0.0.0
    """
    from amaze_proxy.proxy import master  # here: `up` need not load what it only starts

    _serve(settings_of(flags), "proxy", master)


@click.command()
@settings_options
@_PLAIN
def control(**flags: str | None) -> None:
    """Run the control API alone (its store: AMAZE_REDIS_URL, or the embedded one).

    \b
    amaze control --control-port 8001
    """
    from amaze_proxy import controller  # here: `up` need not load what it only starts

    settings = settings_of(flags)
    key_file = admin_key_file(settings.data_dir)
    alone = not os.environ.get("AMAZE_SUPERVISED")

    def keep_key(key: str) -> None:
        controller.keep_secret(key_file, key)
        if alone:
            click.echo(f"admin API key (shown this once, kept in {key_file}): {key}", err=True)

    def keep_password(password: str) -> None:
        if alone:
            click.echo(f"password of the user admin (once; must be changed): {password}", err=True)
        else:
            controller.keep_secret(first_password_file(settings.data_dir), password)

    shown = controller.Shown(keep_key, keep_password)
    _serve(settings, "control", lambda given, url: controller.serve(given, url, shown))


@click.command()
@settings_options
@_PLAIN
def ui(**flags: str | None) -> None:
    """Run the web UI alone (its store: AMAZE_REDIS_URL, or the embedded one).

    \b
    amaze ui --ui-port 5173
    """
    _serve(settings_of(flags), "ui", _serve_ui)


async def _serve_ui(settings: Settings, redis_url: str) -> None:
    supervisor = Supervisor()
    env = {**os.environ, **logs.as_environment(settings), "AMAZE_REDIS_URL": redis_url}
    try:
        await supervisor.start(
            Spec("ui", python("amaze_app.serve"), env, f"{settings.ui_url}/health")
        )
        await until_signal()
    finally:
        await supervisor.stop()

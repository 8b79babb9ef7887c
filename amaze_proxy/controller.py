"""The control process: wires history, store and the control API, and serves it by uvicorn."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from amaze_proxy import asgi, installation
from amaze_proxy.control import bootstrap
from amaze_proxy.control.app import create_app
from amaze_proxy.control.bootstrap import BootstrapError
from amaze_proxy.control.clock import now_ms
from amaze_proxy.control.config import ControlConfig, RegistrationMode
from amaze_proxy.control.keys import ensure_admin_key
from amaze_proxy.control.people import ensure_first_admin
from amaze_proxy.control.reach import Reach
from amaze_proxy.egress import own_listeners, refused, trust
from amaze_proxy.history.bundle import History, open_history
from amaze_proxy.protocols.prices import Price, PriceBook
from amaze_proxy.settings import Settings, SettingsError
from amaze_proxy.store.store import open_store
from amaze_proxy.wire.ca import load_or_create_ca


def database_url(settings: Settings) -> str:
    """The SQL database: the one of the settings, or SQLite in the data directory."""
    return settings.database_url or f"sqlite:///{settings.data_dir / 'history.db'}"


def control_config(settings: Settings, ca_pem: bytes) -> ControlConfig:
    """What the control room needs of the settings."""
    enroll = settings.enroll_key
    return ControlConfig(
        turn_key=installation.turn_key(settings),
        ca_pem=ca_pem,
        registration=RegistrationMode(settings.registration_mode),
        enroll_key_sha256=hashlib.sha256(enroll.encode()).hexdigest() if enroll else None,
        listens_on_loopback=settings.listens_on_loopback,
        retention_days=settings.retention_days,
        instance=secrets.token_hex(8),
        version=version("amaze-control-plane"),
        audit_key=installation.audit_key(settings),
        metrics_key=settings.metrics_key,
        store_timeout=settings.store_timeout_ms / 1000,
        journal_dir=settings.data_dir / "journal",
        prices=PriceBook({name: Price(*one) for name, one in settings.prices.items()}),
    )


def way_out(settings: Settings) -> Reach:
    """How MCP servers are reached to be probed: by the rules of the proxy. Raises SettingsError."""
    return Reach(trust(settings), partial(refused, own_listeners(settings)))


@dataclass(frozen=True, slots=True)
class Shown:
    """Who is told what a first start has made, once: the admin API key, and the password of the
    user `admin`."""

    key: Callable[[str], None]
    password: Callable[[str], None]


async def serve(settings: Settings, redis_url: str, shown: Shown) -> None:
    """Serve until SIGTERM."""
    reach = way_out(settings)
    sock = installation.listening_socket(settings, "control")
    ca = load_or_create_ca(settings.data_dir / "ca")
    history = await open_history(database_url(settings))
    try:
        made = await ensure_admin_key(history, settings.admin_key or None)
        if made is not None:
            shown.key(made)
        password = await ensure_first_admin(history)
        if password is not None:
            shown.password(password)
        await _bootstrap(settings, history)
        config = control_config(settings, ca.certificate_pem)
        store = await open_store(
            redis_url, settings.data_dir / "journal", timeout=config.store_timeout
        )
        try:
            app = create_app(config, store, history, reach=reach)
            await asgi.serve(app, sock)
        finally:
            await store.close()
    finally:
        await history.close()
        sock.close()


async def _bootstrap(settings: Settings, history: History) -> None:
    if settings.config_dir is not None:
        try:
            await bootstrap.load(settings.config_dir, history, now_ms)
        except BootstrapError as error:
            raise SettingsError(str(error)) from None


def keep_secret(path: Path, text: str) -> None:
    """Leave a new admin key for the command line, or the first password for `amaze up` to show,
    on this machine (0600)."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")

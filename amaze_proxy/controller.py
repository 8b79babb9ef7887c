"""The control process: wires history, store and the control API, and serves it by uvicorn."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from amaze_proxy import asgi, installation
from amaze_proxy.control.app import create_app
from amaze_proxy.control.config import ControlConfig, RegistrationMode
from amaze_proxy.control.keys import ensure_admin_key
from amaze_proxy.history.bundle import open_history
from amaze_proxy.settings import Settings
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
        instance=secrets.token_hex(8),
        version=version("amaze-control-plane"),
    )


async def serve(settings: Settings, redis_url: str, on_new_key: Callable[[str], None]) -> None:
    """Serve until SIGTERM. `on_new_key` gets the admin API key of a first start, once."""
    sock = installation.listening_socket(settings, "control")
    ca = load_or_create_ca(settings.data_dir / "ca")
    history = await open_history(database_url(settings))
    try:
        made = await ensure_admin_key(history, settings.admin_key or None)
        if made is not None:
            on_new_key(made)
        store = await open_store(redis_url, settings.data_dir / "journal")
        try:
            app = create_app(control_config(settings, ca.certificate_pem), store, history)
            await asgi.serve(app, sock)
        finally:
            await store.close()
    finally:
        await history.close()
        sock.close()


def keep_admin_key(path: Path, key: str) -> None:
    """Leave a new admin key for the command line on this machine (0600)."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")

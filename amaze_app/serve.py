"""Serves the built UI: `python -m amaze_app.serve`, configured as every process is.

Page, websocket and login on one port, by uvicorn; the command line of Reflex is not used.
"""

from __future__ import annotations

import asyncio
import os
import sys

from reflex_base import constants
from reflex_base.environment import environment
from starlette.types import ASGIApp

from amaze_app import csp, places, runtime
from amaze_app.access import Access
from amaze_app.door import Door
from amaze_app.forwarded import Forwarded
from amaze_app.gateway import Outage, open_gateway
from amaze_app.login.routes import front
from amaze_app.pulse import Pulse
from amaze_proxy import asgi, installation, logs
from amaze_proxy.settings import Settings, SettingsError, load


class NotBuilt(Exception):
    """There is no frontend that belongs to these sources."""


def application() -> ASGIApp:
    """The Reflex application over the built frontend, without the door. Raises NotBuilt.

    Changes the current directory: Reflex looks for rxconfig.py nowhere else.
    """
    if not places.fresh():
        state = "of other sources" if places.built() else "not built"
        raise NotBuilt(f"the UI is {state}: run `make ui`")
    os.chdir(places.ROOT)
    environment.REFLEX_WEB_WORKDIR.set(places.BUILT)
    environment.REFLEX_ENV_MODE.set(constants.Env.PROD)
    environment.REFLEX_SKIP_COMPILE.set(True)
    environment.REFLEX_MOUNT_FRONTEND_COMPILED_APP.set(True)
    from amaze_app.app import app

    return app()


async def serve(settings: Settings, inner: ASGIApp) -> None:
    """Serve until SIGTERM. Raises SettingsError, Outage."""
    sock = installation.listening_socket(settings, "ui")
    try:
        async with open_gateway(settings) as gateway:
            access = Access(gateway.sessions)
            runtime.install(runtime.Runtime(gateway, access, Pulse(gateway)))
            doorless = front(access, places.PAGES / "front")
            door = Door(inner, doorless, access, csp.of_pages(places.PAGES))
            outermost = Forwarded(door, settings.trusted_proxies)
            await asgi.serve(outermost, sock, ws="wsproto")
    finally:
        sock.close()


def main() -> int:
    """The process."""
    try:
        settings = load(os.environ).settings
        if not settings.redis_url:
            raise SettingsError("AMAZE_REDIS_URL is not set: start the UI by `amaze up`")
        installation.prepare(settings)
        logs.configure(settings, "ui")
        if os.environ.get("AMAZE_SUPERVISED"):
            installation.die_with_parent()
        asyncio.run(serve(settings, application()))
    except (SettingsError, NotBuilt, Outage) as error:
        print(f"amaze: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

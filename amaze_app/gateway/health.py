"""How the platform is, and by what settings it runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from amaze_app.gateway.desk import Desk
from amaze_app.gateway.principal import Need, Principal
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.services import Services
from amaze_proxy.settings import Settings, names, shown

_OK = "ok"
_PATIENCE_S = 2.0
_CA_MAX = 65_536
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting in force; a secret's `value` is "(set)", or "" where it is not."""

    name: str
    value: str
    about: str


class HealthDesk(Desk):
    """All methods raise Refused and Outage."""

    def __init__(self, services: Services, settings: Settings) -> None:
        super().__init__(services)
        self._settings = settings
        self._controlled = False

    async def parts(self, who: Principal) -> Mapping[str, str]:
        """Each part with `ok`, or with what is wrong."""
        self._needs(who, Need.VIEWER)
        with told():
            return await self._services.health.parts()

    async def processes(self, who: Principal) -> Mapping[str, str]:
        """The control API and the proxy, as this process reaches them: `ok`, or what is wrong."""
        self._needs(who, Need.VIEWER)
        places = {"control": self._settings.control_url, "proxy": self._settings.proxy_url}
        async with _client() as client:
            states = await asyncio.gather(*(_state(client, url) for url in places.values()))
        return dict(zip(places, states, strict=True))

    async def standstill(self) -> str:
        """Why no call passes, or none shows up; "": they do. A control API that never answered
        this process is taken to be on another machine."""
        with told():
            redis = await self._services.health.redis()
        if redis != _OK:
            return f"the store {redis}"
        async with _client() as client:
            control = await _state(client, self._settings.control_url)
        self._controlled |= control == _OK
        if control != _OK and self._controlled:
            return f"the control API {control} Calls show up when it is back."
        return ""

    def settings(self, who: Principal) -> tuple[SettingView, ...]:
        """What is in force in this process, without secrets."""
        self._needs(who, Need.READER)
        values = shown(self._settings)
        return tuple(SettingView(one, values[one], about) for one, about in names().items())

    async def ca(self, who: Principal) -> bytes:
        """The certificate that agents have to trust, as PEM."""
        self._needs(who, Need.VIEWER)
        try:
            return await asyncio.to_thread(_read, self._settings.data_dir / "ca" / "ca.pem")
        except OSError:
            raise Refused(
                "the certificate is not on this machine: get /ca.pem from the control API"
            ) from None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_CA_MAX)


def _client() -> httpx.AsyncClient:
    # Ours, on this machine: never through a proxy of the environment. In plain HTTP: nothing of TLS
    # is set up each time.
    return httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_S, verify=_PLAIN)


async def _state(client: httpx.AsyncClient, url: str) -> str:
    try:
        answer = await client.get(f"{url}/health")
    except httpx.HTTPError:
        return f"does not answer at {url}: is it running there?"
    return _OK if answer.status_code == 200 else f"answers {answer.status_code} at {url}/health"

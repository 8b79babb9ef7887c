"""What to type so that a program becomes an agent. Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit

from amaze_proxy.settings import Settings

_UNKNOWN = "<its credential: Rotate shows a new one>"
_CA = "ca.pem"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def snippets(
    settings: Settings, agent_id: str, credential: str, host_header: str = ""
) -> dict[str, str]:
    """`run`, `environment` and `compose`. `credential` "": it is not known here any more.
    `host_header` is the Host by which the reader's browser reached the UI."""
    host = _host(settings, host_header)
    place, control_url = f"{host}:{settings.proxy_port}", f"http://{host}:{settings.control_port}"
    proxy = f"http://{agent_id}:{quote(credential, safe='') or _UNKNOWN}@{place}"
    environment = {
        "AMAZE_AGENT_ID": agent_id,
        "AMAZE_CREDENTIAL": credential or _UNKNOWN,
        "AMAZE_PROXY_URL": f"http://{place}",
        "AMAZE_ORCHESTRATOR_URL": control_url,
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
        "SSL_CERT_FILE": _CA,
        "REQUESTS_CA_BUNDLE": _CA,
        "NODE_EXTRA_CA_CERTS": _CA,
    }
    shell = [fetch_ca(settings, host_header)]
    shell += [f"export {name}='{value}'" for name, value in environment.items()]
    compose = ["services:", f"  {agent_id}:", "    image: my-agent", "    environment:"]
    mounted = {name: f"/{_CA}" if value == _CA else value for name, value in environment.items()}
    compose += [f'      {name}: "{value}"' for name, value in mounted.items()]
    compose += ["    volumes:", f"      - ./{_CA}:/{_CA}:ro"]
    first = f"AMAZE_CREDENTIAL='{credential}' " if credential else ""
    return {
        "run": f"{first}amaze run --agent {agent_id} -- python agent.py",
        "environment": "\n".join(shell),
        "compose": "\n".join(compose),
    }


def fetch_ca(settings: Settings, host_header: str = "") -> str:
    """The line that gets the CA's certificate to where an agent runs."""
    return f"curl -so {_CA} http://{_host(settings, host_header)}:{settings.control_port}/{_CA}"


def _host(settings: Settings, host_header: str) -> str:
    """Where an agent finds the platform: where it listens on more than the loopback, the name
    that its reader has used works from elsewhere too."""
    if settings.listens_on_loopback:
        return settings.reachable_host
    try:
        name = urlsplit(f"//{host_header}").hostname or ""
        if ":" in name:
            return f"[{ipaddress.IPv6Address(name)}]"
    except ValueError:
        return settings.reachable_host
    # it is shown in a line for a shell
    return name if _NAME.fullmatch(name) else settings.reachable_host

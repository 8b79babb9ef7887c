"""What to type so that a program becomes an agent. Pure."""

from __future__ import annotations

from urllib.parse import quote

from amaze_proxy.settings import Settings

_UNKNOWN = "<its credential: Rotate shows a new one>"


def snippets(settings: Settings, agent_id: str, credential: str) -> dict[str, str]:
    """`run`, `environment` and `compose`. `credential` "": it is not known here any more."""
    place = settings.proxy_url.removeprefix("http://")
    proxy = f"http://{agent_id}:{quote(credential, safe='') or _UNKNOWN}@{place}"
    ca = "ca.pem"
    environment = {
        "AMAZE_AGENT_ID": agent_id,
        "AMAZE_CREDENTIAL": credential or _UNKNOWN,
        "AMAZE_PROXY_URL": settings.proxy_url,
        "AMAZE_ORCHESTRATOR_URL": settings.control_url,
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
        "SSL_CERT_FILE": ca,
        "REQUESTS_CA_BUNDLE": ca,
        "NODE_EXTRA_CA_CERTS": ca,
    }
    shell = [f"curl -so {ca} {settings.control_url}/ca.pem"]
    shell += [f"export {name}='{value}'" for name, value in environment.items()]
    compose = ["services:", f"  {agent_id}:", "    image: my-agent", "    environment:"]
    mounted = {name: f"/{ca}" if value == ca else value for name, value in environment.items()}
    compose += [f'      {name}: "{value}"' for name, value in mounted.items()]
    compose += ["    volumes:", f"      - ./{ca}:/{ca}:ro"]
    first = f"AMAZE_CREDENTIAL='{credential}' " if credential else ""
    return {
        "run": f"{first}amaze run --agent {agent_id} -- python agent.py",
        "environment": "\n".join(shell),
        "compose": "\n".join(compose),
    }

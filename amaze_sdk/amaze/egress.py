"""What an outbound request needs to know: where our proxy is and who we are.

One value for the process. It is set when governance is in place and read by the patches at each
request, so that they add nothing before and nothing after.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import proxy_bypass

from amaze.context import current_turn
from amaze.settings import Origin

TURN = "X-Amaze-Turn"
BEARER = "X-Amaze-Bearer"
OURS = (TURN, BEARER)
_OUR_NAMES = frozenset(name.lower() for name in OURS)


@dataclass(frozen=True, slots=True)
class Egress:
    """The way out: our proxy, the identity shown to it and the CA it signs with."""

    proxy: Origin
    agent_id: str
    ca: Path
    credential: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """Identity and turn, for a request that goes to our proxy and to nobody else."""
        token = current_turn()
        return {BEARER: self.credential} | ({TURN: token} if token else {})

    @property
    def proxy_authorization(self) -> str:
        """Value of Proxy-Authorization (RFC 7617 §2)."""
        pair = f"{self.agent_id}:{self.credential}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    @property
    def proxy_url(self) -> str:
        """The proxy with our credentials as userinfo."""
        return f"{self.proxy.scheme}://{self.agent_id}:{self.credential}@{self.proxy.authority}"


_current: Egress | None = None


def current() -> Egress | None:
    """The way out that is in force, None before `init` and after `close`."""
    return _current


def set_current(egress: Egress | None) -> None:
    global _current
    _current = egress


def is_our_header(name: str | bytes) -> bool:
    """Whether the SDK alone may set this header."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return text.lower() in _OUR_NAMES


def is_direct(host: str) -> bool:
    """Whether NO_PROXY, as it stands now, sends requests for `host` past the proxy."""
    return bool(proxy_bypass(host))

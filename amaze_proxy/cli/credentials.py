"""The credentials that this machine keeps: of agents for `amaze run`, of whoever has signed in."""

from __future__ import annotations

import json
import os
from pathlib import Path

from amaze_proxy.settings import Settings


def credential_file(data_dir: Path, agent_id: str) -> Path:
    """Where this machine keeps an agent's credential (0600)."""
    return data_dir / "agents" / f"{agent_id}.cred"


def save_credential(data_dir: Path, agent_id: str, credential: str) -> None:
    """Keep a credential for the next run."""
    _keep(credential_file(data_dir, agent_id), credential)


def login_file(data_dir: Path) -> Path:
    """Where the session or API key of `amaze login` is kept (0600)."""
    return data_dir / "login.json"


def save_login(settings: Settings, token: str) -> None:
    """Keep a session's token or an API key, for this control plane alone."""
    kept = {"control": settings.control_url, "token": token}
    _keep(login_file(settings.data_dir), json.dumps(kept))


def signed_in(settings: Settings) -> str:
    """The kept session or API key; "" when there is none for this control plane: it is not shown
    to another one."""
    try:
        kept = json.loads(login_file(settings.data_dir).read_text())
        return str(kept["token"]) if kept["control"] == settings.control_url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _keep(path: Path, secret: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret)
    draft.replace(path)

"""The agents' credentials that this machine keeps, for `amaze run`."""

from __future__ import annotations

import os
from pathlib import Path


def credential_file(data_dir: Path, agent_id: str) -> Path:
    """Where this machine keeps an agent's credential (0600)."""
    return data_dir / "agents" / f"{agent_id}.cred"


def save_credential(data_dir: Path, agent_id: str, credential: str) -> None:
    """Keep a credential for the next run."""
    path = credential_file(data_dir, agent_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(credential)
    draft.replace(path)

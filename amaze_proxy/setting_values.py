"""What values of settings look like: each parser takes a text, and raises ValueError with what is
allowed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

_DOLLARS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a host really is: `scheme`, `host` and `port` to dial instead."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class TokenPrice(NamedTuple):
    """What a model costs: micro-dollars per million tokens of input, of input read from a cache,
    of output."""

    input: int
    cached: int
    output: int

    def __str__(self) -> str:
        return "/".join(f"{Decimal(one) / _MICRO:f}" for one in self)


def port(text: str) -> int:
    """The number of a port."""
    number = count(text)
    if not 0 < number < 65536:
        raise ValueError("a port is 1 to 65535")
    return number


def count(text: str) -> int:
    """A number that is 0 or more."""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("a number that is 0 or more")
    return int(text)


def milliseconds(text: str) -> int:
    """A time-out."""
    number = count(text)
    if not 50 <= number <= 60_000:
        raise ValueError("milliseconds, 50 to 60000")
    return number


def one_of(*allowed: str) -> Callable[[str], str]:
    """A parser that takes these words alone."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return parse


def address(text: str) -> str:
    """An IP address, in one spelling."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("an IP address, such as 127.0.0.1 or 0.0.0.0") from None


def path(text: str) -> Path:
    """A file or directory, `~` written out."""
    return Path(text).expanduser().absolute()


def networks(text: str) -> str:
    """Networks as `10.0.0.0/8, 192.0.2.1`, in one spelling."""
    try:
        found = [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ValueError("IP addresses or networks, such as 10.0.0.0/8, comma separated") from None
    return ",".join(map(str, found))


def optional_path(text: str) -> Path | None:
    """As `path`; nothing for the empty text."""
    return path(text) if text else None


def upstreams(text: str) -> Mapping[str, Upstream]:
    """`host=url,host=url`: the real places of hosts."""
    table: dict[str, Upstream] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        host, _, url = item.partition("=")
        parts = urlsplit(url)
        if not host or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("host=http(s)://address:port, several separated by commas")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        table[host.strip().lower().rstrip(".")] = Upstream(parts.scheme, parts.hostname, port)
    return table


def prices(text: str) -> Mapping[str, TokenPrice]:
    """`provider/model=input/output` or `…=input/cached/output`, in US dollars per million tokens;
    the model may be a glob. Input that a cache had costs as any other where it is not told."""
    table: dict[str, TokenPrice] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, told = item.rpartition("=")
        provider, _, model = name.strip().partition("/")
        amounts = told.split("/")
        if not (provider and model and len(amounts) in (2, 3)):
            raise ValueError("provider/model=input/output, several separated by commas")
        table[f"{provider}/{model}"] = TokenPrice(*map(_micro, (amounts[0], *amounts[-2:])))
    return table


def _micro(text: str) -> int:
    if not _DOLLARS.fullmatch(text.strip()):
        raise ValueError("US dollars per million tokens, such as 2.5, with 6 decimals at most")
    return int(Decimal(text.strip()) * _MICRO)

"""What tokens cost, from a price table that is shipped with us: no network, ever.

Money is in integer micro-dollars, rounded up. The table (genai-prices) takes 0.3 s and 20 MB to
load and is loaded at the first question; `PriceBook.warm` does it ahead of time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from amaze_proxy.protocols.llm.records import TokenUsage

_MILLION = 1_000_000
# Our names of providers where the table has another.
_TABLE_NAMES = {"bedrock": "aws", "xai": "x-ai"}


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars per million tokens: of input, of input read from a cache, of output."""

    input: int
    cached: int
    output: int


@dataclass(frozen=True, slots=True)
class _Band:
    """The rates for requests of more than `above` input tokens; micro-dollars per million tokens,
    `request` micro-dollars per million requests."""

    above: int
    price: Price
    written: int
    request: int

    def cost(self, usage: TokenUsage) -> int:
        fresh = max(0, usage.input - usage.cached_read - usage.cached_write)
        total = (
            fresh * self.price.input
            + usage.cached_read * self.price.cached
            + usage.cached_write * self.written
            + usage.output * self.price.output
            + self.request
        )
        return -(-total // _MILLION)


class PriceBook:
    """Prices of models: the operator's own first, then the table's."""

    def __init__(self, overrides: Mapping[str, Price] = {}) -> None:
        """`overrides` by `provider/model`, where the model may be a glob (`azure/gpt-4o*`); an
        exact name wins over a glob, the first glob over the next."""
        self._overrides = dict(overrides)
        self._worst: dict[str, Price] = {}

    def warm(self) -> None:
        """Loads the table: slow, to be called once at start, in a thread."""
        for provider in ("openai", "anthropic", ""):
            self.worst_case(provider)

    def price(self, provider: str, model: str, input_tokens: int | None = None) -> Price | None:
        """The prices of a request with that much input; None for a model that is not known.

        Some models cost more above some length of input: without `input_tokens`, the highest.
        """
        own = self._override(provider, model)
        if own is not None:
            return own
        bands = _bands(provider, model)
        if not bands:
            return None
        if input_tokens is None:
            return _highest([band.price for band in bands])
        return _band(bands, input_tokens).price

    def worst_case(self, provider: str) -> Price:
        """The highest known prices of that provider; of all, for one that the table has not."""
        if provider not in self._worst:
            own = [p for name, p in self._overrides.items() if name.startswith(f"{provider}/")]
            listed = _highest_listed(provider if _provider(provider) else "")
            self._worst[provider] = _highest([*own, listed])
        return self._worst[provider]

    def cost(self, provider: str, model: str, usage: TokenUsage) -> int | None:
        """What `usage` cost, in micro-dollars; None for a model that is not known."""
        own = self._override(provider, model)
        if own is not None:
            return _Band(0, own, own.input, 0).cost(usage)
        bands = _bands(provider, model, usage.tier)
        if not bands:
            return None
        plain = _band(bands, usage.input).cost(usage)
        return max(plain, _cost_of_classes(provider, model, usage)) if usage.extra else plain

    def _override(self, provider: str, model: str) -> Price | None:
        if not self._overrides:
            return None
        name = f"{provider}/{model}"
        if name in self._overrides:
            return self._overrides[name]
        found = (p for glob, p in self._overrides.items() if fnmatchcase(name, glob))
        return next(found, None)


def _highest(prices: list[Price]) -> Price:
    return Price(
        max(price.input for price in prices),
        max(price.cached for price in prices),
        max(price.output for price in prices),
    )


def _band(bands: tuple[_Band, ...], input_tokens: int) -> _Band:
    """Bands are in order; the first begins at 0."""
    return next(b for b in reversed(bands) if input_tokens > b.above or b.above == 0)


# The table. Its own caches are keyed by what the caller sends and never shrink, so ours stand in
# front of it and only its lookups without a cache are used.


@lru_cache(maxsize=64)
def _provider(name: str) -> Any | None:
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    return find_provider_by_id(get_snapshot().providers, _TABLE_NAMES.get(name, name))


@lru_cache(maxsize=4096)
def _model(provider: str, model: str) -> Any | None:
    from genai_prices.data_snapshot import get_snapshot

    entry = _provider(provider)
    return entry and entry.find_model(model, all_providers=get_snapshot().providers)


def _context(tier: str) -> dict[str, str] | None:
    return {"service_tier": tier, "speed": tier} if tier else None


def _bands(provider: str, model: str, tier: str = "") -> tuple[_Band, ...]:
    """The model's rates now, in order of the input they begin above; () for one not known."""
    return _bands_on(provider, model, tier, int(time.time()) // 60)


@lru_cache(maxsize=4096)
def _bands_on(provider: str, model: str, tier: str, minute: int) -> tuple[_Band, ...]:
    """By the minute, since prices may begin at a date and vary with the time of day."""
    entry, at = _model(provider, model), datetime.fromtimestamp(minute * 60, UTC)
    return () if entry is None else _rates(entry.get_prices(at, _context(tier)))


def _rates(prices: Any) -> tuple[_Band, ...]:
    if prices.input_mtok is None and prices.output_mtok is None:
        return ()
    kinds = (prices.input_mtok, prices.output_mtok, prices.cache_read_mtok, prices.cache_write_mtok)
    starts = {tier.start for kind in kinds for tier in getattr(kind, "tiers", ())}
    return tuple(_rate(prices, start) for start in sorted({0, *starts}))


def _rate(prices: Any, above: int) -> _Band:
    fresh = _micro(prices.input_mtok, above)
    read, written = prices.cache_read_mtok, prices.cache_write_mtok
    return _Band(
        above,
        Price(
            fresh,
            fresh if read is None else _micro(read, above),
            _micro(prices.output_mtok, above),
        ),
        fresh if written is None else _micro(written, above),
        _micro(prices.requests_kcount, above) * 1000,
    )


def _micro(price: Any, above: int) -> int:
    """Micro-dollars for a price in dollars, in the band above that many input tokens."""
    if price is None:
        return 0
    value: Decimal = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):  # in order of their start
        value = tier.price if above >= tier.start else value
    return int((value * _MILLION).to_integral_value(ROUND_CEILING))


@lru_cache
def _highest_listed(provider: str) -> Price:
    """The highest prices in the table, of that provider or ("") of all: slow the first time."""
    from genai_prices.data_snapshot import get_snapshot

    entry = _provider(provider) if provider else None
    entries = get_snapshot().providers if entry is None else [entry]
    now = datetime.now(UTC)
    every = (model.get_prices(now) for one in entries for model in one.models)
    return _highest([band.price for prices in every for band in _rates(prices)])


def _cost_of_classes(provider: str, model: str, usage: TokenUsage) -> int:
    """The cost with the rarer classes in it, by the table's own (slow) arithmetic.

    0 where the table cannot tell them apart: the plain cost holds then.
    """
    from genai_prices import Usage

    entry: Any = _model(provider, model)
    counts = dict(usage.extra)
    counts |= {"input_tokens": usage.input, "output_tokens": usage.output}
    counts |= {"cache_read_tokens": usage.cached_read, "cache_write_tokens": usage.cached_write}
    try:
        prices = entry.get_prices(datetime.now(UTC), _context(usage.tier))
        total: Decimal = prices.calc_price(Usage(**counts))["total_price"]
    except ValueError:
        return 0
    return int((total * _MILLION).to_integral_value(ROUND_CEILING))

from datetime import UTC, datetime
from decimal import ROUND_CEILING

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.llm.records import TokenUsage
from amaze_proxy.protocols.prices import Price, PriceBook

BOOK = PriceBook()
MODELS = [
    (provider.id, model.id)
    for provider in get_snapshot().providers
    if provider.id in ("openai", "anthropic", "google", "x-ai", "deepseek", "perplexity")
    for model in provider.models
    if provider.find_model(model.id) is model
]
counts = st.integers(0, 600_000)


def table(provider: str, model: str, **used: int) -> int:
    """What genai-prices itself says, in micro-dollars."""
    total = calc_price(
        Usage(**used),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.now(UTC).replace(second=0, microsecond=0),
    ).total_price
    return int((total * 1_000_000).to_integral_value(ROUND_CEILING))


@given(st.sampled_from(MODELS), counts, counts, counts, counts)
def test_costs_are_the_tables_own(name, fresh, read, written, output):
    provider, model = name
    usage = TokenUsage(fresh + read + written, output, read, written)
    cost = BOOK.cost(provider, model, usage)
    if cost is None:
        assert BOOK.price(provider, model) is None
        return
    assert cost == table(
        provider,
        model,
        input_tokens=usage.input,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


@pytest.mark.parametrize("edge", [200_000, 200_001])
def test_tiers_begin_where_the_table_says(edge):
    cost = BOOK.cost("anthropic", "claude-sonnet-4-5", TokenUsage(edge, 10))
    assert cost == table("anthropic", "claude-sonnet-4-5", input_tokens=edge, output_tokens=10)


def test_a_price_is_of_the_band_of_the_input_or_the_highest():
    low = BOOK.price("anthropic", "claude-sonnet-4-5", input_tokens=200_000)
    high = BOOK.price("anthropic", "claude-sonnet-4-5", input_tokens=200_001)
    assert low == Price(3_000_000, 300_000, 15_000_000)
    assert high == Price(6_000_000, 600_000, 22_500_000)
    assert BOOK.price("anthropic", "claude-sonnet-4-5") == high


def test_models_are_known_by_their_dated_names_too():
    assert BOOK.price("openai", "gpt-4o-mini-2024-07-18") == Price(150_000, 75_000, 600_000)
    assert BOOK.price("openai", "text-embedding-3-small") == Price(20_000, 20_000, 0)


def test_unknown_models_and_providers_have_no_price():
    for provider, model in (("openai", "gpt-nothing"), ("nobody", "gpt-4o"), ("openai", "")):
        assert BOOK.price(provider, model) is None
        assert BOOK.cost(provider, model, TokenUsage(1, 1)) is None


def test_our_names_of_providers_are_translated():
    assert BOOK.price("xai", "grok-4") == BOOK.price("x-ai", "grok-4") is not None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("google", "gemini-2.5-flash"),
        ("azure", "gpt-4o"),
        ("mistral", "mistral-large-latest"),
        ("groq", "llama-3.3-70b-versatile"),
        ("deepseek", "deepseek-chat"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("openrouter", "openai/gpt-4o"),
        ("xai", "grok-4"),
    ],
)
def test_every_provider_is_one_that_the_table_knows(provider, model):
    price = BOOK.price(provider, model)
    assert price is not None
    assert price.input <= BOOK.worst_case(provider).input


def test_money_is_rounded_up():
    assert BOOK.cost("openai", "gpt-4o-mini", TokenUsage(1, 0)) == 1
    assert BOOK.cost("openai", "gpt-4o-mini", TokenUsage(0, 0)) == 0


def test_rarer_classes_are_charged_as_the_table_does():
    extra = (("cache_write_1h_tokens", 300), ("web_searches", 2))
    cost = BOOK.cost("anthropic", "claude-opus-5-5", TokenUsage(1000, 100, 200, 300, extra))
    assert cost == table(
        "anthropic",
        "claude-opus-5-5",
        input_tokens=1000,
        output_tokens=100,
        cache_read_tokens=200,
        cache_write_tokens=300,
        cache_write_1h_tokens=300,
        web_searches=2,
    )
    assert cost > 20_000


def test_sound_costs_what_the_table_says():
    usage = TokenUsage(10, 10, extra=(("input_audio_tokens", 5),))
    sound = {"input_tokens": 10, "output_tokens": 10, "input_audio_tokens": 5}
    assert BOOK.cost("openai", "gpt-audio", usage) == table("openai", "gpt-audio", **sound)


def test_classes_that_contradict_each_other_cost_what_the_plain_ones_do():
    usage = TokenUsage(10, 10, extra=(("input_audio_tokens", 500),))
    plain = BOOK.cost("openai", "gpt-audio", TokenUsage(10, 10))
    assert BOOK.cost("openai", "gpt-audio", usage) == plain > 0


def test_cached_tokens_beyond_the_input_do_not_lower_the_cost():
    assert BOOK.cost("openai", "gpt-4o", TokenUsage(0, 0, 1000)) == 1250


def test_a_dearer_tier_is_charged():
    usage, fast = TokenUsage(1000, 1000), TokenUsage(1000, 1000, tier="priority")
    assert BOOK.cost("openai", "gpt-5.4", fast) > BOOK.cost("openai", "gpt-5.4", usage)


def test_the_operators_prices_win():
    own = Price(1_000_000, 500_000, 2_000_000)
    other = Price(7_000_000, 0, 9_000_000)
    book = PriceBook({"openai/gpt-4o*": other, "openai/gpt-4o": own, "local/*": Price(0, 0, 0)})
    assert book.price("openai", "gpt-4o") == own
    assert book.price("openai", "gpt-4o-mini") == other
    assert book.price("openai", "gpt-5.5") == BOOK.price("openai", "gpt-5.5")
    assert book.cost("openai", "gpt-4o", TokenUsage(10, 10, 4, 2)) == 6 + 2 + 20
    assert book.cost("local", "llama", TokenUsage(10**9, 10**9)) == 0


def test_the_worst_case_is_the_highest_of_the_provider():
    for provider in ("openai", "anthropic"):
        worst = BOOK.worst_case(provider)
        for name, model in MODELS:
            price = BOOK.price(name, model) if name == provider else None
            if price is not None:
                assert price.input <= worst.input
                assert price.cached <= worst.cached
                assert price.output <= worst.output
    dear = PriceBook({"openai/own": Price(10**12, 0, 0)})
    assert dear.worst_case("openai").input == 10**12


def test_the_worst_case_of_a_stranger_is_the_highest_of_all():
    stranger, known = BOOK.worst_case("nobody"), BOOK.worst_case("anthropic")
    assert stranger.input >= known.input
    assert stranger.output >= known.output


def test_warming_loads_the_table():
    book = PriceBook()
    book.warm()
    assert book.worst_case("openai") == BOOK.worst_case("openai")

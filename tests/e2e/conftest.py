"""One platform for the whole run; tests that break a platform start their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.platform import Agent, Platform
from tests.e2e.provider import Provider


@pytest.fixture(scope="session")
def _provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"))
    yield provider
    provider.close()


@pytest.fixture
def provider(_provider: Provider) -> Provider:
    _provider.clear()
    return _provider


@pytest.fixture(scope="session")
def _platform(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform"), _provider)
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture
def platform(_platform: Platform, provider: Provider) -> Platform:
    return _platform


@pytest.fixture
def agent(platform: Platform) -> Agent:
    return platform.agent()


@pytest.fixture
def own_platform(tmp_path: Path, provider: Provider) -> Iterator[Callable[..., Platform]]:
    """Starts a platform that the test may break."""
    started: list[Platform] = []

    def start(**env: str) -> Platform:
        platform = Platform(tmp_path, provider, **env)
        platform.start()
        started.append(platform)
        return platform

    yield start
    for platform in started:
        platform.stop()

"""Where spans are sent, as the specification of OpenTelemetry has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from amaze_proxy.otlp import Otlp, Protocol, exporter, read, shown
from amaze_proxy.settings import SettingsError, load

HERE = "http://collector:4318"


def env(**more: str) -> dict[str, str]:
    return {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in more.items()}


@pytest.mark.parametrize(
    "given",
    [
        {},
        env(ENDPOINT=""),
        env(ENDPOINT=" "),
        env(PROTOCOL="nonsense", HEADERS="nonsense"),
        {**env(ENDPOINT=HERE), "OTEL_SDK_DISABLED": "TRUE"},
        {**env(ENDPOINT=HERE), "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_a_collector(given: dict[str, str]) -> None:
    assert read(given) is None


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (env(ENDPOINT=HERE), f"{HERE}/v1/traces"),
        (env(ENDPOINT=f"{HERE}/"), f"{HERE}/v1/traces"),
        (env(ENDPOINT="https://c/base/"), "https://c/base/v1/traces"),
        (env(TRACES_ENDPOINT="https://c/as-it-is"), "https://c/as-it-is"),
        (env(ENDPOINT=HERE, TRACES_ENDPOINT="https://c/x"), "https://c/x"),
        (env(ENDPOINT="http://c:4317", PROTOCOL="grpc"), "http://c:4317"),
        (env(ENDPOINT="http://[::1]:4317", PROTOCOL="grpc"), "http://[::1]:4317"),
    ],
)
def test_the_endpoint(given: dict[str, str], url: str) -> None:
    found = read(given)
    assert found is not None
    assert found.url == url


def test_all_of_it(tmp_path: Path) -> None:
    for name in ("ca.pem", "own.pem", "key.pem"):
        (tmp_path / name).write_text("pem")
    given = env(
        ENDPOINT="https://collector:4317",
        PROTOCOL="http/protobuf",
        TRACES_PROTOCOL="grpc",
        HEADERS="x-wrong=1",
        TRACES_HEADERS="Authorization=Bearer%20secret, x-tenant = one",
        TIMEOUT="20000",
        TRACES_TIMEOUT="2500",
        CERTIFICATE=str(tmp_path / "ca.pem"),
        CLIENT_CERTIFICATE=str(tmp_path / "own.pem"),
        CLIENT_KEY=str(tmp_path / "key.pem"),
    )
    found = read(given)
    assert found == Otlp(
        "https://collector:4317",
        Protocol.GRPC,
        {"authorization": "Bearer secret", "x-tenant": "one"},
        2.5,
        tmp_path / "ca.pem",
        tmp_path / "own.pem",
        tmp_path / "key.pem",
    )
    assert found.place == "collector:4317"
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (env(ENDPOINT="collector:4317"), "OTLP_ENDPOINT: not a URL"),
        (env(ENDPOINT="ftp://collector"), "OTLP_ENDPOINT: not a URL"),
        (env(ENDPOINT="http://"), "OTLP_ENDPOINT: not a URL"),
        (env(ENDPOINT="http://c:99999"), "OTLP_ENDPOINT: not a URL"),
        (env(ENDPOINT="http://[::1"), "OTLP_ENDPOINT: not a URL"),
        (env(ENDPOINT="http://c/a b"), "OTLP_ENDPOINT: not a URL"),
        (env(TRACES_ENDPOINT="http://u:hidden@c"), "OTLP_TRACES_ENDPOINT: a URL without user"),
        (env(ENDPOINT="http://c?key=hidden"), "OTLP_ENDPOINT: a URL without user"),
        (env(ENDPOINT=HERE, PROTOCOL="http/json"), "OTLP_PROTOCOL: 'http/json' is not spoken"),
        (env(ENDPOINT=HERE, TIMEOUT="0"), "OTLP_TIMEOUT: '0' is not 1 to"),
        (env(ENDPOINT=HERE, TIMEOUT="1.5"), "OTLP_TIMEOUT: '1.5' is not 1 to"),
        (env(ENDPOINT=HERE, TIMEOUT="60001"), "OTLP_TIMEOUT"),
        (env(ENDPOINT=HERE, HEADERS="hidden"), "OTLP_HEADERS: header=value"),
        (env(ENDPOINT=HERE, HEADERS="a b=hidden"), "OTLP_HEADERS: header=value"),
        (env(ENDPOINT=HERE, HEADERS="a=hidden%0d%0a"), "OTLP_HEADERS: header=value"),
        (env(ENDPOINT=HERE, HEADERS="a=%ff"), "OTLP_HEADERS: header=value"),
        (env(ENDPOINT=HERE, CERTIFICATE="/no/such"), "OTLP_CERTIFICATE: '/no/such' is not a file"),
        (env(ENDPOINT=HERE, CLIENT_KEY=__file__), "belong together"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace("(", r"\(")) as caught:
        read(given)
    assert "hidden" not in str(caught.value)


def test_what_is_shown_has_no_secret() -> None:
    given = env(
        ENDPOINT=HERE,
        TRACES_ENDPOINT="http://u:hidden@c",
        HEADERS="a=hidden",
        TRACES_HEADERS="x=hidden",
        PROTOCOL="",
    )
    assert shown({**given, "OTEL_SERVICE_NAME": "x"}) == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": HERE,
        "OTEL_EXPORTER_OTLP_HEADERS": "(set)",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "(set)",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "(set)",
    }


def test_the_settings_pass_the_variables_on_and_do_not_print_them(tmp_path: Path) -> None:
    given = env(ENDPOINT=HERE, HEADERS="a=hidden")
    settings = load({"AMAZE_DATA_DIR": str(tmp_path), "HOME": "/", **given}).settings
    assert settings.otel == given
    assert "hidden" not in repr(settings)


def test_a_certificate_that_is_gone(tmp_path: Path) -> None:
    gone = Otlp("https://localhost:1", Protocol.GRPC, certificate=tmp_path / "gone.pem")
    with pytest.raises(OSError, match=r"gone\.pem"):
        exporter(gone)

from __future__ import annotations

import pytest

from amaze_proxy.wire.ingress import Fault, FaultKind, Ingress


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.MALFORMED, 400),
        (FaultKind.AUTHORITY_MISMATCH, 400),
        (FaultKind.TOO_LARGE, 413),
        (FaultKind.HEADERS_TOO_LARGE, 431),
        (FaultKind.URI_TOO_LONG, 414),
        (FaultKind.TIMEOUT, 408),
        (FaultKind.UNSUPPORTED_METHOD, 405),
        (FaultKind.NOT_HTTP, 400),
        (FaultKind.TLS, 400),
    ],
)
def test_status(kind: FaultKind, status: int) -> None:
    assert kind.status == status


def test_credentials_are_not_printed() -> None:
    ingress = Ingress("origin", None, b"Basic c2VjcmV0", "", "127.0.0.1:1")
    fault = Fault(FaultKind.TLS, "x", 400, None, b"Basic c2VjcmV0", "127.0.0.1:1", b"")
    assert "c2VjcmV0" not in f"{ingress!r}{fault!r}"

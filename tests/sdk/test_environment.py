from __future__ import annotations

import os
from pathlib import Path

from amaze import environment
from amaze.settings import Origin
from amaze.testing import environment as only
from amaze.trust import Trust

TRUST = Trust(Path("/state/ca.pem"), Path("/state/bundle.pem"))


def test_every_client_is_pointed_at_the_proxy() -> None:
    wanted = environment.governed(Origin("http", "proxy", 8080), "one", "amz_one.s", TRUST)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy"):
        assert wanted[name] == "http://one:amz_one.s@proxy:8080"
        assert wanted[name.lower()] == wanted[name]
    assert (wanted["NO_PROXY"], wanted["no_proxy"]) == ("", "")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "PIP_CERT"):
        assert wanted[name] == "/state/bundle.pem"
    # Node adds to its own roots: it gets the CA alone.
    assert wanted["NODE_EXTRA_CA_CERTS"] == "/state/ca.pem"
    assert wanted["NODE_USE_ENV_PROXY"] == "1"


def test_what_is_applied_can_be_taken_back() -> None:
    with only({"NO_PROXY": "*", "SSL_CERT_DIR": "/roots"}):
        before = environment.apply({"NO_PROXY": "", "SSL_CERT_DIR": None, "HTTP_PROXY": "http://p"})
        assert dict(os.environ) == {"NO_PROXY": "", "HTTP_PROXY": "http://p"}
        environment.apply(before)
        assert dict(os.environ) == {"NO_PROXY": "*", "SSL_CERT_DIR": "/roots"}

"""The environment that makes HTTP clients, here and in child processes, use the proxy.

Java is left out: it reads no proxy variables, and its truststore format cannot be written with
the standard library. `amaze run` sets it up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from amaze.settings import Origin
from amaze.trust import Trust

# Both spellings: curl reads http_proxy in lower case alone, gRPC lower case alone.
PROXY_VARIABLES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "grpc_proxy",
)
BUNDLE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
# Nothing bypasses the proxy. What is not listed here would be inherited.
_EMPTIED = ("NO_PROXY", "no_proxy")
# They name other roots or other exceptions than ours, and some clients prefer them.
_REMOVED = ("SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "no_grpc_proxy")


def governed(proxy: Origin, agent_id: str, credential: str, trust: Trust) -> dict[str, str | None]:
    """What each variable must be; None: unset."""
    url = f"{proxy.scheme}://{agent_id}:{credential}@{proxy.authority}"
    return {
        **dict.fromkeys(PROXY_VARIABLES, url),
        **dict.fromkeys(BUNDLE_VARIABLES, str(trust.bundle)),
        **dict.fromkeys(_EMPTIED, ""),
        **dict.fromkeys(_REMOVED),
        "NODE_EXTRA_CA_CERTS": str(trust.ca),
        "NODE_USE_ENV_PROXY": "1",
        "GIT_HTTP_PROXY_AUTHMETHOD": "basic",
        # litellm fetches its price list while it is imported, which a policy rarely allows.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def apply(wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Set the variables of this process; returns what they were, for `apply` to put back."""
    before = {name: os.environ.get(name) for name in wanted}
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before

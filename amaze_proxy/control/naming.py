"""Names and places of MCP servers and LLM hosts: checked here once, for every way in."""

from __future__ import annotations

import ipaddress
import re

from amaze_proxy.control.errors import InvalidName, InvalidUrl
from amaze_proxy.policy.ids import check_host

BUILT_IN_PROVIDERS = frozenset(
    (
        "openai",
        "anthropic",
        "azure",
        "google",
        "bedrock",
        "mistral",
        "cohere",
        "groq",
        "deepseek",
        "xai",
        "together",
        "openrouter",
        "ollama",
    )
)

URL_MAX = 2048

# no dots: a logical name must never shadow a public host
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# WHATWG URL §3.5: clients read these as IPv4 addresses; localhost is the caller's own machine
_NO_NAME = re.compile(r"[0-9]+|0x[0-9a-f]*|localhost")
# RFC 3986 §3.3, without user information, query and fragment
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f]{0,4}:[0-9a-f:.]{1,45}\]|[a-z0-9._-]{1,253})"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>/(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?",
    re.IGNORECASE,
)
_DEFAULT_PORT = {"http": 80, "https": 443}
_DOTS = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)


def check_name(text: str) -> str:
    """The name as it stands. Raises ValueError with the rule."""
    if not _NAME.fullmatch(text) or _NO_NAME.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no name: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a "
            "letter or a digit; not a number, and not localhost"
        )
    return text


def check_url(text: str) -> str:
    """The URL of a server, normalised: lower-case host, no default port, a path.

    Raises ValueError with the rule.
    """
    match = _URL.fullmatch(text) if len(text) <= URL_MAX else None
    if match is None:
        raise ValueError(
            "must be http:// or https://, a host, a port if it is not the default one and a path; "
            "no user name, query or fragment"
        )
    scheme, path = match["scheme"].lower(), match["path"] or "/"
    host = check_place(match["host"].strip("[]"))
    if ":" in host:
        host = f"[{host}]"
    port = int(match["port"] or _DEFAULT_PORT[scheme])
    if port > 65535:
        raise ValueError(f"{port} is no port")
    # RFC 3986 §5.2.4: others on the way would take these away, and look at another path than we
    if any(_DOTS.fullmatch(segment) for segment in path.split("/")):
        raise ValueError("the path must have no '.' or '..' segments")
    shown = "" if port == _DEFAULT_PORT[scheme] else f":{port}"
    return f"{scheme}://{host}{shown}{path}"


def check_place(text: str) -> str:
    """A host that something of ours listens on. Raises ValueError with the rule."""
    host = check_host(text)
    if host.startswith("*"):
        raise ValueError("an endpoint is one host, without a wildcard")
    if "%" in host:
        raise ValueError("an endpoint is an address without a zone")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    known = mapped or address
    # link-local holds the metadata services of the clouds; the others are nowhere to connect to
    if known.is_link_local or known.is_multicast or known.is_unspecified:
        raise ValueError(f"{host} cannot be an endpoint: give the address at which it is reached")
    return host


def checked_name(text: str) -> str:
    """Raises InvalidName."""
    try:
        return check_name(text)
    except ValueError as error:
        raise InvalidName(str(error)) from None


def checked_host_name(text: str) -> str:
    """A name for an LLM host. Raises InvalidName."""
    if text in BUILT_IN_PROVIDERS:
        raise InvalidName(f"{text} is a provider that is built in: take another name")
    return checked_name(text)


def checked_url(text: str) -> str:
    """Raises InvalidUrl."""
    try:
        return check_url(text)
    except ValueError as error:
        raise InvalidUrl(f"{text[:80]!r} is no URL of a server: {error}") from None

"""The grammars of names: agents, providers, servers, tools, hosts.

All are matched whole, in ASCII and case-sensitively, except host names (RFC 4343), which are
folded to lower case.
"""

from __future__ import annotations

import ipaddress
import re

AGENT_ID = r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"
"""An agent's id: a host name on the wire, and a hash tag in the store."""

_AGENT_ID = re.compile(AGENT_ID)
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_PRINTABLE = re.compile(r"[!-~]{1,256}")
# RFC 1123 §2.1 labels; the underscore is used by container networks
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NUMERIC_END = re.compile(r"(.*\.)?[0-9]+")


def check_agent_id(text: str) -> str:
    """The id as it stands. Raises ValueError, with the rule, when it is none."""
    if not _AGENT_ID.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no agent id: 1 to 63 of a-z, 0-9, '.' and '-', "
            "beginning and ending with a letter or a digit"
        )
    return text


def check_word(text: str) -> str:
    """The name of a provider or of an MCP server. Raises ValueError with the rule."""
    if not _WORD.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no name: letters, digits, '.', '_' and '-', "
            "beginning and ending with a letter or a digit"
        )
    return text


def check_member(text: str) -> str:
    """`tool` or `server/tool` (prompts alike). Raises ValueError with the rule.

    What has a slash is always split at the first: a tool whose own name has slashes must be
    written with its server, so that no server can pose as another by the name of a tool.
    """
    server, slash, name = text.partition("/")
    if not slash:
        server, name = "", server
    if "*" in text or not _PRINTABLE.fullmatch(name) or (slash and not _WORD.fullmatch(server)):
        raise ValueError(
            f"{text[:80]!r} must be 'name' or 'server/name', without spaces; "
            "there are no wildcards here"
        )
    return text


def check_scoped_glob(text: str) -> str:
    """`owner/glob`: a provider's models, a server's resources. Raises ValueError with the rule."""
    owner, slash, glob = text.partition("/")
    if not slash or not _PRINTABLE.fullmatch(glob) or not (owner == "*" or _WORD.fullmatch(owner)):
        raise ValueError(
            f"{text[:80]!r} must be 'name/pattern', such as 'openai/gpt-4.1*': "
            "'*' stands for any characters, the name may be '*' for any"
        )
    return text


def check_glob(text: str) -> str:
    """A name in which `*` stands for any characters. Raises ValueError with the rule."""
    if not _PRINTABLE.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} must be 1 to 256 printable characters without spaces; "
            "'*' stands for any characters"
        )
    return text


def check_host(text: str) -> str:
    """A host, or `*.suffix` for every host below it; in lower case. Raises ValueError."""
    host = text.lower()
    if address := _address(host):
        return address
    name = host.removeprefix("*.")
    # WHATWG URL §3.5: a name that ends in a number is an IPv4 address, in whatever spelling
    if len(name) > 253 or not _HOST.fullmatch(name) or _NUMERIC_END.fullmatch(name):
        raise ValueError(
            f"{text[:80]!r} is no host: write 'api.example.com', '*.example.com' "
            "(every host below it) or an IP address, without scheme, port or path"
        )
    return host


def host_matches(pattern: str, host: str) -> bool:
    """Whether a checked pattern covers the host that will be dialled."""
    host = host.lower()
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) >= len(pattern)
    return host == pattern


def _address(text: str) -> str:
    """The canonical spelling of an IP address (RFC 5952); empty when the text is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""

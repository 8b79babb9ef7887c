"""Whether a name that a policy writes means the one that a call has."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from urllib.parse import unquote

ANY = "*"


def is_member(names: Collection[str], server: str, name: str) -> bool:
    """Whether `name` of `server` is among names written as `name` or `server/name`.

    What is written with a slash means the server before the first one: neither a tool called
    `a/b` nor a server called `a/x` can pass for what belongs to server `a`.
    """
    if "/" in server:
        return False
    return f"{server}/{name}" in names or ("/" not in name and name in names)


def covers(pattern: str, owner: str, name: str) -> bool:
    """Whether `owner/glob` (owner `*`: any) covers `name` of `owner`. `*` crosses slashes."""
    written, _, glob = pattern.partition("/")
    return written in (ANY, owner) and fnmatchcase(name, glob)


def covers_model(callee: str, provider: str, model: str) -> bool:
    """`covers`, where a bare provider means all of its models."""
    return covers(callee if "/" in callee else f"{callee}/{ANY}", provider, model)


def covers_provider_tool(pattern: str, provider: str, tool: str) -> bool:
    """Whether `tool-glob` or `provider/tool-glob` covers a tool at the provider's side."""
    return covers(pattern if "/" in pattern else f"{ANY}/{pattern}", provider, tool)


def climbs(uri: str) -> bool:
    """Whether a URI has a `..` segment, plain or percent-encoded, and so may leave its prefix."""
    plain = unquote(unquote(uri)).replace("\\", "/")
    return ".." in plain.split("/")

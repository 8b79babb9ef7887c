"""The versions of A2A, and which of them a request is written in."""

from __future__ import annotations

import re

from amaze_proxy.protocols.a2a.request import NotUnderstood
from amaze_proxy.protocols.errors import Malformed

HEADER = "A2A-Version"
"""The header's name, and that of the parameter that may stand for it."""

V1_0 = "1.0"
V0_3 = "0.3"
V0_2 = "0.2"
BEFORE_1_0 = (V0_3, V0_2)

# §3.6: Major.Minor; a patch number changes nothing
_VERSION = re.compile(r"([0-9]{1,3}\.[0-9]{1,3})(?:\.[0-9]{1,5})?")


def agreed(spelled: tuple[str, ...], told: str) -> str:
    """The version that the spelling and the header agree on.

    `spelled` are the versions that spell it this way, the likeliest first: it is meant where the
    header is empty. (§3.6 says that an empty one means 0.3; a method of 1.0 cannot be of 0.3.)
    Raises Malformed where the two contradict each other, NotUnderstood for another version.
    """
    if not told:
        return spelled[0]
    match = _VERSION.fullmatch(told)
    if match is None:
        raise Malformed(f"{told[:32]!r} is no {HEADER}: it must be like 1.0")
    version = match[1]
    if version not in (V1_0, *BEFORE_1_0):
        raise NotUnderstood(f"A2A {version} is not among the versions that are understood")
    if version not in spelled:
        raise Malformed(f"{HEADER} is {version}, but the request is spelled as in {spelled[0]}")
    return version

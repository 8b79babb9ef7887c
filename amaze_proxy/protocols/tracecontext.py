"""W3C Trace Context (https://www.w3.org/TR/trace-context/): where a call belongs, says its sender.

Who sends one chooses the ids, so nothing is decided by them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# §3.2: lower case hex, and ids of zeros alone are invalid. Of version 00, whose form is known.
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_SAMPLED = "01"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace: 32 and 16 hex digits."""

    trace_id: str
    span_id: str

    @property
    def ids(self) -> tuple[int, int]:
        """Trace and span as numbers."""
        return int(self.trace_id, 16), int(self.span_id, 16)

    @property
    def traceparent(self) -> str:
        """As the value of `traceparent`, sampled."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED}"


def parse(value: object) -> TraceContext | None:
    """The context that a `traceparent` tells; None for what is not one to the letter."""
    match = _TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    return TraceContext(match[1], match[2]) if match else None

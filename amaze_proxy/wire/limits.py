"""The bounds of what a client may send, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. `*_idle_s` are for no progress, not for the whole.

    `buffer_bytes` is how much of a body, or of pipelined requests, waits for the application
    before reading from the client is paused. `linger_*` bound what is read and thrown away after
    an early answer, so that the client gets it instead of a reset (RFC 9112 §9.6).
    """

    request_line_bytes: int = 16 * KIB
    head_bytes: int = 64 * KIB
    header_count: int = 100
    body_bytes: int = 256 * MIB
    buffer_bytes: int = 256 * KIB
    tls_handshake_s: float = 10.0
    head_s: float = 15.0
    body_idle_s: float = 60.0
    keepalive_s: float = 75.0
    write_idle_s: float = 60.0
    drain_s: float = 8.0
    linger_bytes: int = MIB
    linger_s: float = 2.0

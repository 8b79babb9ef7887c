"""Just enough HTTP/1.1 framing for a fast generator and a fast mock; not a general parser."""

from __future__ import annotations


class Body:
    """Where a message's body ends: by Content-Length or chunked (RFC 9112 §6)."""

    def __init__(self, head: bytes, keep: bool = False) -> None:
        """`head`: start line and fields, in lower case. `keep`: collect the payload."""
        self.size = 0  # payload bytes so far
        self.payload = bytearray()
        self._keep = keep
        self._chunked = b"\r\ntransfer-encoding: chunked" in head
        self._left = 0 if self._chunked else content_length(head)
        self._line = b""  # of a chunk-size line that is cut
        self._last = False
        self.done = not self._chunked and self._left == 0

    def feed(self, data: bytes) -> bytes:
        """Take `data`; returns what is behind the end of the body."""
        while data and not self.done:
            data = self._take(data) if self._left else self._chunk_line(data)
            if not self._chunked and not self._left:
                self.done = True
        return data

    def _take(self, data: bytes) -> bytes:
        taken = data[: self._left]
        self._left -= len(taken)
        self.size += len(taken)
        if self._keep:
            self.payload += taken
        return data[len(taken) :]

    def _chunk_line(self, data: bytes) -> bytes:
        """A chunk-size line, the empty line behind a chunk, or the end; trailers are not known."""
        self._line += data
        line, end, rest = self._line.partition(b"\r\n")
        if not end:
            return b""
        self._line = b""
        if line:
            self._left = int(line.split(b";")[0], 16)
            self._last = self._left == 0
        elif self._last:
            self.done = True
        return rest


def content_length(head: bytes) -> int:
    """The Content-Length of a head in lower case, 0 without one."""
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0

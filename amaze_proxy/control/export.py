"""The evidence to take away: a ZIP that is made while it is sent, in bounded memory."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Any

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.signing import Signer
from amaze_proxy.history.bundle import History
from amaze_proxy.history.ledger import BODILESS, Ledger, Selection, Span
from amaze_proxy.policy.record import GENESIS

_SLICE = 256 * 1024  # bytes that are compressed before others have their turn
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MEMBER_TIME = (1980, 1, 1, 0, 0, 0)

README = """\
An export of the evidence of aMaze.

chain.jsonl        the records as they were written, oldest first for each writer
checkpoints.json   the signed checkpoints
manifest.json      what was selected, and where each chain begins and ends; manifest.sig signs it
public-key.pem     the key that has signed: compare it with GET /audit/key of the installation
audit.csv          the records as a table, without bodies
traces.json        the same by trace
verify.py          python verify.py EXPORT.zip PUBLIC-KEY.pem    (chain.py belongs to it)

The canonical form of a record and the chain are described in chain.py.
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """An export on its way; `size` is how many calls were selected at least."""

    chunks: AsyncIterator[bytes]
    size: int


class Exporter:
    """Reads the archive page by page."""

    def __init__(self, history: History, signer: Signer, clock: Clock) -> None:
        self._history = history
        self._signer = signer
        self._clock = clock

    async def begin(self, selection: Selection) -> Begun:
        """The chunks of a ZIP. Raises HistoryUnavailable, now or while it is read."""
        ledger = self._history.ledger
        selection = replace(selection, last=await ledger.last())
        spans = await ledger.spans(selection)
        size = sum(span.last - span.first + 1 for span in spans)
        return Begun(self._zip(selection, spans), size)

    async def _zip(self, selection: Selection, spans: list[Span]) -> AsyncIterator[bytes]:
        made = _Zip()
        manifest = _Manifest(self._signer, self._clock(), selection)
        ledger = self._history.ledger
        members = (
            ("README.txt", _text(README)),
            ("verify.py", _text(_source("amaze_proxy.control", "offline.py"))),
            ("chain.py", _text(_source("amaze_proxy.policy", "chain.py"))),
            ("public-key.pem", _text(self._signer.public_pem.decode())),
            ("chain.jsonl", _chain(ledger, spans, manifest)),
            ("checkpoints.json", self._checkpoints(manifest)),
            ("audit.csv", _csv(ledger, selection)),
            ("traces.json", _traces(ledger, selection)),
            ("manifest.json", manifest.document()),
            ("manifest.sig", manifest.signature()),
        )
        for name, content in members:
            async for data in made.member(name, content):
                yield data
        yield made.end()

    async def _checkpoints(self, manifest: _Manifest) -> AsyncIterator[bytes]:
        after, mark = 0, "[\n"
        while page := await self._history.checkpoints.page(after):
            for one in page:
                yield (mark + json.dumps(asdict(one))).encode()
                mark = ",\n"
                manifest.checkpoint = one.hash
            after = page[-1].number
        yield b"[]\n" if after == 0 else b"\n]\n"


class _Manifest:
    """What an export says of itself; whole when the records are through."""

    def __init__(self, signer: Signer, now_ms: int, selection: Selection) -> None:
        self._signer = signer
        self._now_ms = now_ms
        self._selection = selection
        self.chains: dict[str, dict[str, tuple[int, str]]] = {}
        self.checkpoint = GENESIS

    async def document(self) -> AsyncIterator[bytes]:
        yield self._bytes()

    async def signature(self) -> AsyncIterator[bytes]:
        yield self._signer.sign(self._bytes()).hex().encode() + b"\n"

    def _bytes(self) -> bytes:
        body = {
            "made_ms": self._now_ms,
            "selection": asdict(self._selection),
            "chains": self.chains,
            "checkpoint": self.checkpoint,
            "public_key": self._signer.public_key,
        }
        return json.dumps(body, indent=1, sort_keys=True).encode()


class _Sink(io.RawIOBase):
    """What the ZIP writes to: bytes to be taken away. It cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class _Zip:
    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)

    async def member(self, name: str, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        info = zipfile.ZipInfo(name, _MEMBER_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            async for chunk in content:
                for start in range(0, len(chunk), _SLICE):
                    file.write(chunk[start : start + _SLICE])
                    await asyncio.sleep(0)
                if data := self._sink.take():
                    yield data

    def end(self) -> bytes:
        self._zip.close()
        return self._sink.take()


async def _text(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


def _source(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")


async def _chain(ledger: Ledger, spans: list[Span], manifest: _Manifest) -> AsyncIterator[bytes]:
    for span in spans:
        after = span.first - 1
        while page := await ledger.texts(span, after):
            for seq, digest, text in page:
                known = manifest.chains.setdefault(span.writer, {})
                if not known:
                    known["after"] = (seq - 1, _prev_hash(text))
                known["last"] = (seq, digest)
                yield text.encode("utf-8", "backslashreplace") + b"\n"
            after = page[-1][0]


def _prev_hash(text: str) -> str:
    try:
        return str(json.loads(text)["prev_hash"])
    except (ValueError, KeyError, TypeError):
        return ""  # it was changed: the check of the export says so


async def _csv(ledger: Ledger, selection: Selection) -> AsyncIterator[bytes]:
    yield _csv_lines([BODILESS])
    after = 0
    while page := await ledger.rows(selection, after):
        yield _csv_lines([[_cell(row[name]) for name in BODILESS] for _, row in page])
        after = page[-1][0]


def _csv_lines(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is quoted."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


async def _traces(ledger: Ledger, selection: Selection) -> AsyncIterator[bytes]:
    after, current = ("", 0), None
    yield b"["
    while page := await ledger.by_trace(selection, after):
        for number, row in page:
            trace = str(row["trace_id"])
            if trace != current:
                end = "" if current is None else "]},"
                yield f'{end}\n{{"trace_id":{json.dumps(trace)},"calls":['.encode()
            else:
                yield b","
            yield b"\n" + json.dumps(row).encode()
            after, current = (trace, number), trace
    yield b"\n]\n" if current is None else b"]}\n]\n"

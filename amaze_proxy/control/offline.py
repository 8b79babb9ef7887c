#!/usr/bin/env python3
"""Checks an export of the evidence where nothing of aMaze is installed.

    python verify.py export.zip [public-key.pem]

An export carries this file as `verify.py`, and `chain.py` beside it. Needs Python 3.11. Hashes are
checked with the standard library alone; signatures too when `cryptography` is installed. Without a
key that you have from elsewhere (GET /audit/key), the export's own key is used: then a forger who
has signed everything anew is not found. Exit code 0: whole; 1: not whole, or no export; 2: called
wrongly; 3: the hashes are whole, and signatures could not be checked.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

try:
    from amaze_proxy.policy.chain import CHANGED, REMOVED, Chains, Flaw, read_link
except ImportError:  # beside an export
    from chain import (  # type: ignore[import-not-found,no-redef]
        CHANGED,
        REMOVED,
        Chains,
        Flaw,
        read_link,
    )

GENESIS = "0" * 64
UNSIGNED = 3
"""The exit code when nothing is wrong and signatures could not be checked."""
MEMBERS = ("chain.jsonl", "checkpoints.json", "manifest.json", "manifest.sig")
_LINE_MAX = 64 * 1024 * 1024
_WHOLE_MAX = 2 * 1024 * 1024 * 1024


class NoExport(Exception):
    """The file is no export of the evidence; says why."""


@dataclass
class Report:
    """What was found. `signed` None: signatures could not be checked."""

    records: int = 0
    checkpoints: int = 0
    signed: bool | None = None
    public_key: str = ""
    flaws: list[Flaw] = field(default_factory=list)
    count: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing was changed, removed, inserted or reordered."""
        return not self.count


def verify(path: Path, public_key: str = "") -> Report:
    """Check an export; `public_key` in hex, "" for the one that it carries. Raises NoExport."""
    try:
        with zipfile.ZipFile(path) as archive:
            missing = sorted(set(MEMBERS) - set(archive.namelist()))
            if missing:
                raise NoExport(f"{path} has no {missing[0]}")
            return _Check(archive, public_key).run()
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, KeyError, TypeError) as error:
        raise NoExport(f"{path} cannot be read as an export: {error}") from None


class _Check:
    def __init__(self, archive: zipfile.ZipFile, public_key: str) -> None:
        self._archive = archive
        self._manifest_bytes = self._whole("manifest.json")
        self._manifest: dict[str, Any] = json.loads(self._manifest_bytes)
        self._key = public_key or str(self._manifest["public_key"])
        self._signed: dict[tuple[str, int], str] = {}
        begins = {
            writer: (int(part["after"][0]), str(part["after"][1]))
            for writer, part in self._manifest["chains"].items()
        }
        self._chains = Chains(begins)
        self._report = Report(public_key=self._key)

    def run(self) -> Report:
        signature = self._whole("manifest.sig").decode("ascii", "replace").strip()
        if self._is_signed(self._manifest_bytes, signature) is False:
            self._note(CHANGED, "", 0, "the manifest is not signed by the key")
        self._checkpoints()
        self._records()
        self._ends()
        self._report.flaws, self._report.count = self._chains.flaws, self._chains.count
        return self._report

    def _checkpoints(self) -> None:
        prev = GENESIS
        for number, one in enumerate(json.loads(self._whole("checkpoints.json")), 1):
            self._report.checkpoints += 1
            data = str(one["document"]).encode("utf-8", "surrogatepass")
            body = json.loads(data)
            if hashlib.sha256(data).hexdigest() != one["hash"]:
                self._note(CHANGED, "", number, f"checkpoint {number} was changed")
            elif self._is_signed(data, str(one["signature"])) is False:
                self._note(CHANGED, "", number, f"checkpoint {number} is not signed by the key")
            elif body["prev"] != prev:
                what = f"checkpoint {number} does not follow the one before it"
                self._note(REMOVED, "", number, what)
            for writer, (seq, digest) in body["heads"].items():
                self._signed[writer, seq] = digest
            prev = str(one["hash"])
        if prev != self._manifest["checkpoint"]:
            self._note(REMOVED, "", 0, "the last checkpoints are missing")

    def _records(self) -> None:
        known = self._manifest["chains"]
        for number, line in enumerate(self._lines("chain.jsonl"), 1):
            self._report.records += 1
            try:
                link = read_link(line)
            except ValueError:
                self._note(CHANGED, "", number, f"line {number} is no record")
                continue
            entry = f"line {number}"
            if link.writer not in known:
                self._note("inserted", link.writer, link.seq, "the manifest has no such writer")
            signed = self._signed.get((link.writer, link.seq), link.hash)
            if signed != link.hash:
                self._note(CHANGED, link.writer, link.seq, "it is not what was signed for")
            self._chains.follow(link, entry)

    def _ends(self) -> None:
        for writer, part in self._manifest["chains"].items():
            self._chains.end({writer: (int(part["last"][0]), str(part["last"][1]))})

    def _is_signed(self, data: bytes, signature: str) -> bool | None:
        """None: it cannot be checked here."""
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError:
            return None
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._key))
            key.verify(bytes.fromhex(signature), data)
        except (ValueError, InvalidSignature):
            self._report.signed = False
            return False
        if self._report.signed is None:
            self._report.signed = True
        return True

    def _note(self, kind: str, writer: str, seq: int, what: str) -> None:
        self._chains.note(Flaw(kind, writer, seq, what))

    def _whole(self, name: str) -> bytes:
        if self._archive.getinfo(name).file_size > _WHOLE_MAX:
            raise NoExport(f"{name} is too large")
        return self._archive.read(name)

    def _lines(self, name: str) -> Iterator[str]:
        with self._archive.open(name) as file:
            while line := _line(file):
                yield line.removesuffix(b"\n").decode("utf-8", "surrogateescape")


def _line(file: IO[bytes]) -> bytes:
    line = file.readline(_LINE_MAX)
    if len(line) == _LINE_MAX:
        raise NoExport("a line is too long")
    return line


def public_key_of(pem: bytes) -> str:
    """The key in a PEM file, in hex. Raises NoExport."""
    import base64

    lines = [line for line in pem.decode("ascii", "replace").splitlines() if "-" not in line]
    try:
        der = base64.b64decode("".join(lines), validate=True)
    except ValueError:
        der = b""
    if len(der) != 44:  # RFC 8410: 12 bytes say that it is Ed25519, 32 are the key
        raise NoExport("the key file holds no Ed25519 public key in PEM")
    return der[12:].hex()


def lines_of(report: Report) -> Iterator[str]:
    """The report in words."""
    signed = {True: "good", False: "BAD", None: "NOT CHECKED"}
    yield f"records {report.records}, checkpoints {report.checkpoints}"
    yield f"signatures {signed[report.signed]}, key {report.public_key}"
    for flaw in report.flaws:
        place = f"{flaw.writer} record {flaw.seq} {flaw.entry_id} {flaw.decision_id}"
        yield f"{flaw.kind}: {place}: {flaw.what}"
    if report.count > len(report.flaws):
        yield f"and {report.count - len(report.flaws)} more"
    yield _verdict(report)


def _verdict(report: Report) -> str:
    if not report.whole:
        return "NOT WHOLE"
    return "whole" if report.signed is not None else _NOT_CHECKED


_NOT_CHECKED = (
    "hashes are whole, but signatures were not checked: who changed a record may have hashed all "
    "anew. Install cryptography (python -m pip install cryptography) and run this again"
)


def main(arguments: list[str]) -> int:
    """The exit code."""
    if len(arguments) not in (1, 2):
        print(__doc__)
        return 2
    try:
        key = public_key_of(Path(arguments[1]).read_bytes()) if arguments[1:] else ""
        report = verify(Path(arguments[0]), key)
    except (NoExport, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines_of(report)))
    if not report.whole:
        return 1
    return 0 if report.signed is not None else UNSIGNED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

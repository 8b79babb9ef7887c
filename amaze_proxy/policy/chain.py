"""Whether chains of evidence are whole. Pure, and of the standard library alone: an export carries
a copy of this file, so that it can be checked where nothing of aMaze is installed.

The canonical form and the hash are those of `record.py`: a record's stored form is its canonical
JSON with `hash` at the end, and `hash = SHA-256(prev_hash || canonical)` in hex.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

CHANGED, REMOVED, INSERTED, REORDERED = "changed", "removed", "inserted", "reordered"
KEPT = 100
"""Flaws that are told in full; the rest are counted."""

Head = tuple[int, str]
"""Number and hash of a writer's last record."""

BEFORE_FIRST: Head = (0, "0" * 64)
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode


@dataclass(frozen=True)
class Link:
    """What a chain needs of a record. `sound`: its text is the one that was hashed."""

    agent_id: str
    decision_id: str
    writer: str
    seq: int
    prev_hash: str
    hash: str
    sound: bool


@dataclass(frozen=True)
class Flaw:
    """What was done to the evidence (`kind`), and where. `entry_id` is the id of the entry in the
    stream; `what` says the rest in words."""

    kind: str
    writer: str
    seq: int
    what: str
    agent_id: str = ""
    decision_id: str = ""
    entry_id: str = ""


@dataclass
class _Gap:
    """Numbers that did not come when they should, and their flaw's place in the list."""

    first: int
    last: int
    index: int


def read_link(text: str) -> Link:
    """The link that a stored form is. Raises ValueError for what is no record."""
    try:
        body = json.loads(text)
    except RecursionError:
        raise ValueError("not an audit record") from None
    if not isinstance(body, dict):
        raise ValueError("not an audit record")
    return link_of(body, text)


def link_of(body: dict[str, Any], text: str) -> Link:
    """`read_link` for whoever has parsed the text before; takes `hash` out of `body`."""
    digest = body.pop("hash", None)
    words = [body.get(name) for name in ("agent_id", "decision_id", "writer", "prev_hash")]
    seq = body.get("seq")
    if type(seq) is not int or not all(isinstance(word, str) for word in (*words, digest)):
        raise ValueError("not an audit record")
    canonical = _encode(body)
    stored = f'{canonical[:-1]},"hash":{_encode(digest)}}}'
    agent_id, decision_id, writer, prev_hash = map(str, words)
    # a lone surrogate in a body is hashed as itself, and escaped where a text cannot hold it
    data = (prev_hash + canonical).encode("utf-8", "surrogatepass")
    exact = text == stored or text == escaped(stored)
    sound = exact and digest == hashlib.sha256(data).hexdigest()
    return Link(agent_id, decision_id, writer, seq, prev_hash, str(digest), sound)


def escaped(text: str) -> str:
    """The same JSON without lone surrogates, which are no text to a file or a database."""
    return text.encode("utf-8", "backslashreplace").decode()


class Chains:
    """Follows the chains of many writers through records in their order.

    `begins` has the heads that were before; a writer who is not in it begins with number 1, or,
    unless the chains are to be `whole`, wherever its first record says.
    """

    def __init__(self, begins: Mapping[str, Head] | None = None, *, whole: bool = True) -> None:
        self._begins = dict(begins or {})
        self._whole = whole
        self._gaps: dict[str, list[_Gap]] = {}
        self.heads: dict[str, Head] = {}
        self.flaws: list[Flaw] = []
        self.count = 0

    def follow(self, link: Link, entry_id: str = "") -> None:
        """The next record."""
        head = self.heads.get(link.writer) or self._begin(link)
        if not link.sound:
            self._note(link, entry_id, CHANGED, "its text is not the one that was hashed")
        if link.seq == head[0] + 1:
            if link.sound and link.prev_hash != head[1]:
                what = "it does not follow the one before it: one of the two was replaced"
                self._note(link, entry_id, CHANGED, what)
        elif link.seq > head[0] + 1:
            self._gap(link, entry_id, head[0] + 1)
        else:
            self._late(link, entry_id)
        self.heads[link.writer] = max(head, (link.seq, link.hash))

    def end(self, heads: Mapping[str, Head], agent_id: str = "") -> None:
        """Compare with the last links that somebody else knows of these writers."""
        for writer, (seq, digest) in heads.items():
            last = self.heads.get(writer) or self._begins.get(writer, BEFORE_FIRST)
            if last[0] < seq:
                what = f"the end is missing: records {last[0] + 1} to {seq}"
                self.note(Flaw(REMOVED, writer, last[0] + 1, what, agent_id))
            elif last[0] == seq and last[1] != digest:
                what = "the last record was changed"
                self.note(Flaw(CHANGED, writer, seq, what, agent_id))

    def note(self, flaw: Flaw) -> None:
        """A flaw that was found otherwise."""
        self.count += 1
        if len(self.flaws) < KEPT:
            self.flaws.append(flaw)

    def _begin(self, link: Link) -> Head:
        found = self._begins.get(link.writer)
        if found is not None:
            return found
        return BEFORE_FIRST if self._whole or link.seq == 1 else (link.seq - 1, link.prev_hash)

    def _gap(self, link: Link, entry_id: str, first: int) -> None:
        last = link.seq - 1
        named = f"record {first} is" if first == last else f"records {first} to {last} are"
        what = f"{named} missing: after {first - 1} comes {link.seq}"
        if len(self.flaws) < KEPT:
            gap = _Gap(first, last, len(self.flaws))
            self._gaps.setdefault(link.writer, []).append(gap)
        flaw = Flaw(REMOVED, link.writer, first, what, link.agent_id, link.decision_id, entry_id)
        self.note(flaw)

    def _late(self, link: Link, entry_id: str) -> None:
        for gap in self._gaps.get(link.writer, ()):
            if gap.first <= link.seq <= gap.last:
                what = f"record {link.seq} comes after record {gap.last + 1}"
                self.flaws[gap.index] = replace(self.flaws[gap.index], kind=REORDERED, what=what)
                return
        what = f"there is a record {link.seq} before it: one of the two was inserted"
        self._note(link, entry_id, INSERTED, what)

    def _note(self, link: Link, entry_id: str, kind: str, what: str) -> None:
        place = (link.agent_id, link.decision_id, entry_id)
        self.note(Flaw(kind, link.writer, link.seq, what, *place))

"""How an MCP server or LLM host changes: pure functions from one record to the next, or a refusal.

They run inside the history's transaction, so each is a check and an act in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from amaze_proxy.control.errors import (
    BeingDeleted,
    ClaimChanged,
    EntryBarred,
    EntryExists,
    EntryNotFound,
)
from amaze_proxy.history.registry import EntryClaim, EntryKind, EntryRecord
from amaze_proxy.store.registry import EntryStatus

WORDS = {EntryKind.MCP: "MCP server", EntryKind.LLM: "LLM host"}


def existing(record: EntryRecord | None, kind: EntryKind, name: str) -> EntryRecord:
    """The entry that is there. Raises EntryNotFound."""
    if record is None or record.deleted or record.kind is not kind:
        raise EntryNotFound(f"there is no {WORDS[kind]} {name}: register it first")
    return record


def not_being_deleted(record: EntryRecord | None) -> EntryRecord | None:
    """The record, or None for a free name. Raises BeingDeleted for a tombstone."""
    if record is not None and record.deleted:
        raise BeingDeleted(
            f"{record.name} was deleted a moment ago and the store still knows it: "
            "try again when GET /health reports redis as ok"
        )
    return record


def created(before: EntryRecord | None, wanted: EntryRecord) -> EntryRecord:
    """What an operator makes; the same again is no mistake. Raises EntryExists, BeingDeleted."""
    found = not_being_deleted(before)
    if found is None:
        return wanted
    same = (found.url, found.status, found.dialect) == (wanted.url, wanted.status, wanted.dialect)
    if not same:
        raise EntryExists(
            f"there is an {WORDS[found.kind]} {found.name} already, {found.status}, at "
            f"{found.url}: look at it, and approve or delete that one"
        )
    return found


def moved(record: EntryRecord, url: str, tools: tuple[str, ...] | None, now: int) -> EntryRecord:
    """With proof a server moves to another place; its status is kept."""
    return replace(
        record,
        url=url,
        tools=record.tools if tools is None else tools,
        claim=None,
        updated_ms=now,
    )


def claimed(record: EntryRecord, url: str, tools: tuple[str, ...] | None, now: int) -> EntryRecord:
    """Without proof the other place waits for an operator. Raises EntryBarred."""
    if record.status == EntryStatus.REJECTED:
        raise EntryBarred(
            f"{record.name} was rejected: ask an operator to approve or delete it first"
        )
    claim = EntryClaim(url, record.tools if tools is None else tools, now)
    return replace(record, claim=claim, updated_ms=now)


def approve(record: EntryRecord, now: int, url: str = "") -> EntryRecord:
    """Lets the server be called; lets an approved one move to the place that waits.

    `url` is the place that was looked at, so that nobody approves another one. Raises
    ClaimChanged.
    """
    record = _looked_at(record, url)
    claim = record.claim
    working = record.status == EntryStatus.APPROVED
    if claim is not None and (claim.url == url or (working and not url)):
        record = moved(record, claim.url, claim.tools, now)
    elif working:
        return record
    return replace(record, status=str(EntryStatus.APPROVED), updated_ms=now)


def reject(record: EntryRecord, now: int, url: str = "") -> EntryRecord:
    """Refuses the place that waits beside an approved one, else the server itself: its next call is
    denied. `url` names which of the two is meant. Raises ClaimChanged.
    """
    record = _looked_at(record, url)
    claim = record.claim
    working = record.status == EntryStatus.APPROVED
    if claim is not None and (claim.url == url or (working and not url)):
        return replace(record, claim=None, updated_ms=now)
    if record.status == EntryStatus.REJECTED and claim is None:
        return record
    return replace(record, status=str(EntryStatus.REJECTED), claim=None, updated_ms=now)


def pinned(record: EntryRecord, url: str, tools: Mapping[str, str], now: int) -> EntryRecord:
    """The first look at a server's tools (name: fingerprint) is trusted; a later one changes
    nothing, nor one at a place that the server has left."""
    if record.pinned_ms or record.url != url:
        return record
    return _pinned(record, tools, now)


def accepted(
    record: EntryRecord, url: str, tools: Mapping[str, str], whole: bool, now: int
) -> EntryRecord:
    """These tools of the server at `url` are what they should be; `whole`: and there are no others.
    Raises ClaimChanged."""
    if record.url != url:
        raise ClaimChanged(f"{record.name} has another URL now: probe it again, and look at it")
    return _pinned(record, tools if whole else {**dict(record.pins), **tools}, now)


def _pinned(record: EntryRecord, tools: Mapping[str, str], now: int) -> EntryRecord:
    pins = tuple(sorted(tools.items()))
    if record.pinned_ms and pins == record.pins:
        return record
    return replace(record, pins=pins, pinned_ms=now, updated_ms=now)


def delete(record: EntryRecord, now: int) -> EntryRecord:
    """A tombstone: nothing that waits."""
    return replace(record, deleted=True, claim=None, updated_ms=now)


def _looked_at(record: EntryRecord, url: str) -> EntryRecord:
    waits = record.claim.url if record.claim else ""
    if url and url not in (record.url, waits):
        raise ClaimChanged(
            f"{record.name} is neither at that URL nor waits to be: look at it again"
        )
    return record

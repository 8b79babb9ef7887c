"""How records look in JSON. No hash of a credential leaves the house."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from amaze_proxy.control.agents import Issued
from amaze_proxy.control.lifecycle import claim_name
from amaze_proxy.control.mcp_tools import McpTools
from amaze_proxy.control.simulate import Simulation
from amaze_proxy.history.agents import AgentRecord, Claim, Endpoints
from amaze_proxy.history.policies import PolicyVersion
from amaze_proxy.history.registry import EntryRecord

Json = dict[str, Any]


def agent(record: AgentRecord) -> Json:
    """An agent; `pending` is a registration that waits for `approve` (null: none)."""
    return {
        "agent_id": record.agent_id,
        "status": record.status,
        "owner": record.owner,
        "quarantined_by": record.quarantined_by or None,
        "session_id": record.session_id,
        **endpoints(record.endpoints),
        "created_ms": record.created_ms,
        "updated_ms": record.updated_ms,
        "credentials": [
            {"created_ms": held.created_ms, "expires_ms": held.expires_ms or None}
            for held in record.credentials
        ],
        "pending": None if record.claim is None else _pending(record.claim),
    }


def endpoints(found: Endpoints) -> Json:
    """Where an agent listens, null for what it does not."""
    return {name: value or None for name, value in asdict(found).items()}


def issued(found: Issued) -> Json:
    """An agent's new credential, this once."""
    return {
        "agent_id": found.record.agent_id,
        "status": found.record.status,
        "credential": found.credential.text,
        "in_force": found.in_force,
    }


def mcp_server(record: EntryRecord) -> Json:
    """An MCP server; `pending` is another URL that waits for `approve` (null: none)."""
    claim = record.claim
    return {
        "name": record.name,
        "url": record.url,
        "status": record.status,
        "owner": record.owner,
        "tools": record.tools,
        "revision": record.revision,
        "created_ms": record.created_ms,
        "updated_ms": record.updated_ms,
        "pending": None if claim is None else asdict(claim),
        "pins": dict(record.pins),
        "pinned_ms": record.pinned_ms or None,
    }


def mcp_tools(tools: McpTools) -> Json:
    """An MCP server with its last probe (null: none), and the tools that were seen otherwise than
    accepted (null: not known, the store does not answer)."""
    pins = dict(tools.record.pins)
    told = {**mcp_server(tools.record), "probe": _probe(tools), "seen": None}
    if tools.seen is not None:
        told["seen"] = [
            {"name": name, "accepted": pins.get(name), "sha256": sha256}
            for name, sha256 in sorted(tools.seen.items())
            if sha256 != pins.get(name)
        ]
    return told


def _probe(tools: McpTools) -> Json | None:
    if tools.probe is None:
        return None
    found = json.loads(tools.probe.found) if tools.probe.found else {}
    found.pop("accepted", None)
    pins = dict(tools.record.pins)
    for tool in found.get("tools", ()):
        tool["state"] = state(tools.record, pins.get(tool["name"]), tool["sha256"])
    probe = tools.probe
    return {"url": probe.url, "probed_ms": probe.ts, "error": probe.error or None, **found}


def state(record: EntryRecord, pin: str | None, sha256: str) -> str:
    """Of a tool that was found, beside what was accepted."""
    if not record.pinned_ms:
        return "not pinned"
    if pin is None:
        return "new"
    return "accepted" if pin == sha256 else "changed"


def llm(record: EntryRecord) -> Json:
    """An LLM host."""
    return {
        "name": record.name,
        "url": record.url,
        "dialect": record.dialect,
        "status": record.status,
        "revision": record.revision,
        "created_ms": record.created_ms,
        "updated_ms": record.updated_ms,
    }


def version(found: PolicyVersion, *, document: bool = True) -> Json:
    """A policy version, with its document unless it is one of a list."""
    view: Json = {
        "agent_id": found.agent_id,
        "version": found.version,
        "parent": found.parent or None,
        "author": found.author,
        "created_ms": found.created_ms,
        "comment": found.comment,
        "sha256": found.sha256,
    }
    if document:
        view["policy"] = json.loads(found.document)
    return view


def simulation(found: Simulation) -> Json:
    """What a draft would have done."""
    view = asdict(found)
    view["undecidable"] = [
        {"why": why, "calls": calls} for why, calls in found.undecidable.most_common()
    ]
    return view


def _pending(claim: Claim) -> Json:
    return {
        "claim": claim_name(claim),
        "created_ms": claim.created_ms,
        **endpoints(claim.endpoints),
    }

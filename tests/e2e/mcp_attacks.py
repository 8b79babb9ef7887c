"""Forms of a tools/call that two readers of one request could take differently.

`runs` says which of the servers executes the tool when the very request is sent to it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from tests.e2e.mcp import Session

NONE: frozenset[str] = frozenset()
PYTHON = frozenset({"mcp1"})
TYPESCRIPT = frozenset({"ts1"})
BOTH = PYTHON | TYPESCRIPT

Write = Callable[[str], bytes]


def one(name: str) -> bytes:
    return text('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":%s}', name)


def text(template: str, tool: str) -> bytes:
    params = '{"name":"@","arguments":{"text":"x"}}'
    return template.replace("%s", params).replace("@", tool).encode()


def params(template: str) -> Write:
    return lambda tool: text(
        '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":' + template + "}", tool
    )


def whole(template: str) -> Write:
    return lambda tool: text(template, tool)


@dataclass(frozen=True, slots=True)
class Attack:
    """One form of a tools/call. A header that is None is left out."""

    write: Write = one
    runs: frozenset[str] = NONE
    headers: Mapping[str, str | None] = field(default_factory=dict)
    method: str = "POST"
    path: str = "/mcp"

    def send(self, session: Session, tool: str, origin: str = "") -> httpx.Response:
        """`origin` begins the request target: the server's, through the proxy."""
        headers = {**session.headers, **self.headers}
        asking = session.client.stream(
            self.method,
            session.url,
            content=self.write(tool),
            headers={name: value for name, value in headers.items() if value is not None},
            extensions={"target": (origin + self.path).encode()},  # to the letter
        )
        with asking as answer:
            if self.method != "GET":  # that one may be a stream without an end
                answer.read()
        return answer


def typed(content_type: str | None, write: Write = one, runs: frozenset[str] = NONE) -> Attack:
    return Attack(write, runs, {"content-type": content_type})


def coded(coding: str, write: Write, runs: frozenset[str] = NONE) -> Attack:
    return Attack(write, runs, {"content-encoding": coding})


ARGUMENTS = '"arguments":{"text":"x"}'
NESTED = '{"name":"@","arguments":{"text":"x","more":' + "[" * 3000 + "]" * 3000 + "}}"
ATTACKS: dict[str, Attack] = {
    "plain": Attack(runs=BOTH),
    # keys
    "duplicate-name": Attack(params('{"name":"echo","name":"@",' + ARGUMENTS + "}"), BOTH),
    "duplicate-name-first": Attack(params('{"name":"@","name":"echo",' + ARGUMENTS + "}")),
    "escaped-duplicate": Attack(params('{"name":"echo","n\\u0061me":"@",' + ARGUMENTS + "}"), BOTH),
    "duplicate-params": Attack(
        whole(
            '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"},"params":%s}'
        ),
        BOTH,
    ),
    "duplicate-method": Attack(
        whole('{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/call","params":%s}'), BOTH
    ),
    "duplicate-id": Attack(
        whole('{"jsonrpc":"2.0","id":6,"method":"tools/call","id":7,"params":%s}'), BOTH
    ),
    "duplicate-argument": Attack(params('{"name":"@","arguments":{"text":"x","text":"y"}}'), BOTH),
    "upper-case-name": Attack(params('{"name":"echo","NAME":"@",' + ARGUMENTS + "}")),
    "upper-case-name-alone": Attack(params('{"NAME":"@",' + ARGUMENTS + "}")),
    "capital-method": Attack(
        whole('{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call","params":%s}')
    ),
    "capital-method-alone": Attack(
        whole('{"jsonrpc":"2.0","id":7,"Method":"tools/call","params":%s}')
    ),
    "capital-params": Attack(
        whole('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"},"Params":%s}')
    ),
    # bytes
    "invalid-utf-8": Attack(lambda tool: one(tool).replace(b'"x"', b'"\xff"'), TYPESCRIPT),
    "utf-16": Attack(lambda tool: one(tool).decode().encode("utf-16"), PYTHON),
    "utf-16-declared": typed(
        "application/json; charset=utf-16", lambda tool: one(tool).decode().encode("utf-16"), PYTHON
    ),
    "utf-32": Attack(lambda tool: one(tool).decode().encode("utf-32"), PYTHON),
    "utf-7-declared": typed(
        "application/json; charset=utf-7", lambda tool: one(tool).decode().encode("utf-7"), BOTH
    ),
    "utf-7-name": typed("application/json; charset=utf-7", params('{"name":"+AHMAZQBjAHIAZQB0-"}')),
    "latin-1-declared": typed("application/json; charset=iso-8859-1", runs=BOTH),
    "byte-order-mark": Attack(lambda tool: b"\xef\xbb\xbf" + one(tool), BOTH),
    "lone-surrogate": Attack(params('{"name":"@\\ud800",' + ARGUMENTS + "}")),
    "trailing-garbage": Attack(lambda tool: one(tool) + b" x"),
    "trailing-nul": Attack(lambda tool: one(tool) + b"\0"),
    "two-documents": Attack(lambda tool: one("echo") + one(tool)),
    "ndjson": Attack(lambda tool: one("echo") + b"\n" + one(tool) + b"\n"),
    "ndjson-declared": typed("application/x-ndjson", lambda tool: one("echo") + b"\n" + one(tool)),
    "comments": Attack(lambda tool: b"/* x */" + one(tool)),
    "comment-inside": Attack(params('{"name":"echo"/*,"name":"@"*/,' + ARGUMENTS + "}")),
    "single-quotes": Attack(lambda tool: one(tool).replace(b'"', b"'")),
    "nan": Attack(params('{"name":"@","arguments":{"text":"x","more":NaN}}'), PYTHON),
    "nested-3000": Attack(params(NESTED), TYPESCRIPT),
    "white-space": Attack(lambda tool: b" \r\n\t" + one(tool) + b"\n\n", BOTH),
    # codings
    "gzip": coded("gzip", lambda tool: gzip.compress(one(tool))),
    "gzip-undeclared": Attack(lambda tool: gzip.compress(one(tool))),
    "gzip-declared-only": coded("gzip", one, BOTH),
    "gzip-twice": coded("gzip, gzip", lambda tool: gzip.compress(gzip.compress(one(tool)))),
    "deflate": coded("deflate", lambda tool: zlib.compress(one(tool))),
    "identity": coded("identity", one, BOTH),
    "coding-unknown": coded("x-none", one, BOTH),
    # media types
    "no-type": typed(None),
    "text": typed("text/plain"),
    "form": typed("application/x-www-form-urlencoded"),
    "event-stream": typed("text/event-stream"),
    "json-in-capitals": typed("Application/JSON", runs=TYPESCRIPT),
    "json-rpc": typed("application/json-rpc"),
    "two-types": typed("text/plain, application/json"),
    # methods
    "put": Attack(method="PUT"),
    "patch": Attack(method="PATCH"),
    "get": Attack(method="GET"),
    "get-for-json": Attack(method="GET", headers={"accept": "application/json"}),
    "delete": Attack(method="DELETE"),
    "options": Attack(method="OPTIONS"),
    "override": Attack(method="GET", headers={"x-http-method-override": "POST"}),
    "override-away": Attack(headers={"x-http-method-override": "GET"}, runs=BOTH),
    # names
    "empty-name": Attack(params('{"name":"",' + ARGUMENTS + "}")),
    "null-name": Attack(params('{"name":null,' + ARGUMENTS + "}")),
    "no-name": Attack(params("{" + ARGUMENTS + "}")),
    "list-name": Attack(params('{"name":["@"],' + ARGUMENTS + "}")),
    "spaced-name": Attack(params('{"name":" @ ",' + ARGUMENTS + "}")),
    "nul-name": Attack(params('{"name":"@\\u0000",' + ARGUMENTS + "}")),
    "escaped-name": Attack(
        lambda tool: one(tool).replace(
            tool.encode(), "".join(f"\\u{ord(c):04x}" for c in tool).encode()
        ),
        BOTH,
    ),
    "list-params": Attack(params('["@"]')),
    "text-arguments": Attack(params('{"name":"@","arguments":"{}"}')),
    "null-arguments": Attack(params('{"name":"@","arguments":null}'), PYTHON),
    # JSON-RPC
    "notification": Attack(whole('{"jsonrpc":"2.0","method":"tools/call","params":%s}')),
    "null-id": Attack(whole('{"jsonrpc":"2.0","id":null,"method":"tools/call","params":%s}')),
    "fraction-id": Attack(whole('{"jsonrpc":"2.0","id":7.5,"method":"tools/call","params":%s}')),
    "true-id": Attack(whole('{"jsonrpc":"2.0","id":true,"method":"tools/call","params":%s}')),
    "object-id": Attack(whole('{"jsonrpc":"2.0","id":{},"method":"tools/call","params":%s}')),
    "no-version": Attack(whole('{"id":7,"method":"tools/call","params":%s}')),
    "version-1": Attack(whole('{"jsonrpc":"1.0","id":7,"method":"tools/call","params":%s}')),
    "also-an-answer": Attack(
        whole('{"jsonrpc":"2.0","id":7,"result":{},"method":"tools/call","params":%s}'), PYTHON
    ),
    "spaced-method": Attack(whole('{"jsonrpc":"2.0","id":7,"method":"tools/call ","params":%s}')),
    "capital-tools-call": Attack(
        whole('{"jsonrpc":"2.0","id":7,"method":"Tools/Call","params":%s}')
    ),
    "batch": Attack(
        runs=TYPESCRIPT,
        write=lambda tool: b"[" + one("echo").replace(b":7", b":8") + b"," + one(tool) + b"]",
        headers={"mcp-protocol-version": "2025-03-26"},
    ),
    "batch-of-later-revision": Attack(lambda tool: b"[" + one(tool) + b"]", TYPESCRIPT),
    "batch-in-batch": Attack(
        lambda tool: b"[[" + one(tool) + b"]]", headers={"mcp-protocol-version": "2025-03-26"}
    ),
    # routing headers
    "lying-headers": Attack(headers={"mcp-method": "ping", "mcp-name": "echo"}, runs=BOTH),
    "lying-headers-2026": Attack(
        headers={
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": "echo",
        }
    ),
    # paths
    "path-double-slash": Attack(path="//mcp"),
    "path-slash-after": Attack(path="/mcp/"),
    "path-encoded": Attack(path="/%6dcp", runs=PYTHON),
    "path-capitals": Attack(path="/MCP"),
    "path-parameter": Attack(path="/mcp;x"),
    "path-query": Attack(path="/mcp?x", runs=BOTH),
    "path-dots": Attack(path="/x/../mcp", runs=TYPESCRIPT),
    "path-encoded-dots": Attack(path="/x/%2e%2e/mcp", runs=TYPESCRIPT),
    "path-nul": Attack(path="/mcp%00"),
}

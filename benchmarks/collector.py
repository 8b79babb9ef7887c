#!/usr/bin/env python3
"""What a collector of spans costs a call: none, one that takes them, one that is down, one that
accepts connections and never answers. Writes its part of docs/benchmarks-archive.md.

    PYTHONPATH=. python benchmarks/collector.py [--rounds 5] [--seconds 3]

One connection at a time, one worker; the platforms take turns, and the figures are medians over
the rounds. What is below the width of the same figure over the rounds of the platform that tells
nobody is no difference.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import contenders
import grpc
from cells import CHAT
from contenders import HERE, Contender
from figures import write
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from processes import free_port

Figures = Mapping[str, float]
ABSENT = "absent"


class _Takes(TraceServiceServicer):
    """A collector that takes everything; in a process of its own, as one would be."""

    def Export(self, request: object, context: object) -> ExportTraceServiceResponse:
        return ExportTraceServiceResponse()


def serve(port: int) -> None:
    """Be a collector until killed."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(_Takes(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


@contextmanager
def taking() -> Iterator[str]:
    """A collector that is up."""
    port = free_port()
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(port)])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def silent() -> Iterator[str]:
    """A collector that accepts connections, and says nothing."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    kept.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    for one in kept:
        one.close()


def load(contender: Contender, seconds: float) -> Figures:
    """One run of the generator."""
    more = ("-c", "1", "--duration", str(seconds), "--warmup", "50")
    argv = [sys.executable, str(HERE / "load.py"), *contender.arguments, *CHAT, *more]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {name: found[name] for name in ("p50_ms", "p95_ms", "rps")}


def measure(rounds: int, seconds: float) -> Mapping[str, list[Figures]]:
    """Each platform in each round."""
    with ExitStack() as stack:
        # A short path: Unix sockets allow about a hundred characters.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amz-")))
        mock = stack.enter_context(contenders.upstream(directory))
        places = {
            ABSENT: "",
            "up": stack.enter_context(taking()),
            "down": f"http://127.0.0.1:{free_port()}",
            "silent": stack.enter_context(silent()),
        }
        ours: dict[str, Contender] = {}
        for name, url in places.items():
            told = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
            one = stack.enter_context(contenders.platform(directory, mock, 1, name, **told))
            ours[name] = one.contender(f"bench-{name}")
        for one_of in ours.values():
            load(one_of, 1)
        found: dict[str, list[Figures]] = {name: [] for name in ours}
        for number in range(rounds):
            order = list(ours)[number % len(ours) :] + list(ours)[: number % len(ours)]
            for name in order:
                found[name].append(load(ours[name], seconds))
        return found


def report(found: Mapping[str, list[Figures]]) -> None:
    absent = [run["p50_ms"] for run in found[ABSENT]]
    rows = [("collector", "p50", "p95", "calls/s", "p50 of the rounds, ms")]
    for name, runs in found.items():
        p50, p95, rps = (median(run[key] for run in runs) for key in ("p50_ms", "p95_ms", "rps"))
        each = ", ".join(f"{run['p50_ms']:.2f}" for run in runs)
        rows.append((name, f"{p50:.2f} ms", f"{p95:.2f} ms", f"{rps:.0f}", each))
    write(
        "A governed LLM call beside a collector of spans",
        "`PYTHONPATH=. python benchmarks/collector.py`: 1 connection, platforms in turns, medians; "
        "*silent* takes connections and never answers. Without a collector, the p50 of the rounds "
        f"differs by {max(absent) - min(absent):.2f} ms: what is below that is no difference.",
        rows,
    )
    for row in rows:
        print(*row, sep="\t")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
    else:
        report(measure(args.rounds, args.seconds))


if __name__ == "__main__":
    main()

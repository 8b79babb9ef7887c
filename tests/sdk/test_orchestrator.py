from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from amaze import orchestrator
from amaze.orchestrator import Answer, Unreachable
from amaze.settings import Origin
from hypothesis import given
from hypothesis import strategies as st


class _Odd(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(307)
            self.send_header("Location", "http://elsewhere.example/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * (orchestrator.MAX_ANSWER + 1))

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def odd() -> Iterator[Origin]:
    with HTTPServer(("127.0.0.1", 0), _Odd) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Origin("http", "127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


def test_redirects_are_not_followed(odd: Origin) -> None:
    assert orchestrator.call(odd, "GET", "/moved", headers={"X-Amaze-Bearer": "s"}).status == 307


def test_an_endless_answer_is_cut_off(odd: Origin) -> None:
    with pytest.raises(Unreachable, match="too large"):
        orchestrator.call(odd, "GET", "/")


def test_https_is_spoken_to_https_origins(odd: Origin) -> None:
    with pytest.raises(Unreachable):
        orchestrator.call(Origin("https", odd.host, odd.port), "GET", "/")


@given(st.binary(max_size=300))
def test_any_body_has_an_explanation(body: bytes) -> None:
    answer = Answer(403, body)
    assert answer.explanation
    assert len(answer.reason) <= 64


def test_problem_details_are_understood() -> None:
    answer = Answer(403, b'{"title": "Forbidden", "detail": "ask first", "reason": "not-allowed"}')
    assert (answer.reason, answer.explanation) == ("not-allowed", "ask first")


def test_a_body_is_never_shown() -> None:
    assert "s3cret" not in repr(Answer(200, b"s3cret"))

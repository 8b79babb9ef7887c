import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.strictjson import decode_content

MAX = 1_000_000


@given(st.binary(max_size=2000))
def test_undoes_each_coding(body):
    for name, coded in (
        (None, body),
        ("", body),
        ("identity", body),
        ("gzip", gzip.compress(body, mtime=0)),
        ("X-GZip", gzip.compress(body, mtime=0)),
        (" deflate ", zlib.compress(body)),
        ("identity, gzip", gzip.compress(body, mtime=0)),
    ):
        assert decode_content(coded, name, MAX) == body


@pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip\0", "gzip;q=1", "chunked"])
def test_an_unknown_coding_is_refused(name):
    with pytest.raises(Malformed, match="unknown content-encoding"):
        decode_content(b"x", name, MAX)


def test_two_codings_are_refused():
    with pytest.raises(Malformed, match="more than one"):
        decode_content(gzip.compress(gzip.compress(b"x", mtime=0)), "gzip, gzip", MAX)


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"x", mtime=0) + b"y",
        gzip.compress(b"x", mtime=0) + gzip.compress(b"y", mtime=0),
        gzip.compress(b"x" * 1000, mtime=0)[:-3],
        b"",
    ],
)
def test_a_cut_stream_or_one_with_a_tail_is_refused(body):
    with pytest.raises(Malformed, match="cut off, or something follows"):
        decode_content(body, "gzip", MAX)


def test_a_body_that_is_not_of_its_coding_is_refused():
    raw_deflate = zlib.compressobj(wbits=-15)
    raw = raw_deflate.compress(b"x") + raw_deflate.flush()
    for body, name in ((b"plain", "gzip"), (raw, "deflate"), (zlib.compress(b"x"), "gzip")):
        with pytest.raises(Malformed, match="not of its content-encoding"):
            decode_content(body, name, MAX)


def test_size_is_bounded_before_and_after():
    with pytest.raises(TooLarge):
        decode_content(b"x" * 11, None, 10)
    with pytest.raises(TooLarge):
        decode_content(gzip.compress(b"x" * 11, mtime=0), "gzip", 10)
    assert decode_content(gzip.compress(b"x" * 10, mtime=0), "gzip", 10) == b"x" * 10


def test_a_bomb_is_refused_by_its_ratio():
    bomb = gzip.compress(b"\0" * 10_000_000, mtime=0)
    with pytest.raises(Malformed, match="more than 100 times"):
        decode_content(bomb, "gzip", 100_000_000)
    assert len(decode_content(bomb, "gzip", 100_000_000, max_ratio=2000)) == 10_000_000


def test_a_small_body_may_be_compressed_any_much():
    assert len(decode_content(gzip.compress(b"\0" * 60_000, mtime=0), "gzip", MAX)) == 60_000

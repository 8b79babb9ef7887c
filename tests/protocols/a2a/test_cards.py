import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.a2a import interfaces


def card(**members):
    return json.dumps({"name": "a", **members}).encode()


@pytest.mark.parametrize(
    ("members", "urls"),
    [
        ({"supportedInterfaces": [{"url": "http://a/1"}, {"url": "http://a/2"}]}, (1, 2)),
        ({"url": "http://a/1"}, (1,)),
        ({"url": "http://a/1", "additionalInterfaces": [{"url": "http://a/2"}]}, (1, 2)),
        (
            {
                "url": "http://a/1",
                "additionalInterfaces": [{"url": "http://a/1"}, {"url": "http://a/3"}],
                "supportedInterfaces": [{"url": "http://a/2"}],
            },
            (1, 2, 3),
        ),
        ({"supportedInterfaces": [1, {}, {"url": 7}, {"url": ""}], "url": None}, ()),
        ({"supportedInterfaces": {"url": "http://a/1"}}, ()),
        ({"provider": {"url": "http://a/1"}}, ()),
    ],
)
def test_finds_the_urls_of_all_versions(members, urls):
    assert interfaces(card(**members)) == tuple(f"http://a/{n}" for n in urls)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"url": "http://a/1"}',
        b'{"name": 1, "url": "http://a/1"}',
        b'{"name": "a", "url": "http://a/1", "url": "http://b/"}',
        card(url="http://a/1", URL="http://b/"),
        card(url="http://a/1", additionalInterfaces=[{"Url": "http://b/"}]),
        b'\xef\xbb\xbf{"name": "a", "url": "http://a/1"}',
    ],
)
def test_what_is_no_card_or_has_two_readings_tells_nothing(body):
    assert interfaces(body) == ()


def test_the_list_is_bounded():
    listed = [{"url": f"http://a/{n}"} for n in range(1000)]
    assert len(interfaces(card(supportedInterfaces=listed))) == 64


@given(st.binary())
def test_never_raises(body):
    assert isinstance(interfaces(body), tuple)

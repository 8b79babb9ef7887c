from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.wire.addresses import embedded, is_own, parse_ip, refusal

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "::1",
    "fc00::1",
    "fdff::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "fd00:ec2::254",
    "fe80::1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "239.255.255.255",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_need_leave(text: str) -> None:
    assert refusal(parse_ip(text), allow_private=False)
    assert refusal(parse_ip(text), allow_private=True) == ""


@pytest.mark.parametrize("text", NEVER)
def test_nobodys_addresses(text: str) -> None:
    assert refusal(parse_ip(text), allow_private=False)
    assert refusal(parse_ip(text), allow_private=True)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses(text: str) -> None:
    assert refusal(parse_ip(text), allow_private=False) == ""


@given(st.ip_addresses())
def test_leave_for_private_never_takes_an_address_away(ip: object) -> None:
    address = parse_ip(str(ip))
    if refusal(address, allow_private=False) == "":
        assert refusal(address, allow_private=True) == ""
        assert address.is_global


@given(st.ip_addresses(v=4))
def test_every_embedding_is_seen_through(ip: object) -> None:
    for form in (f"::ffff:{ip}", f"64:ff9b::{ip}"):
        assert embedded(parse_ip(form)) == ip


def test_own_listeners() -> None:
    listeners = [("127.0.0.1", 8080), ("0.0.0.0", 8001), ("::", 5173)]
    own = [
        ("127.0.0.1", 8080),
        ("::ffff:127.0.0.1", 8080),
        ("64:ff9b::127.0.0.1", 8080),
        ("127.0.0.1", 8001),
        ("127.9.9.9", 8001),
        ("127.0.0.1", 5173),
    ]
    others = [("127.0.0.1", 8081), ("127.0.0.2", 8080), ("8.8.8.8", 8001), ("8.8.8.8", 8080)]
    for text, port in own:
        assert is_own(parse_ip(text), port, listeners), text
    for text, port in others:
        assert not is_own(parse_ip(text), port, listeners), text
    assert not is_own(parse_ip("127.0.0.1"), 1, [])


def test_this_machines_other_addresses_are_own() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:  # a machine without a network has loopback alone
            probe.connect(("127.0.0.1", 9))
        address = probe.getsockname()[0]
    assert is_own(parse_ip(address), 8001, [("0.0.0.0", 8001)])

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from amaze_proxy.wire.ca import LEAF_LIFETIME, CertificateAuthority
from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.tls import TlsSession


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> TlsSession:
    ours = TlsSession(server, server_side=True)
    theirs = TlsSession(client, server_side=False, server_name=name)
    for _ in range(4):
        theirs.handshake()
        ours.feed(theirs.outgoing())
        ours.handshake()
        theirs.feed(ours.outgoing())
    assert theirs.handshake()
    return theirs


@pytest.mark.parametrize("host", ["api.example", "127.0.0.1", "::1", "a" * 60 + ".example.org"])
def test_strict_clients_accept_the_leaf(
    leaves: LeafCache, strict_context: ssl.SSLContext, host: str
) -> None:
    assert handshake(leaves.context_for(host), strict_context, host).session.getpeercert()


def test_a_leaf_is_for_its_host_alone(leaves: LeafCache, strict_context: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(leaves.context_for("api.example"), strict_context, "other.example")


def test_contexts_are_kept_for_the_hosts_used_last(ca: CertificateAuthority) -> None:
    cache = LeafCache(ca, size=2)
    first = cache.context_for("a.example")
    cache.context_for("b.example")
    assert cache.context_for("a.example") is first
    cache.context_for("c.example")
    assert cache.context_for("a.example") is first
    second = cache.context_for("b.example")
    assert cache.context_for("b.example") is second


def test_a_leaf_is_renewed_long_before_it_expires(ca: CertificateAuthority) -> None:
    now = 0.0
    cache = LeafCache(ca, clock=lambda: now)
    first = cache.context_for("a.example")
    now = LEAF_LIFETIME.total_seconds() / 2 - 1
    assert cache.context_for("a.example") is first
    now += 2
    assert cache.context_for("a.example") is not first


def test_old_tls_is_not_offered(leaves: LeafCache) -> None:
    context = leaves.context_for("api.example")
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_minting_leaves_no_file_open(ca: CertificateAuthority) -> None:
    cache = LeafCache(ca)
    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    cache.context_for("fresh.example")
    after = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    assert len(after) == len(before)

"""The suite takes its proxy from the environment, and a proxy as such changes nothing."""

from tests.conformance import run
from tests.conformance.forward import plain_proxy

REVISION = "2025-11-25"


def test_a_plain_proxy_changes_nothing() -> None:
    with run.server() as url:
        direct = run.run(url, {}, REVISION)
    with run.server() as url, plain_proxy() as proxy:
        through = run.run(url, run.proxied(f"http://agent:token@127.0.0.1:{proxy.port}"), REVISION)
    assert proxy.opened
    assert run.differences(direct, through) == {}
    assert run.Check("tools-call-simple-text", "SUCCESS") in direct["tools-call-simple-text"]

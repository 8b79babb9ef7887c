"""For the tests of agents: a platform in the test process that records what the agent does.

    with amaze.testing.FakePlatform() as platform:
        platform.answer("http://tools.example/*", {"found": 3})
        with amaze.testing.environment(platform.environment("my-agent")):
            with amaze.init(block=False) as agent:
                reply = amaze.testing.send(agent.port, "hello")
        assert platform.calls[0].turn

    def test_another_agent(platform, agent):
        platform.answer_message("b", {"price": 3})  # what send_message_to_agent("b", …) returns
        reply = platform.send_as_agent("a", "hello")  # receive_message_from_agent("a", "hello")

It registers agents, gives turns and plays the proxy, but decides nothing: every call of a known
agent is recorded and gets the answer that was set for its URL. For `https` targets give
`tls_for`, which makes the server context for a host name, and the CA that signed it; with
trustme:

    ca = trustme.CA()
    def tls_for(host):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(host).configure_cert(context)
        return context
    FakePlatform(tls_for=tls_for, ca_pem=ca.cert_pem.bytes())
"""

from __future__ import annotations

from amaze.testing.clients import environment, send
from amaze.testing.platform import FakePlatform
from amaze.testing.servers import Call

__all__ = ["Call", "FakePlatform", "environment", "send"]

from amaze_proxy.protocols.a2a import Operation


def test_two_operations_send_and_two_stream():
    assert [o.name for o in Operation if o.sends] == ["SEND", "STREAM"]
    assert [o.name for o in Operation if o.streams] == ["STREAM", "SUBSCRIBE"]

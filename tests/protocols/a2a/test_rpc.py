import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.a2a import (
    KNOWN_METHODS,
    A2aRequest,
    Binding,
    NotUnderstood,
    Operation,
    classify_rpc,
)
from amaze_proxy.protocols.errors import Malformed

MESSAGE = {"message": {"parts": [{"text": "hi"}], "contextId": "c"}}
HOOK = {"taskId": "t", "url": "https://hook.example/"}


def rpc(method, params=None, version="", **members):
    document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **members}
    return classify_rpc(jsonrpc.read(document), version)


def test_a_message_in_full():
    assert rpc("SendStreamingMessage", MESSAGE, "1.0", id="x") == A2aRequest(
        Binding.JSONRPC,
        Operation.STREAM,
        "1.0",
        "SendStreamingMessage",
        id="x",
        stream=True,
        context_id="c",
    )


@pytest.mark.parametrize(
    ("method", "operation", "version"),
    [
        ("message/send", "SEND", "0.3"),
        ("tasks/send", "SEND", "0.2"),
        ("message/stream", "STREAM", "0.3"),
        ("tasks/sendSubscribe", "STREAM", "0.2"),
        ("tasks/get", "GET", "0.3"),
        ("tasks/list", "LIST", "0.3"),
        ("tasks/cancel", "CANCEL", "0.3"),
        ("tasks/resubscribe", "SUBSCRIBE", "0.3"),
        ("tasks/pushNotificationConfig/set", "PUSH_SET", "0.3"),
        ("tasks/pushNotification/set", "PUSH_SET", "0.2"),
        ("tasks/pushNotificationConfig/get", "PUSH_GET", "0.3"),
        ("tasks/pushNotification/get", "PUSH_GET", "0.2"),
        ("tasks/pushNotificationConfig/list", "PUSH_LIST", "0.3"),
        ("tasks/pushNotificationConfig/delete", "PUSH_DELETE", "0.3"),
        ("agent/getAuthenticatedExtendedCard", "EXTENDED_CARD", "0.3"),
    ],
)
def test_the_methods_before_1_0(method, operation, version):
    request = rpc(method, {**MESSAGE, **HOOK})
    assert (request.operation.name, request.version) == (operation, version)
    assert request.stream == request.operation.streams


def test_every_operation_but_the_public_card_has_its_method_of_1_0():
    named = {o.value for o in Operation} - {"AgentCard"}
    assert named <= KNOWN_METHODS
    assert {rpc(name, {**MESSAGE, **HOOK}).operation.value for name in named} == named
    assert {rpc(name, {**MESSAGE, **HOOK}).version for name in named} == {"1.0"}


@pytest.mark.parametrize(
    ("method", "version"),
    [("SendMessage", "0.3"), ("message/send", "1.0"), ("tasks/send", "0.3"), ("GetTask", "x")],
)
def test_a_version_that_contradicts_the_method_is_refused(method, version):
    with pytest.raises(Malformed):
        rpc(method, MESSAGE, version)


@pytest.mark.parametrize(
    "method",
    ["sendMessage", "message/Send", "message/send ", "SendMessage\0", "AgentCard", "tools/call"],
)
def test_another_method_is_not_understood(method):
    with pytest.raises(NotUnderstood, match="is not a method"):
        rpc(method, MESSAGE)


def test_a_notification_or_an_answer_is_refused():
    message = jsonrpc.read({"jsonrpc": "2.0", "method": "SendMessage", "params": MESSAGE})
    with pytest.raises(Malformed, match="must have an 'id'"):
        classify_rpc(message, "")
    with pytest.raises(Malformed, match="in the place of a request"):
        classify_rpc(jsonrpc.read({"jsonrpc": "2.0", "id": 1, "result": {}}), "")


CONFIGS = ["config", "pushNotificationConfig", "task_push_notification_config"]
names = st.sampled_from(
    ["message", "request", "parts", "content", "configuration", "url", "Url", "id", "x", *CONFIGS]
)
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(["", "t", "https://h/"])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4)
)
objects = st.dictionaries(names, values, max_size=5)


@given(
    st.sampled_from(sorted(KNOWN_METHODS)) | st.text(min_size=1),
    objects,
    st.sampled_from(["", "1.0", "0.3", "0.2"]) | st.text(),
)
def test_whatever_comes_is_read_or_refused(method, params, version):
    try:
        request = rpc(method, params, version)
    except (Malformed, NotUnderstood):
        return
    assert request.method in KNOWN_METHODS
    assert all(url == "https://h/" for url in request.push_urls)
    assert bool(request.push_urls) or request.operation is not Operation.PUSH_SET


hooks = st.fixed_dictionaries({"url": st.sampled_from(["https://h/1", "https://h/2"])})
configs = st.recursive(
    hooks,
    lambda inner: (
        st.fixed_dictionaries({"x": st.none()}, optional=dict.fromkeys(CONFIGS, inner))
        | st.fixed_dictionaries({"url": st.just("https://h/3")}, optional={"config": inner})
    ),
    max_leaves=6,
)


def prune(config):
    return {key: prune(value) for key, value in config.items() if isinstance(value, dict)} | {
        key: value for key, value in config.items() if key == "url"
    }


@given(configs)
def test_no_url_of_a_push_config_is_overlooked(config):
    wanted = set(re.findall(r"https://h/\d", json.dumps(config)))
    params = {**MESSAGE, "configuration": {"pushNotification": config}}
    try:
        request = rpc("SendMessage", params)
    except Malformed:
        assert "{}" in json.dumps(prune(config))  # a wrapper with nothing in it
        return
    assert set(request.push_urls) == wanted
    assert wanted

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import MessageKind
from amaze_proxy.protocols.mcp import (
    KNOWN_METHODS,
    HeaderMismatch,
    McpHead,
    NotUnderstood,
    Operation,
    classify,
)

KEY = "io.modelcontextprotocol/protocolVersion"
NEWEST = "2026-07-28"
REQUESTS = sorted(method for method in KNOWN_METHODS if not method.startswith("notifications/"))
NOTES = sorted(KNOWN_METHODS - set(REQUESTS))


def message(method, params=None, **members):
    document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **members}
    return jsonrpc.read(document)


def note(method, params=None):
    return jsonrpc.read({"jsonrpc": "2.0", "method": method, "params": params or {}})


def test_a_tool_call():
    request = classify(message("tools/call", {"name": "sql", "arguments": {"q": 1}}), McpHead())
    assert (request.operation, request.tool, request.arguments) == (
        Operation.TOOL,
        "sql",
        {"q": 1},
    )
    assert (request.id, request.method, request.version) == (1, "tools/call", "")


@pytest.mark.parametrize("params", [{"name": "sql"}, {"name": "sql", "arguments": None}])
def test_a_tool_call_without_arguments(params):
    assert classify(message("tools/call", params), McpHead()).arguments == {}


@pytest.mark.parametrize("method", ["read", "subscribe", "unsubscribe"])
def test_a_resource(method):
    request = classify(message(f"resources/{method}", {"uri": "db://a"}), McpHead("2025-11-25"))
    assert (request.operation, request.uris) == (Operation.RESOURCE, ("db://a",))
    assert request.version == "2025-11-25"


def test_a_prompt():
    params = {"name": "greet", "arguments": {"a": "b"}}
    request = classify(message("prompts/get", params), McpHead())
    assert (request.operation, request.prompt) == (Operation.PROMPT, "greet")
    assert request.arguments == {}


def test_a_completion_is_about_what_it_completes():
    argument = {"name": "a", "value": "b"}
    for_prompt = {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": argument}
    for_resource = {"ref": {"type": "ref/resource", "uri": "db://{a}"}, "argument": argument}
    prompt = classify(message("completion/complete", for_prompt), McpHead())
    resource = classify(message("completion/complete", for_resource), McpHead())
    assert (prompt.operation, prompt.prompt, prompt.uris) == (Operation.PROMPT, "greet", ())
    assert (resource.operation, resource.uris) == (Operation.RESOURCE, ("db://{a}",))


@pytest.mark.parametrize(
    ("wanted", "operation", "uris"),
    [
        ({"toolsListChanged": True}, Operation.LOOK, ()),
        ({"resourceSubscriptions": None}, Operation.LOOK, ()),
        ({"resourceSubscriptions": []}, Operation.LOOK, ()),
        ({"resourceSubscriptions": ["db://a", "db://b"]}, Operation.RESOURCE, ("db://a", "db://b")),
    ],
)
def test_a_subscription(wanted, operation, uris):
    request = classify(message("subscriptions/listen", {"notifications": wanted}), McpHead())
    assert (request.operation, request.uris) == (operation, uris)


@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "server/discover",
        "ping",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "logging/setLevel",
        "tasks/list",
    ],
)
def test_looking_around(method):
    assert classify(message(method), McpHead()).operation is Operation.LOOK


@pytest.mark.parametrize("method", ["get", "result", "update", "cancel"])
def test_a_task(method):
    request = classify(message(f"tasks/{method}", {"taskId": "t"}), McpHead(NEWEST, name="t"))
    assert request.operation is Operation.LOOK


@pytest.mark.parametrize("method", NOTES)
def test_a_notification(method):
    assert classify(note(method), McpHead()).operation is Operation.NOTE
    with pytest.raises(Malformed):
        classify(message(method), McpHead())


@pytest.mark.parametrize(
    "document", [{"id": 1, "result": {}}, {"id": "a", "error": {"code": 1, "message": "no"}}]
)
def test_a_reply(document):
    reply = jsonrpc.read({"jsonrpc": "2.0", **document})
    request = classify(reply, McpHead("2025-06-18"))
    assert (request.operation, request.id) == (Operation.REPLY, document["id"])
    with pytest.raises(HeaderMismatch):
        classify(reply, McpHead(NEWEST, "tools/list"))


@pytest.mark.parametrize("method", REQUESTS)
def test_a_request_needs_an_id(method):
    with pytest.raises(Malformed):
        classify(note(method, {"name": "a", "uri": "b:", "taskId": "c"}), McpHead())


@pytest.mark.parametrize(
    "method",
    ["Tools/call", "tools/call ", "tools/call2", "tools", "roots/list", "sampling/createMessage"],
)
def test_other_methods_are_not_understood(method):
    for sent in (message(method, {"name": "a"}), note(method)):
        with pytest.raises(NotUnderstood) as raised:
            classify(sent, McpHead())
        assert raised.value.method == method
        assert not isinstance(raised.value, Malformed)


def test_the_words_about_a_method_are_bounded():
    assert len(str(NotUnderstood("x" * 10_000))) < 200


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
def test_what_the_stateless_revision_removed_is_not_known_there(method):
    message = jsonrpc.read({"jsonrpc": "2.0", "id": 1, "method": method})
    with pytest.raises(NotUnderstood):
        classify(message, McpHead("2026-07-28"))
    with pytest.raises(Malformed, match="uri"):
        classify(message, McpHead("2025-11-25"))


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": None}),
        ("tools/call", {"name": ""}),
        ("tools/call", {"name": ["a"]}),
        ("tools/call", {"name": "a", "Name": "b"}),
        ("tools/call", {"NAME": "a"}),
        ("tools/call", {"name": "a", "ARGUMENTS": {}}),
        ("tools/call", {"name": "a", "arguments": []}),
        ("tools/call", {"name": "a", "arguments": "x"}),
        ("tools/call", {"name": "a", "_Meta": {}}),
        ("tools/call", {"name": "a", "_meta": []}),
        ("tools/call", {"name": "a", "_meta": {KEY.lower(): NEWEST}}),
        ("resources/read", {"uri": None}),
        ("resources/read", {"uri": "file:///a/../b"}),
        ("resources/read", {"uri": "a:", "URI": "b:"}),
        ("resources/subscribe", {}),
        ("prompts/get", {"name": "a", "Name": "b"}),
        ("completion/complete", {}),
        ("completion/complete", {"ref": "ref/prompt"}),
        ("completion/complete", {"ref": {"type": "ref/tool", "name": "a"}}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "uri": "a:"}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "name": "a"}}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "a", "Type": "b"}}),
        ("completion/complete", {"Ref": {}, "ref": {"type": "ref/prompt", "name": "a"}}),
        ("subscriptions/listen", {"notifications": []}),
        ("subscriptions/listen", {"Notifications": {}}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": "db://a"}}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": [None]}}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["a:"] * 1001}}),
        ("subscriptions/listen", {"notifications": {"resourcesubscriptions": ["a:"]}}),
        ("tasks/get", {}),
        ("tasks/result", {"taskId": "a", "taskid": "b"}),
    ],
)
def test_what_could_be_read_two_ways_is_refused(method, params):
    with pytest.raises(Malformed):
        classify(message(method, params), McpHead())


@pytest.mark.parametrize(
    ("method", "key"),
    [("tools/call", "name"), ("prompts/get", "name"), ("resources/read", "uri")],
)
def test_headers_agree_with_the_body(method, key):
    params = {key: "a:b", "_meta": {KEY: NEWEST}}
    right = McpHead(NEWEST, method, "a:b")
    assert classify(message(method, params), right).version == NEWEST
    assert classify(message(method, params), McpHead(NEWEST)).version == NEWEST
    for wrong in (
        McpHead(NEWEST, "tools/list", "a:b"),
        McpHead(NEWEST, method, "a:c"),
        McpHead("2025-11-25", method, "a:b"),
        McpHead("", method, "a:b"),
    ):
        with pytest.raises(HeaderMismatch):
            classify(message(method, params), wrong)


@pytest.mark.parametrize("told", [None, "", 1, "2025-11-25"])
def test_the_version_of_the_body_is_that_of_the_head(told):
    with pytest.raises(HeaderMismatch):
        classify(message("ping", {"_meta": {KEY: told}}), McpHead(NEWEST))


def test_a_name_for_what_has_none_is_refused():
    with pytest.raises(HeaderMismatch):
        classify(message("tools/list", {"name": "a"}), McpHead(NEWEST, "tools/list", "a"))


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
keys = st.sampled_from(
    [
        "name",
        "Name",
        "uri",
        "arguments",
        "_meta",
        "ref",
        "type",
        "notifications",
        "taskId",
        "x",
        KEY,
    ]
) | st.just("resourceSubscriptions")
values = st.recursive(
    scalars | st.sampled_from([NEWEST, "ref/prompt", "ref/resource"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)
heads = st.builds(
    McpHead,
    version=st.sampled_from(["", "2025-11-25", NEWEST]),
    method=st.sampled_from(["", "tools/call"]),
    name=st.sampled_from(["", "a"]),
)


@given(
    st.sampled_from([*sorted(KNOWN_METHODS), "x", "roots/list"]),
    st.dictionaries(keys, values, max_size=5),
    st.booleans(),
    heads,
)
def test_any_message_is_classified_or_refused(method, params, with_id, head):
    sent = message(method, params) if with_id else note(method, params)
    try:
        request = classify(sent, head)
    except (Malformed, NotUnderstood):
        return
    assert json.loads(json.dumps(sent.document))["method"] in KNOWN_METHODS
    assert head.method in ("", method)
    assert bool(request.tool) is (request.operation is Operation.TOOL)
    assert bool(request.uris) is (request.operation is Operation.RESOURCE)
    assert bool(request.prompt) is (request.operation is Operation.PROMPT)
    assert (sent.kind is MessageKind.NOTIFICATION) is (request.operation is Operation.NOTE)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.a2a import (
    A2aRequest,
    Binding,
    NotUnderstood,
    Operation,
    card_request,
    classify_rest,
    is_card,
)
from amaze_proxy.protocols.errors import Malformed

BODY = b'{"message": {"parts": [{"text": "hi"}], "contextId": "c"}}'
HOOK = b'{"taskId": "t1", "url": "https://hook.example/"}'


def rest(line, body=b"", version="", query=""):
    method, _, path = line.partition(" ")
    return classify_rest(method, path, query, version, body)


def test_a_message_in_full():
    assert rest("POST /message:stream", BODY) == A2aRequest(
        Binding.REST,
        Operation.STREAM,
        "1.0",
        "POST /message:stream",
        stream=True,
        context_id="c",
    )


@pytest.mark.parametrize(
    ("line", "operation", "body"),
    [
        ("POST /message:send", "SEND", BODY),
        ("POST /message:stream", "STREAM", BODY),
        ("GET /tasks", "LIST", b""),
        ("GET /tasks/t1", "GET", b""),
        ("POST /tasks/t1:cancel", "CANCEL", b""),
        ("POST /tasks/t1:cancel", "CANCEL", b'{"id": "t1"}'),
        ("POST /tasks/t1:subscribe", "SUBSCRIBE", b""),
        ("GET /tasks/t1:subscribe", "SUBSCRIBE", b""),
        ("POST /tasks/t1/pushNotificationConfigs", "PUSH_SET", HOOK),
        ("GET /tasks/t1/pushNotificationConfigs", "PUSH_LIST", b""),
        ("GET /tasks/t1/pushNotificationConfigs/c", "PUSH_GET", b""),
        ("DELETE /tasks/t1/pushNotificationConfigs/c", "PUSH_DELETE", b""),
    ],
)
def test_the_paths_of_all_versions(line, operation, body):
    method, _, path = line.partition(" ")
    for prefix, told, version in (
        ("", "", "1.0"),
        ("", "1.0", "1.0"),
        ("/tenant-1", "", "1.0"),
        ("/v1", "", "0.3"),
        ("/v1", "0.3", "0.3"),
        ("/v1", "1.0", "1.0"),
    ):
        request = rest(f"{method} {prefix}{path}", body, told)
        assert (request.operation.name, request.version) == (operation, version)
        assert request.task_id == ("t1" if "t1" in path else "")
        assert request.stream == request.operation.streams
        assert bool(request.push_urls) == (operation == "PUSH_SET")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/extendedAgentCard", "1.0"),
        ("/acme/extendedAgentCard", "1.0"),
        ("/v1/extendedAgentCard", "1.0"),
        ("/v1/card", "0.3"),
        ("/agent/authenticatedExtendedCard", "0.3"),
    ],
)
def test_the_paths_of_an_extended_card(path, version):
    request = rest(f"GET {path}")
    assert (request.operation, request.version) == (Operation.EXTENDED_CARD, version)


def test_a_path_without_a_tenant_comes_first():
    assert rest("GET /tasks/tasks").operation is Operation.GET
    assert rest("POST /tasks/message:send", BODY).operation is Operation.SEND


@pytest.mark.parametrize(
    "line",
    [
        "GET /message:send",
        "PUT /message:send",
        "post /message:send",
        "HEAD /tasks/t1",
        "POST /Message:send",
        "POST /message:sendx",
        "POST /message",
        "POST /tasks/t1",
        "GET /tasks/t1:cancel",
        "GET /tasks/a:b",
        "POST /tasks/a:b:cancel",
        "DELETE /tasks/t1",
        "POST /a/b/message:send",
        "POST /v1/tenant/message:send",
        "GET /card",
        "GET /tenant/card",
        "GET /tenant/agent/authenticatedExtendedCard",
        "GET /v1/agent/authenticatedExtendedCard",
        "GET /tasks/t1/pushnotificationconfigs",
        "GET /v1",
    ],
)
def test_another_path_is_not_understood(line):
    with pytest.raises(NotUnderstood):
        rest(line, BODY)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "message:send",
        "//message:send",
        "/message:send/",
        "/./message:send",
        "/x/../message:send",
        "/..",
        "/message%3Asend",
        "/tasks/a%2Fb",
        "/tasks/%2e%2e",
        "/tasks/a\\b",
        "/tasks/a;b",
        "/tasks/a b",
        "/tasks/ä",
        "/tasks/a\n",
        "/tasks/a\0",
        "/tasks/t1?x=1",
        "/tasks/t1#x",
        "/tasks/" + "a" * 5000,
    ],
)
def test_a_path_that_could_be_read_differently_is_refused(path):
    for method in ("GET", "POST"):
        with pytest.raises(Malformed, match="plain segments"):
            classify_rest(method, path, "", "", BODY)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("POST /message:send", "0.3"),
        ("POST /tenant/message:send", "0.3"),
        ("GET /v1/card", "1.0"),
        ("GET /extendedAgentCard", "0.3"),
    ],
)
def test_a_version_that_contradicts_the_path_is_refused(line, told):
    with pytest.raises(Malformed, match="spelled as in"):
        rest(line, BODY if line.startswith("POST") else b"", told)


def test_the_version_may_be_in_the_query():
    assert rest("POST /v1/message:send", BODY, query="A2A-Version=1.0").version == "1.0"
    assert rest("POST /v1/message:send", BODY, "1.0", "A2A-Version=1.0").version == "1.0"
    with pytest.raises(Malformed, match="not the same"):
        rest("POST /v1/message:send", BODY, "0.3", "A2A-Version=1.0")


@pytest.mark.parametrize(
    "query",
    [
        "a2a-version=1.0",
        "A2A_Version=1.0",
        "A2A-Version=1.0&A2A-Version=1.0",
        "x=1;A2A-Version=0.3",
        "x",
        "x=%ff",
        "&".join(f"x{n}=1" for n in range(40)),
        "x=" + "x" * 16384,
        "message=x",
        "Url=http://x",
        "push_notification_config=x",
    ],
)
def test_a_query_that_could_be_read_differently_is_refused(query):
    with pytest.raises(Malformed):
        rest("POST /message:send", BODY, query=query)


def test_the_context_of_a_list_is_in_the_query():
    assert rest("GET /tasks", query="contextId=c&pageSize=5").context_id == "c"
    assert rest("GET /tasks", query="context_id=&x=").context_id == ""
    with pytest.raises(Malformed):
        rest("GET /tasks", query="contextId=c&context_id=d")


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("GET /tasks/t1", b"{}"),
        ("DELETE /tasks/t1/pushNotificationConfigs/c", b" "),
        ("POST /message:send", b""),
        ("POST /message:send", b"[]"),
        ("POST /message:send", b'{"message": {"parts": []}, "message": {"parts": []}}'),
        ("POST /tasks/t1:cancel", b"x"),
        ("POST /tasks/t1:cancel", b'{"id": "t2"}'),
        ("POST /tasks/t1:subscribe", b'{"id": "t2"}'),
        ("POST /tasks/t1/pushNotificationConfigs", b""),
        ("POST /tasks/t2/pushNotificationConfigs", HOOK),
    ],
)
def test_a_body_that_does_not_belong_there_is_refused(line, body):
    with pytest.raises(Malformed):
        rest(line, body)


def test_the_id_in_a_push_config_is_its_own():
    body = b'{"id": "c", "url": "https://hook.example/"}'
    assert rest("POST /tasks/t1/pushNotificationConfigs", body).task_id == "t1"


CARDS = ["/.well-known/agent-card.json", "/.well-known/agent.json", "/a/b/.well-known/agent.json"]


@pytest.mark.parametrize("path", CARDS)
def test_a_card_is_known_by_its_path(path):
    for method in ("GET", "HEAD"):
        assert is_card(method, path)
        request = card_request(method, path)
        assert request == A2aRequest(
            Binding.CARD,
            Operation.CARD,
            "1.0" if "-card" in path else "0.2",
            f"{method} {path}",
        )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", path) for path in CARDS),
        ("GET", "/agent.json"),
        ("GET", "/.well-known/agent.json/x"),
        ("GET", "/.well-known/agent.json\n"),
        ("GET", "/.well-known/agent_card.json"),
        ("GET", "/../.well-known/agent.json"),
        ("GET", "//.well-known/agent.json"),
        ("GET", "/x%2F.well-known/agent.json"),
        ("GET", "/x.well-known/agent.json"),
    ],
)
def test_nothing_else_is_a_card(method, path):
    assert not is_card(method, path)
    with pytest.raises(NotUnderstood):
        card_request(method, path)


segments = st.sampled_from(
    ["v1", "tasks", "message:send", "t1", "t1:cancel", "pushNotificationConfigs", "..", "", "%2F"]
)
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts)) | st.text()
bodies = st.sampled_from([b"", BODY, HOOK, b"{}", b"\xff"]) | st.binary(max_size=20)
queries = st.sampled_from(["", "A2A-Version=1.0", "contextId=c"]) | st.text()
methods = st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PATCH"])


@given(methods, paths, queries, st.sampled_from(["", "1.0", "0.3"]) | st.text(), bodies)
def test_whatever_comes_is_read_or_refused(method, path, query, version, body):
    try:
        request = classify_rest(method, path, query, version, body)
    except (Malformed, NotUnderstood):
        return
    assert request.method == f"{method} {path}"
    assert not request.operation.sends or json.loads(body)
    assert "%" not in path
    assert "//" not in path


@given(methods, paths)
def test_a_card_is_never_a_path_with_two_readings(method, path):
    if is_card(method, path):
        assert ".." not in path.split("/")
        assert "%" not in path
    else:
        with pytest.raises(NotUnderstood):
            card_request(method, path)

import pytest

from amaze_proxy.protocols.a2a import Operation
from amaze_proxy.protocols.a2a.params import Params, read
from amaze_proxy.protocols.errors import Malformed

MESSAGE = {"role": "user", "parts": [{"text": "hi"}]}
A, B = "https://a.example/hook", "https://b.example/hook"


def send(**members):
    return read(Operation.SEND, {"message": MESSAGE, **members})


@pytest.mark.parametrize(
    "members",
    [
        {"configuration": {"pushNotificationConfig": {"url": A}}},
        {"configuration": {"push_notification_config": {"url": A}}},
        {"configuration": {"taskPushNotificationConfig": {"url": A}}},
        {"configuration": {"task_push_notification_config": {"url": A}}},
        {"configuration": {"pushNotification": {"url": A}}},
        {"configuration": {"push_notification": {"url": A}}},
        {"configuration": {"taskPushNotificationConfig": {"pushNotificationConfig": {"url": A}}}},
        {"pushNotification": {"url": A, "token": "t"}},
        {"pushNotification": {"url": A}, "configuration": {"pushNotification": {"url": A}}},
    ],
)
def test_the_callback_of_a_message_is_found_wherever_it_is(members):
    assert send(**members).push_urls == (A,)


def test_all_callbacks_are_found():
    configuration = {
        "pushNotificationConfig": {"url": A},
        "taskPushNotificationConfig": {"url": B, "pushNotificationConfig": {"url": A}},
    }
    assert send(configuration=configuration).push_urls == (A, B)


@pytest.mark.parametrize(
    "document",
    [
        {"taskId": "t", "url": A, "id": "c"},
        {"taskId": "t", "pushNotificationConfig": {"url": A, "id": "c"}, "id": "c"},
        {"task_id": "t", "push_notification_config": {"url": A}, "id": "c"},
        {
            "parent": "tasks/t",
            "taskId": "t",
            "id": "c",
            "config": {"name": "x", "pushNotificationConfig": {"url": A}},
        },
    ],
)
def test_the_callback_of_a_task_is_found(document):
    assert read(Operation.PUSH_SET, document) == Params((A,), "", "t", "c")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"taskId": "t"},
        {"url": None},
        {"config": {}},
        {"url": A, "config": {"token": "t"}},
        {"url": A, "pushNotificationConfig": {}},
    ],
)
def test_a_callback_without_a_url_is_refused(document):
    with pytest.raises(Malformed, match="must have a 'url'"):
        read(Operation.PUSH_SET, document)


@pytest.mark.parametrize(
    "document",
    [
        {"URL": A},
        {"url": A, "Url": B},
        {"pushNotificationConfig": {"url": A, "Url": B}},
        {"pushNotificationConfig": {"url": A}, "PushNotificationConfig": {"url": B}},
        {"pushNotificationConfig": A},
        {"url": 1},
        {"config": {"Url": A}},
    ],
)
def test_a_callback_that_could_be_read_differently_is_refused(document):
    with pytest.raises(Malformed):
        read(Operation.PUSH_SET, document)
    with pytest.raises(Malformed):
        send(configuration={"pushNotificationConfig": document})


def test_ids_of_a_message():
    message = {**MESSAGE, "contextId": "c", "taskId": "t"}
    assert read(Operation.STREAM, {"request": message}) == Params((), "c", "t")
    message = {"content": [], "context_id": "c", "task_id": "t"}
    assert read(Operation.SEND, {"message": message}) == Params((), "c", "t")


def test_ids_of_tasks_send():
    assert send(id="t", sessionId="s") == Params((), "s", "t")


def test_ids_of_other_operations():
    assert read(Operation.GET, {"id": "t"}) == Params(id="t")
    assert read(Operation.LIST, {"contextId": "c"}) == Params(context_id="c")
    assert read(Operation.PUSH_GET, {"id": "c", "taskId": "t"}) == Params(task_id="t", id="c")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"message": None},
        {"message": "hi"},
        {"message": []},
        {"message": {}},
        {"message": {"parts": None}},
        {"message": {"parts": {}}},
        {"message": {"parts": "hi"}},
        {"message": {"parts": ["hi"]}},
        {"message": {"parts": [], "Parts": []}},
        {"message": {"parts": [], "content": []}},
        {"message": MESSAGE, "MESSAGE": MESSAGE},
        {"message": MESSAGE, "request": MESSAGE},
        {"message": MESSAGE, "configuration": []},
        {"message": MESSAGE, "Configuration": {}},
        {"message": MESSAGE, "configuration": {"PushNotificationConfig": {}}},
        {"message": {**MESSAGE, "taskId": 7}},
        {"message": {**MESSAGE, "contextId": {}}},
    ],
)
def test_a_message_that_could_be_read_differently_is_refused(document):
    with pytest.raises(Malformed):
        read(Operation.SEND, document)

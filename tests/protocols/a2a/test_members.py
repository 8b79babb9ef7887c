import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.a2a.members import Keys, fold, identifier, member, snake, url
from amaze_proxy.protocols.errors import Malformed

KEYS = Keys("message", "pushNotificationConfig", "url", message="request")


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({"message": 1}, {"message": 1}),
        ({"request": 1}, {"message": 1}),
        ({"push_notification_config": 1}, {"pushNotificationConfig": 1}),
        ({"url": None, "other": 1, "meta-data": 2}, {}),
        ({}, {}),
    ],
)
def test_reads_the_spellings_of_real_clients(document, read):
    assert KEYS.read(document) == read


@pytest.mark.parametrize(
    "document",
    [
        {"message": {}, "request": {}},
        {"message": None, "request": {}},
        {"pushNotificationConfig": {}, "push_notification_config": {}},
    ],
)
def test_one_member_in_two_spellings_is_refused(document):
    with pytest.raises(Malformed, match="two spellings"):
        KEYS.read(document)


VARIANTS = [
    "Message",
    "REQUEST",
    "mess_age",
    " url",
    "url\u200b",
    "ｕｒｌ",
    "uRL",
    "push-notification-config",
    "pushNotification_config",
    "PushNotificationConfig",
    "pushNotificationConfig_",
    "me\u017f\u017fage",
    "url\0",
]


@pytest.mark.parametrize("key", VARIANTS)
def test_any_other_variant_is_refused(key):
    with pytest.raises(Malformed, match="not spelled"):
        KEYS.read({key: 1})
    with pytest.raises(Malformed, match="belongs in the body"):
        KEYS.refuse([key])


def test_objects_are_bounded():
    KEYS.read({f"x{n}": 1 for n in range(256)})
    with pytest.raises(Malformed, match="more than 256 members"):
        KEYS.read({f"x{n}": 1 for n in range(257)})
    KEYS.read({"x" * 256: 1})
    with pytest.raises(Malformed, match="longer than 256"):
        KEYS.read({"url" + "\u200b" * 256: 1})


@given(st.text("aZ_é-\u200b 1", max_size=6))
def test_folding_is_the_same_whichever_way(key):
    assert fold(key) == fold(f"{key}\u200b")


@pytest.mark.parametrize("name", ["url", "request", "push_notification_config"])
def test_no_spelling_may_stand_elsewhere(name):
    with pytest.raises(Malformed, match="belongs in the body"):
        KEYS.refuse(["other", name])
    KEYS.refuse(["other"])


@given(st.dictionaries(st.text(), st.none() | st.integers()))
def test_whatever_is_read_has_a_known_name_and_a_value(document):
    try:
        read = KEYS.read(document)
    except Malformed:
        return
    assert read.keys() <= {"message", "pushNotificationConfig", "url"}
    assert list(read.values()) == [
        value
        for key, value in document.items()
        if value is not None and fold(key) in {"message", "request", "url"}
    ]


def test_names_in_snake_case():
    assert [snake(n) for n in ("url", "taskId", "pushNotificationConfig")] == [
        "url",
        "task_id",
        "push_notification_config",
    ]


@pytest.mark.parametrize("value", [1, True, [], {}, "x" * 513])
def test_an_id_is_a_text_of_some_length(value):
    with pytest.raises(Malformed, match="'id' must be a text"):
        identifier({"id": value}, "id")


def test_an_id_may_be_missing():
    assert identifier({}, "id") == ""
    assert identifier({"id": "x" * 512}, "id") == "x" * 512


@pytest.mark.parametrize("value", [1, "", "http://a b", "http://a\n", "http://ä", "h" * 2049, {}])
def test_a_url_is_visible_ascii(value):
    with pytest.raises(Malformed, match="'url' must be a URL"):
        url({"url": value}, "url")
    assert url({"url": "https://hook/"}, "url") == "https://hook/"


@pytest.mark.parametrize("value", [1, "", []])
def test_a_member_is_an_object(value):
    with pytest.raises(Malformed, match="'config' must be a JSON object"):
        member({"config": value}, "config")
    assert member({}, "config") == {}

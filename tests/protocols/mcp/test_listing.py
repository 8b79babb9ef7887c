import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp.fingerprints import fingerprint
from amaze_proxy.protocols.mcp.listing import filtered

NEWEST = "2026-07-28"
OLDER = "2025-11-25"


@pytest.fixture(scope="session")
def may(policy):
    return policy(tools=("good",), prompts=("good",), uris=("db://good", "db://{good}"))


@pytest.mark.parametrize(
    ("key", "name", "good", "bad"),
    [
        ("tools", "name", "good", "bad"),
        ("prompts", "name", "good", "Good"),
        ("resources", "uri", "db://good", "db://bad"),
        ("resourceTemplates", "uriTemplate", "db://{good}", "db://{bad}"),
    ],
)
def test_keeps_what_the_agent_may_use_and_all_else(may, key, name, good, bad):
    kept = {name: good, "title": "T", "_meta": {"a": 1}}
    result = {key: [{name: bad}, kept, {name: bad}], "nextCursor": "c", "x": [1]}
    assert filtered(result, may, OLDER) == {key: [kept], "nextCursor": "c", "x": [1]}


def test_a_page_may_become_empty(may):
    result = {"tools": [{"name": "bad"}], "nextCursor": "c"}
    assert filtered(result, may, "") == {"tools": [], "nextCursor": "c"}


@pytest.mark.parametrize(
    "one",
    [
        None,
        "good",
        {},
        {"name": None},
        {"name": ["good"]},
        {"Name": "good"},
        {"name": "good", "NAME": "bad"},
    ],
)
def test_what_has_no_sure_name_is_not_listed(may, one):
    assert filtered({"tools": [one]}, may, "") == {"tools": []}


@pytest.mark.parametrize("result", [{}, {"tools": None}, {"content": [], "ttlMs": 9999}])
def test_what_lists_nothing_is_left_alone(may, result):
    assert filtered(result, may, NEWEST) is result


def test_lists_pass_where_nothing_is_filtered(policy):
    result = {"tools": [{"name": "bad"}], "Tools": 1, "cacheScope": "public"}
    assert filtered(result, policy(filters=False), NEWEST) is result


@pytest.mark.parametrize(
    "result", [{"tools": {}}, {"tools": "x"}, {"Tools": []}, {"resourcetemplates": []}]
)
def test_lists_that_cannot_be_read_are_refused(may, result):
    with pytest.raises(Malformed):
        filtered(result, may, "")


@pytest.mark.parametrize("version", ["", OLDER, NEWEST])
@pytest.mark.parametrize(
    ("told", "ttl"),
    [(0, 0), (5000, 5000), (5001, 5000), (1e300, 5000), (-1, 0), (True, 0), ("9", 0), (None, 0)],
)
def test_a_list_is_private_and_short_lived(may, version, told, ttl):
    result = {"tools": [], "ttlMs": told, "cacheScope": "public"}
    assert filtered(result, may, version) == {"tools": [], "ttlMs": ttl, "cacheScope": "private"}


@pytest.mark.parametrize(
    ("version", "result", "scope"),
    [
        (OLDER, {"tools": []}, None),
        (NEWEST, {"tools": []}, "private"),
        (OLDER, {"tools": [], "cacheScope": "public"}, "private"),
        (OLDER, {"tools": [], "ttlMs": 1}, "private"),
    ],
)
def test_older_revisions_know_no_caching(may, version, result, scope):
    assert filtered(result, may, version).get("cacheScope") == scope


names = st.sampled_from(["good", "bad", "Good", "good ", ""]) | st.text(max_size=5) | st.none()
members = st.dictionaries(st.sampled_from(["name", "Name", "uri", "title"]), names)
results = st.dictionaries(
    st.sampled_from(["tools", "Tools", "prompts", "resources", "nextCursor", "content"]),
    st.lists(members | names, max_size=5) | members | names,
)


@given(results, st.sampled_from(["", OLDER, NEWEST]))
def test_a_denied_tool_never_appears(may, result, version):
    try:
        shown = filtered(result, may, version)
    except Malformed:
        return
    tools = shown.get("tools") or []
    assert all(tool["name"] == "good" for tool in tools)
    assert "Tools" not in shown


def test_each_tool_is_told_with_its_fingerprint_also_where_nothing_is_filtered(policy):
    good, bad = {"name": "good", "description": "d"}, {"name": "bad"}
    for filters in (True, False):
        told = policy(tools=("good",), filters=filters)
        filtered({"tools": [good, bad, {"name": 1}, None]}, told, "")
        assert told.told == [("good", fingerprint(good)), ("bad", fingerprint(bad))]
        filtered({"tools": "none"} if not filters else {"prompts": []}, told, "")
        assert len(told.told) == 2


def test_a_tool_with_a_variant_of_what_counts_is_not_listed(may):
    assert filtered({"tools": [{"name": "good", "Description": "d"}]}, may, "") == {"tools": []}

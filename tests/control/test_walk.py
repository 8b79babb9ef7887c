"""Any input to any route: an answer, and never a failure of ours."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amaze_proxy.control.api.openapi import document
from amaze_proxy.control.api.routes import TABLE

NAMES = st.sampled_from(["a", "b", "1", "*", "../x", "x" * 5000, "UPPER", "\u0430"]) | st.text(
    st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12
)
VALUES = st.sampled_from(["1", "0", "-1", "9" * 30, "", "a", "null", "0-0"]) | st.text(
    st.characters(exclude_categories=("Cs",)), max_size=12
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
DESCRIPTION = document(TABLE)


def _operation(entry):
    return DESCRIPTION["paths"][entry.path][entry.method.lower()]


def _fields(entry):
    """The names that a body of the route may have, so that not every one is refused at once."""
    for body in (entry.body, entry.other_body):
        yield from body.model_fields if body else ()


@st.composite
def requests(draw):
    entry = draw(st.sampled_from(TABLE))
    path, query = entry.path, {}
    for one in _operation(entry)["parameters"]:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(draw(NAMES), safe=""))
        elif one["in"] == "query" and draw(st.booleans()):
            query[one["name"]] = draw(VALUES)
    names = [*_fields(entry)]
    keys = st.sampled_from(names) | st.text(max_size=6) if names else st.text(max_size=6)
    body = draw(
        st.fixed_dictionaries({"json": st.dictionaries(keys, JSON, max_size=4) | JSON})
        | st.fixed_dictionaries({"content": st.binary(max_size=30) | st.just(b"a: &x [*x]")})
    )
    return entry.method, path, {"params": query, **body}


@given(asked=requests())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_input_makes_a_route_fail(control, asked) -> None:
    method, path, more = asked
    answer = await control.ask(method, path, **more)
    assert answer.status_code < 500, (method, path, more, answer.text)

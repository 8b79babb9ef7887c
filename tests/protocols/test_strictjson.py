import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.strictjson import (
    MOST_CONTAINERS,
    MOST_VALUES,
    dumps,
    parse,
    parse_object,
    reject_variants,
)

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_reads_what_the_standard_library_reads(value, ascii_only, indent):
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert parse(body) == json.loads(body)


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\u0d8 1e.-', max_size=60).map(str.encode))
def test_reads_nothing_that_the_standard_library_refuses(body):
    try:
        value = parse(body)
    except Malformed:
        return
    assert json.loads(body) == value


@given(values)
def test_what_is_written_reads_as_the_same(value):
    assert parse(dumps(value)) == value


@pytest.mark.parametrize(("value", "most"), [("0", MOST_VALUES), ("{}", MOST_CONTAINERS)])
def test_refuses_more_values_than_it_has_room_for(value, most):
    with pytest.raises(TooLarge):
        parse(f"[{f'{value},' * (most + 1)}{value}]".encode())


@pytest.mark.parametrize(("mark", "most"), [(",", MOST_VALUES), ("{", MOST_CONTAINERS)])
def test_marks_in_a_text_are_no_values(mark, most):
    text = mark * (most + 1)
    assert parse(json.dumps([text]).encode()) == [text]


def test_writes_lone_surrogates_as_escapes():
    assert dumps("\ud800") == b'"\\ud800"'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'\xef\xbb\xbf{"model":"a"}', "byte order mark"),
        ('{"model":"a"}'.encode("utf-16"), "not UTF-8"),
        ('{"model":"a"}'.encode("utf-16-le"), "not JSON"),
        (b'{"model":"\xff"}', "not UTF-8 (byte 10)"),
        (b'{"model":"\xc0\xaf"}', "not UTF-8"),
        (b'{"model":"a","model":"b"}', "'model' appears more than once"),
        (b'{"x":[{"a":1,"\\u0061":2}]}', "'a' appears more than once"),
        (b'{"model":"a"}{"model":"b"}', "Extra data"),
        (b'{"model":"a"} x', "Extra data"),
        (b'{"model":NaN}', "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "1e999 is out of range"),
        (b"[-1e999]", "out of range"),
        (b"[" + b"9" * 5000 + b"]", "too many digits"),
        (b'["\\ud800"]', "lone surrogate"),
        (b'{"\\uDC00x":1}', "lone surrogate"),
        (b'["a\nb"]', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"", "not JSON"),
        (b"\0", "not JSON"),
        (b"[01]", "not JSON"),
    ],
)
def test_refuses(body, said):
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert said in str(refused.value)


def test_a_pair_of_surrogates_is_a_character():
    assert parse(b'["\\uD83D\\uDE00"]') == ["\N{GRINNING FACE}"]


@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"[":', b"}]")])
def test_depth_is_bounded_exactly(left, right):
    levels = (left + right).count(b"]") + (left + right).count(b"}")
    most = 64 // levels
    parse(left * most + b"1" + right * most)
    with pytest.raises(Malformed, match="deeper than 64"):
        parse(left * (most + 1) + b"1" + right * (most + 1))


@pytest.mark.parametrize("times", [3_000, 1_000_000])
def test_deep_nesting_is_refused_without_recursion(times):
    for body in (b"[" * times, b"[" * times + b"]" * times, b'{"a":' * times):
        with pytest.raises(Malformed):
            parse(body)


@given(st.integers(1, 90), st.lists(st.text(alphabet='[]{}\\"x', max_size=8), max_size=40))
def test_brackets_in_strings_are_not_depth(depth, texts):
    value = texts
    for _ in range(depth):
        value = [value]
    body = json.dumps(value).encode()
    if depth + 1 > 64:
        with pytest.raises(Malformed):
            parse(body)
    else:
        assert parse(body) == value


def test_an_unterminated_string_of_quotes_is_read_once():
    with pytest.raises(Malformed):
        parse(b"[" * 65 + b'"' + b'\\"' * 500_000)


def test_a_late_duplicate_among_many_keys_is_found_at_once():
    keys = "".join(f'"k{number}":0,' for number in range(100_000))
    with pytest.raises(Malformed, match="'k99999' appears more than once"):
        parse(f'{{{keys}"k99999":1}}'.encode())


def test_an_object_is_demanded():
    assert parse_object(b'{"a":1}') == {"a": 1}
    for body in (b"[]", b"null", b'"a"', b"1"):
        with pytest.raises(Malformed, match="not a JSON object"):
            parse_object(body)


KNOWN = frozenset({"model", "max_tokens", "stream", "messages"})


@pytest.mark.parametrize(
    "key",
    [
        "Model",
        "MODEL",
        "model ",
        " model",
        "\tmodel\n",
        "\u00a0model",
        "model\u200b",
        "model\0",
        "ｍｏｄｅｌ",
        "ſtream",
        "meſſages",
        "max_toKens",
        "max_to\u212aens",
    ],
)
def test_a_variant_of_a_known_key_is_refused(key):
    with pytest.raises(Malformed, match="is not spelled"):
        reject_variants({"model": "a", key: "b"}, KNOWN)


def test_the_dotless_i_is_an_i_to_readers_that_compare_in_upper_case():
    with pytest.raises(Malformed, match="'input'"):
        reject_variants({"\u0131nput": 1}, frozenset({"input"}))


@pytest.mark.parametrize("key", ["model", "models", "x-model", "Modell", "", "max-tokens", "ÜX"])
def test_other_keys_pass(key):
    reject_variants({key: 1, "stream": True}, KNOWN)


@given(st.text(max_size=12))
def test_a_key_passes_unless_it_folds_to_a_known_one(key):
    assume(key not in KNOWN)
    folds = key.strip().casefold() in KNOWN
    try:
        reject_variants({key: 1}, KNOWN)
    except Malformed:
        return
    assert not folds

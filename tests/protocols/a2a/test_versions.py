import pytest

from amaze_proxy.protocols.a2a.request import NotUnderstood
from amaze_proxy.protocols.a2a.versions import BEFORE_1_0, agreed
from amaze_proxy.protocols.errors import Malformed


@pytest.mark.parametrize(
    ("spelled", "told", "meant"),
    [
        (("1.0",), "", "1.0"),
        (("1.0",), "1.0", "1.0"),
        (("1.0",), "1.0.1", "1.0"),
        (BEFORE_1_0, "", "0.3"),
        (BEFORE_1_0, "0.3.0", "0.3"),
        (BEFORE_1_0, "0.2", "0.2"),
    ],
)
def test_the_header_and_the_spelling_agree(spelled, told, meant):
    assert agreed(spelled, told) == meant


@pytest.mark.parametrize("told", ["0.3", "0.2.5"])
def test_a_contradiction_is_refused(told):
    with pytest.raises(Malformed, match="but the request is spelled as in"):
        agreed(("1.0",), told)


@pytest.mark.parametrize("told", ["1", "v1.0", "1.0, 0.3", " 1.0", "1.0\n", "1.0.0.0", "١.٠", "x"])
def test_what_is_no_version_is_refused(told):
    with pytest.raises(Malformed, match="is no A2A-Version"):
        agreed(("1.0",), told)


@pytest.mark.parametrize("told", ["1.1", "2.0", "0.4", "0.1"])
def test_another_version_is_not_understood(told):
    with pytest.raises(NotUnderstood, match=f"A2A {told} is not"):
        agreed(("1.0",), told)

"""What has changed, seen once for all tabs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from amaze_app.gateway import Outage
from amaze_app.pulse import Pulse, Topic


class Source:
    """Marks that a test sets."""

    def __init__(self) -> None:
        self.now: dict[str, str] = dict.fromkeys(map(str, Topic), "0")
        self.error: Exception | None = None
        self.still = ""

    async def standstill(self) -> str:
        return self.still

    async def marks(self) -> Mapping[str, str]:
        if self.error is not None:
            raise self.error
        return dict(self.now)


async def test_a_change_moves_its_topic_alone() -> None:
    source = Source()
    pulse = Pulse(source)
    await pulse.beat()
    calls, agents = pulse.version([Topic.CALLS]), pulse.version([Topic.AGENTS])
    await pulse.beat()
    assert pulse.version([Topic.CALLS]) == calls
    source.now["calls"] = "1"
    await pulse.beat()
    await pulse.changed(0)
    assert pulse.version([Topic.CALLS]) == calls + 1
    assert pulse.version([Topic.AGENTS]) == agents
    assert pulse.version(Topic) == pulse.version([Topic.CALLS]) + 4 * agents


@pytest.mark.parametrize(("error", "said"), [(Outage("away"), "away"), (KeyError("x"), "see the")])
async def test_what_is_not_live_says_so(error: Exception, said: str) -> None:
    source = Source()
    pulse = Pulse(source)
    source.error = error
    await pulse.beat()
    assert said in pulse.trouble
    source.error = None
    await pulse.beat()
    assert pulse.trouble == ""


async def test_calls_that_do_not_come_through_are_told_while_the_rest_goes_on() -> None:
    source = Source()
    pulse = Pulse(source)
    source.still = "the store is away"
    await pulse.look()
    assert pulse.trouble == "Not live: the store is away"
    await pulse.beat()
    assert pulse.trouble == "Not live: the store is away"
    source.error = Outage("the database is away")
    await pulse.beat()
    source.still = ""
    await pulse.look()
    assert pulse.trouble == "Not live: the database is away"
    source.error = None
    await pulse.beat()
    assert pulse.trouble == ""

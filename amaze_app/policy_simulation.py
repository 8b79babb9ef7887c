"""The outcome of a simulation as its page shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaze_app import format, routes
from amaze_app.gateway.policies import Flip, Simulation


@dataclass(frozen=True)
class FlipRow:
    """A call that is judged otherwise; `was` and `becomes` are reasons ("": allowed)."""

    key: str
    ts: int
    kind: str
    what: str
    was: str
    becomes: str
    message: str
    tokens: str
    cost: str
    href: str


@dataclass(frozen=True)
class Unsure:
    """How many calls cannot be judged, and why."""

    why: str
    calls: str


@dataclass(frozen=True)
class Outcome:
    """The numbers, the calls whose verdict changes (`more`: these are not all), and why some
    cannot be judged."""

    calls: str = "–"
    about: str = ""
    unchanged: str = "–"
    denied: str = "–"
    denied_below: str = ""
    allowed: str = "–"
    allowed_below: str = ""
    unsure: str = "–"
    more: str = ""
    flips: list[FlipRow] = field(default_factory=list)
    undecidable: list[Unsure] = field(default_factory=list)


def outcome(found: Simulation, hours: int) -> Outcome:
    """Of what control found in the calls of the last `hours`."""
    denied, allowed = found.now_denied, found.now_allowed
    flipped = denied.calls + allowed.calls
    told = len(found.flips)
    return Outcome(
        calls=format.count(found.calls),
        about=f"the newest of {hours} h: there were more" if found.cut else f"of {hours} h",
        unchanged=format.count(found.unchanged),
        denied=format.count(denied.calls),
        denied_below=_saved("saves", denied.tokens, denied.cost_microusd),
        allowed=format.count(allowed.calls),
        allowed_below=_saved("adds up to", allowed.tokens, allowed.cost_microusd),
        unsure=format.count(sum(found.undecidable.values())),
        more=f"the first {told} of {format.count(flipped)}" if flipped > told else "",
        flips=[_row(one) for one in found.flips],
        undecidable=[
            Unsure(why, format.count(calls)) for why, calls in found.undecidable.most_common()
        ],
    )


def _saved(word: str, tokens: int, cost_microusd: int) -> str:
    if not tokens and not cost_microusd:
        return "no tokens, no money"
    return f"{word} {format.short(tokens)} tokens, {format.cost(cost_microusd)}"


def _row(flip: Flip) -> FlipRow:
    return FlipRow(
        key=flip.decision_id,
        ts=flip.ts,
        kind=flip.kind,
        what=flip.model or flip.tool or flip.target,
        was=flip.was,
        becomes=flip.becomes,
        message=flip.message if flip.becomes else "",
        tokens=format.count(flip.tokens),
        cost=format.cost(flip.cost_microusd),
        href=routes.trace(flip.trace_id, flip.decision_id) if flip.trace_id else "",
    )

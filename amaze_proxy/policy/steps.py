"""The graph of a strict policy, as it is written."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from amaze_proxy.policy import ids
from amaze_proxy.policy.fields import Count, Strict

_END = "nothing: the graph ends here"

StepId = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class CallType(StrEnum):
    TOOL = "tool"
    AGENT = "agent"
    LLM = "llm"


class Step(Strict):
    """A call that a turn may make at this point.

    `callee_id` is `tool` or `server/tool`, an agent's id, or a provider, or `provider/pattern` of
    its models (provider `*`: any allowed one). `max_loops`: how often the step may run in a turn;
    0 = unlimited.
    """

    step_id: StepId
    call_type: CallType
    callee_id: str
    max_loops: Count = 0
    next_steps: tuple[StepId, ...] = ()

    @field_validator("callee_id")
    @classmethod
    def _callee_is_named(cls, callee: str, info: ValidationInfo) -> str:
        match info.data.get("call_type"):
            case CallType.AGENT:
                ids.check_agent_id(callee)
            case CallType.TOOL:
                ids.check_member(callee)
            case CallType.LLM if "/" in callee:
                ids.check_scoped_glob(callee)
            case CallType.LLM if callee != "*":
                ids.check_word(callee)
            case _:
                pass  # any provider; or the call type itself is wrong, and said to be
        return callee

    def __str__(self) -> str:
        return f"{self.call_type} {self.callee_id} (step {self.step_id})"


class Graph(Strict):
    """The order in which a turn's calls come. Types of calls that no step has are outside it."""

    start_step: StepId
    steps: tuple[Step, ...] = Field(max_length=500)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        known: set[int] = set()
        for step in self.steps:
            if step.step_id in known:
                raise ValueError(f"step_id {step.step_id} is there twice")
            known.add(step.step_id)
        if self.start_step not in known:
            raise ValueError(f"start_step {self.start_step} is no step; {_listed(known)}")
        for step in self.steps:
            for following in step.next_steps:
                if following not in known:
                    raise ValueError(
                        f"next_steps of step {step.step_id} names {following}, which is no step; "
                        f"{_listed(known)}"
                    )
        return self

    @cached_property
    def expected(self) -> tuple[tuple[int | None, str], ...]:
        """For each position (None: the turn has not begun), which calls may come: for people."""
        said = {one.step_id: str(one) for one in self.steps}
        due: list[tuple[int | None, str]] = [(None, said[self.start_step])]
        for one in self.steps:
            again = () if one.max_loops == 1 else (one.step_id,)
            following = (*again, *(n for n in one.next_steps if n != one.step_id))
            due.append((one.step_id, " or ".join(said[n] for n in following) or _END))
        return tuple(due)


def _listed(known: set[int]) -> str:
    return "there are " + (", ".join(map(str, sorted(known))) or "none")

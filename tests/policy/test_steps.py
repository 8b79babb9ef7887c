from typing import Any

import pytest
from pydantic import ValidationError

from amaze_proxy.policy.steps import Graph, Step


def step(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"step_id": number, "call_type": "tool", "callee_id": f"t{number}", **more}


@pytest.mark.parametrize(
    ("kind", "callee"),
    [
        ("tool", "search"),
        ("tool", "web/search"),
        ("agent", "bob"),
        ("llm", "openai"),
        ("llm", "openai/gpt-4*"),
        ("llm", "*"),
        ("llm", "*/gpt-4*"),
    ],
)
def test_callee(kind: str, callee: str) -> None:
    assert Step.model_validate(step(call_type=kind, callee_id=callee)).callee_id == callee


@pytest.mark.parametrize(
    ("kind", "callee", "words"),
    [
        ("tool", "*", "'name' or 'server/name'"),
        ("agent", "Bob", "is no agent id"),
        ("llm", "open ai", "is no name"),
        ("llm", "openai/", "'name/pattern'"),
        ("http", "x", "'tool', 'agent' or 'llm'"),
    ],
)
def test_no_callee(kind: str, callee: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Step.model_validate(step(call_type=kind, callee_id=callee))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ({"start_step": 1, "steps": []}, "start_step 1 is no step; there are none"),
        ({"start_step": 3, "steps": [step(1), step(2)]}, "start_step 3 is no step; there are 1, 2"),
        ({"start_step": 1, "steps": [step(1), step(1)]}, "step_id 1 is there twice"),
        (
            {"start_step": 1, "steps": [step(1, next_steps=[1, 9])]},
            "next_steps of step 1 names 9, which is no step; there are 1",
        ),
        ({"start_step": "1", "steps": [step(1)]}, "valid integer"),
        ({"start_step": 1, "steps": [step(1, max_loops=-1)]}, "greater than or equal to 0"),
        ({"start_step": 1, "steps": [step(1, max_loop=1)]}, "did you mean 'max_loops'"),
        ({"start_step": 1, "steps": [step(n) for n in range(501)]}, "at most 500 items"),
    ],
)
def test_no_graph(graph: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Graph.model_validate(graph)


def test_expected_says_what_may_come_at_each_position() -> None:
    graph = Graph.model_validate(
        {
            "start_step": 1,
            "steps": [
                step(1, max_loops=2, next_steps=[2, 1]),
                step(2, max_loops=1, call_type="agent", callee_id="bob"),
                step(3, next_steps=[1]),
            ],
        }
    )
    assert dict(graph.expected) == {
        None: "tool t1 (step 1)",
        1: "tool t1 (step 1) or agent bob (step 2)",
        2: "nothing: the graph ends here",
        3: "tool t3 (step 3) or tool t1 (step 1)",
    }

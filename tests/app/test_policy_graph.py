"""The execution graph of a draft: read, edited, laid out, marked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amaze_app import policy_drawing, policy_graph, policy_layout, policy_marks
from amaze_app.gateway.policies import Remark, parse
from amaze_app.policy_draft import written
from amaze_app.policy_graph import Graph, Impossible, NotDrawn, Step
from amaze_app.policy_palette import Callee, matching
from amaze_app.policy_undo import KEPT, History
from amaze_proxy.policy.steps import CallType

_IDS = st.integers(0, 12)
_CALLS = st.sampled_from([("tool", "files/read"), ("agent", "writer"), ("llm", "openai")])


@st.composite
def graphs(draw: st.DrawFn, whole: bool = False) -> Graph:
    """Graphs as they are drawn; `whole`: with a start, and ways to steps alone."""
    ids = draw(st.lists(_IDS, unique=True, min_size=int(whole), max_size=9))
    ways = st.sampled_from(ids) if whole else _IDS
    steps = []
    for step_id in ids:
        kind, callee = draw(_CALLS)
        following = draw(st.lists(ways, unique=True, max_size=4))
        steps.append(Step(step_id, kind, callee, draw(st.integers(0, 5)), tuple(following)))
    start = draw(st.sampled_from(ids) if whole else st.none() | _IDS)
    return Graph(start, tuple(steps))


_ODD = st.sampled_from([None, True, -1, 1.5, 10**16, "", "x", [], [1], {}, {"a": 1}, {1: 2}])
_LIKE_STEPS = st.fixed_dictionaries(
    {"step_id": _IDS | _ODD, "call_type": st.sampled_from(["tool", "llm"]) | _ODD},
    optional={
        "callee_id": st.text(max_size=8) | _ODD,
        "max_loops": _IDS | _ODD,
        "next_steps": st.lists(_IDS, max_size=3) | _ODD,
        "more": _ODD,
    },
)
_LIKE_GRAPHS = st.fixed_dictionaries(
    {}, optional={"start_step": _IDS | _ODD, "steps": st.lists(_LIKE_STEPS, max_size=3) | _ODD}
)


def test_the_kinds_of_calls_are_those_of_policies() -> None:
    assert sorted(policy_graph.KINDS) == sorted(CallType)


@given(graphs())
def test_a_graph_that_was_written_is_read_as_it_was(graph: Graph) -> None:
    assert policy_graph.read(policy_graph.as_data(graph)) == graph


@settings(max_examples=40)  # to write and to parse YAML costs more than all the rest
@given(graphs(whole=True))
def test_a_whole_graph_is_a_policy(graph: Graph) -> None:
    policy = parse(written({"mode": "strict", "graph": policy_graph.as_data(graph)}))
    assert policy.graph is not None
    assert policy.graph.start_step == graph.start
    assert [
        (one.step_id, one.call_type, one.callee_id, one.max_loops, one.next_steps)
        for one in policy.graph.steps
    ] == [(one.step_id, one.kind, one.callee, one.runs, one.following) for one in graph.steps]


@given(_LIKE_GRAPHS | _ODD)
def test_whatever_the_document_has_is_drawn_or_said_to_be_no_graph(data: object) -> None:
    try:
        graph = policy_graph.read(data)
    except NotDrawn as error:
        said = str(error)
    else:
        said = "graph"
        assert policy_graph.read(policy_graph.as_data(graph)) == graph
    assert said.startswith("graph")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "graph must be a mapping"),
        ({"step": []}, "unknown key 'step'"),
        ({"start_step": True}, "graph.start_step must be a whole number"),
        ({"steps": [{"step_id": 1}]}, r"graph.steps\[0\].call_type must be one of tool"),
        (
            {"steps": [{"step_id": 1, "call_type": "tool", "callee_id": "x"}] * 2},
            "the step_id 1 twice",
        ),
        ({"steps": [{}] * (policy_graph.STEPS_MAX + 1)}, "more than 500 steps"),
    ],
)
def test_why_a_graph_cannot_be_drawn(data: object, said: str) -> None:
    with pytest.raises(NotDrawn, match=said):
        policy_graph.read(data)


def test_a_graph_is_drawn_from_nothing() -> None:
    graph, first = policy_graph.add(Graph(), "tool", "files/read")
    graph, second = policy_graph.add(graph, "agent", "writer")
    assert (first, second, graph.start) == (1, 2, 1)
    graph = policy_graph.connect(graph, 1, 2)
    graph = policy_graph.connect(graph, 2, 1)
    graph = policy_graph.connect(graph, 1, 2)  # again: it is there
    graph = policy_graph.limit(graph, 2, 3)
    graph = policy_graph.call(graph, 1, "llm", "openai/gpt-4.1*")
    assert policy_graph.as_data(policy_graph.begin(graph, 2)) == {
        "start_step": 2,
        "steps": [
            {
                "step_id": 1,
                "call_type": "llm",
                "callee_id": "openai/gpt-4.1*",
                "max_loops": 1,
                "next_steps": [2],
            },
            {
                "step_id": 2,
                "call_type": "agent",
                "callee_id": "writer",
                "max_loops": 3,
                "next_steps": [1],
            },
        ],
    }
    assert policy_graph.disconnect(graph, 1, 2).step(1).following == ()


@given(graphs(), _CALLS)
def test_a_step_that_is_added_takes_nobodys_number(graph: Graph, call: tuple[str, str]) -> None:
    after, step_id = policy_graph.add(graph, *call)
    assert step_id not in graph.ids
    assert after.ids == graph.ids | {step_id}
    assert after.start in after.ids


@given(graphs(), st.sets(_IDS))
def test_nothing_leads_to_steps_that_were_removed(graph: Graph, gone: set[int]) -> None:
    after = policy_graph.remove(graph, gone)
    assert after.ids == graph.ids - gone
    assert all(gone.isdisjoint(one.following) for one in after.steps)
    if graph.start in gone:
        assert after.start in after.ids or (after.start is None and not after.steps)
    else:
        assert after.start == graph.start


def test_the_step_behind_a_start_that_is_removed_becomes_the_start() -> None:
    steps = Step(1, "tool", "a"), Step(2, "tool", "b", 0, (3, 1)), Step(3, "tool", "c")
    assert policy_graph.remove(Graph(2, steps), [2]).start == 3
    assert policy_graph.remove(Graph(2, steps), [2, 3]).start == 1
    assert policy_graph.remove(Graph(2, steps), [1, 2, 3]) == Graph(None, ())


def test_a_way_from_a_step_to_itself_lets_it_run_again() -> None:
    once, thrice = Step(1, "tool", "a", 1), Step(2, "tool", "b", 3)
    graph = policy_graph.connect(policy_graph.connect(Graph(1, (once, thrice)), 1, 1), 2, 2)
    assert [one.runs for one in graph.steps] == [0, 3]
    assert all(not one.following for one in graph.steps)


def test_what_cannot_be_done_says_why() -> None:
    graph = Graph(1, (Step(1, "tool", "a"),))
    full = Graph(0, tuple(Step(one, "tool", "a") for one in range(policy_graph.STEPS_MAX)))
    for said, edit in {
        "no step 7": lambda: policy_graph.connect(graph, 1, 7),
        "no step 8": lambda: policy_graph.connect(graph, 8, 1),
        "no step 9": lambda: policy_graph.begin(graph, 9),
        "1 time or more": lambda: policy_graph.limit(graph, 1, -1),
        "one of tool, agent, llm": lambda: policy_graph.add(graph, "http", "a"),
        "name what the step calls": lambda: policy_graph.call(graph, 1, "tool", ""),
        "at most 500": lambda: policy_graph.add(full, "tool", "a"),
    }.items():
        with pytest.raises(Impossible, match=said):
            edit()


@given(graphs())
def test_steps_have_places_that_do_not_overlap(graph: Graph) -> None:
    places = policy_layout.arranged(graph)
    assert places.keys() == graph.ids
    assert not policy_layout.overlap(places)


@given(graphs(), st.data())
def test_steps_without_a_place_get_a_free_one(graph: Graph, data: st.DataObject) -> None:
    whole = policy_layout.arranged(graph)
    kept = {one: place for one, place in whole.items() if data.draw(st.booleans())}
    found = policy_layout.placed(graph, {**kept, 99: (0.0, 0.0)})
    assert found.keys() == graph.ids
    assert {one: found[one] for one in kept} == kept
    assert not policy_layout.overlap(found)


def test_layers_go_down_and_ways_back_count_nothing() -> None:
    steps = Step(1, "tool", "a", 0, (2, 3)), Step(2, "tool", "b", 0, (3, 1)), Step(3, "llm", "c")
    places = policy_layout.arranged(Graph(1, steps))
    assert places[1][1] < places[2][1] < places[3][1]


@given(st.dictionaries(_IDS, st.tuples(st.integers(-999, 999), st.integers(-999, 999))))
def test_places_are_read_as_they_were_written(places: dict[int, tuple[int, int]]) -> None:
    assert policy_layout.read(policy_layout.written(places)) == places


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", {}),
        ("[", {}),
        ("[1]", {}),
        ('{"1": [1, 2, 3], "2": [1], "3": ["a", 1], "4": 5, "x": [1, 2], "-1": [1, 2]}', {}),
        ('{"1": [1e999, 0], "2": [NaN, 0], "3": [1.6, -2e9]}', {3: (2.0, -100_000.0)}),
        ('{"1": [' + "9" * 400 + ", 0]}", {}),
        ("[" * 100_000, {}),
    ],
)
def test_places_that_are_none(text: str, places: dict[int, tuple[float, float]]) -> None:
    assert policy_layout.read(text) == places


def test_remarks_mark_the_step_that_they_are_of() -> None:
    steps = Step(4, "tool", "a b", 0, (9,)), Step(7, "tool", "b")
    remarks = [
        Remark("graph.steps[0].callee_id", 3, "must be a name"),
        Remark("graph.steps[0].max_loops", 3, "must be 0 or more"),
        Remark("graph.steps[1]", 6, "step 7 is never reached from start_step 4"),
        Remark("graph.steps[5]", 6, "of another version"),
        Remark("allowed_tools", 1, "of the form"),
    ]
    graph = Graph(4, steps)
    assert policy_marks.marks(graph, remarks) == {
        4: "must be a name; max_loops must be 0 or more; step 9 is to follow, which is not there",
        7: "step 7 is never reached from start_step 4",
    }
    assert policy_marks.notes(graph, remarks) == []


def test_what_is_wrong_with_the_whole_graph() -> None:
    graph = Graph(2, (Step(1, "tool", "a"),))
    remarks = [
        Remark("graph", 2, "start_step 2 is no step; there are 1"),
        Remark("mode", 1, "must be 'flexible' or 'strict', not 'exact'"),
    ]
    assert policy_marks.notes(graph, remarks) == [
        "The start is step 2, which is not there: choose another one.",
        "mode: must be 'flexible' or 'strict', not 'exact'",
    ]
    assert "no step is the start" in policy_marks.notes(replace(graph, start=None), [])[0].lower()
    assert policy_marks.notes(Graph(), []) == ["The graph has no step yet: add the first one."]


@given(st.lists(st.integers(0, 5) | st.sampled_from(["undo", "redo"]), max_size=40))
def test_what_is_undone_is_redone(edits: list[int | str]) -> None:
    history = History(0)
    for edit in edits:
        before = history
        if edit == "undo":
            history = history.undone()
            assert history == before or history.redone() == before
        elif edit == "redo":
            history = history.redone()
            assert history == before or history.undone() == before
        elif edit == before.present:
            assert history.then(int(edit)) is before
        else:
            history = history.then(int(edit))
            assert (history.present, history.undone().present) == (edit, before.present)
            assert not history.future


def test_what_is_undone_is_bounded() -> None:
    history = History(0)
    for edit in range(1, 3 * KEPT):
        history = history.then(edit)
    assert len(history.past) == KEPT
    assert history.past[-1] == 3 * KEPT - 2


def test_what_the_start_does_not_lead_to_stands_below() -> None:
    steps = Step(1, "tool", "a", 0, (2,)), Step(2, "tool", "b"), Step(3, "llm", "c", 0, (1,))
    places = policy_layout.arranged(Graph(1, steps))
    assert places[3][1] > places[2][1] > places[1][1]


def test_a_way_that_leads_back_or_past_others_goes_round_them() -> None:
    places = {1: (0.0, 0.0), 2: (200.0, 128.0), 3: (0.0, 256.0)}
    assert policy_layout.aside(places, 1, 2) == ("", 0.0)
    assert policy_layout.aside(places, 1, 3) == ("left", 0.0)
    assert policy_layout.aside(places, 3, 1) == ("left", 0.0)
    assert policy_layout.aside({**places, 4: (-300.0, 128.0)}, 3, 1) == ("right", 200.0)


def test_a_draft_is_drawn_with_its_marks() -> None:
    fields = {
        "mode": "strict",
        "graph": {
            "start_step": 1,
            "steps": [
                {"step_id": 1, "call_type": "tool", "callee_id": "a", "next_steps": [1, 2, 9]},
                {"step_id": 2, "call_type": "llm", "callee_id": "openai", "max_loops": 2},
            ],
        },
        "name": "kept",
    }
    sketch = policy_drawing.sketch(fields, "")
    assert policy_drawing.written(fields, sketch) == fields
    drawn = policy_drawing.drawing(sketch, [Remark("graph.steps[1]", 1, "odd")])
    assert [(one.source, one.target) for one in drawn.ways] == [(1, 2)]
    first, second = drawn.nodes
    assert (first.often, first.then, first.start) == ("any number", "1, 2, 9", True)
    assert first.mark == "step 9 is to follow, which is not there"
    assert second.about == "Step 2: llm openai, up to 2×, then the end. odd"
    assert sketch.graph is not None
    opened = policy_drawing.picked(sketch.graph, drawn.nodes, 2)
    assert (opened.runs, opened.following, [one.step_id for one in opened.others]) == (2, [], [1])
    assert policy_drawing.picked(sketch.graph, drawn.nodes, 7) == policy_drawing.Picked()
    assert policy_drawing.written(fields, policy_drawing.Sketch()) == {"name": "kept"}
    with pytest.raises(NotDrawn):
        policy_drawing.sketch(None, "")


@pytest.mark.parametrize(
    ("text", "numbers", "pairs"),
    [
        ("[1, 2]", [1, 2], []),
        ("[[1, 2], [3], [1, true]]", [], [(1, 2)]),
        ('[true, "1", null, 1.5]', [], []),
        ("made-by-nobody", [], []),
        ("{}", [], []),
        ("[" * 100_000, [], []),
    ],
)
def test_what_the_canvas_says_is_read_strictly(
    text: str, numbers: list[int], pairs: list[tuple[int, int]]
) -> None:
    assert policy_drawing.numbers(text) == numbers
    assert policy_drawing.pairs(text) == pairs


def test_what_can_be_called_is_found_by_its_words() -> None:
    known = [Callee("tool", "files/read"), Callee("agent", "Reader"), Callee("llm", "openai")]
    assert matching(known, "") == known
    assert matching(known, " READ ") == known[:2]
    assert matching(known, "agent read") == [known[1]]
    assert matching(known, "nothing") == []

"""The canvas of an execution graph: React Flow. `amaze_app.pages.policy_graph` says what is on it.

The browser owns what is dragged while it is dragged; the server hears of the result, and what is
drawn is what it then says. A way or a step that the server does not take is not drawn.
"""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.vars import Var

from amaze_app.policy_layout import HEIGHT, WIDTH

LIBRARY = "@xyflow/react@12.12.1"

_TAGS = (
    *("Background", "Controls", "Handle", "MarkerType", "Position", "ReactFlow"),
    *("useEdgesState", "useNodesState"),
)
_ICONS = tuple(map(rx.icon, ("wrench", "bot", "sparkles")))

_CODE = """
const AmazeStepIcons = {tool: LucideWrench, agent: LucideBot, llm: LucideSparkles};
const AmazeStep = ({data}) => {
  const Icon = AmazeStepIcons[data.kind] ?? LucideWrench;
  return <div className="a-step-node" data-marked={data.mark !== ""} title={data.about}>
    <Handle id="in" type="target" position={Position.Top}/>
    {[["left", Position.Left], ["right", Position.Right]].map(([side, at]) => <Fragment key={side}>
      <Handle id={`${side}-in`} type="target" position={at} isConnectable={false}/>
      <Handle id={`${side}-out`} type="source" position={at} isConnectable={false}/>
    </Fragment>)}
    <div className="a-step-top">
      <b>{data.step_id}</b><Icon size={14} aria-hidden="true"/><span>{data.kind}</span>
      {data.start && <span className="a-step-start">start</span>}
      <span className="a-step-runs">{data.often}</span>
    </div>
    <div className="a-step-callee">{data.callee}</div>
    {data.mark !== "" && <div className="a-step-mark">{data.mark}</div>}
    <Handle id="out" type="source" position={Position.Bottom}/>
  </div>;
};
const AmazeNodeTypes = {step: AmazeStep};
const AmazeEnd = {type: MarkerType.ArrowClosed, width: 18, height: 18, color: "var(--dim)"};
const AmazeFit = {padding: 0.15, maxZoom: 1, minZoom: 0.3};
const amazeNode = (step, picked, old) => ({
  id: String(step.step_id), type: "step", position: {x: step.x, y: step.y}, data: step,
  width: WIDE, height: HIGH, ariaLabel: step.about, measured: old?.measured,
  selected: step.step_id === picked || (picked < 0 && Boolean(old?.selected)),
});
const amazeEdge = (way, old) => ({
  id: `${way.source}-${way.target}`, source: String(way.source), target: String(way.target),
  sourceHandle: way.side ? `${way.side}-out` : "out",
  targetHandle: way.side ? `${way.side}-in` : "in",
  type: way.side ? "smoothstep" : "default",
  pathOptions: way.side ? {offset: way.offset, borderRadius: 12} : undefined,
  markerEnd: AmazeEnd, ariaLabel: `From step ${way.source} to step ${way.target}`,
  interactionWidth: 24, selected: Boolean(old?.selected),
});
const AmazeFlow = ({steps, ways, picked, fit, editable, onJoined, onMoved, onRemoved, onPicked,
                    onUndo, onRedo, ...rest}) => {
  const flow = useRef(null), told = useRef(picked);
  const [nodes, setNodes, change] = useNodesState(steps.map((one) => amazeNode(one, picked)));
  const [edges, setEdges, changeEdges] = useEdgesState(ways.map((one) => amazeEdge(one)));
  useEffect(() => {
    told.current = picked;
    setNodes((old) => {
      const known = new Map(old.map((one) => [one.id, one]));
      return steps.map((one) => amazeNode(one, picked, known.get(String(one.step_id))));
    });
  }, [steps, picked]);
  useEffect(() => setEdges((old) => {
    const known = new Map(old.map((one) => [one.id, one]));
    return ways.map((one) => amazeEdge(one, known.get(`${one.source}-${one.target}`)));
  }), [ways]);
  useEffect(() => {
    const soon = setTimeout(() => flow.current?.fitView(AmazeFit), 50);
    return () => clearTimeout(soon);
  }, [fit]);
  const moved = (changes) => {
    // what is removed, and where things are put, is for the server to say
    change(changes.filter((one) => one.type !== "remove"));
    const put = changes.filter((one) => one.type === "position" && one.dragging === false
      && one.position);
    if (editable && put.length) onMoved(JSON.stringify(Object.fromEntries(
      put.map((one) => [one.id, [one.position.x, one.position.y]]))));
  };
  const keys = (event) => {
    if (!editable || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    (event.shiftKey ? onRedo : onUndo)();
  };
  return <div className="a-flow" onKeyDown={keys} {...rest}>
    <ReactFlow nodes={nodes} edges={edges} nodeTypes={AmazeNodeTypes}
      onInit={(made) => { flow.current = made; }}
      onNodesChange={moved}
      onEdgesChange={(changes) => changeEdges(changes.filter((one) => one.type !== "remove"))}
      onConnect={(made) => onJoined(Number(made.source), Number(made.target))}
      onDelete={(gone) => onRemoved(JSON.stringify(gone.nodes.map((one) => Number(one.id))),
        JSON.stringify(gone.edges.map((one) => [Number(one.source), Number(one.target)])))}
      onSelectionChange={({nodes: chosen}) => {
        const one = chosen.length === 1 ? Number(chosen[0].id) : -1;
        if (one >= 0 && one !== told.current) { told.current = one; onPicked(one); }
      }}
      nodesDraggable={editable} nodesConnectable={editable} edgesReconnectable={false}
      deleteKeyCode={editable ? ["Delete", "Backspace"] : null}
      selectionKeyCode="Shift" multiSelectionKeyCode="Shift" zoomOnScroll={false}
      preventScrolling={false} zoomOnDoubleClick={false} connectionRadius={36} minZoom={0.2}
      fitView fitViewOptions={AmazeFit} proOptions={{hideAttribution: true}}>
      <Background gap={20} size={1.6}/>
      <Controls showInteractive={false} fitViewOptions={AmazeFit}/>
    </ReactFlow>
  </div>;
};
""".replace("WIDE", str(WIDTH)).replace("HIGH", str(HEIGHT))


def _join(source: Var[int], target: Var[int]) -> tuple[Var[int], Var[int]]:
    return (source, target)


def _text(text: Var[str]) -> tuple[Var[str]]:
    return (text,)


def _texts(first: Var[str], second: Var[str]) -> tuple[Var[str], Var[str]]:
    return (first, second)


def _step(step_id: Var[int]) -> tuple[Var[int]]:
    return (step_id,)


class Flow(rx.Component):
    """Steps and the ways between them. `picked` (-1: none) is selected; the canvas shows all of it
    anew when `fit` changes.

    It says which steps were joined; where steps were put (JSON: `{"1": [x, y]}`); what was removed
    (JSON: numbers of steps; pairs of them, for ways); and which step was selected.
    """

    tag = "AmazeFlow"
    steps: Var[list[Any]]
    ways: Var[list[Any]]
    picked: Var[int]
    fit: Var[int]
    editable: Var[bool]

    on_joined: rx.EventHandler[_join]
    on_moved: rx.EventHandler[_text]
    on_removed: rx.EventHandler[_texts]
    on_picked: rx.EventHandler[_step]
    on_undo: rx.EventHandler[rx.event.no_args_event_spec]
    on_redo: rx.EventHandler[rx.event.no_args_event_spec]

    def add_imports(self) -> dict[str, Any]:
        """Of React, of React Flow with its style sheet, and the icons."""
        return {
            "": f"{LIBRARY.rpartition('@')[0]}/dist/style.css",
            "react": ["Fragment", "useEffect", "useRef"],
            LIBRARY: list(_TAGS),
            str(_ICONS[0].library): [one.import_var for one in _ICONS],
        }

    def add_custom_code(self) -> list[str]:
        """The element, once for each page."""
        return [_CODE]


flow = Flow.create

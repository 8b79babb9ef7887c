"""Text of machines: code to copy, JSON to unfold."""

from __future__ import annotations

import reflex as rx
from reflex.vars import Var

_JSON = """
const AmazeJsonNode = ({name, value, depth}) => {
  const [open, setOpen] = useState(depth < 2);
  const key = name === null ? null : <span className="k">{name}: </span>;
  if (value !== null && typeof value === "object") {
    const list = Array.isArray(value), entries = Object.entries(value);
    const about = list ? `[${entries.length}]` : `{${entries.length}}`;
    return <details open={open} onToggle={(e) => {
      e.stopPropagation(); setOpen(e.currentTarget.open);
    }}><summary>{key}{about}</summary>
      {open && entries.map(([k, v]) =>
        <AmazeJsonNode key={k} name={k} value={v} depth={depth + 1}/>)}
    </details>;
  }
  const kind = typeof value === "string" ? "s" : "n";
  return <div className="l">{key}<span className={kind}>{JSON.stringify(value)}</span></div>;
};
const AmazeJson = ({text}) => {
  let value;
  try { value = JSON.parse(text); } catch { return <pre className="a-code">{text}</pre>; }
  return <div className="a-json"><AmazeJsonNode name={null} value={value} depth={0}/></div>;
};
"""


class JsonView(rx.Component):
    """JSON with folding; text that is no JSON as it is."""

    tag = "AmazeJson"
    text: Var[str]

    def add_imports(self) -> dict[str, str]:
        """Of React."""
        return {"react": "useState"}

    def add_custom_code(self) -> list[str]:
        """The elements, once for each page."""
        return [_JSON]


def json_view(text: rx.Var[str] | str) -> rx.Component:
    """`text` is the JSON document."""
    return JsonView.create(text=text)


def code_block(text: rx.Var[str] | str, name: str) -> rx.Component:
    """Code or a command with a button that copies it; `name` is the id of the button."""
    return rx.el.div(
        rx.el.code(text, class_name="a-code min-w-0 flex-1 text-left", tab_index=0),
        rx.el.button(
            rx.icon("copy", size=14),
            on_click=rx.set_clipboard(text),
            type="button",
            id=name,
            class_name="a-button self-start",
            aria_label="Copy",
            title="Copy",
        ),
        class_name="flex w-full items-center gap-2",
    )

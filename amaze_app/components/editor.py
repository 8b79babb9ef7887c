"""An editor of text with line numbers, and the way to one of its lines."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.vars import Var

_GUTTER = """
const AmazeGutter = ({target, marks, version}) => {
  const [lines, setLines] = useState(1);
  const own = useRef(null);
  useEffect(() => {
    const area = document.getElementById(target);
    if (!area) return;
    const count = () => setLines(Math.min(area.value.split("\\n").length, 9999));
    const follow = () => { if (own.current) own.current.scrollTop = area.scrollTop; };
    count();
    follow();
    area.addEventListener("input", count);
    area.addEventListener("scroll", follow);
    return () => {
      area.removeEventListener("input", count);
      area.removeEventListener("scroll", follow);
    };
  }, [target, version]);
  const wrong = new Set(marks.map((one) => one.line));
  return <div ref={own} className="a-gutter" aria-hidden="true">
    {Array.from({length: lines}, (_, at) =>
      <div key={at} data-wrong={wrong.has(at + 1)}>{at + 1}</div>)}
  </div>;
};
"""
_GO_TO = """
const AmazeGoTo = ({target, line, children}) => {
  const go = () => {
    const area = document.getElementById(target);
    if (!area) return;
    const lines = area.value.split("\\n"), before = lines.slice(0, line - 1);
    const from = before.reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(from, from + (lines[line - 1] ?? "").length);
    area.scrollTop = (line - 4) * parseFloat(getComputedStyle(area).lineHeight);
  };
  return <button type="button" className="a-link shrink-0" onClick={go}>{children}</button>;
};
"""


class Gutter(rx.Component):
    """The numbers of the lines of the text area whose id is `target`; those of `marks` (objects
    with a `line`) in red. `version` moves when the area is made anew."""

    tag = "AmazeGutter"
    target: Var[str]
    marks: Var[list[Any]]
    version: Var[int]

    def add_imports(self) -> dict[str, list[str]]:
        """Of React."""
        return {"react": ["useEffect", "useRef", "useState"]}

    def add_custom_code(self) -> list[str]:
        """The element, once for each page."""
        return [_GUTTER]


class GoTo(rx.Component):
    """A button that selects a line (from 1) of the text area whose id is `target`."""

    tag = "AmazeGoTo"
    target: Var[str]
    line: Var[int]

    def add_custom_code(self) -> list[str]:
        """The element, once for each page."""
        return [_GO_TO]


def editor(
    name: str, text: Any, version: rx.Var[int], marks: rx.Var[list[Any]], **props: Any
) -> rx.Component:
    """A text area of code which begins with `text`; made anew, with the text of then, when
    `version` moves."""
    return rx.el.div(
        Gutter.create(target=name, marks=marks, version=version),
        rx.el.textarea(
            id=name,
            name=name,
            default_value=text,
            key=version,
            spell_check=False,
            auto_complete="off",
            wrap="off",
            class_name="a-editor",
            **props,
        ),
        class_name="a-editing",
    )


def go_to(target: str, line: rx.Var[int]) -> rx.Component:
    """See GoTo."""
    return GoTo.create(rx.Var.create("line ") + line.to_string(), target=target, line=line)

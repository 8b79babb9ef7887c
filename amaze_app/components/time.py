"""A moment in the reader's own time zone, with UTC when it is pointed at."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.vars import Var

SinceVar = rx.Var[int] | int

_CODE = """
const AmazeTime = ({ms, seconds, ...rest}) => {
  if (!ms) return <span {...rest}>–</span>;
  const at = new Date(ms);
  const style = {month: "short", day: "numeric", hour: "numeric", minute: "2-digit"};
  if (seconds) style.second = "2-digit";
  if (at.getFullYear() !== new Date().getFullYear()) style.year = "numeric";
  const utc = at.toISOString().replace("T", " ").replace("Z", " UTC");
  return <time dateTime={at.toISOString()} title={utc} {...rest}>
    {at.toLocaleString(undefined, style)}</time>;
};
"""

_INPUT_CODE = """
const AmazeTimeInput = ({ms, name, label, ...rest}) => {
  const [at, setAt] = useState(ms);
  const local = (t) => t ? new Date(t - new Date(t).getTimezoneOffset() * 60000) : null;
  return <>
    <input type="hidden" name={name} value={at || ""} readOnly/>
    <label className="flex items-center gap-2 text-sm a-dim">{label}
      <input type="datetime-local" className="a-input min-w-0"
        defaultValue={local(ms)?.toISOString().slice(0, 16) ?? ""}
        onChange={(e) => setAt(e.target.value ? new Date(e.target.value).getTime() : 0)} {...rest}/>
    </label>
  </>;
};
"""


class TimeText(rx.Component):
    """The `time` element. `ms` since the epoch, 0: never."""

    tag = "AmazeTime"
    ms: Var[int]
    seconds: Var[bool]

    def add_custom_code(self) -> list[str]:
        """The element, once for each page."""
        return [_CODE]


def time_text(ms: SinceVar, seconds: bool = False, **props: Any) -> rx.Component:
    """`22 Nov, 17:38`, in the reader's zone and language; with the year, if it is another one."""
    return TimeText.create(ms=ms, seconds=seconds, class_name="whitespace-nowrap", **props)


class TimeInput(rx.Component):
    """A moment to choose in the reader's own zone; the form gets milliseconds, "" for none."""

    tag = "AmazeTimeInput"
    ms: Var[int]
    name: Var[str]
    label: Var[str]

    def add_imports(self) -> dict[str, str]:
        """Of React."""
        return {"react": "useState"}

    def add_custom_code(self) -> list[str]:
        """The element, once for each page."""
        return [_INPUT_CODE]


def time_input(name: str, ms: SinceVar, label: str) -> rx.Component:
    """The field `name` of a form; `ms` is what it begins with (0: nothing)."""
    return TimeInput.create(name=name, ms=ms, label=label, key=ms)

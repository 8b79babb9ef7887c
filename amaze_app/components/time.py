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
  const style = {dateStyle: "medium", timeStyle: seconds ? "medium" : "short"};
  const utc = at.toISOString().replace("T", " ").replace("Z", " UTC");
  return <time dateTime={at.toISOString()} title={utc} {...rest}>
    {at.toLocaleString(undefined, style)}</time>;
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
    """`22 Nov 2026, 17:38`, in the reader's zone and language."""
    return TimeText.create(ms=ms, seconds=seconds, class_name="whitespace-nowrap", **props)

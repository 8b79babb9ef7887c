"""Tables, their heads and their pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx

from amaze_app.components.feedback import skeleton


@dataclass(frozen=True, slots=True)
class Column:
    """A head. `end`: numbers, at the right; `sort` is the address that sorts by it ("": none),
    `sorted` `ascending`, `descending` or `none`."""

    title: str
    end: bool = False
    sort: rx.Var[str] | str = ""
    sorted: rx.Var[str] | str = "none"


def data_table(
    columns: Sequence[Column | str],
    rows: rx.Var[Any],
    row: Callable[[Any], rx.Component],
    *,
    loaded: rx.Var[bool],
    nothing: rx.Component,
    label: str,
    name: str = "",
) -> rx.Component:
    """A table of `rows`, each made by `row` (with `line` and `cell`); a skeleton before it is
    `loaded`, `nothing` where there are none. `label` is what a screen reader says."""
    heads = [Column(one) if isinstance(one, str) else one for one in columns]
    table = rx.el.table(
        rx.el.thead(rx.el.tr(*map(_head, heads))),
        rx.el.tbody(rx.foreach(rows, row)),
        class_name="a-table",
        aria_label=label,
        id=name or label.lower().replace(" ", "-"),
    )
    shown = rx.el.div(
        table, class_name="a-scroll", tab_index=0, role="region", aria_label=f"{label}, table"
    )
    return rx.cond(loaded, rx.cond(rows.length() > 0, shown, nothing), skeleton())


def line(*cells: rx.Component, key: Any = None, **data: Any) -> rx.Component:
    """A row; `data` are its data attributes."""
    attributes = {f"data-{name}": value for name, value in data.items()}
    return rx.el.tr(*cells, key=key, custom_attrs=attributes)


def cell(*children: Any, end: bool = False, class_name: str = "") -> rx.Component:
    """A cell; `end`: a number."""
    return rx.el.td(*children, class_name=f"{'a-end ' if end else ''}{class_name}")


def pager(first: rx.Var[str], following: rx.Var[str]) -> rx.Component:
    """Addresses of the first and the next page ("": there is none)."""
    return rx.el.nav(
        rx.cond(first != "", rx.link("First page", href=first, class_name="a-button")),
        rx.cond(following != "", rx.link("Next page", href=following, class_name="a-button")),
        aria_label="Pages of the list",
        class_name="flex justify-end gap-3 p-3 empty:hidden",
    )


def _head(column: Column) -> rx.Component:
    end = "a-end" if column.end else ""
    if isinstance(column.sort, str) and not column.sort:
        return rx.el.th(column.title, scope="col", class_name=end)
    return rx.el.th(
        rx.link(
            column.title,
            rx.match(column.sorted, ("ascending", " ↑"), ("descending", " ↓"), ""),
            href=column.sort,
            class_name="a-link",
        ),
        scope="col",
        class_name=end,
        aria_sort=column.sorted,
    )

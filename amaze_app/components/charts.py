"""Charts as SVG; what they show is worked out by `amaze_app.charts`."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app.charts import HEIGHT, WIDTH, Series, Slice

_NAME = "min-w-0 line-clamp-2 wrap-anywhere"


def donut(title: str, parts: rx.Var[list[Slice]], nothing: str, name: str) -> rx.Component:
    """Slices that are links; beside it the same as a list, which the keyboard reaches."""
    return rx.el.div(
        rx.el.h3(title, class_name="mb-3 text-sm font-semibold"),
        rx.cond(
            parts.length() > 0,
            rx.el.div(
                rx.el.svg(
                    rx.foreach(parts, _arc),
                    view_box="0 0 42 42",
                    class_name="h-28 w-28 shrink-0 -rotate-90",
                    custom_attrs={"aria-hidden": "true"},
                ),
                rx.el.ul(
                    rx.foreach(parts, _entry), class_name="min-w-0 flex-1 space-y-1 text-[13px]"
                ),
                class_name="flex items-center gap-5",
            ),
            rx.el.p(nothing, class_name="flex h-28 items-center text-sm a-dim"),
        ),
        id=name,
        class_name="a-card p-4",
    )


def area_chart(
    title: str, shown: rx.Var[Series], since: rx.Var[str], until: rx.Var[str], color: int = 1
) -> rx.Component:
    """One series over time; `since` and `until` are the ends of its axis."""
    return lines_chart(title, ((title, shown, color),), since, until)


def lines_chart(
    title: str,
    drawn: tuple[tuple[str, Any, int], ...],
    since: rx.Var[str],
    until: rx.Var[str],
) -> rx.Component:
    """Several series (name, series, colour 1 to 6) on one axis: give them the same `top`."""
    top = drawn[0][1].top
    return rx.el.figure(
        rx.el.figcaption(
            rx.el.span(title, class_name="text-sm font-semibold"),
            rx.el.span(
                *(
                    rx.el.span(
                        rx.el.span(
                            class_name="mr-1 inline-block h-2 w-2 rounded-full",
                            style={"background": f"var(--chart-{color})"},
                        ),
                        name,
                    )
                    for name, _, color in drawn
                    if len(drawn) > 1
                ),
                class_name="flex gap-3 text-xs a-dim",
            ),
            class_name="mb-2 flex justify-between",
        ),
        rx.el.div(
            rx.el.span(top, class_name="absolute -top-1 left-0 text-xs leading-none a-dim"),
            _area(title, drawn),
            class_name="relative",
        ),
        rx.el.div(
            rx.el.span(since),
            rx.el.span(until),
            class_name="flex flex-wrap justify-between gap-x-3 text-xs a-dim",
        ),
        class_name="a-card min-w-0 p-4",
    )


def _area(title: str, drawn: tuple[tuple[str, Any, int], ...]) -> rx.Component:
    return rx.el.svg(
        rx.el.line(x1="0", x2=str(WIDTH), y1="12", y2="12", stroke="var(--line)"),
        rx.el.line(x1="0", x2=str(WIDTH), y1="140", y2="140", stroke="var(--line)"),
        *(_drawn(shown, color) for _, shown, color in drawn),
        view_box=f"0 0 {WIDTH} {HEIGHT - 16}",
        custom_attrs={"preserveAspectRatio": "none", "role": "img", "aria-label": title},
        class_name="a-chart h-36 w-full overflow-visible",
    )


def _drawn(shown: Any, color: int) -> rx.Component:
    return rx.fragment(
        rx.el.path(d=shown.area, fill=f"var(--chart-{color})", fill_opacity="0.12"),
        rx.el.path(
            d=shown.line,
            fill="none",
            stroke=f"var(--chart-{color})",
            stroke_width="2",
            stroke_linecap="round",
            custom_attrs={"vectorEffect": "non-scaling-stroke"},
        ),
    )


def _arc(part: rx.Var[Slice]) -> rx.Component:
    return rx.el.circle(
        cx="21",
        cy="21",
        r="15.9155",
        fill="none",
        stroke=part.color,
        stroke_width="6",
        stroke_dasharray=part.dash,
        stroke_dashoffset=part.turn,
        class_name=rx.cond(part.href != "", "cursor-pointer", ""),
        on_click=rx.redirect(part.href),
    )


def _entry(part: rx.Var[Slice]) -> rx.Component:
    return rx.el.li(
        rx.el.span(class_name="h-2 w-2 shrink-0 rounded-full", style={"background": part.color}),
        rx.cond(
            part.href != "",
            rx.link(part.name, href=part.href, class_name=f"a-link {_NAME}", title=part.name),
            rx.el.span(part.name, class_name=_NAME),
        ),
        rx.el.span(part.text, " · ", part.share, class_name="ml-auto shrink-0 tabular-nums a-dim"),
        class_name="flex items-center gap-2",
    )

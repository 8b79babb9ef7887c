"""The form of a policy: a control for each field, with its help and what is wrong with it."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app.components.elements import Text, button, empty, link, section
from amaze_app.components.forms import choice, text_area, text_input
from amaze_app.pages.policy_form import NAME_MAX, YAML_MAX, FormState
from amaze_app.pages.policy_state import PolicyState
from amaze_app.policy_entries import Entry, Kind
from amaze_app.policy_fields import GROUPS

_CODE = {"fontFamily": "ui-monospace, Menlo, Consolas, monospace", "fontSize": "12px"}


def form_tab() -> rx.Component:
    """Every field, in groups."""
    shown = PolicyState.form
    return rx.cond(
        shown.readable,
        rx.el.div(
            _faults(shown.faults),
            *(_list_of(name) for name in ("tools", "servers", "providers", "agents")),
            rx.el.div(
                *(
                    rx.el.div(
                        *(
                            section(title, rx.el.div(*map(_field, entries), class_name="px-4 pb-2"))
                            for title, entries in groups
                        ),
                        class_name="min-w-0 space-y-4",
                    )
                    for groups in (GROUPS[::2], GROUPS[1::2])
                ),
                class_name="grid items-start gap-4 lg:grid-cols-2",
            ),
        ),
        section(
            "Form",
            empty(
                "file-warning",
                "The draft is no YAML that can be read",
                rx.el.p("So its fields cannot be shown one by one. Mend the text first."),
                link("Open the text", "?tab=yaml"),
            ),
        ),
    )


def _faults(faults: rx.Var[list[str]]) -> rx.Component:
    return rx.cond(
        faults.length() > 0,
        rx.el.ul(
            rx.foreach(faults, lambda one: rx.el.li(one, class_name="wrap-anywhere")),
            role="alert",
            id="faults",
            class_name="mb-4 space-y-1 rounded-lg bg-(--bad-soft) px-4 py-3 text-sm text-(--bad)",
        ),
    )


def _list_of(name: str) -> rx.Component:
    names = getattr(FormState.known, name)
    return rx.el.datalist(
        rx.foreach(names, lambda one: rx.el.option(value=one)), id=f"known-{name}"
    )


def _field(entry: Entry) -> rx.Component:
    trouble = FormState.refused.get(entry.name, PolicyState.form.troubles.get(entry.name, ""))
    listed = entry.kind in (Kind.NAMES, Kind.CALLERS, Kind.TOKENS, Kind.COSTS, Kind.FLAG)
    label = rx.el.span if listed else rx.el.label
    props = {} if listed else {"html_for": entry.name}
    return rx.el.div(
        label(
            entry.label, id=f"label-{entry.name}", class_name="block text-sm font-medium", **props
        ),
        rx.el.p(entry.help, class_name="mb-1 text-xs a-dim", id=f"help-{entry.name}"),
        _control(entry),
        rx.cond(
            trouble.to(str) != "",
            rx.el.p(trouble, role="alert", class_name="mt-1 text-xs text-(--bad) wrap-anywhere"),
        ),
        class_name="mb-4 min-w-0",
        custom_attrs={"data-field": entry.name},
    )


def _control(entry: Entry) -> rx.Component:
    match entry.kind:
        case Kind.NAMES:
            return _names(entry)
        case Kind.CALLERS:
            return rx.fragment(
                _flag(entry, "Only these agents may call it"),
                rx.cond(_text_of(entry) == "true", _names(entry)),
            )
        case Kind.TOKENS | Kind.COSTS:
            return _windows(entry)
        case Kind.FLAG:
            return _flag(entry, "On")
        case Kind.CHOICE:
            return choice(
                entry.name,
                entry.options,
                value=_text_of(entry),
                on_change=FormState.change(PolicyState.agent, entry.name),
                **_common(entry),
            )
        case Kind.YAML:
            return text_area(
                entry.name, 5, spell_check=False, style=_CODE, **_typed(entry, YAML_MAX)
            )
        case _:
            return text_input(entry.name, **_typed(entry, NAME_MAX))


def _text_of(entry: Entry) -> Any:
    return PolicyState.form.texts.get(entry.name, "").to(str)


def _common(entry: Entry) -> dict[str, Any]:
    return {
        "disabled": ~PolicyState.can_edit,
        "custom_attrs": {"aria-describedby": f"help-{entry.name}"},
    }


def _typed(entry: Entry, most: int) -> dict[str, Any]:
    """Of an input that the browser keeps until it is left; anew when the draft says something
    else."""
    text = _text_of(entry)
    return {
        "default_value": text,
        "key": f"{entry.name} " + text,
        "placeholder": entry.such_as,
        "max_length": most,
        "on_blur": FormState.change(PolicyState.agent, entry.name),
        **_common(entry),
    }


def _flag(entry: Entry, text: Text) -> rx.Component:
    on = _text_of(entry) == "true"
    change = FormState.change(PolicyState.agent, entry.name, rx.cond(on, "false", "true"))
    return rx.el.label(
        rx.el.input(
            type="checkbox",
            id=entry.name,
            checked=on,
            on_change=lambda _: change,
            aria_label=f"{entry.label}: {text}",
            **_common(entry),
        ),
        text,
        class_name="flex w-fit items-center gap-2 py-1 text-sm",
    )


def _names(entry: Entry) -> rx.Component:
    return rx.el.div(
        _entries(entry),
        _adding(
            entry,
            FormState.add,
            rx.el.input(
                name="names",
                placeholder=entry.such_as,
                aria_label=f"{entry.label}: add",
                auto_complete="off",
                max_length=NAME_MAX,
                list=f"known-{entry.known}" if entry.known else "",
                class_name="a-input",
            ),
        ),
    )


def _windows(entry: Entry) -> rx.Component:
    what = "Tokens" if entry.kind is Kind.TOKENS else "US dollars"
    return rx.el.div(
        _entries(entry),
        _adding(
            entry,
            FormState.limit,
            rx.el.input(
                name="most",
                placeholder=what,
                aria_label=f"{entry.label}: at most",
                auto_complete="off",
                required=True,
                max_length=40,
                class_name="a-input",
            ),
            rx.el.input(
                name="window",
                placeholder="in 10m",
                aria_label=f"{entry.label}: window",
                auto_complete="off",
                required=True,
                max_length=20,
                class_name="a-input",
            ),
        ),
    )


def _adding(entry: Entry, handler: Any, *inputs: rx.Component) -> rx.Component:
    return rx.cond(
        PolicyState.can_edit,
        rx.el.form(
            *inputs,
            button("Add", type="submit", aria_label=f"{entry.label}: add"),
            on_submit=handler(PolicyState.agent, entry.name),
            reset_on_submit=True,
            class_name="flex items-center gap-2",
        ),
    )


def _entries(entry: Entry) -> rx.Component:
    entries = PolicyState.form.lists.get(entry.name, []).to(list[str])
    return rx.cond(
        entries.length() > 0,
        rx.el.ul(
            rx.foreach(entries, lambda one: _one(entry, one)),
            class_name="mb-2 flex flex-wrap gap-2",
            aria_label=entry.label,
        ),
    )


def _one(entry: Entry, one: rx.Var[str]) -> rx.Component:
    return rx.el.li(
        rx.el.code(one, class_name="min-w-0 wrap-anywhere text-xs"),
        rx.cond(
            PolicyState.can_edit,
            rx.el.button(
                rx.icon("x", size=12),
                type="button",
                aria_label=rx.Var.create("Remove ") + one,
                on_click=FormState.remove(PolicyState.agent, entry.name, one),
            ),
        ),
        key=one,
        class_name="inline-flex max-w-full items-center gap-2 rounded-lg border border-(--line) "
        "bg-(--raised) px-2 py-1",
    )

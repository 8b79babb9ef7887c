"""LLM providers: those that are built in, and the hosts that were registered beside them."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes
from amaze_app.components.elements import badge, button, card, empty, section
from amaze_app.components.forms import choice, confirm, dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.llms import DIALECTS
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import Paged, PageState

# Name, hosts, what is spoken there: as the proxy knows them (protocols/providers.py).
BUILT_IN = (
    ("openai", "api.openai.com", "Chat, Responses, Embeddings, Models"),
    ("anthropic", "api.anthropic.com", "Messages, token counts, Models"),
    ("azure", "*.openai.azure.com, *.services.ai.azure.com", "OpenAI"),
    ("google", "generativelanguage.googleapis.com, *aiplatform.googleapis.com", "Gemini, OpenAI"),
    ("bedrock", "bedrock-runtime.*.amazonaws.com", "Anthropic, OpenAI"),
    ("mistral", "api.mistral.ai, codestral.mistral.ai", "Mistral"),
    ("cohere", "api.cohere.com", "OpenAI"),
    ("groq", "api.groq.com", "OpenAI"),
    ("deepseek", "api.deepseek.com", "OpenAI, Anthropic"),
    ("xai", "api.x.ai", "OpenAI"),
    ("together", "api.together.ai, api.together.xyz", "OpenAI"),
    ("openrouter", "openrouter.ai", "OpenAI"),
    ("ollama", "ollama.com, api.ollama.com", "Ollama, OpenAI"),
)
_PAGE = 50


@dataclass(frozen=True)
class HostRow:
    """A registered host."""

    name: str
    url: str
    dialect: str
    created_ms: int


@live(routes.LLMS, Topic.REGISTRY)
class LlmsState(Paged, PageState):
    """The registered hosts."""

    rows: rx.Field[list[HostRow]] = rx.field(default_factory=list)
    adding: bool = False
    deleting: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        await self._open_at(self._argument("after"))

    @allowed(Need.ADMIN)
    async def create(self, form: dict[str, str]) -> None:
        """A host beside the built-in providers."""
        who = await self._principal()
        name, url, dialect = (str(form.get(one, "")).strip() for one in ("name", "url", "dialect"))
        desk = self._gateway.llms
        await self._do(desk.create(who, name, url, dialect), f"{name} can be called")
        self.adding = bool(self.notice)

    @allowed(Need.ADMIN)
    async def delete(self, name: str) -> None:
        """Forgets a host."""
        who, self.deleting = await self._principal(), ""
        await self._do(self._gateway.llms.delete(who, str(name)), f"{name} is deleted")

    @allowed(Need.ADMIN)
    def add(self) -> None:
        """Asks for a new host."""
        self.adding = True

    @allowed(Need.ADMIN)
    def ask_delete(self, name: str) -> None:
        """Asks before a host is deleted."""
        self.deleting = str(name)[:64]

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts every dialog."""
        self.adding, self.deleting = False, ""

    async def _show(self, who: Principal) -> None:
        found = await self._gateway.llms.page(who, self._place, _PAGE)
        self._put(
            rows=[HostRow(one.name, one.url, one.dialect, one.created_ms) for one in found.entries]
        )
        self._turn(routes.LLMS, {}, "after", found.following)


@rx.page(route=routes.LLMS, title="LLM providers · aMaze", on_load=LlmsState.load)
def llms() -> rx.Component:
    """The page."""
    return page(
        "LLM providers",
        section(
            "Registered hosts",
            data_table(
                ("Name", "URL", "Speaks", "Added", ""),
                LlmsState.rows,
                _host,
                loaded=LlmsState.loaded,
                nothing=_nothing(),
                label="Registered hosts",
            ),
            pager(LlmsState.first_href, LlmsState.next_href),
        ),
        card(_built_in(), class_name="mt-5"),
        _adding(),
        confirm(
            rx.Var.create("Delete ") + LlmsState.deleting + "?",
            "Its next call is refused. A policy that names it keeps the name.",
            opened=LlmsState.deleting != "",
            yes="Delete",
            on_yes=LlmsState.delete(LlmsState.deleting),
            on_no=LlmsState.close,
        ),
        beside=rx.cond(PageState.can_admin, button("Add a host", LlmsState.add, "accent")),
    )


def _host(row: rx.Var[HostRow]) -> rx.Component:
    return line(
        cell(row.name, class_name="font-medium"),
        cell(row.url, class_name="min-w-44 break-all"),
        cell(badge(row.dialect, "calm")),
        cell(time_text(row.created_ms)),
        cell(
            rx.cond(PageState.can_admin, button("Delete", LlmsState.ask_delete(row.name), "bad")),
            end=True,
        ),
        key=row.name,
        host=row.name,
    )


def _nothing() -> rx.Component:
    return empty(
        "brain",
        "No host of your own",
        rx.el.p(
            "The providers below work without one. Register a model of your own, such as vLLM or "
            "Ollama on a machine of yours; then allow its name in a policy."
        ),
        rx.cond(PageState.can_admin, button("Add a host", LlmsState.add, "accent")),
    )


def _built_in() -> rx.Component:
    heads = (rx.el.th(one, scope="col") for one in ("Provider", "Hosts", "Speaks"))
    lines = (
        line(cell(rx.el.code(n)), cell(hosts), cell(speaks, class_name="min-w-56"))
        for n, hosts, speaks in BUILT_IN
    )
    return rx.el.section(
        rx.el.h2("Built in", class_name="px-4 pt-4 text-sm font-semibold"),
        rx.el.p(
            "They need no registration: name them in allowed_llm_providers of a policy. Agents "
            "keep their own API keys; aMaze stores none.",
            class_name="px-4 pb-2 text-xs a-dim",
        ),
        rx.el.div(
            rx.el.table(
                rx.el.thead(rx.el.tr(*heads)),
                rx.el.tbody(*lines),
                class_name="a-table",
                aria_label="Built-in providers",
            ),
            class_name="a-scroll",
            tab_index=0,
            role="region",
            aria_label="Built-in providers, table",
        ),
    )


def _adding() -> rx.Component:
    return dialog(
        "Add an LLM host",
        "Agents call it by its name as host: http://NAME/… through the proxy, which dials the URL.",
        rx.el.form(
            field(
                "Name",
                text_input("name", required=True, max_length=63, placeholder="own-llm"),
                "name",
                hint="a-z, 0-9 and '-'. Policies allow it by this name.",
            ),
            field(
                "URL",
                text_input(
                    "url", required=True, max_length=2048, placeholder="http://10.0.0.5:11434"
                ),
                "url",
                hint="Where it is, as the proxy reaches it; it may be a private address.",
            ),
            field(
                "Speaks",
                choice("dialect", DIALECTS),
                "dialect",
                hint="The API that it has: vLLM, llama.cpp and LM Studio speak openai.",
            ),
            rx.el.div(
                button("Cancel", LlmsState.close),
                button("Add", tone="accent", type="submit"),
                class_name="flex justify-end gap-2",
            ),
            on_submit=LlmsState.create,
        ),
        opened=LlmsState.adding,
        on_close=LlmsState.close,
        name="add-host",
    )

"""Whether the evidence is whole: the check, the checkpoints, the key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import reflex as rx

from amaze_app import format, routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import button, section
from amaze_app.components.native_form import native_link
from amaze_app.components.table import cell, data_table, line
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Outage, Principal, Refused
from amaze_app.gateway.audit import Found, Verdict
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.state import PageState

_LOOK_S = 0.4
_FLAWS = 10
_ORDER = ("stream", "checkpoints", "archive")
_WORDS = {"stream": "stream records", "checkpoints": "checkpoints", "archive": "archived records"}


@dataclass(frozen=True)
class CheckpointRow:
    """A signed checkpoint."""

    number: int
    ts: int
    sha256: str
    signature: str


@live(routes.AUDIT, Topic.CALLS)
class CheckState(PageState):
    """The check of this tab, and the newest checkpoints."""

    running: bool = False
    progress: str = ""
    result: str = ""
    whole: bool = False
    flaws: rx.Field[list[str]] = rx.field(default_factory=list)
    checked_ms: int = 0
    checkpoints: rx.Field[list[CheckpointRow]] = rx.field(default_factory=list)
    public_key: str = ""
    read: bool = False

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the checkpoints."""
        await self._refresh()
        self.read = True

    @allowed(Need.READER, background=True)
    async def verify(self) -> None:
        """Checks all evidence, and says how far it is."""
        who, verdict = await self._principal(), Verdict()
        async with self:
            if self.running:
                return
            self.running, self.result, self.flaws = True, "", []
            self.progress = progress_of(verdict)
        checking = asyncio.create_task(self._gateway.audit.verify(who, progress=verdict))
        try:
            while not (await asyncio.wait((checking,), timeout=_LOOK_S))[0]:
                async with self:
                    await self._principal()  # who has signed out is told nothing more
                    self.progress = progress_of(verdict)
        except BaseException:
            checking.cancel()
            raise
        error = checking.exception()
        async with self:
            await self._principal()
            self.running, self.progress = False, ""
            if isinstance(error, Refused | Outage):
                self.notice = str(error)
            elif error is not None:
                raise error
            else:
                self._tell(verdict)

    def _tell(self, verdict: Verdict) -> None:
        self.whole = verdict.whole
        self.result = result_of(verdict)
        self.flaws = list(map(flaw_text, verdict.flaws[:_FLAWS]))
        self.checked_ms = self._now_ms()

    async def _show(self, who: Principal) -> None:
        if not who.may(Need.READER):
            return
        desk = self._gateway.audit
        found = await desk.checkpoints(who)
        self._put(
            checkpoints=[
                CheckpointRow(one.number, one.ts, one.hash, f"{one.signature[:24]}…")
                for one in found
            ],
            public_key=desk.public_key(who),
        )


def progress_of(verdict: Verdict) -> str:
    """How many of each part have been looked at. Pure."""
    counts = verdict.looked_at
    return ", ".join(f"{format.count(counts[part])} {_WORDS[part]}" for part in _ORDER)


def result_of(verdict: Verdict) -> str:
    """One sentence; the first flaw is named. Pure."""
    if verdict.whole:
        return f"Whole: {progress_of(verdict)} follow one another, and every signature is right."
    first = flaw_text(verdict.flaws[0]) if verdict.flaws else "none is told in full"
    flaws = "flaw" if verdict.count == 1 else "flaws"
    return f"NOT whole: {format.count(verdict.count)} {flaws}. The first: {first}"


def flaw_text(found: Found) -> str:
    """Where it is, and what. Pure."""
    flaw = found.flaw
    place = f"{flaw.agent_id} " if flaw.agent_id else ""
    number = f"{place}{flaw.writer} #{flaw.seq}".strip()
    decision = f", decision {flaw.decision_id}" if flaw.decision_id else ""
    return f"{flaw.kind} in the {found.where}: {number}: {flaw.what}{decision}"


def verdict() -> rx.Component:
    """The button, how far it is, and what was found."""
    tone = rx.cond(CheckState.whole, "text-(--good)", "text-(--bad)")
    running = CheckState.running
    return section(
        "Is the evidence whole?",
        rx.el.div(
            rx.cond(
                running,
                rx.el.p("Checked so far: ", CheckState.progress, class_name="tabular-nums"),
                rx.cond(
                    CheckState.result != "",
                    rx.el.div(
                        rx.el.p(CheckState.result, class_name=tone, id="verdict"),
                        rx.el.p(
                            "checked ", time_text(CheckState.checked_ms), class_name="text-xs a-dim"
                        ),
                        rx.cond(
                            CheckState.flaws.length() > 1,
                            rx.el.ul(
                                rx.foreach(CheckState.flaws, rx.el.li),
                                class_name="mt-2 list-disc pl-5 text-xs break-all",
                            ),
                        ),
                    ),
                    rx.el.p(
                        "Every record carries the hash of the one before it. The check reads "
                        "them all: streams, archive and signed checkpoints.",
                        class_name="a-dim",
                    ),
                ),
            ),
            role="status",
            aria_live="polite",
            class_name="min-h-12 px-4 pb-4 text-sm break-words",
        ),
        beside=button(
            rx.cond(running, "Verifying …", "Verify"),
            CheckState.verify,
            "accent",
            disabled=running,
            id="verify",
        ),
    )


def checkpoints() -> rx.Component:
    """The newest of them, and the key."""
    return rx.el.div(
        section(
            "Signed checkpoints",
            data_table(
                ("Number", "Signed", "SHA-256", "Ed25519 signature"),
                CheckState.checkpoints,
                lambda row: line(
                    cell(row.number),
                    cell(time_text(row.ts)),
                    cell(rx.el.code(row.sha256[:24], "…", title=row.sha256, class_name="text-xs")),
                    cell(rx.el.code(row.signature, class_name="text-xs")),
                    key=row.number,
                ),
                loaded=CheckState.read,
                nothing=rx.el.p(
                    "The first one is signed within a minute after the first record.",
                    class_name="a-dim px-4 pb-4 text-sm",
                ),
                label="Signed checkpoints",
            ),
        ),
        section(
            "Public key",
            rx.el.div(
                rx.el.p(
                    "To check an export elsewhere: python verify.py EXPORT.zip audit-key.pem",
                    class_name="mb-2 text-xs a-dim",
                ),
                code_block(CheckState.public_key, "copy-key"),
                class_name="px-4 pb-4",
            ),
            beside=native_link(
                "Download", href=routes.AUDIT_KEY, download="audit-key.pem", class_name="a-button"
            ),
        ),
        class_name="mt-5 grid items-start gap-5 xl:grid-cols-2",
    )

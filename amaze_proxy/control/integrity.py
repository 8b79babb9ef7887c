"""Whether the evidence is whole: the streams, the archive and the checkpoints, and all together."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from amaze_proxy.control.errors import checked_id
from amaze_proxy.control.signing import is_signed
from amaze_proxy.history.archive import entry_order
from amaze_proxy.history.bundle import History
from amaze_proxy.history.checkpoints import Checkpoint
from amaze_proxy.history.ledger import Archived
from amaze_proxy.policy.chain import CHANGED, INSERTED, REMOVED, Chains, Flaw, Head
from amaze_proxy.policy.record import GENESIS
from amaze_proxy.store.audit import BEGINNING, Entry, Item, follow
from amaze_proxy.store.store import Store

ARCHIVE, STREAM, CHECKPOINTS = "archive", "stream", "checkpoints"


@dataclass(frozen=True, slots=True)
class Found:
    """A flaw and the part that it is in."""

    where: str
    flaw: Flaw


@dataclass(slots=True)
class Verdict:
    """What was looked at (how many of each part), and the flaws: `count` of them, the first of
    each part in full."""

    looked_at: dict[str, int] = field(
        default_factory=lambda: {ARCHIVE: 0, STREAM: 0, CHECKPOINTS: 0}
    )
    flaws: list[Found] = field(default_factory=list)
    count: int = 0

    @property
    def whole(self) -> bool:
        return not self.count

    def add(self, where: str, chains: Chains) -> None:
        """The flaws of a part."""
        self.flaws += [Found(where, flaw) for flaw in chains.flaws]
        self.count += chains.count


@dataclass(slots=True)
class Signed:
    """What the checkpoints up to one say: the last heads, and where chains begin after
    retention."""

    number: int = 0
    hash: str = GENESIS
    heads: dict[str, Head] = field(default_factory=dict)
    pruned: dict[str, Head] = field(default_factory=dict)


class Integrity:
    """Checks while calls go on: what is written meanwhile is no flaw."""

    def __init__(self, history: History, store: Store, public_key: str) -> None:
        self._history = history
        self._store = store
        self._public_key = public_key

    async def verify(self, agent_id: str = "", progress: Verdict | None = None) -> Verdict:
        """All evidence, or that of one agent; `progress` is what the verdict is gathered in, for
        who watches. Raises InvalidId, StoreUnavailable,
        HistoryUnavailable."""
        ids = await self._store.audit.agents()
        if agent_id:
            ids = [agent_id if agent_id in ids else checked_id(agent_id)]
        verdict = Verdict() if progress is None else progress
        # The order is that of writing, backwards: what the one has, the next one must have.
        for one in ids:
            await self._stream(one, verdict)
        signed = await self._checkpoints(verdict)
        while True:
            chains = await self._archive(agent_id, signed, verdict)
            if not chains.count or not await self._pruned_since(signed):
                break
        verdict.add(ARCHIVE, chains)
        return verdict

    async def _stream(self, agent_id: str, verdict: Verdict) -> None:
        chains = Chains(whole=False)
        links = await self._store.audit.heads(agent_id)
        expected = dict(links)
        archived = await self._history.ledger.cursor(agent_id) or BEGINNING
        after = BEGINNING
        while page := await self._store.audit.read(agent_id, after):
            verdict.looked_at[STREAM] += len(page)
            for item in page:
                follow(chains, item)
                await self._known(chains, item, links)
            await self._compare(chains, page, archived)
            after = page[-1].entry_id
        await self._ends(chains, agent_id, expected)
        verdict.add(STREAM, chains)

    async def _known(self, chains: Chains, item: Item, links: dict[str, Head]) -> None:
        """A writer whom the store has not counted has not written here."""
        if not isinstance(item, Entry) or item.record.seq != 1 or item.record.writer in links:
            return
        links |= await self._store.audit.heads(item.agent_id)  # it may have begun just now
        if item.record.writer not in links:
            what = "the store has counted no such writer"
            place = (item.agent_id, item.record.decision_id, item.entry_id)
            chains.note(Flaw(INSERTED, item.record.writer, 1, what, *place))

    async def _compare(self, chains: Chains, page: list[Item], archived: str) -> None:
        """What was archived is the same in the archive."""
        entries = [one for one in page if isinstance(one, Entry) and _not_after(one, archived)]
        places = [(one.record.writer, one.record.seq) for one in entries]
        hashes = await self._history.ledger.hashes(places)
        for one, place in zip(entries, places, strict=True):
            found = hashes.get(place)
            if found == one.record.hash:
                continue
            kind = REMOVED if found is None else CHANGED
            what = "it is not in the archive" if found is None else "it is another in the archive"
            where = (one.agent_id, one.record.decision_id, one.entry_id)
            chains.note(Flaw(kind, *place, what, *where))

    async def _ends(self, chains: Chains, agent_id: str, links: dict[str, Head]) -> None:
        """The last link of each writer is in the stream, or, when that was trimmed, archived."""
        seen = {writer: head for writer, head in links.items() if writer in chains.heads}
        chains.end(seen, agent_id)
        gone = {writer: head for writer, head in links.items() if writer not in chains.heads}
        kept = {chain.writer: chain.last for chain in await self._history.ledger.chains(agent_id)}
        for writer, head in gone.items():
            if kept.get(writer, (0, ""))[0] < head[0]:
                first = kept.get(writer, (0, ""))[0] + 1
                what = f"the end is missing: records {first} to {head[0]}"
                chains.note(Flaw(REMOVED, writer, first, what, agent_id))

    async def _checkpoints(self, verdict: Verdict) -> Signed:
        chains, signed = Chains(), Signed()
        while page := await self._history.checkpoints.page(signed.number):
            verdict.looked_at[CHECKPOINTS] += len(page)
            for one in page:
                fault = check(one, signed.hash, self._public_key) or gather(one, signed)
                if fault:
                    chains.note(Flaw(CHANGED, "", one.number, f"checkpoint {one.number} {fault}"))
                signed.number, signed.hash = one.number, one.hash
        verdict.add(CHECKPOINTS, chains)
        return signed

    async def _pruned_since(self, signed: Signed) -> bool:
        """Whether retention has removed calls while they were checked: then they must be checked
        again, from where they begin now."""
        before = dict(signed.pruned)
        while page := await self._history.checkpoints.page(signed.number):
            for one in page:
                fault = check(one, signed.hash, self._public_key) or gather(one, signed)
                signed.number, signed.hash = one.number, one.hash
                if fault:
                    return False
        return before != signed.pruned

    async def _archive(self, agent_id: str, signed: Signed, verdict: Verdict) -> Chains:
        kept = await self._history.ledger.chains(agent_id)
        chains = Chains(signed.pruned)
        writers = {chain.writer for chain in kept}
        after = verdict.looked_at[ARCHIVE] = 0
        while page := await self._history.ledger.page(after, agent_id):
            verdict.looked_at[ARCHIVE] += len(page)
            new = {one.writer for one in page} - writers
            if new:  # they may have begun just now
                writers |= {chain.writer for chain in await self._history.ledger.chains(agent_id)}
            for one in page:
                _judge(chains, one, signed, writers)
            after = page[-1].number
        for chain in kept:
            head = signed.heads.get(chain.writer, (0, ""))
            if head[0] < chain.signed_seq:
                what = f"the checkpoint for record {chain.signed_seq} is missing"
                chains.note(Flaw(REMOVED, chain.writer, chain.signed_seq, what, chain.agent_id))
            chains.end({chain.writer: max(chain.last, head)}, chain.agent_id)
        lost = {w: h for w, h in signed.heads.items() if w not in writers and not agent_id}
        chains.end(lost)
        return chains


def check(one: Checkpoint, prev: str, public_key: str) -> str:
    """What is wrong with a checkpoint that follows the one with hash `prev` ("": nothing).
    `public_key` "": the one that it names itself."""
    data = one.document.encode("utf-8", "surrogatepass")
    if hashlib.sha256(data).hexdigest() != one.hash:
        return "was changed"
    if not is_signed(data, one.signature, public_key or one.public_key):
        return "is not signed by the key of this installation"
    if json.loads(data).get("prev") != prev:
        return "does not follow the one before it: one of them was removed or replaced"
    return ""


def gather(one: Checkpoint, signed: Signed) -> str:
    """Take in what a checkpoint says; what is wrong with it ("": nothing)."""
    try:
        body = json.loads(one.document)
        for name, into in (("heads", signed.heads), ("pruned", signed.pruned)):
            into.update({str(w): (int(seq), str(h)) for w, (seq, h) in body[name].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return "cannot be read"
    return ""


def _judge(chains: Chains, one: Archived, signed: Signed, writers: set[str]) -> None:
    place = (one.agent_id, one.decision_id, one.entry_id)
    if one.link is None:
        chains.note(Flaw(CHANGED, one.writer, one.seq, "its text is no record any more", *place))
        return
    if one.link.sound and one.altered:
        what = f"the column {one.altered} is not what the record says"
        chains.note(Flaw(CHANGED, one.writer, one.seq, what, *place))
    if one.writer not in writers:
        what = "the archiver has not counted such a writer"
        chains.note(Flaw(INSERTED, one.writer, one.seq, what, *place))
    seq, digest = signed.heads.get(one.writer, (0, ""))
    if seq == one.seq and digest != one.link.hash:
        what = "it is not the record that was signed for"
        chains.note(Flaw(CHANGED, one.writer, one.seq, what, *place))
    chains.follow(one.link, one.entry_id)


def _not_after(item: Item, entry_id: str) -> bool:
    return entry_order(item.entry_id) <= entry_order(entry_id)

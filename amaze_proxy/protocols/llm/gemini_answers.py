"""What Gemini answers: whole, in events, or in the elements of an array."""

from __future__ import annotations

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields
from amaze_proxy.protocols.llm.framing import ARRAY_END
from amaze_proxy.protocols.llm.records import LlmRequest, Reader, Tally, TokenUsage
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject, dumps


def read(document: JsonObject, tally: Tally) -> None:
    """Notes what a whole answer, or one element of a streamed one, tells."""
    tally.model = fields.string(document, "modelVersion") or tally.model
    tally.usage = _usage(document) or tally.usage
    candidates = fields.children(document, "candidates")
    for candidate in candidates:
        for part in fields.children(fields.child(candidate, "content"), "parts"):
            _note_part(part, tally)
    tally.complete = bool(candidates) or _blocked(document)


def read_count(document: JsonObject, tally: Tally) -> None:
    """Counting costs nothing."""
    tally.complete = fields.number(document, "totalTokens") is not None
    tally.usage = TokenUsage(0, 0)


def _blocked(document: JsonObject) -> bool:
    """Whether the prompt was refused; there are no candidates then."""
    return "blockReason" in fields.child(document, "promptFeedback")


def _usage(document: JsonObject) -> TokenUsage | None:
    """The output that is told leaves out the thoughts; ours has them."""
    usage = fields.child(document, "usageMetadata")
    prompt = fields.number(usage, "promptTokenCount")
    if prompt is None:
        return None
    thoughts = fields.number(usage, "thoughtsTokenCount") or 0
    return TokenUsage(
        prompt + (fields.number(usage, "toolUsePromptTokenCount") or 0),
        (fields.number(usage, "candidatesTokenCount") or 0) + thoughts,
        fields.number(usage, "cachedContentTokenCount") or 0,
        extra=fields.classes(
            [
                ("input_audio_tokens", _of_kind(usage, "promptTokensDetails", "AUDIO")),
                ("output_audio_tokens", _of_kind(usage, "candidatesTokensDetails", "AUDIO")),
                ("output_image_tokens", _of_kind(usage, "candidatesTokensDetails", "IMAGE")),
                ("web_searches", _searches(document)),
            ]
        ),
    )


def _of_kind(usage: JsonObject, name: str, modality: str) -> int:
    counts = [
        fields.number(detail, "tokenCount") or 0
        for detail in fields.children(usage, name)
        if detail.get("modality") == modality
    ]
    return sum(counts)


def _searches(document: JsonObject) -> int:
    queries = [
        fields.child(candidate, "groundingMetadata").get("webSearchQueries")
        for candidate in fields.children(document, "candidates")
    ]
    return sum(len(told) for told in queries if isinstance(told, list))


def _note_part(part: JsonObject, tally: Tally) -> None:
    """What was written, and the tool it asks for."""
    call = fields.child(part, "functionCall")
    if name := fields.string(call, "name"):
        tally.tools += (name,)
        tally.text += fields.size(name) + estimate.written(call.get("args"))
    code = fields.child(part, "executableCode")
    tally.text += fields.size(part.get("text")) + fields.size(code.get("code"))


class Events(Reader):
    """A stream tells running totals: the last ones hold.

    An array ends with its bracket. Events have no terminator: a finish reason ends a candidate,
    and older models give one in each event. So an event that could be the last one is held back
    until another comes, or the end of the bytes.
    """

    def __init__(self, request: LlmRequest) -> None:
        self._held = b""
        self._finished = False

    def read(self, event: Event, tally: Tally) -> bytes:
        document = fields.loads(event.data) if event.data else {}
        if document:
            read(document, tally)
        tally.complete = event.event == ARRAY_END
        shown, self._held = self._held + event.raw, b""
        if _blocked(document) or _finishes(document):
            self._finished = True
            shown, self._held = shown[: -len(event.raw)], event.raw
        return shown

    def end(self, tally: Tally) -> bytes:
        tally.complete = tally.complete or self._finished
        held, self._held = self._held, b""
        return held


def _finishes(document: JsonObject) -> bool:
    return any("finishReason" in one for one in fields.children(document, "candidates"))


def frames(request: LlmRequest, answer: JsonObject) -> list[Event]:
    """The whole answer as the only element. Raises Malformed if `answer` is none."""
    if not fields.children(answer, "candidates") and not _blocked(answer):
        raise Malformed("the answer is not one of generateContent")
    return [Event(data=dumps(answer).decode())]

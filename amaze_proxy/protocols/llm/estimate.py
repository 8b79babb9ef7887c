"""How many tokens, when nobody has counted them: estimates that err on the high side.

Text: one token per 3 bytes of UTF-8 (English needs 4 to 5, code and JSON about 3, most other
scripts 3 or more), and 4 for each object, which is what the framing of a message costs. Pictures,
sound and files are priced by constants, since their bytes are not what the model reads:

- a picture 2,000 (providers charge 85 to some 5,000 by size and model);
- sound one token per 256 characters of base64 (10 tokens a second at 20 kbit/s);
- a file one token per 6 characters of base64, at least 2,000; by reference 10,000.

What the provider remembers of earlier calls (`previous_response_id`, `conversation`, `thread`)
is not seen here and not counted; the settled usage has it.
"""

from __future__ import annotations

from amaze_proxy.protocols.llm.fields import size
from amaze_proxy.protocols.llm.records import Tally
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

BYTES_PER_TOKEN = 3
_OBJECT = 4 * BYTES_PER_TOKEN
PICTURE = 2_000
_SOUND_BYTES = 256
_FILE_BYTES = 6
_FILE = 2_000
REFERENCE = 10_000

_PICTURES = frozenset({"image_url", "input_image", "image", "computer_screenshot"})
_SOUNDS = frozenset({"input_audio"})
_FILES = frozenset({"file", "input_file"})


def tokens(*values: JsonValue) -> int:
    """The estimate for parts of a request, whatever their shape."""
    total = sum(_weight(value) for value in values)
    return -(-total // BYTES_PER_TOKEN)


def _weight(value: JsonValue) -> int:
    """In bytes of text, or what weighs the same."""
    if isinstance(value, str):
        return size(value)
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        return sum(map(_weight, value))
    return 0 if value is None else BYTES_PER_TOKEN


def _object(value: JsonObject) -> int:
    kind = value.get("type")
    media = _media(value, kind) if isinstance(kind, str) else None
    if media is not None:
        return media * BYTES_PER_TOKEN
    return _OBJECT + sum(map(len, value)) + sum(map(_weight, value.values()))


def _media(value: JsonObject, kind: str) -> int | None:
    """The tokens of a picture, a sound or a file; None for anything else."""
    if kind in _PICTURES:
        return PICTURE
    if kind in _SOUNDS:
        return sound(_strings(value))
    if kind in _FILES:
        return _file(value)
    if kind == "document" and (source := _source(value)) is not None:
        return _file(source)
    return None


def _source(document: JsonObject) -> JsonObject | None:
    """The source of an Anthropic document that is not plain text."""
    source = document.get("source")
    if isinstance(source, dict) and source.get("type") in ("base64", "url", "file"):
        return source
    return None


def _file(value: JsonObject) -> int:
    data = _strings(value)
    return file(data) if data > 4096 else REFERENCE


def sound(size: int) -> int:
    """The tokens of a sound of that many characters of base64."""
    return 50 + size // _SOUND_BYTES


def file(size: int) -> int:
    """The tokens of a file of that many characters of base64."""
    return max(_FILE, size // _FILE_BYTES)


def _strings(value: JsonValue) -> int:
    if isinstance(value, dict):
        return sum(map(_strings, value.values()))
    if isinstance(value, list):
        return sum(map(_strings, value))
    return size(value)


def written(value: JsonValue) -> int:
    """The bytes that a model wrote, also where they are not plain text but parts or arguments."""
    return tokens(value) * BYTES_PER_TOKEN if isinstance(value, dict | list) else size(value)


def output(tally: Tally) -> int:
    """The tokens of an answer that was cut off or does not say its usage.

    By what the model wrote; an answer that could not be read at all counts by its bytes.
    """
    told = tally.text or (0 if tally.model else tally.output_bytes)
    return -(-told // BYTES_PER_TOKEN)

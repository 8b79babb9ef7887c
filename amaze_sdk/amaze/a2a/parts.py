"""A message's parts, and the value that the author's code sees for them.

One text is a `str`, one data part its JSON value; several texts are joined by line feeds, no part
at all is "". Anything else is a list with an object for each part: `{"text": …}`, `{"data": …}` or
`{"file": {"name", "media_type", and "url" or "bytes" (base64)}}`.

A part says what it is by its member in A2A 1.0, by `kind` in 0.3 and by `type` in the first 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaze.a2a.versions import Version

# a2a-sdk's mark on a data part of 0.3, which must be an object, where the value was none.
_WRAPPED = "data_part_compat"


class NotAMessage(ValueError):
    """The message is not one that A2A knows; the text says what is wrong with it."""


def message_value(message: Any) -> Any:
    """The value of a message object. Raises `NotAMessage`."""
    parts = message.get("parts") if isinstance(message, dict) else None
    if not isinstance(parts, list):
        raise NotAMessage("the message is no object with a list of parts")
    return parts_value(parts)


def parts_value(parts: Sequence[Any]) -> Any:
    """The value of a list of parts. Raises `NotAMessage`."""
    read = [_read(part) for part in parts]
    texts = [part["text"] for part in read if "text" in part]
    if len(texts) == len(read):
        return "\n".join(texts)
    if len(read) == 1 and "data" in read[0]:
        return read[0]["data"]
    return read


def value_part(value: Any, version: Version) -> dict[str, Any]:
    """The part that says `value`: a text for a `str` and for None (an empty one), else data."""
    if value is None or isinstance(value, str):
        content: dict[str, Any] = {"text": value or ""}
    elif version is Version.V1_0 or isinstance(value, dict):
        content = {"data": value}
    else:
        content = {"data": {"value": value}, "metadata": {_WRAPPED: True}}
    if version is Version.V1_0:
        return content
    return {version.discriminator: "text" if "text" in content else "data", **content}


def _read(part: Any) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise NotAMessage("a part is no object")
    found = [name for name in ("text", "data", "file", "raw", "url") if name in part]
    if len(found) != 1:
        raise NotAMessage("a part has not exactly one of text, data, file, raw and url")
    match found[0]:
        case "text":
            return {"text": _text(part, "text")}
        case "data":
            return {"data": _unwrapped(part)}
        case "file":
            return {"file": _file_of_old(part["file"])}
        case kind:
            return {"file": _file(part, "bytes" if kind == "raw" else "url", kind, "mediaType")}


def _text(part: Mapping[str, Any], name: str) -> str:
    text = part[name]
    if not isinstance(text, str):
        raise NotAMessage(f"{name} is no text")
    return text


def _unwrapped(part: Mapping[str, Any]) -> Any:
    data, metadata = part["data"], part.get("metadata")
    wrapped = isinstance(metadata, dict) and metadata.get(_WRAPPED) is True
    if wrapped and isinstance(data, dict) and set(data) == {"value"}:
        return data["value"]
    return data


def _file_of_old(file: Any) -> dict[str, str]:
    kind = "bytes" if isinstance(file, dict) and "bytes" in file else "uri"
    if not isinstance(file, dict) or kind not in file:
        raise NotAMessage("a file has neither bytes nor uri")
    return _file(
        {"filename": file.get("name"), **file},
        "bytes" if kind == "bytes" else "url",
        kind,
        "mimeType",
    )


def _file(part: Mapping[str, Any], name: str, member: str, media_type: str) -> dict[str, str]:
    about = {"name": part.get("filename"), "media_type": part.get(media_type)}
    known = {key: value for key, value in about.items() if isinstance(value, str)}
    return known | {name: _text(part, member)}

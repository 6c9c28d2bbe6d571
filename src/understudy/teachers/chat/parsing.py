"""Find JSON objects in what a model wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from understudy.errors import TeacherError

_DECODER = json.JSONDecoder()


class MalformedError(TeacherError):
    """An answer that names no label, too many, or an unknown one; the message is the reason."""


def json_objects(text: str) -> Iterator[Mapping[str, object]]:
    """Every JSON object in a text, in order, without those inside another."""
    place = text.find("{")
    while place >= 0:
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            if isinstance(value, dict):
                yield value
        place = text.find("{", end)


def quoted(text: str) -> str:
    """The beginning of a text, for an error."""
    line = " ".join(text.split())
    return repr(line if len(line) <= 80 else line[:79] + "…")

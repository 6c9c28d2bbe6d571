"""Files of JSON lines that are added to while work goes on, and read after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from understudy.core.safe_json import JsonError, parse_json
from understudy.errors import StoreError


def append_line(path: Path, value: Any) -> None:
    """Add one JSON line, in one piece."""
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(value).encode() + b"\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file that may be missing; a last one without its end is cut off the file.

    Raises:
        StoreError: a line is damaged, by number.
    """
    if not path.is_file():
        return []
    data = path.read_bytes()

    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))

    lines = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(parse_json(line))
        except JsonError as error:
            raise StoreError(
                f"{path}, line {number} is damaged: {error}. Mend or delete the line."
            ) from error

    return lines

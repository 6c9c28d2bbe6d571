"""The log of what was paid to a chat server: a JSON line for each request, written as soon as it is answered.

A killed run loses at most the requests in flight: whatever was paid stands in the log, and a later run reads
it first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from understudy.core.jsonl import append_line, read_lines
from understudy.errors import StoreError
from understudy.teachers.chat.budget import Usage

LEDGER = "ledger.jsonl"
"""Every paid request: what it cost, and what came of it."""

ASIDE = "set_aside.jsonl"
"""Texts without a usable answer, each with the reason; a text whose line is deleted is asked about again."""

FIELDS = tuple(asdict(Usage()))
"""Fields of a line that say what was paid."""


class PaidLog:
    """The lines of a log, read once and then added to from several threads.

    Args:
        path: The file. Its folder is made with the first line; a last line that a kill cut short is dropped.
        book: Called with each line under the log's lock, beginning with those of earlier runs.

    Raises:
        StoreError: A line is damaged; the message names it.
    """

    def __init__(self, path: Path, book: Callable[[Mapping[str, Any]], None]) -> None:
        self.lock = threading.Lock()
        self.usage = Usage()
        self._path, self._book = path, book

        for number, line in enumerate(read_lines(path), start=1):
            try:
                self._count(line)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise StoreError(
                    f"{path}, line {number} is not a paid request: {type(error).__name__} {error}. Mend or "
                    "delete the line; deleting it asks, and pays, again."
                ) from error

    def add(self, line: Mapping[str, Any]) -> None:
        """Write a line, with the fields of a `Usage` among others, and count it."""
        with self.lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append_line(self._path, line)
            self._count(line)

    def _count(self, line: Mapping[str, Any]) -> None:
        usage = self.usage + Usage(**{name: line[name] for name in FIELDS})
        self._book(line)
        self.usage = usage

"""The log of what was paid to a chat server: a JSON line for each request, written as soon as it is answered.

A killed run loses at most the requests in flight: whatever was paid stands in the log, and a later run reads
it first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from understudy.core.jsonl import append_line, read_lines
from understudy.errors import StoreError
from understudy.teachers.chat.budget import Usage

LEDGER = "ledger.jsonl"
"""Every paid request: what it cost, and what came of it."""

ASIDE = "set_aside.jsonl"
"""Texts without a usable answer, each with the reason; a text whose line is deleted is asked about again."""

T = TypeVar("T")

FIELDS = tuple(asdict(Usage()))
"""Fields of a line that say what was paid."""


def each_line(path: Path, read: Callable[[Mapping[str, Any]], T], what: str, cure: str) -> Iterator[T]:
    """What stands in each line of a file of JSON lines, which may be missing.

    Args:
        path: The file; a last line that a kill cut short is dropped.
        read: Reads a line; a line that it cannot read is an error.
        what: What a line is, for the message, such as ``a paid request``.
        cure: What deleting the line does, for the message.

    Raises:
        StoreError: A line is damaged, or is something else; the message names the file and the line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        try:
            yield read(line)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                f"{path}, line {number} is not {what}: {type(error).__name__} {error}. Mend or delete the "
                f"line; {cure}."
            ) from error


def aside_reasons(path: Path, key: str, read: Callable[[Any], T]) -> dict[T, str]:
    """The reasons in a file of texts that were set aside.

    Args:
        path: The file, which may be missing.
        key: Field of a line that says what was set aside.
        read: Reads that field; raises TypeError or ValueError where it is something else.

    Raises:
        StoreError: A line is damaged, or lacks the field or the reason; the message names the line.
    """

    def pair(line: Mapping[str, Any]) -> tuple[T, str]:
        named, reason = read(line[key]), line["reason"]
        if not isinstance(reason, str):
            raise TypeError(f"the reason {reason!r} is not a text")
        return named, reason

    what, cure = "a text that was set aside", "a text whose line is deleted is asked about again"
    return dict(each_line(path, pair, what, cure))


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

        cure = "deleting it asks, and pays, again"
        for _ in each_line(path, self._count, "a paid request", cure):
            pass

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

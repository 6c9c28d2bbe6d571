"""What was asked of an endpoint and paid for, a line each, written the moment it is known.

The ledger stands beside the logit store. A killed run loses no more than the requests in flight: what was
paid stands in the ledger, and rows that did not reach the store any more are taken from it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.items import from_json
from understudy.core.jsonl import append_line, read_lines
from understudy.core.task import FloatArray, Item
from understudy.targets.store import text_keys
from understudy.teachers.chat.budget import Usage
from understudy.teachers.endpoint import Record, Vote

LEDGER = "ledger.jsonl"
"""Every paid request: what it cost, and what came of it."""

ASIDE = "set_aside.jsonl"
"""Texts without a usable answer, each with the reason."""


def names_of(items: Sequence[Item]) -> list[str]:
    """The keys of items in the store, as text."""
    return [f"{first:016x}{second:016x}" for first, second in text_keys(items).tolist()]


class Ledger:
    """The lines of a ledger, read once and then added to from several threads.

    Args:
        path: of the file; a last line that was cut by a kill is dropped.

    Raises:
        StoreError: another line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.bill = Usage()
        self.answers: Counter[str] = Counter()
        self._rows: dict[str, list[float]] = {}
        self._votes: dict[str, list[Vote]] = {}
        for line in read_lines(path):
            self._book(line)

    def add(self, record: Record) -> None:
        """Write a line, and book it."""
        row = None if record.row is None else [round(float(value), 6) for value in record.row]
        vote = None if record.vote is None else list(record.vote)
        facts = {"row": row, "how": record.how, "fault": record.fault, "vote": vote}
        line = {
            "text": None if record.item is None else names_of([record.item])[0],
            **asdict(record.bill),
            **{name: value for name, value in facts.items() if value not in (None, "")},
        }
        with self._lock:
            append_line(self._path, line)
            self._book(line)

    def rows(self, items: Sequence[Item]) -> tuple[list[Item], FloatArray]:
        """Those of the items that have a row here, and their rows ``(n, labels)``."""
        with self._lock:
            found = {
                item: self._rows[name]
                for item, name in zip(items, names_of(items), strict=True)
                if name in self._rows
            }
        return list(found), np.array(list(found.values()), dtype=np.float32)

    def votes(self, item: Item) -> tuple[Vote, ...]:
        """What was answered about an item that has no row yet, because more answers were wanted."""
        with self._lock:
            return tuple(self._votes.get(names_of([item])[0], ()))

    def _book(self, line: dict[str, Any]) -> None:
        self.bill += Usage(**{name: line[name] for name in asdict(Usage())})
        if "row" in line:
            self._rows[line["text"]] = line["row"]
            self.answers[line["how"]] += 1
            self._votes.pop(line["text"], None)
        elif "vote" in line:
            self._votes.setdefault(line["text"], []).append(tuple(line["vote"]))


def read_aside(path: Path) -> dict[Item, str]:
    """Texts that were set aside → the reason."""
    return {from_json(line["text"]): line["reason"] for line in read_lines(path)}

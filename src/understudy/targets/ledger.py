"""What an endpoint was asked and paid for, one line for each request, written as soon as it is known.

The ledger stands beside the logit store. A killed run loses at most the requests in flight: what was paid
stands in the ledger, and rows that did not reach the store are taken from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.items import from_json
from understudy.core.jsonl import append_line
from understudy.core.task import FloatArray, Item
from understudy.targets.store import text_keys
from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.ledger import PaidLog, aside_reasons
from understudy.teachers.endpoint import Record, Vote


def names_of(items: Sequence[Item]) -> list[str]:
    """The keys of items in the store, as text."""
    return [f"{first:016x}{second:016x}" for first, second in text_keys(items).tolist()]


class Ledger:
    """What was paid for the rows of a logit store, and rows that may not have reached it.

    Args:
        path: The ledger's file; a last line that a kill cut short is dropped.

    Raises:
        StoreError: Another line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.answers: Counter[str] = Counter()
        self._rows: dict[str, list[float]] = {}
        self._votes: dict[str, list[Vote]] = {}
        self._log = PaidLog(path, self._book)

    @property
    def bill(self) -> Usage:
        """What was paid so far, earlier runs included."""
        return self._log.usage

    def add(self, record: Record) -> None:
        """Write a line, and count it."""
        row = None if record.row is None else [round(float(value), 6) for value in record.row]
        vote = None if record.vote is None else list(record.vote)
        facts = {"row": row, "how": record.how, "fault": record.fault, "vote": vote}
        self._log.add(
            {
                "text": None if record.item is None else names_of([record.item])[0],
                **asdict(record.bill),
                **{name: value for name, value in facts.items() if value not in (None, "")},
            }
        )

    def rows(self, items: Sequence[Item]) -> tuple[list[Item], FloatArray]:
        """Those of the items that have a row here, and their rows ``(n, labels)``."""
        names = names_of(items)
        with self._log.lock:
            held = {
                item: self._rows[name] for item, name in zip(items, names, strict=True) if name in self._rows
            }
        return list(held), np.array(list(held.values()), dtype=np.float32)

    def votes(self, item: Item) -> tuple[Vote, ...]:
        """The votes for an item that has no row yet, because more of them were wanted."""
        with self._log.lock:
            return tuple(self._votes.get(names_of([item])[0], ()))

    def _book(self, line: Mapping[str, Any]) -> None:
        if "row" in line:
            self._rows[line["text"]] = line["row"]
            self.answers[line["how"]] += 1
            self._votes.pop(line["text"], None)
        elif "vote" in line:
            self._votes.setdefault(line["text"], []).append(tuple(line["vote"]))


def read_aside(path: Path) -> dict[Item, str]:
    """The texts that were set aside, each with the reason.

    Raises:
        StoreError: A line is damaged, or names no text; the message names the file and the line.
    """
    return aside_reasons(path, "text", _item)


def _item(value: object) -> Item:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return from_json(value)
    raise TypeError(f"{value!r} is not a text, a pair of texts or a list of words")


def write_aside(path: Path, item: Item, reason: str) -> None:
    """Set a text aside: it is not asked about again."""
    append_line(path, {"text": item, "reason": reason})

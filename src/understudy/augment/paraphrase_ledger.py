"""Answers that were bought from a chat server, by the content of the question: nothing is paid twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from understudy.core.items import from_json
from understudy.core.jsonl import append_line, read_lines
from understudy.core.task import Item
from understudy.teachers.chat.budget import Usage

LEDGER = "ledger.jsonl"
"""Every paid request: what it cost, and the variants or the fault that came of it."""

ASIDE = "set_aside.jsonl"
"""Texts without a usable answer, each with the reason; who deletes a line has the text asked again."""


class ParaphraseLedger:
    """Variants by the key of the question, a line each, written the moment they are known.

    Args:
        folder: of the server's answers; made when the first one comes.

    Raises:
        StoreError: a line is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self.bill = Usage()
        self._variants: dict[str, tuple[Item, ...]] = {}
        self._aside = {line["key"] for line in read_lines(folder / ASIDE)}
        for line in read_lines(folder / LEDGER):
            self.bill += Usage(**{name: line[name] for name in asdict(Usage())})
            if "variants" in line:
                self._variants[line["key"]] = tuple(map(from_json, line["variants"]))

    @property
    def aside(self) -> frozenset[str]:
        """Keys of the questions that are not asked again."""
        return frozenset(self._aside)

    def is_settled(self, key: str) -> bool:
        """Whether there is an answer, or asking again would be vain."""
        return key in self._variants or key in self._aside

    def variants(self, key: str) -> tuple[Item, ...]:
        """What was bought; nothing where there is no usable answer."""
        return self._variants.get(key, ())

    def add(self, key: str | None, bill: Usage, variants: Sequence[Item] | None, fault: str) -> None:
        """Book a paid request, from any thread; ``None``: its answer was lost, or could not be read."""
        facts = {"key": key, "variants": None if variants is None else list(variants), "fault": fault}
        line = {**asdict(bill), **{name: value for name, value in facts.items() if value}}
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            append_line(self._folder / LEDGER, line)
            self.bill += bill
            if key is not None and variants:
                self._variants[key] = tuple(variants)

    def set_aside(self, key: str, item: Item, reason: str) -> None:
        """Ask for this item no more."""
        self._folder.mkdir(parents=True, exist_ok=True)
        append_line(self._folder / ASIDE, {"key": key, "text": item, "reason": reason})
        self._aside.add(key)

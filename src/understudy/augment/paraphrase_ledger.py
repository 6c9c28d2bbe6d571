"""Variants that were bought from a chat server, by the content of the question: nothing is paid twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from understudy.core.items import from_json
from understudy.core.jsonl import append_line
from understudy.core.task import Item
from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.ledger import ASIDE, LEDGER, PaidLog, aside_reasons


class ParaphraseLedger:
    """Variants by the key of the question, one line for each request, written as soon as they are known.

    Args:
        folder: Keeps the server's answers; made when the first one comes.

    Raises:
        StoreError: A line is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._variants: dict[str, tuple[Item, ...]] = {}
        self._aside = set(aside_reasons(folder / ASIDE, "key", str))
        self._log = PaidLog(folder / LEDGER, self._book)

    @property
    def bill(self) -> Usage:
        """What was paid so far, earlier runs included."""
        return self._log.usage

    @property
    def aside(self) -> frozenset[str]:
        """Keys of the questions that are not asked again."""
        return frozenset(self._aside)

    def is_settled(self, key: str) -> bool:
        """Whether there is an answer, or the question was set aside."""
        return key in self._variants or key in self._aside

    def variants(self, key: str) -> tuple[Item, ...]:
        """What was bought; nothing where there is no usable answer."""
        return self._variants.get(key, ())

    def add(self, key: str | None, bill: Usage, variants: Sequence[Item] | None, fault: str) -> None:
        """Write down a paid request, from any thread.

        Args:
            key: The question's; ``None`` where the answer was lost on the way.
            bill: What was paid.
            variants: What was bought; ``None`` where the answer could not be read.
            fault: What was wrong with the answer, if anything.
        """
        facts = {"key": key, "variants": None if variants is None else list(variants), "fault": fault}
        self._log.add({**asdict(bill), **{name: value for name, value in facts.items() if value}})

    def set_aside(self, key: str, item: Item, reason: str) -> None:
        """Do not ask about this item again."""
        self._folder.mkdir(parents=True, exist_ok=True)
        append_line(self._folder / ASIDE, {"key": key, "text": item, "reason": reason})
        self._aside.add(key)

    def _book(self, line: Mapping[str, Any]) -> None:
        if line.get("key") is not None and "variants" in line:
            self._variants[line["key"]] = tuple(map(from_json, line["variants"]))

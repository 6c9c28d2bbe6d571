"""What lets a text into a pool: it is new, and not held out. The rest is counted, and some of it shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from understudy.augment.items import Keys, Seen, item_keys, judged_keys
from understudy.task import IntArray, Item

SHOWN = 10
"""Survivors and victims that a step shows."""

DUPLICATE, HELD_OUT = "stands in the pool or among the labelled texts", "stands in dev or test"


@dataclass(frozen=True)
class Victim:
    """A text that was removed, and why."""

    item: Item
    reason: str


@dataclass
class Sieve:
    """The sieve of one step; steps share what was seen.

    Of each reason, the `SHOWN` removed texts with the smallest keys are remembered. Keys are hashes, so these
    are a random sample of the distinct ones, however many there were and however they came.

    Args:
        seen: keys of what is there; grows.
        held_out: keys of dev and test.
    """

    seen: Seen
    held_out: Seen
    made: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    shown: dict[str, dict[int, Item]] = field(default_factory=dict)

    @property
    def victims(self) -> tuple[Victim, ...]:
        """Some of what was removed, at most `SHOWN`, and as many of each reason as there is room for."""
        ranked = sorted(
            (rank, reason, item)
            for reason, items in self.shown.items()
            for rank, item in enumerate(items.values())
        )
        return tuple(Victim(item, reason) for _, reason, item in ranked[:SHOWN])

    def pass_through(self, items: Sequence[Item]) -> tuple[list[Item], Keys]:
        """The items that are new, in order, and their keys."""
        keys = item_keys(items)
        is_leak = self.held_out.contains(judged_keys(items, keys))
        is_new = np.zeros(len(items), dtype=np.bool_)
        is_new[~is_leak] = self.seen.add(keys[~is_leak])
        self.made += len(items)
        self._remove(HELD_OUT, np.flatnonzero(is_leak), keys, items)
        self._remove(DUPLICATE, np.flatnonzero(~is_leak & ~is_new), keys, items)
        return [items[row] for row in np.flatnonzero(is_new).tolist()], keys[is_new]

    def to_dict(self) -> dict[str, Any]:
        """Counts and victims, JSON-ready; `from_dict` is the inverse."""
        shown = {reason: list(map(list, items.items())) for reason, items in self.shown.items()}
        return {"made": self.made, "removed": dict(self.removed), "shown": shown}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], seen: Seen, held_out: Seen) -> Sieve:
        """A sieve that goes on where another one stopped."""
        shown = {
            reason: {key: item if isinstance(item, str) else tuple(item) for key, item in items}
            for reason, items in data["shown"].items()
        }
        return cls(seen, held_out, data["made"], Counter(data["removed"]), shown)

    def _remove(self, reason: str, rows: IntArray, keys: Keys, items: Sequence[Item]) -> None:
        if not len(rows):
            return
        self.removed[reason] += len(rows)
        shown = self.shown.setdefault(reason, {})
        if len(shown) == SHOWN:
            rows = rows[keys[rows] < max(shown)]
        smallest, first = np.unique(keys[rows], return_index=True)
        shown.update({int(key): items[rows[at]] for key, at in zip(smallest[:SHOWN], first, strict=False)})
        self.shown[reason] = dict(sorted(shown.items())[:SHOWN])

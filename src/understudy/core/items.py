"""Items, which are what a task is asked about: a string for each, and their rows among those of all.

An item is a text, a pair of texts, or (tagging) the words of a sentence: see `understudy.core.task.Item`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from understudy.core.task import IntArray, Item

_MARK = "\x1e"


def key(item: Item) -> str:
    """A string that two items share only if they are the same; a text is its own."""
    return item if isinstance(item, str) else _MARK + json.dumps(item)


def shown(item: Item) -> str:
    """An item as messages and reports show it: texts with a bar between them, words with spaces."""
    if isinstance(item, str):
        return item
    return " | ".join(item) if len(item) == 2 else " ".join(item)


def parts(items: Iterable[Item]) -> Iterator[str]:
    """Every text or word of the items, in order."""
    return (part for item in items for part in ((item,) if isinstance(item, str) else item))


def from_json(value: str | Sequence[str]) -> Item:
    """An item as JSON keeps it: a list becomes a tuple."""
    return value if isinstance(value, str) else tuple(value)


def rows_of(picked: IntArray, counts: IntArray) -> IntArray:
    """Row numbers of the picked items, in the order of the picks.

    Args:
        picked: ``(m,)`` numbers of the picked items.
        counts: ``(n,)`` rows of every item.
    """
    return runs((np.cumsum(counts) - counts)[picked], counts[picked])


def runs(starts: IntArray, counts: IntArray) -> IntArray:
    """Numbers that rise by one from each start, as many as its count, end to end.

    >>> runs(np.array([7, 0]), np.array([2, 3])).tolist()
    [7, 8, 0, 1, 2]
    """
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(int(counts.sum()))

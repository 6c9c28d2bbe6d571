"""What every filter decides: which rows stay and which go, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.augment.registry import StepContext
from understudy.core.task import FloatArray, IntArray, Item
from understudy.errors import RecipeError
from understudy.tokenization.words import count_words, with_masks_as_words

_TOGETHER = 8192  # texts whose code points are in memory at once


@dataclass(frozen=True)
class Filtered:
    """What a filter decided.

    Attributes:
        kept: Numbers of the rows that stay, in order; a row may be listed twice where labels are
            oversampled.
        removed: Numbers of the rows that go, in order.
        reason: Why they go.
    """

    kept: IntArray
    removed: IntArray
    reason: str


def keep_rows(kept: IntArray, total: int, reason: str) -> Filtered:
    """A decision from the rows that stay, of ``total``."""
    is_removed = np.ones(total, dtype=np.bool_)
    is_removed[kept] = False
    return Filtered(np.sort(kept), np.flatnonzero(is_removed), reason)


def word_counts(items: Sequence[Item]) -> IntArray:
    """Words of each text, or of both texts of each pair: ``(n,)``. A masked word is one word."""
    counts = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(items), _TOGETHER):
        texts = map(joined, items[start : start + _TOGETHER])
        counts.append(count_words([with_masks_as_words(text) for text in texts]))
    return np.concatenate(counts)


def joined(item: Item) -> str:
    """A text, or the two texts of a pair one after the other."""
    return item if isinstance(item, str) else " ".join(item)


def teacher_logits(name: str, items: Sequence[Item], tools: StepContext) -> FloatArray:
    """The teacher's logits ``(n, c)``, for the filter of that name.

    Raises:
        RecipeError: There is no teacher.
    """
    if tools.predict is None:
        raise RecipeError(
            f"The filter {name!r} reads the teacher's answers, but there is no teacher here. Leave it out, "
            "or give one that labels the texts."
        )
    return tools.predict(items)

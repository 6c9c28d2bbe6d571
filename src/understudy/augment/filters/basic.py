"""Filters on numbers: length, the teacher's labels, the teacher's confidence. Each says which rows stay.

Nityasya et al. 2022, sections 6.3 (length) and 6.4 (balance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.core.task import FloatArray, IntArray, Item
from understudy.errors import DataError
from understudy.tokenization.words import count_words, with_masks_as_words

_TOGETHER = 8192  # texts whose code points are in memory at once


@dataclass(frozen=True)
class Filtered:
    """What a filter decided.

    Attributes:
        kept: row numbers that stay, in order; a row may stand here twice where labels are oversampled.
        removed: row numbers that go, in order.
        reason: why they go.
    """

    kept: IntArray
    removed: IntArray
    reason: str


def keep_rows(kept: IntArray, total: int, reason: str) -> Filtered:
    """A decision from the rows that stay, of ``total``."""
    gone = np.ones(total, dtype=np.bool_)
    gone[kept] = False
    return Filtered(np.sort(kept), np.flatnonzero(gone), reason)


def word_counts(items: Sequence[Item]) -> IntArray:
    """Words of each text, or of both texts of each pair: ``(n,)``. A masked word is one word."""
    parts = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(items), _TOGETHER):
        some = items[start : start + _TOGETHER]
        joined = (item if isinstance(item, str) else " ".join(item) for item in some)
        parts.append(count_words([with_masks_as_words(text) for text in joined]))
    return np.concatenate(parts)


def by_length(items: Sequence[Item], labelled: Sequence[Item], by: str = "min-max") -> Filtered:
    """Keep texts whose number of words is one that labelled texts have.

    Args:
        items: ``n`` texts.
        labelled: where the bounds are taken from.
        by: ``min-max``: from the shortest to the longest; ``quartiles``: from the first to the third.

    Raises:
        DataError: there is no labelled text.
    """
    if not len(labelled):
        raise DataError("The filter of length takes its bounds from labelled texts, but there are none.")
    shares = (0.0, 1.0) if by == "min-max" else (0.25, 0.75)
    low, high = np.quantile(word_counts(labelled), shares)
    counts = word_counts(items)
    kept = np.flatnonzero((counts >= low) & (counts <= high))
    return keep_rows(kept, len(items), f"not {low:g} to {high:g} words long")


def by_balance(
    logits: FloatArray, *, by: str = "median", oversample: bool = False, seed: int = 0
) -> Filtered:
    """Let no label have more texts than the median or the mean of the labels' counts.

    Labels that no text has are not counted.

    Args:
        logits: ``(n, c)`` of the teacher, whose highest is a text's label.
        by: ``median`` or ``mean``, rounded.
        oversample: whether texts of labels with fewer are drawn again up to that size, each as often as any
            other, or once more.
        seed: of all draws.
    """
    labels = logits.argmax(axis=-1) if len(logits) else np.zeros(0, dtype=np.int64)
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    size = int(
        np.rint(np.median(counts[present]) if by == "median" else counts[present].mean())
        if len(present)
        else 0
    )
    generator = np.random.default_rng(seed)
    kept: list[IntArray] = []
    for label in present.tolist():
        rows = generator.permutation(np.flatnonzero(labels == label))
        kept.append(np.resize(rows, size) if oversample else rows[:size])
    chosen = np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)
    return keep_rows(chosen, len(logits), f"its label has more than {size:,} texts, the {by}")


def by_confidence(logits: FloatArray, low: float, high: float) -> Filtered:
    """Keep texts whose highest probability, by softmax over ``(n, c)`` logits, lies in ``[low, high]``."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    highest = weights.max(axis=-1, initial=0.0) / weights.sum(axis=-1)
    kept = np.flatnonzero((highest >= low) & (highest <= high))
    return keep_rows(kept, len(logits), f"the teacher's confidence is not {low:g} to {high:g}")

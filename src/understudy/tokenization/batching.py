"""Which texts share a batch: those of similar length, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from understudy.core.task import IntArray


def budgeted_batches(lengths: IntArray, budget: int) -> Iterator[IntArray]:
    """Row numbers in batches of similar length, each at most ``budget`` padded tokens (or one text)."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= budget:
            stop += 1
        yield order[start:stop]
        start = stop


WINDOW = 2**20
"""Rows that are shuffled among themselves; more of them are shuffled window by window, in random order."""


def shuffled(rows: int, generator: np.random.Generator) -> IntArray:
    """Row numbers ``(rows,)`` in random order; those that follow each other are near each other on disk.

    Up to `WINDOW` rows are one window, and so in any order.
    """
    if rows <= WINDOW:
        return generator.permutation(rows)
    starts = generator.permutation(-(-rows // WINDOW)) * WINDOW
    return np.concatenate([s + generator.permutation(min(WINDOW, rows - s)) for s in starts.tolist()])


def bucketed_batches(
    lengths: IntArray, batch_size: int, generator: np.random.Generator, pool: int = 50
) -> list[IntArray]:
    """Batches to train on, shuffled: rows are sorted by length within pools of ``pool`` batches."""
    order = shuffled(len(lengths), generator)
    groups: list[IntArray] = []
    for start in range(0, len(order), pool * batch_size):
        chunk = order[start : start + pool * batch_size]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        groups.extend(np.split(chunk, range(batch_size, len(chunk), batch_size)))
    return [groups[i] for i in generator.permutation(len(groups))]

"""Sentences longer than a model reads are read in overlapping windows; no word is left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.core.task import IntArray
from understudy.errors import DataError


class Window(NamedTuple):
    """Words ``start … stop`` of a sentence are read together; of these, ``first … last`` are answered."""

    start: int
    stop: int
    first: int
    last: int


def windows(sizes: IntArray, limit: int | None) -> list[Window]:
    """Cover a sentence with windows of at most ``limit`` pieces; each word is answered in exactly one.

    Windows overlap by up to a quarter of the limit, and a word in an overlap is answered where it has more
    context.

    Args:
        sizes: ``(words,)`` pieces of each word, each at least 1.
        limit: The most pieces that a model reads; ``None`` sets no limit.

    Raises:
        DataError: a word alone has more pieces than the limit.
    """
    ends = np.cumsum(sizes)
    words = len(sizes)
    if limit is None or words == 0 or ends[-1] <= limit:
        return [Window(0, words, 0, words)]
    if int(sizes.max()) > limit:
        raise DataError(
            f"Word {int(sizes.argmax()) + 1} of a sentence has {int(sizes.max())} pieces, but the model "
            f"reads {limit} at most. Split that word."
        )

    starts = ends - sizes
    spans: list[tuple[int, int]] = []
    start = 0
    while True:
        stop = int(np.searchsorted(ends, starts[start] + limit, side="right"))
        spans.append((start, stop))
        if stop == words:
            break
        # the next window begins a quarter of the limit earlier, but always at a later word than this one
        back = int(np.searchsorted(starts, ends[stop - 1] - limit // 4))
        start = max(start + 1, min(back, stop))

    # a word of an overlap is answered by the window in which it is farther from the edge
    cuts = [0, *((spans[i + 1][0] + spans[i][1]) // 2 for i in range(len(spans) - 1)), words]
    return [Window(a, b, cuts[i], cuts[i + 1]) for i, (a, b) in enumerate(spans)]

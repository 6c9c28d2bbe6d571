"""Labels by name turned into the arrays of a `Split`, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from understudy.core.task import Gold, Item, Task
from understudy.data.labels import Label, names_in
from understudy.errors import DataError, RecipeError

MOST_BINS = 1_000
"""More bins than this are taken for a mistake."""

VALUE = "score"
"""Name of the one column of a regression that is not binned."""


def encode(labels: Sequence[Label], task: Task) -> Gold:
    """The gold labels of ``n`` items, in the form of `understudy.core.task.Gold`."""
    if task.kind == "regression":
        return np.array(labels, dtype=np.float32)
    index = task.index
    if task.kind == "multilabel":
        gold = np.zeros((len(labels), len(task.labels)), dtype=np.float32)
        for row, label in enumerate(labels):
            gold[row, [index[name] for name in names_in(label)]] = 1
        return gold
    return np.fromiter((index[name] for label in labels for name in names_in(label)), dtype=np.int64)


def decode(gold: Gold, task: Task, items: Sequence[Item]) -> Iterator[Label]:
    """The labels of each item by name; `encode` is its inverse. Every row has its gold label."""
    if task.kind == "regression":
        # str() is the shortest decimal that gives the same float32 again
        yield from (float(str(value)) for value in gold)
    elif task.kind == "multilabel":
        for row in gold:
            yield tuple(task.labels[column] for column in np.flatnonzero(row))
    elif task.kind == "tagging":
        for columns in np.split(gold, np.cumsum(task.rows(items)))[: len(items)]:
            yield tuple(task.labels[column] for column in columns)
    else:
        yield from (task.labels[column] for column in gold)


def count(gold: Gold, task: Task) -> dict[str, int]:
    """How many rows have each label.

    Rows are texts, in tagging words. The values of a regression are counted by their bin; without bins, by
    the quarter of the range in which they lie.
    """
    labels: Sequence[str] = task.labels
    if task.kind == "multilabel":
        tally = np.nansum(gold, axis=0).astype(np.int64)
        return dict(zip(labels, tally.tolist(), strict=True))
    if task.bounds is not None:
        edges = np.linspace(*task.bounds, num=5)
        labels = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
        columns = np.searchsorted(edges[1:-1], gold[~np.isnan(gold)], side="right")
    else:
        columns = task.targets(gold)
    tally = np.bincount(columns[columns >= 0], minlength=len(labels))
    return dict(zip(labels, tally.tolist(), strict=True))


def bounds_of(values: Sequence[Label], where: str) -> tuple[float, float]:
    """The least and the greatest value.

    Raises:
        DataError: all values are equal.
    """
    numbers = np.array(values, dtype=np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    if not low < high:
        raise DataError(f"Every value of {where} is {low:g}. A regression needs values that differ.")
    return low, high


def bins_of(values: Sequence[Label], width: float, where: str) -> tuple[str, ...]:
    """Names of the bins that cover the values: the multiples of ``width`` around them.

    >>> bins_of([0.1, 0.9], 0.5, "a.csv")
    ('0', '0.5', '1')

    Raises:
        DataError: all values are equal.
        RecipeError: there would be fewer than two bins or more than `MOST_BINS`.
    """
    low, high = bounds_of(values, where)
    first, last = int(np.floor(low / width + 1e-9)), int(np.ceil(high / width - 1e-9))
    if not 2 <= last - first + 1 <= MOST_BINS:
        raise RecipeError(
            f"Bins of {width:g} over values from {low:g} to {high:g} are {last - first + 1:,}; between 2 and "
            f"{MOST_BINS:,} can be used. Choose another width with --bins."
        )
    return tuple(f"{round(number * width, 9):.12g}" for number in range(first, last + 1))

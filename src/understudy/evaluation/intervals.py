"""Bootstrap intervals over the test items, for one predictor and for the difference of two.

A resample draws ``n`` items with replacement from ``n``: texts, pairs, or whole sentences, never words, for
the words of a sentence are not independent draws. Items with the same gold label and the same answers are
interchangeable to every metric, so it is enough to draw **how many** items of each such cell a resample
holds: a multinomial over the cells. That is the same distribution as drawing items, not an approximation.
A score is then a function of the draws times what each cell adds to it
(`understudy.evaluation.metrics.Tally`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.task import Gold, IntArray, Task
from understudy.errors import RecipeError
from understudy.evaluation.correlations import Doubles
from understudy.evaluation.metrics import Tally, check_answers, score, tally

_DRAWS_AT_ONCE = 4_000_000  # cells x resamples held in memory together, about 32 MB an array


@dataclass(frozen=True)
class Interval:
    """A percentile interval, in the unit of the metric."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two predictors on the same test items.

    Attributes:
        difference: Score of ``a`` minus score of ``b``.
        interval: Percentile interval of the difference.
        share_not_better: Share of resamples in which ``a`` scores no higher than ``b``; a one-sided
            bootstrap p-value of "``a`` is better".
    """

    difference: float
    interval: Interval
    share_not_better: float

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; the interval is ``[low, high]``."""
        return {
            "difference": self.difference,
            "interval": [self.interval.low, self.interval.high],
            "share_not_better": self.share_not_better,
        }


def bootstrap_interval(
    task: Task,
    gold: npt.ArrayLike,
    decisions: npt.ArrayLike,
    lengths: IntArray | None = None,
    *,
    seed: int,
    metric: str | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval of a metric (Efron and Tibshirani 1993, section 13.3).

    Args:
        task: Kind, labels and metric.
        gold: Gold labels in the form of `understudy.core.task.Gold`.
        decisions: `Task.decisions` of the predictor.
        lengths: ``(items,)`` words of each sentence; tagging needs it.
        seed: The same seed gives the same interval.
        metric: One of the kind's; the task's own unless given.
        resamples: Number of resamples.
        level: Share of resamples inside the interval.

    Raises:
        RecipeError: Unknown metric, no resamples, or a level outside (0, 1).
        DataError: As in `understudy.evaluation.metrics.score`.
    """
    (scores,) = _resampled_scores(
        task, [gold, decisions], lengths, metric=metric, seed=seed, resamples=resamples
    )
    return _percentiles(scores, level)


def paired_bootstrap(
    task: Task,
    gold: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    lengths: IntArray | None = None,
    *,
    seed: int,
    metric: str | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> Comparison:
    """Compare two predictors on the same resamples, so that hard items count for both or for neither.

    Args:
        task: Kind, labels and metric.
        gold: Gold labels in the form of `understudy.core.task.Gold`.
        a: `Task.decisions` of the first predictor.
        b: Those of the second.
        lengths: ``(items,)`` words of each sentence; tagging needs it.
        seed: The same seed gives the same comparison.
        metric: One of the kind's; the task's own unless given.
        resamples: Number of resamples.
        level: Share of resamples inside the interval.

    Raises:
        RecipeError: Unknown metric, no resamples, or a level outside (0, 1).
        DataError: As in `understudy.evaluation.metrics.score`.
    """
    scores_a, scores_b = _resampled_scores(
        task, [gold, a, b], lengths, metric=metric, seed=seed, resamples=resamples
    )
    return Comparison(
        difference=score(task, gold, a, lengths, metric) - score(task, gold, b, lengths, metric),
        interval=_percentiles(scores_a - scores_b, level),
        share_not_better=float(np.mean(scores_a <= scores_b)),
    )


def _resampled_scores(
    task: Task,
    arrays: Sequence[npt.ArrayLike],
    lengths: IntArray | None,
    *,
    metric: str | None,
    seed: int,
    resamples: int,
) -> list[Doubles]:
    """Scores ``(resamples,)`` of each array after the first, which is gold, all on the same resamples."""
    if resamples < 1:
        raise RecipeError(f"resamples must be at least 1, but is {resamples}.")
    rng = np.random.default_rng(seed)
    counts, tallies = _cells(task, check_answers(task, *arrays), lengths, metric)
    size = max(1, _DRAWS_AT_ONCE // len(counts))
    parts: list[list[Doubles]] = [[] for _ in tallies]
    for start in range(0, resamples, size):
        draws = _draw(counts, min(size, resamples - start), rng)
        for scores, one in zip(parts, tallies, strict=True):
            scores.append(one.scores(draws))
    return [np.concatenate(scores) for scores in parts]


def _cells(
    task: Task, arrays: Sequence[Gold], lengths: IntArray | None, metric: str | None
) -> tuple[IntArray, list[Tally]]:
    """How many items each cell has, and what one item of it adds to each array's score."""
    if task.kind == "tagging":
        tallies = [tally(task, arrays[0], given, lengths, metric) for given in arrays[1:]]
        return np.ones(len(tallies[0].parts), dtype=np.int64), tallies
    joined = np.ascontiguousarray(np.column_stack(arrays))
    rows = joined.view(np.dtype((np.void, joined.itemsize * joined.shape[1])))[:, 0]
    _, first, counts = np.unique(rows, return_index=True, return_counts=True)
    cells = [array[first] for array in arrays]
    return counts, [tally(task, cells[0], given, metric=metric) for given in cells[1:]]


def _draw(counts: IntArray, resamples: int, rng: np.random.Generator) -> IntArray:
    """How often each cell is drawn: ``(cells, resamples)``, each column multinomial with weights ``counts``.

    Cells of a single item are drawn as one cell first, which is then shared out item by item: with many
    labels most errors are such cells, and drawing an item is cheaper than drawing a binomial a cell.
    """
    total = int(counts.sum())
    rare = counts == 1
    n_rare = int(rare.sum())
    weights = np.append(n_rare, counts[~rare]) / total
    grouped = rng.multinomial(total, weights, size=resamples)
    draws = np.empty((len(counts), resamples), dtype=np.int64)
    draws[~rare] = grouped[:, 1:].T
    if n_rare:
        owner = np.repeat(np.arange(resamples), grouped[:, 0])
        picked = rng.integers(0, n_rare, size=len(owner))
        shared = np.bincount(picked * resamples + owner, minlength=n_rare * resamples)
        draws[rare] = shared.reshape(n_rare, resamples)
    return draws


def _percentiles(values: Doubles, level: float) -> Interval:
    """The central interval that holds ``level`` of the values."""
    if not 0 < level < 1:
        raise RecipeError(f"level must lie between 0 and 1, but is {level}.")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))

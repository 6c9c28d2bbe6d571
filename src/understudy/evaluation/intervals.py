"""Bootstrap intervals over the test texts, for one predictor and for the difference of two.

A resample draws ``n`` texts with replacement from ``n``. Texts with the same gold label and the same answers
are interchangeable to every metric, so it is enough to draw **how many** texts of each such cell a resample
holds: a multinomial over the occupied cells of the confusion matrix. That is the same distribution as drawing
texts, not an approximation, and it replaces ``n`` numbers a resample by one a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from understudy.errors import RecipeError
from understudy.metrics import Doubles, Margins, check_columns, score, score_margins
from understudy.task import IntArray

_DRAWS_AT_ONCE = 4_000_000  # cells x resamples held in memory together, about 32 MB an array


@dataclass(frozen=True)
class Interval:
    """A percentile interval, in the unit of the metric."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two predictors on the same test texts.

    Attributes:
        difference: score of ``a`` minus score of ``b``.
        interval: percentile interval of the difference.
        share_not_better: share of resamples in which ``a`` scores no higher than ``b``; a one-sided
            bootstrap p-value of "``a`` is better".
    """

    difference: float
    interval: Interval
    share_not_better: float


def bootstrap_interval(
    metric: str,
    gold: npt.ArrayLike,
    predicted: npt.ArrayLike,
    n_labels: int,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval of a metric (Efron and Tibshirani 1993, section 13.3).

    Args:
        metric: a metric of `understudy.task.METRICS`.
        gold: ``(n,)`` columns of the gold labels.
        predicted: ``(n,)`` columns of the predicted labels.
        n_labels: number of labels of the task.
        seed: the same seed gives the same interval.
        resamples: number of resamples.
        level: share of resamples inside the interval.

    Raises:
        RecipeError: unknown metric, no resamples, or a level outside (0, 1).
        DataError: no texts, two lengths, or a number that is no column.
    """
    gold, predicted = check_columns(n_labels, gold, predicted)
    (scores,) = _resampled_scores(metric, gold, [predicted], n_labels, seed=seed, resamples=resamples)
    return _percentiles(scores, level)


def paired_bootstrap(
    metric: str,
    gold: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    n_labels: int,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Comparison:
    """Compare two predictors on the same resamples, so that hard texts count for both or for neither.

    Args:
        metric: a metric of `understudy.task.METRICS`.
        gold: ``(n,)`` columns of the gold labels.
        a: ``(n,)`` answers of the first predictor.
        b: ``(n,)`` answers of the second.
        n_labels: number of labels of the task.
        seed: the same seed gives the same comparison.
        resamples: number of resamples.
        level: share of resamples inside the interval.

    Raises:
        RecipeError: unknown metric, no resamples, or a level outside (0, 1).
        DataError: no texts, two lengths, or a number that is no column.
    """
    gold, a, b = check_columns(n_labels, gold, a, b)
    scores_a, scores_b = _resampled_scores(metric, gold, [a, b], n_labels, seed=seed, resamples=resamples)
    return Comparison(
        difference=score(metric, gold, a, n_labels) - score(metric, gold, b, n_labels),
        interval=_percentiles(scores_a - scores_b, level),
        share_not_better=float(np.mean(scores_a <= scores_b)),
    )


def _resampled_scores(
    metric: str, gold: IntArray, answers: Sequence[IntArray], n_labels: int, *, seed: int, resamples: int
) -> list[Doubles]:
    """Scores ``(resamples,)`` of each column of answers, all on the same resamples."""
    if resamples < 1:
        raise RecipeError(f"resamples must be at least 1, but is {resamples}.")
    rng = np.random.default_rng(seed)
    cells, counts = np.unique(np.stack([gold, *answers]), axis=1, return_counts=True)
    size = max(1, _DRAWS_AT_ONCE // len(counts))
    parts: list[list[Doubles]] = [[] for _ in answers]
    for start in range(0, resamples, size):
        draws = _draw(counts, min(size, resamples - start), rng)
        golds = _sum_by(draws, cells[0], n_labels)
        for scores, column in zip(parts, cells[1:], strict=True):
            right = column == cells[0]
            hits = _sum_by(draws[right], column[right], n_labels)
            margins = Margins(hits, golds, _sum_by(draws, column, n_labels))
            scores.append(score_margins(metric, margins))
    return [np.concatenate(scores) for scores in parts]


def _draw(counts: IntArray, resamples: int, rng: np.random.Generator) -> IntArray:
    """How often each cell is drawn: ``(cells, resamples)``, each column multinomial with weights ``counts``.

    Cells of a single text are drawn as one cell first, which is then shared out text by text: with many
    labels most errors are such cells, and drawing a text is cheaper than drawing a binomial a cell.
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
        tally = np.bincount(picked * resamples + owner, minlength=n_rare * resamples)
        draws[rare] = tally.reshape(n_rare, resamples)
    return draws


def _sum_by(draws: IntArray, columns: IntArray, n_labels: int) -> IntArray:
    """Add up the rows of ``draws`` ``(cells, resamples)`` by label: ``(labels, resamples)``."""
    sums = np.zeros((n_labels, draws.shape[1]), dtype=np.int64)
    order = np.argsort(columns, kind="stable")
    labels, starts = np.unique(columns[order], return_index=True)
    if len(labels):
        sums[labels] = np.add.reduceat(draws[order], starts, axis=0)
    return sums


def _percentiles(values: Doubles, level: float) -> Interval:
    """The central interval that holds ``level`` of the values."""
    if not 0 < level < 1:
        raise RecipeError(f"level must lie between 0 and 1, but is {level}.")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))

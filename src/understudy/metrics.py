"""Accuracy, macro-F1 and Matthews correlation, all computed from the confusion matrix.

Of the confusion matrix the three metrics need only the diagonal and the two margins (`Margins`). That makes a
bootstrap over thousands of resamples one array expression (`understudy.evaluation.intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.errors import DataError, RecipeError, nearest
from understudy.task import METRICS, IntArray

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Margins:
    """What the metrics need of one confusion matrix, or of many side by side.

    Attributes:
        hits: ``(labels, ...)`` texts of a label that were answered with it.
        golds: ``(labels, ...)`` texts of a label.
        answers: ``(labels, ...)`` texts that were answered with a label.
    """

    hits: npt.NDArray[Any]
    golds: npt.NDArray[Any]
    answers: npt.NDArray[Any]


@dataclass(frozen=True)
class LabelScore:
    """How well one label is recognised; a share whose denominator is 0 is 0.

    Attributes:
        precision: share of the answers with this label that are right.
        recall: share of the texts of this label that were found.
        f1: harmonic mean of the two.
        support: texts of this label.
    """

    precision: float
    recall: float
    f1: float
    support: int


def confusion(gold: npt.ArrayLike, predicted: npt.ArrayLike, n_labels: int) -> IntArray:
    """Count texts by gold label (row) and predicted label (column): ``(labels, labels)`` int64.

    Args:
        gold: ``(n,)`` columns of the gold labels.
        predicted: ``(n,)`` columns of the predicted labels.
        n_labels: number of labels of the task.

    Raises:
        DataError: no texts, two lengths, or a number that is no column.
    """
    gold, predicted = check_columns(n_labels, gold, predicted)
    cells = np.bincount(gold * n_labels + predicted, minlength=n_labels * n_labels)
    return cells.reshape(n_labels, n_labels).astype(np.int64)


def score(metric: str, gold: npt.ArrayLike, predicted: npt.ArrayLike, n_labels: int) -> float:
    """The value of a metric of `understudy.task.METRICS`; higher is better.

    Raises:
        RecipeError: unknown metric.
        DataError: as in `confusion`.
    """
    return float(score_margins(metric, margins(confusion(gold, predicted, n_labels))))


def macro_f1(gold: npt.ArrayLike, predicted: npt.ArrayLike, n_labels: int) -> float:
    """The mean of the labels' F1 over the labels that occur in ``gold`` or in ``predicted``.

    A label of the task that occurs in neither has no F1 and is left out, as in scikit-learn; a label that
    was never found, or was answered but never right, counts as 0.
    """
    return score("macro_f1", gold, predicted, n_labels)


def per_label(gold: npt.ArrayLike, predicted: npt.ArrayLike, n_labels: int) -> tuple[LabelScore, ...]:
    """Precision, recall, F1 and support of every label of the task, in the order of its labels."""
    parts = margins(confusion(gold, predicted, n_labels))
    precision = _ratio(parts.hits, parts.answers)
    recall = _ratio(parts.hits, parts.golds)
    f1 = _f1(parts)
    return tuple(
        LabelScore(float(precision[i]), float(recall[i]), float(f1[i]), int(parts.golds[i]))
        for i in range(n_labels)
    )


def margins(matrix: IntArray) -> Margins:
    """Diagonal, row sums and column sums of a confusion matrix ``(labels, labels)``."""
    return Margins(hits=np.diagonal(matrix), golds=matrix.sum(axis=1), answers=matrix.sum(axis=0))


def score_margins(metric: str, parts: Margins) -> Doubles:
    """The value of a metric for margins ``(labels, ...)``: an array ``(...)``.

    Raises:
        RecipeError: unknown metric.
    """
    if metric == "accuracy":
        return _ratio(parts.hits.sum(axis=0), parts.golds.sum(axis=0))
    if metric == "macro_f1":
        occurs = (parts.golds + parts.answers) > 0
        return _ratio(_f1(parts).sum(axis=0), occurs.sum(axis=0))
    if metric == "mcc":
        return _mcc(parts)
    known = METRICS["classification"]
    raise RecipeError(f"Unknown metric {metric!r}. {nearest(metric, known)}")


def check_columns(n_labels: int, *arrays: npt.ArrayLike) -> list[IntArray]:
    """The arrays as int64, after checking that they are equally long and hold columns ``0 … n_labels - 1``.

    Raises:
        DataError: no texts, two lengths, or a number that is no column.
    """
    checked = [np.asarray(array) for array in arrays]
    shapes = [array.shape for array in checked]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1:
        raise DataError(f"Labels to compare must be arrays of one length (n,), but have shapes {shapes}.")
    if shapes[0][0] == 0:
        raise DataError("There is no text to score. Give at least one.")
    for array in checked:
        if not np.issubdtype(array.dtype, np.integer):
            raise DataError(f"Labels to compare must be integer columns, but have type {array.dtype}.")
        wrong = array[(array < 0) | (array >= n_labels)]
        if len(wrong):
            raise DataError(
                f"Label column {wrong[0]} does not exist: the task has columns 0 to {n_labels - 1}."
            )
    return [array.astype(np.int64, copy=False) for array in checked]


def _f1(parts: Margins) -> Doubles:
    """F1 by label, ``2 hits / (golds + answers)``; 0 for a label that does not occur."""
    return _ratio(2 * parts.hits, parts.golds + parts.answers)


def _mcc(parts: Margins) -> Doubles:
    """Matthews correlation for any number of labels (Gorodkin 2004, R_K); 0 where it is undefined."""
    golds, answers = parts.golds.astype(np.float64), parts.answers.astype(np.float64)
    total = golds.sum(axis=0)
    covariance = parts.hits.sum(axis=0) * total - (golds * answers).sum(axis=0)
    spread = (total**2 - (golds**2).sum(axis=0)) * (total**2 - (answers**2).sum(axis=0))
    return _ratio(covariance, np.sqrt(spread))


def _ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Doubles:
    """``above / below``, and 0 where ``below`` is 0."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    ratio: Doubles = np.divide(above, below, out=np.zeros_like(above), where=below != 0)
    return ratio

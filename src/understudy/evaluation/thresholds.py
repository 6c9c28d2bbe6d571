"""Thresholds of a multilabel task: from which probability on each label holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from understudy.core.task import THRESHOLD, FloatArray, Gold, Task
from understudy.errors import DataError


def tune_thresholds(task: Task, gold: Gold, probabilities: FloatArray) -> tuple[float, ...]:
    """The thresholds with the best F1; to be tuned on dev.

    The task's metric decides. The best macro-F1 needs one threshold a label, each with the best F1 of its
    label. The best micro-F1 counts every answer alike, whatever its label, and needs one threshold for all
    (Lipton et al. 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure").

    Every distinct probability is a candidate. A threshold lies halfway between the lowest probability that
    it lets hold and the next lower one. Of equally good candidates, that with the fewest answers wins. Where
    no text has the label, the threshold is `understudy.core.task.THRESHOLD`.

    Args:
        task: A multilabel task.
        gold: ``(n, labels)`` 1 where a label holds, else 0; texts with NaN are left out.
        probabilities: ``(n, labels)`` between 0 and 1, as `Task.probabilities` gives them.

    Returns:
        One threshold a label, for `Task.thresholds`.

    Raises:
        DataError: Another kind of task, or arrays of other shapes.
    """
    shape = (len(gold), len(task.labels))
    if task.kind != "multilabel" or np.shape(gold) != shape or np.shape(probabilities) != shape:
        raise DataError(
            f"Thresholds are tuned on gold and probabilities {shape} of a multilabel task, but this "
            f"{task.kind} task has gold {np.shape(gold)} and probabilities {np.shape(probabilities)}."
        )
    is_labelled = ~np.isnan(gold).any(axis=1)
    held, shares = gold[is_labelled] > 0, np.asarray(probabilities, dtype=np.float32)[is_labelled]
    if task.metric == "micro_f1":
        return _best(held.reshape(-1, 1), shares.reshape(-1, 1)) * len(task.labels)
    return _best(held, shares)


def _best(held: npt.NDArray[np.bool_], shares: FloatArray) -> tuple[float, ...]:
    """The threshold with the best F1 of each column of two arrays ``(n, columns)``."""
    if len(held) == 0:
        return (THRESHOLD,) * int(held.shape[1])
    order = np.argsort(-shares, axis=0, kind="stable")
    held, shares = np.take_along_axis(held, order, axis=0), np.take_along_axis(shares, order, axis=0)
    lower = np.vstack([shares[1:], np.zeros_like(shares[:1])])
    answers = np.arange(1, len(held) + 1)[:, None]
    f1 = 2 * held.cumsum(axis=0) / (answers + held.sum(axis=0))
    f1[:-1][shares[:-1] == lower[:-1]] = -1  # equal probabilities hold together or not at all
    best = f1.argmax(axis=0)[None]
    above, below = (np.take_along_axis(array, best, axis=0)[0] for array in (shares, lower))
    halfway = (above + below) / 2
    chosen = np.where(halfway > below, halfway, above)  # nothing lies between neighbouring floats
    return tuple(map(float, np.where(held.any(axis=0), chosen, THRESHOLD)))


def tuned(task: Task, logits: FloatArray, gold: Gold) -> Task:
    """A multilabel task with thresholds tuned on these logits ``(n, labels)``; any other task as it is."""
    if task.kind != "multilabel":
        return task
    return replace(task, thresholds=tune_thresholds(task, gold, task.probabilities(logits)))

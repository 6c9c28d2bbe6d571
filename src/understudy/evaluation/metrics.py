"""Metrics of every kind of task, and what each item adds to them.

All metrics but the correlations are functions of three counts by class: what is there (`Margins.golds`),
what was answered, and what of it is right. The classes are the labels, or in tagging with spans the kinds of
span. So a score is a function of sums over items, and a resample of the items, which only weights them, is
scored by one product of matrices (`Tally`, used by `understudy.evaluation.intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.spans import spans
from understudy.core.task import METRICS, OF_TWO_LABELS, OUTSIDE, Gold, IntArray, Task
from understudy.errors import DataError, RecipeError, nearest
from understudy.evaluation.correlations import Doubles, pearson, ratio, spearman

PARTS = {"accuracy_f1": ("accuracy", "f1"), "pearson_spearman": ("pearson", "spearman")}
"""Metrics that are the mean of two others."""


@dataclass(frozen=True)
class Margins:
    """What the counting metrics need of one set of answers, or of many side by side.

    Attributes:
        hits: ``(classes, ...)`` how many of a class were answered rightly.
        golds: ``(classes, ...)`` how many of a class there are.
        answers: ``(classes, ...)`` how many were answered with a class.
    """

    hits: npt.NDArray[Any]
    golds: npt.NDArray[Any]
    answers: npt.NDArray[Any]


@dataclass(frozen=True)
class LabelScore:
    """How well one class is recognised; a share whose denominator is 0 is 0.

    Attributes:
        precision: Share of the answers with this class that are right.
        recall: Share of this class that was found.
        f1: Harmonic mean of the two.
        support: How many of this class there are.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Tally:
    """What every item adds to a score.

    Attributes:
        metric: The metric.
        parts: ``(items, k)``. Counts by class, first all hits, then golds, then answers; or, of a
            correlation, the item's gold value and answer (k = 2).
    """

    metric: str
    parts: npt.NDArray[Any]

    def scores(self, weights: npt.NDArray[Any]) -> Doubles:
        """Scores ``(m,)`` of ``m`` resamples, in which each item stands ``weights (items, m)`` times."""
        if self.metric in METRICS["regression"]:
            gold, answers = self.parts.T
            found = [
                (pearson if name == "pearson" else spearman)(gold, answers, weights)
                for name in PARTS.get(self.metric, (self.metric,))
            ]
            return np.asarray(np.mean(found, axis=0))
        sums = self.parts.T @ weights.astype(self.parts.dtype)
        return score_margins(self.metric, Margins(*np.split(sums, 3)))


def score(
    task: Task,
    gold: npt.ArrayLike,
    decisions: npt.ArrayLike,
    lengths: IntArray | None = None,
    metric: str | None = None,
) -> float:
    """The value of a metric; higher is better.

    Args:
        task: Kind, labels and metric.
        gold: Gold labels in the form of `understudy.core.task.Gold`, none missing.
        decisions: `Task.decisions`, in the same form.
        lengths: ``(items,)`` rows of each item, `Task.rows`. Metrics of spans need it.
        metric: One of the kind's `METRICS`; the task's own unless given.

    Raises:
        RecipeError: A metric that the task does not have.
        DataError: No items, shapes that do not fit, a column that does not exist, or missing gold.
    """
    metric = check_metric(task, metric)
    there, given = check_answers(task, gold, decisions)
    if task.kind == "regression":
        return float(Tally(metric, np.stack([there, given], axis=1)).scores(np.ones((len(there), 1)))[0])
    return float(score_margins(metric, _margins(task, there, given, lengths, metric)))


def scores(
    task: Task, gold: npt.ArrayLike, decisions: npt.ArrayLike, lengths: IntArray | None = None
) -> dict[str, float]:
    """All metrics of the kind that the task has, by name; arguments and errors as in `score`."""
    return {name: score(task, gold, decisions, lengths, name) for name in metrics_of(task)}


def metrics_of(task: Task) -> tuple[str, ...]:
    """The metrics that are told of a task: those of its kind, without those of spans where tags mark none.

    Means of two metrics, and F1 of one label, are told where they are the task's own.
    """
    own = (task.metric, *PARTS.get(task.metric, ()))
    on_request = {*PARTS, *OF_TWO_LABELS}
    return tuple(name for name in _possible(task) if name not in on_request or name in own)


def _possible(task: Task) -> tuple[str, ...]:
    """The metrics that a task can have."""
    lacks = {"span_f1"} if not task.has_spans else set()
    if len(task.labels) != 2:
        lacks.update(OF_TWO_LABELS)
    return tuple(name for name in METRICS[task.kind] if name not in lacks)


def tally(
    task: Task,
    gold: npt.ArrayLike,
    decisions: npt.ArrayLike,
    lengths: IntArray | None = None,
    metric: str | None = None,
) -> Tally:
    """What every item adds to a metric; arguments and errors as in `score`."""
    metric = check_metric(task, metric)
    there, given = check_answers(task, gold, decisions)
    if task.kind == "regression":
        return Tally(metric, np.stack([there, given], axis=1))
    lengths = _lengths(task, there, lengths)
    width = len(classes(task, metric))
    cells = [
        items * 3 * width + part * width + columns
        for part, (items, columns) in enumerate(_events(task, there, given, lengths, metric))
    ]
    counts = np.bincount(np.concatenate(cells), minlength=len(lengths) * 3 * width)
    return Tally(metric, counts.reshape(len(lengths), 3 * width).astype(np.float32))


def classes(task: Task, metric: str = "macro_f1") -> tuple[str, ...]:
    """What a metric counts by: the labels, or the kinds of span in the order of the labels."""
    if not _counts_spans(task, metric):
        return task.labels
    return tuple(dict.fromkeys(tag.partition("-")[2] for tag in task.labels if tag != OUTSIDE))


def per_label(
    task: Task, gold: npt.ArrayLike, decisions: npt.ArrayLike, lengths: IntArray | None = None
) -> dict[str, LabelScore]:
    """Precision, recall, F1 and support of every label (of every kind of span), in the task's order.

    Raises:
        RecipeError: A regression, which has no labels to be right about.
        DataError: As in `score`.
    """
    if task.kind == "regression":
        raise RecipeError("A regression has no scores by label.")
    there, given = check_answers(task, gold, decisions)
    parts = _margins(task, there, given, lengths, "macro_f1")
    precision, recall = ratio(parts.hits, parts.answers), ratio(parts.hits, parts.golds)
    columns = (precision.tolist(), recall.tolist(), _f1(parts).tolist(), parts.golds.tolist())
    names = classes(task)
    return {name: LabelScore(*values) for name, *values in zip(names, *columns, strict=True)}


def confusion(task: Task, gold: npt.ArrayLike, decisions: npt.ArrayLike) -> IntArray:
    """Count rows by gold label (row) and answer (column): ``(labels, labels)`` int64.

    Raises:
        RecipeError: A task whose rows do not have exactly one label each.
        DataError: As in `score`.
    """
    if not task.is_exclusive:
        raise RecipeError(f"A {task.kind} task has no confusion matrix.")
    there, given = check_answers(task, gold, decisions)
    n = len(task.labels)
    return np.bincount(there * n + given, minlength=n * n).reshape(n, n).astype(np.int64)


def score_margins(metric: str, parts: Margins) -> Doubles:
    """The value of a counting metric for margins ``(classes, ...)``: an array ``(...)``.

    Macro-F1 is the mean over the classes that occur in gold or answers, as in scikit-learn; one that was
    never found, or was answered but never right, counts as 0. F1 is that of the second class.

    Raises:
        RecipeError: A metric that does not count.
    """
    if metric == "accuracy":
        return ratio(parts.hits.sum(axis=0), parts.golds.sum(axis=0))
    if metric in ("micro_f1", "span_f1"):
        total = (part.sum(axis=0) for part in (parts.hits, parts.golds, parts.answers))
        return _f1(Margins(*total))
    if metric == "macro_f1":
        occurs = (parts.golds + parts.answers) > 0
        return ratio(_f1(parts).sum(axis=0), occurs.sum(axis=0))
    if metric == "mcc":
        return _mcc(parts)
    if metric == "f1":
        return np.asarray(_f1(parts)[1])
    if metric in PARTS:
        return np.asarray(np.mean([score_margins(name, parts) for name in PARTS[metric]], axis=0))
    known = {name for kind, names in METRICS.items() if kind != "regression" for name in names}
    raise RecipeError(f"Unknown metric {metric!r}. {nearest(metric, known)}")


def check_metric(task: Task, metric: str | None) -> str:
    """The metric, or the task's own.

    Raises:
        RecipeError: A metric that the task does not have.
    """
    if metric is None or metric in _possible(task):
        return metric or task.metric
    raise RecipeError(f"Unknown metric {metric!r} of a {task.kind} task. {nearest(metric, _possible(task))}")


def check_answers(task: Task, *arrays: npt.ArrayLike) -> list[Gold]:
    """Gold labels and decisions as int64 columns, or doubles, after checking shapes and values.

    Raises:
        DataError: No items, two shapes, a column that does not exist, or missing gold.
    """
    checked = [np.asarray(array) for array in arrays]
    shapes = [array.shape for array in checked]
    expected = "(n, labels)" if task.kind == "multilabel" else "(n,)"
    width = (len(task.labels),) if task.kind == "multilabel" else ()
    if len(set(shapes)) != 1 or len(shapes[0]) != len(width) + 1 or shapes[0][1:] != width:
        raise DataError(f"Answers to compare must be arrays of one shape {expected}, but have {shapes}.")
    if shapes[0][0] == 0:
        raise DataError("There is no answer to score. Give at least one.")

    if task.is_exclusive:
        return [_columns(task, array) for array in checked]
    for array in checked:
        wrong = ~np.isfinite(array) if task.kind == "regression" else ~np.isin(array, (0, 1))
        if wrong.any():
            raise DataError(
                f"Row {np.argwhere(wrong)[0][0]} of the answers to compare holds {array[wrong][0]}. "
                + ("Give finite values." if task.kind == "regression" else "Give 0 or 1 for every label.")
            )
    return [array.astype(np.float64) for array in checked]


def _columns(task: Task, array: npt.NDArray[Any]) -> IntArray:
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"Labels to compare must be integer columns, but have type {array.dtype}.")
    wrong = array[(array < 0) | (array >= len(task.labels))]
    if len(wrong):
        raise DataError(
            f"Label column {wrong[0]} does not exist: the task has columns 0 to {len(task.labels) - 1}."
        )
    return array.astype(np.int64, copy=False)


def _lengths(task: Task, gold: Gold, lengths: IntArray | None) -> IntArray:
    """Rows of each item."""
    if task.kind != "tagging":
        return np.ones(len(gold), dtype=np.int64)
    if lengths is None or int(np.sum(lengths)) != len(gold):
        held = "none" if lengths is None else f"lengths that sum to {int(np.sum(lengths))}"
        raise DataError(
            f"Sentences are scored by their numbers of words, which sum to {len(gold)}; given were {held}."
        )
    return np.asarray(lengths, dtype=np.int64)


def _counts_spans(task: Task, metric: str) -> bool:
    return metric == "span_f1" or (metric == "macro_f1" and task.has_spans)


def _margins(task: Task, gold: Gold, decisions: Gold, lengths: IntArray | None, metric: str) -> Margins:
    """The counts of all items together."""
    if _counts_spans(task, metric):
        lengths = _lengths(task, gold, lengths)
    else:
        lengths = np.ones(len(gold), dtype=np.int64)
    width = len(classes(task, metric))
    events = _events(task, gold, decisions, lengths, metric)
    return Margins(*(np.bincount(columns, minlength=width) for _, columns in events))


def _events(
    task: Task, gold: Gold, decisions: Gold, lengths: IntArray, metric: str
) -> list[tuple[IntArray, IntArray]]:
    """Of hits, golds and answers each: numbers of items, and classes, one for every time it occurs."""
    if _counts_spans(task, metric):
        there = _find_spans(task, gold, lengths, metric)
        given = _find_spans(task, decisions, lengths, metric)
        found = (there & given, there, given)
        pairs = (np.array([span[:2] for span in part], dtype=np.int64).reshape(-1, 2) for part in found)
        return [(pair[:, 0], pair[:, 1]) for pair in pairs]
    if task.kind == "multilabel":
        return [(*np.nonzero(held),) for held in (gold * decisions, gold, decisions)]  # type: ignore[misc]
    items = np.repeat(np.arange(len(lengths)), lengths)
    right = gold == decisions
    return [(items[right], gold[right]), (items, gold), (items, decisions)]


def _find_spans(
    task: Task, columns: IntArray, lengths: IntArray, metric: str
) -> set[tuple[int, int, int, int]]:
    """Spans of all sentences: sentence, class, first word, end."""
    number = {kind: place for place, kind in enumerate(classes(task, metric))}
    tags = [task.labels[column] for column in columns]
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]
    return {
        (item, number[span.kind], span.start, span.stop)
        for item, (start, end) in enumerate(zip(starts, ends, strict=True))
        for span in spans(tags[start:end])
    }


def _f1(parts: Margins) -> Doubles:
    """F1 by class, ``2 hits / (golds + answers)``; 0 for a class that does not occur."""
    return ratio(2 * parts.hits, parts.golds + parts.answers)


def _mcc(parts: Margins) -> Doubles:
    """Matthews correlation for any number of labels (Gorodkin 2004, R_K); 0 where it is undefined."""
    golds, answers = parts.golds.astype(np.float64), parts.answers.astype(np.float64)
    total = golds.sum(axis=0)
    covariance = parts.hits.sum(axis=0) * total - (golds * answers).sum(axis=0)
    spread = (total**2 - (golds**2).sum(axis=0)) * (total**2 - (answers**2).sum(axis=0))
    return ratio(covariance, np.sqrt(spread))

"""How far a student answers like its teacher, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from understudy.core.items import shown
from understudy.core.spans import spans
from understudy.core.task import FloatArray, Gold, IntArray, Item, Task
from understudy.errors import DataError
from understudy.evaluation.correlations import Doubles, pearson

Answered = tuple[Task, FloatArray]
"""A predictor's task, whose thresholds decide its answers, and its logits ``(rows, labels)``."""

NOTHING = "(none)"
"""Stands for an answer without labels, or without tags."""


@dataclass(frozen=True)
class Disagreement:
    """One item that student and teacher answer differently.

    Attributes:
        text: The item, as a person reads it.
        gold: Its gold label, labels, value, spans or tags.
        teacher: The teacher's answer.
        student: The student's answer.
        teacher_confidence: Probability the teacher gives to its answer; ``None`` for a value. Of a whole
            sentence it is the mean over the words on which the two differ, of a set of labels the smallest
            over the labels on which they differ.
        student_confidence: The student's, in the same way.
    """

    text: str
    gold: str
    teacher: str
    student: str
    teacher_confidence: float | None
    student_confidence: float | None


def agreement(teacher: Answered, student: Answered) -> float:
    """How far two predictors answer alike, right or wrong.

    The share of rows (texts, pairs, words) with the same answer, in multilabel with the same set of labels;
    in regression the Pearson correlation of the two predictors' values.

    Raises:
        DataError: Two shapes, or no rows.
    """
    a, b = teacher[1], student[1]
    if a.shape != b.shape or a.ndim != 2 or len(a) == 0:
        raise DataError(
            "Agreement needs two arrays of logits (n, labels) for the same items, at least one, but they "
            f"have shapes {a.shape} and {b.shape}."
        )
    decided, other = (task.decisions(logits) for task, logits in (teacher, student))
    if student[0].kind == "regression":
        return float(pearson(decided, other, np.ones((len(a), 1)))[0])
    return float(np.mean(_are_same(decided, other)))


def disagreements(
    items: Sequence[Item],
    gold: npt.ArrayLike,
    teacher: Answered,
    student: Answered,
    *,
    limit: int = 20,
) -> list[Disagreement]:
    """The items that the two answer differently, worst first; equal ones keep their order.

    The worst is: of labels, where the teacher's probability of its own answer most exceeds the student's
    probability of that same label; in multilabel, where the two probabilities differ most over a label that
    one gives and the other does not; in regression, where the values differ most; in tagging, the sentence
    with the most words that are tagged differently.

    Args:
        items: ``n`` items.
        gold: Their gold labels, in the form of `understudy.core.task.Gold`.
        teacher: The teacher's task and logits.
        student: The student's task and logits.
        limit: How many to return at most.

    Raises:
        DataError: Items, gold labels and logits do not belong together.
    """
    task, gold = student[0], np.asarray(gold)
    lengths = task.rows(items)
    shape = (int(lengths.sum()), len(task.labels))
    expected = shape if task.kind == "multilabel" else shape[:1]
    if gold.shape != expected or teacher[1].shape != shape or student[1].shape != shape:
        raise DataError(
            f"{len(items)} items and {shape[1]} labels need gold labels {expected} and logits {shape}, but "
            f"gold has shape {gold.shape}, the teacher's logits {teacher[1].shape}, "
            f"the student's {student[1].shape}."
        )

    ends = np.cumsum(lengths)
    weights, surenesses = _weigh(teacher, student, lengths)
    differing = np.flatnonzero(weights > -np.inf)
    worst = differing[np.argsort(-weights[differing], kind="stable")][:limit]
    answers = (gold, teacher[0].decisions(teacher[1]), task.decisions(student[1]))
    found = []
    for item in worst:
        rows = slice(int(ends[item] - lengths[item]), int(ends[item]))
        right, ours, theirs = (_said(task, items[item], part[rows]) for part in answers)
        sure, other = (None if part is None else float(part[item]) for part in surenesses)
        found.append(Disagreement(shown(items[item]), right, ours, theirs, sure, other))
    return found


def _weigh(
    teacher: Answered, student: Answered, lengths: IntArray
) -> tuple[Doubles, tuple[Doubles | None, Doubles | None]]:
    """How bad each item's disagreement is ``(items,)``, -inf: none; and how sure teacher and student are."""
    task = student[0]
    decided, other = (one.decisions(logits) for one, logits in (teacher, student))
    if task.kind == "regression":
        gap = np.abs(decided - other).astype(np.float64)
        return np.where(gap > 0, gap, -np.inf), (None, None)
    differs = ~_are_same(decided, other)
    ours, theirs = (one.probabilities(logits) for one, logits in (teacher, student))
    if task.kind == "multilabel":
        return _weigh_sets(differs, decided != other, (ours, theirs), (decided, other))

    rows = np.arange(len(decided))
    sure = (ours[rows, decided].astype(np.float64), theirs[rows, other].astype(np.float64))
    if task.kind != "tagging":
        gap = sure[0] - theirs[rows, decided]
        return np.where(differs, gap, -np.inf), sure
    owner = np.repeat(np.arange(len(lengths)), lengths)
    tally = np.bincount(owner, differs, minlength=len(lengths))
    means = (np.bincount(owner, part * differs, len(lengths)) / np.maximum(tally, 1) for part in sure)
    return np.where(tally > 0, tally, -np.inf), (next(means), next(means))


def _weigh_sets(
    differs: npt.NDArray[np.bool_],
    disputed: npt.NDArray[np.bool_],
    probabilities: tuple[FloatArray, FloatArray],
    decided: tuple[Gold, Gold],
) -> tuple[Doubles, tuple[Doubles | None, Doubles | None]]:
    """Of sets of labels: the largest difference of the probabilities of a label that one alone gives."""
    gap = np.where(disputed, np.abs(probabilities[0] - probabilities[1]), 0).max(axis=1).astype(np.float64)
    sure = (
        np.where(disputed, np.where(held > 0, p, 1 - p), 1).min(axis=1).astype(np.float64)
        for p, held in zip(probabilities, decided, strict=True)
    )
    return np.where(differs, gap, -np.inf), (next(sure), next(sure))


def _are_same(decided: Gold, other: Gold) -> npt.NDArray[np.bool_]:
    """Whether the answers of two predictors are equal, by row."""
    same: npt.NDArray[np.bool_] = np.equal(decided, other)
    return np.asarray(same.all(axis=1)) if same.ndim == 2 else same


def _said(task: Task, item: Item, rows: Gold) -> str:
    """The rows of one item's answer, as a person reads it."""
    if task.kind == "regression":
        return f"{float(rows[0]):.3g}"
    if task.kind == "multilabel":
        return ", ".join(task.labels[column] for column in np.flatnonzero(rows[0] > 0)) or NOTHING
    if task.kind != "tagging":
        return task.labels[int(rows[0])]
    tags = [task.labels[column] for column in rows]
    if not task.has_spans:
        return " ".join(tags)
    found = (f"{' '.join(item[span.start : span.stop])} ({span.kind})" for span in spans(tags))
    return ", ".join(found) or NOTHING

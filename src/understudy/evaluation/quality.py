"""Everything that is said about the answers of one predictor on one test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.errors import DataError, TeacherError
from understudy.evaluation.agreement import Disagreement, agreement, disagreements
from understudy.evaluation.calibration import Calibration, calibrate
from understudy.evaluation.intervals import Interval, bootstrap_interval
from understudy.evaluation.metrics import confusion, metrics_of, per_label, scores


@dataclass(frozen=True)
class Quality:
    """How well a predictor answers a test split.

    Attributes:
        metric: The task's metric.
        items: Number of test items: texts, pairs, or sentences.
        rows: Number of rows that were answered: words in tagging, else the items.
        score: Value of the metric.
        ci95: 95 % bootstrap interval of ``score``.
        metrics: Every metric of the kind of task → its value.
        macro_f1: Mean F1 of the labels, or kinds of span, that occur; ``None``: regression.
        macro_f1_ci95: Its 95 % bootstrap interval.
        per_label: Label, or kind of span, → F1; empty in regression.
        confusion: Rows by gold label (outer) and answer (inner), in the order of the task's labels; ``None``
            where a row does not have exactly one label.
        calibration: Confidence against accuracy; ``None`` for a regression that gives values directly.
        agreement: How far it answers like the teacher (`understudy.evaluation.agreement.agreement`); ``None``
            if no teacher was given.
        disagreements: The worst of the others; empty unless a teacher was given.
    """

    metric: str
    items: int
    rows: int
    score: float
    ci95: Interval
    metrics: dict[str, float]
    macro_f1: float | None
    macro_f1_ci95: Interval | None
    per_label: dict[str, float]
    confusion: list[list[int]] | None
    calibration: Calibration | None
    agreement: float | None = None
    disagreements: tuple[Disagreement, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; intervals are ``[low, high]``, bins ``[confidence, accuracy, answers]``."""
        bins = self.calibration and {
            "bins": [list(part) for part in self.calibration.bins],
            "ece": self.calibration.ece,
        }
        return {
            **asdict(self),
            "ci95": [self.ci95.low, self.ci95.high],
            "macro_f1_ci95": self.macro_f1_ci95 and [self.macro_f1_ci95.low, self.macro_f1_ci95.high],
            "calibration": bins,
            "disagreements": [asdict(item) for item in self.disagreements],
        }


def assess(
    task: Task,
    items: Sequence[Item],
    gold: npt.ArrayLike,
    logits: FloatArray,
    *,
    seed: int,
    teacher_logits: FloatArray | None = None,
    teacher_task: Task | None = None,
) -> Quality:
    """Judge the logits of one predictor.

    Args:
        task: The predictor's own task: its thresholds decide its answers (multilabel).
        items: The ``n`` items that were answered.
        gold: Their gold labels, in the form of `understudy.core.task.Gold`.
        logits: ``(rows, labels)`` of the predictor.
        seed: Seed of the bootstrap; the same seed gives the same numbers.
        teacher_logits: ``(rows, labels)`` of the teacher, columns in the same order.
        teacher_task: The teacher's task, with thresholds of its own; ``task`` unless given.

    Raises:
        DataError: The shapes do not fit, or a logit is not a number.
    """
    lengths = task.rows(items)
    _check_logits(task, lengths, logits)
    gold, decided = np.asarray(gold), task.decisions(logits)
    found = scores(task, gold, decided, lengths)
    alike: float | None = None
    worst: tuple[Disagreement, ...] = ()
    if teacher_logits is not None:
        _check_logits(task, lengths, teacher_logits)
        teacher = (teacher_task or task, teacher_logits)
        alike = agreement(teacher, (task, logits))
        worst = tuple(disagreements(items, gold, teacher, (task, logits)))
    has_labels = "macro_f1" in metrics_of(task)

    return Quality(
        metric=task.metric,
        items=len(items),
        rows=len(logits),
        score=found[task.metric],
        ci95=bootstrap_interval(task, gold, decided, lengths, seed=seed),
        metrics=found,
        macro_f1=found.get("macro_f1"),
        macro_f1_ci95=bootstrap_interval(task, gold, decided, lengths, seed=seed, metric="macro_f1")
        if has_labels
        else None,
        per_label=_f1_by_label(task, gold, decided, lengths) if has_labels else {},
        confusion=confusion(task, gold, decided).tolist() if task.is_exclusive else None,
        calibration=calibrate(task, gold, logits),
        agreement=alike,
        disagreements=worst,
    )


def retention(student_score: float, teacher_score: float) -> float:
    """Student score / teacher score, on the same test split.

    Raises:
        TeacherError: The teacher scores 0 or less, so that the share means nothing.
    """
    if teacher_score <= 0:
        raise TeacherError(
            f"The teacher scores {teacher_score:g} on the test split, so there is nothing to retain. Train "
            "or choose a teacher that is better than that."
        )
    return student_score / teacher_score


def _f1_by_label(
    task: Task, gold: npt.NDArray[Any], decided: npt.NDArray[Any], lengths: IntArray
) -> dict[str, float]:
    return {name: part.f1 for name, part in per_label(task, gold, decided, lengths).items()}


def _check_logits(task: Task, lengths: IntArray, logits: FloatArray) -> None:
    """Refuse logits that are not one finite row for each row of the items, one column for each label."""
    expected = (int(lengths.sum()), len(task.labels))
    if logits.shape != expected:
        raise DataError(f"Logits must have the shape (rows, labels) = {expected}, but have {logits.shape}.")
    wrong = np.argwhere(~np.isfinite(logits))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"The logit of row {row} for label {task.labels[column]!r} is {logits[row, column]}. Logits "
            "must be finite; look for an overflow or a division by zero in the model."
        )

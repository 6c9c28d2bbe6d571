"""Everything that is said about the answers of one predictor on one test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.errors import DataError, TeacherError
from understudy.evaluation.agreement import Disagreement, agreement, disagreements
from understudy.evaluation.calibration import Calibration, calibration
from understudy.evaluation.intervals import Interval, bootstrap_interval
from understudy.metrics import check_columns, confusion, macro_f1, per_label, score
from understudy.task import FloatArray, Task


@dataclass(frozen=True)
class Quality:
    """How well a predictor answers a test split.

    Attributes:
        metric: the task's metric.
        texts: number of test texts.
        score: value of the metric.
        ci95: 95 % bootstrap interval of ``score``.
        macro_f1: mean F1 of the labels that occur.
        macro_f1_ci95: its 95 % bootstrap interval.
        per_label: label name → F1.
        confusion: texts by gold label (outer) and answer (inner), in the order of the task's labels.
        calibration: confidence against accuracy.
        agreement: share of texts answered like the teacher; ``None`` if no teacher was given.
        disagreements: the worst of the others; empty unless teacher and texts were given.
    """

    metric: str
    texts: int
    score: float
    ci95: Interval
    macro_f1: float
    macro_f1_ci95: Interval
    per_label: dict[str, float]
    confusion: list[list[int]]
    calibration: Calibration
    agreement: float | None = None
    disagreements: tuple[Disagreement, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; intervals are ``[low, high]``, bins ``[confidence, accuracy, texts]``."""
        return {
            **asdict(self),
            "ci95": [self.ci95.low, self.ci95.high],
            "macro_f1_ci95": [self.macro_f1_ci95.low, self.macro_f1_ci95.high],
            "calibration": {
                "bins": [list(part) for part in self.calibration.bins],
                "ece": self.calibration.ece,
            },
            "disagreements": [asdict(item) for item in self.disagreements],
        }


def assess(
    task: Task,
    gold: npt.ArrayLike,
    logits: FloatArray,
    *,
    seed: int,
    texts: Sequence[str] | None = None,
    teacher_logits: FloatArray | None = None,
) -> Quality:
    """Judge the logits of one predictor.

    Args:
        task: label names and metric.
        gold: ``(n,)`` columns of the gold labels.
        logits: ``(n, labels)`` of the predictor.
        seed: of the bootstrap; the same seed gives the same numbers.
        texts: the ``n`` texts, to show disagreements with the teacher.
        teacher_logits: ``(n, labels)`` of the teacher, columns in the same order.

    Raises:
        DataError: the shapes do not fit, or a logit is not a number.
    """
    n_labels = len(task.labels)
    _check_logits(task, gold, logits)
    predicted = logits.argmax(axis=1)
    (gold,) = check_columns(n_labels, gold)
    alike: float | None = None
    worst: tuple[Disagreement, ...] = ()
    if teacher_logits is not None:
        _check_logits(task, gold, teacher_logits)
        alike = agreement(teacher_logits, logits)
        if texts is not None:
            worst = tuple(disagreements(texts, gold, task, teacher_logits, logits))
    labels = per_label(gold, predicted, n_labels)
    return Quality(
        metric=task.metric,
        texts=len(gold),
        score=score(task.metric, gold, predicted, n_labels),
        ci95=bootstrap_interval(task.metric, gold, predicted, n_labels, seed=seed),
        macro_f1=macro_f1(gold, predicted, n_labels),
        macro_f1_ci95=bootstrap_interval("macro_f1", gold, predicted, n_labels, seed=seed),
        per_label={name: part.f1 for name, part in zip(task.labels, labels, strict=True)},
        confusion=confusion(gold, predicted, n_labels).tolist(),
        calibration=calibration(task.probabilities(logits), gold),
        agreement=alike,
        disagreements=worst,
    )


def retention(student_score: float, teacher_score: float) -> float:
    """Student score / teacher score, on the same test split.

    Raises:
        TeacherError: the teacher scores 0 or less, so that the share means nothing.
    """
    if teacher_score <= 0:
        raise TeacherError(
            f"The teacher scores {teacher_score:g} on the test split, so there is nothing to retain. Train "
            "or choose a teacher that is better than that."
        )
    return student_score / teacher_score


def _check_logits(task: Task, gold: npt.ArrayLike, logits: FloatArray) -> None:
    """Refuse logits that are not one finite row for each text, one column for each label."""
    expected = (len(np.asarray(gold)), len(task.labels))
    if logits.shape != expected:
        raise DataError(f"Logits must have the shape (texts, labels) = {expected}, but have {logits.shape}.")
    wrong = np.argwhere(~np.isfinite(logits))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"The logit of text {row} for label {task.labels[column]!r} is {logits[row, column]}. Logits "
            "must be finite; look for an overflow or a division by zero in the model."
        )

"""How far a student answers like its teacher, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from understudy.errors import DataError
from understudy.task import FloatArray, Task


@dataclass(frozen=True)
class Disagreement:
    """One text that student and teacher answer differently.

    Attributes:
        text: the text.
        gold: its gold label.
        teacher: the teacher's answer.
        student: the student's answer.
        teacher_confidence: probability the teacher gives to its answer.
        student_confidence: probability the student gives to its own answer.
    """

    text: str
    gold: str
    teacher: str
    student: str
    teacher_confidence: float
    student_confidence: float


def agreement(a_logits: FloatArray, b_logits: FloatArray) -> float:
    """Share of texts on which the highest logit of two predictors stands in the same column.

    Args:
        a_logits: ``(n, labels)``.
        b_logits: ``(n, labels)``, same texts, same columns.

    Raises:
        DataError: two shapes, or no texts.
    """
    if a_logits.shape != b_logits.shape or a_logits.ndim != 2 or len(a_logits) == 0:
        raise DataError(
            "Agreement needs two arrays of logits (n, labels) for the same texts, at least one, but they "
            f"have shapes {a_logits.shape} and {b_logits.shape}."
        )
    return float(np.mean(a_logits.argmax(axis=1) == b_logits.argmax(axis=1)))


def disagreements(
    texts: Sequence[str],
    gold: npt.ArrayLike,
    task: Task,
    teacher_logits: FloatArray,
    student_logits: FloatArray,
    *,
    limit: int = 20,
) -> list[Disagreement]:
    """The texts that the two answer differently, worst first.

    The worst is the one where the teacher's probability of its own answer most exceeds the student's
    probability of that same label. Equal ones keep the order of the texts.

    Args:
        texts: ``n`` texts.
        gold: ``(n,)`` columns of the gold labels.
        task: names the columns.
        teacher_logits: ``(n, labels)``.
        student_logits: ``(n, labels)``.
        limit: how many to return at most.

    Raises:
        DataError: texts, gold labels and logits do not belong together.
    """
    gold = np.asarray(gold)
    shape = (len(texts), len(task.labels))
    if gold.shape != shape[:1] or teacher_logits.shape != shape or student_logits.shape != shape:
        raise DataError(
            f"{shape[0]} texts and {shape[1]} labels need gold labels {shape[:1]} and logits {shape}, but "
            f"gold has shape {gold.shape}, the teacher's logits {teacher_logits.shape}, "
            f"the student's {student_logits.shape}."
        )
    teacher, student = task.probabilities(teacher_logits), task.probabilities(student_logits)
    teacher_answer, student_answer = teacher_logits.argmax(axis=1), student_logits.argmax(axis=1)
    rows = np.flatnonzero(teacher_answer != student_answer)
    answer = teacher_answer[rows]
    gap = teacher[rows, answer] - student[rows, answer]
    worst = rows[np.argsort(-gap, kind="stable")][:limit]
    return [
        Disagreement(
            text=texts[row],
            gold=task.labels[gold[row]],
            teacher=task.labels[teacher_answer[row]],
            student=task.labels[student_answer[row]],
            teacher_confidence=float(teacher[row, teacher_answer[row]]),
            student_confidence=float(student[row, student_answer[row]]),
        )
        for row in worst
    ]

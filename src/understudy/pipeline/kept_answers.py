"""Answers of predictors to the test split, kept in a run, and the comparisons that are made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from understudy.core.manifest import digest, read_json, verify, write_json
from understudy.core.task import FloatArray, Task
from understudy.data import Dataset
from understudy.errors import ArtifactError
from understudy.evaluation.intervals import paired_bootstrap
from understudy.report.record import ComparisonRecord, ReportRow

ANSWERS = "answers"
"""Folder of a run with one folder of answers for each row of its report."""

LOGITS, TASK = "logits.npy", "task.json"


@dataclass(frozen=True)
class KeptAnswers:
    """Logits ``(rows, c)`` of the test split, and the predictor's own task with its thresholds."""

    task: Task
    logits: FloatArray


def folder_of(folder: Path, role: str, name: str) -> Path:
    """Where the answers of a row of the report are kept, under the folder `ANSWERS`."""
    return folder / digest([role, name])[:16]


def write_answers(folder: Path, answers: KeptAnswers) -> None:
    """Write answers into a folder, which the caller publishes."""
    np.save(folder / LOGITS, answers.logits)
    write_json(folder / TASK, answers.task.to_dict())


def read_answers(folder: Path, task: Task) -> KeptAnswers:
    """Read answers; of the predictor's own task only the thresholds count."""
    logits: FloatArray = np.load(folder / LOGITS, allow_pickle=False)
    own = Task.from_dict(read_json(folder / TASK))
    return KeptAnswers(replace(task, thresholds=own.thresholds), logits)


def with_comparisons(
    rows: Sequence[ReportRow], folder: Path, dataset: Dataset, seed: int
) -> Sequence[ReportRow]:
    """Rows of a run that was evaluated before students were compared with the teacher, compared now.

    No predictor is opened. Rows that are compared already stay as they are, and so do all of them where the
    answers of one are missing or damaged.
    """
    is_old = any(row.role == "student" and row.against_teacher is None for row in rows)
    if not is_old or not len(dataset.train):
        return rows

    places = [folder_of(folder, row.role, row.name) for row in rows]
    try:
        for place in places:
            verify(place)
        answers = [read_answers(place, dataset.task) for place in places]
    except (ArtifactError, OSError):
        return rows

    wanted = int(dataset.task.rows(dataset.test.texts).sum())
    if any(len(each.logits) != wanted for each in answers):
        return rows  # they are answers to another test split
    return compared(rows, answers, dataset, seed)


def compared(
    rows: Sequence[ReportRow], answers: Sequence[KeptAnswers], dataset: Dataset, seed: int
) -> list[ReportRow]:
    """Rows in which each student says how it differs from the teacher, its undistilled twin, the baseline.

    Those trained on labels only are compared with the teacher and the baseline too: where being taught made a
    student worse, one of them may be recommended.
    """
    decided = [each.task.decisions(each.logits) for each in answers]
    lengths = dataset.task.rows(dataset.test.texts)

    def compare(number: int, role: str, student: str | None = None) -> ComparisonRecord | None:
        """Row ``number`` against the first of a role, and of a student where one is named."""
        fitting = (i for i, row in enumerate(rows) if row.role == role and student in (None, row.student))
        other = next(fitting, None)
        if other is None:
            return None

        pair = (decided[number], decided[other])
        difference = paired_bootstrap(dataset.task, dataset.test.labels, *pair, lengths, seed=seed)
        return ComparisonRecord(
            name=rows[other].name,
            difference=difference.difference,
            interval=[difference.interval.low, difference.interval.high],
            share_not_better=difference.share_not_better,
        )

    def with_all(number: int, row: ReportRow) -> ReportRow:
        # Without a train split, the teacher's own answers are the labels: it is always right.
        is_taught = row.role == "student"
        return replace(
            row,
            against_teacher=compare(number, "teacher") if len(dataset.train) else None,
            against_undistilled=compare(number, "undistilled", row.student) if is_taught else None,
            against_baseline=compare(number, "baseline"),
        )

    judged = ("student", "undistilled")
    return [with_all(i, row) if row.role in judged else row for i, row in enumerate(rows)]

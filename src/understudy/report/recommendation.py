"""Which student a report recommends: dev chooses, and never a student that was made worse by being taught."""

from __future__ import annotations

import math
from collections.abc import Sequence

from understudy.report.record import ReportRow
from understudy.report.rows import latency


def recommended(rows: Sequence[ReportRow]) -> ReportRow | None:
    """The student to take: the best on dev, where each stands for the better of itself and its twin.

    A student that is worse on dev than the same architecture trained on labels only is therefore never
    recommended; its twin may be, in its place, and has the role ``undistilled``. Of equal ones the student is
    preferred to its twin, and the fastest to the others. ``None``: there is no student.
    """
    return _best([_not_worse(row, twin(row, rows)) for row in rows if row.role == "student"])


def best(rows: Sequence[ReportRow], role: str) -> ReportRow | None:
    """The row of a role that was best on dev, of equal ones the fastest; ``None``: there is none.

    Test chooses nothing, for the best of several scores on test promises too much. Where a row says nothing
    of dev, the highest score has to do.
    """
    return _best([row for row in rows if row.role == role])


def dev_score(row: ReportRow) -> float:
    """The score on dev of the weights that were kept, of a row that says something of dev."""
    if row.dev is not None:
        return float(row.dev)
    # What is not a number is no score: it would win or lose depending on where it stands.
    scores = (float(epoch["dev_score"]) for epoch in row.curve)
    return max((score for score in scores if not math.isnan(score)), default=-math.inf)


def twin(student: ReportRow, rows: Sequence[ReportRow]) -> ReportRow | None:
    """The same architecture trained on labels only: an undistilled row.

    Its name is, or begins with, the student's name (``cbow.v1``, ``cbow.v1 labels only``); failing that, it
    is the only undistilled row with the same number of parameters. ``None``: there is no such row, or the
    row is undistilled itself.
    """
    if student.role == "undistilled":
        return None
    undistilled = [row for row in rows if row.role == "undistilled"]
    name = str(student.name)
    for row in undistilled:
        head, rest = str(row.name)[: len(name)], str(row.name)[len(name) :]
        if head == name and not rest[:1].isalnum():
            return row
    same = [row for row in undistilled if row.parameters and row.parameters == student.parameters]
    return same[0] if len(same) == 1 else None


def _best(rows: Sequence[ReportRow]) -> ReportRow | None:
    known = all(_says_dev(row) for row in rows)
    return max(rows, key=lambda row: (dev_score(row) if known else row.score, -latency(row)), default=None)


def _not_worse(student: ReportRow, other: ReportRow | None) -> ReportRow:
    """A student, or its twin where both say something of dev and the twin is better there."""
    if other is None or not (_says_dev(student) and _says_dev(other)):
        return student
    return other if dev_score(other) > dev_score(student) else student


def _says_dev(row: ReportRow) -> bool:
    return row.dev is not None or bool(row.curve)

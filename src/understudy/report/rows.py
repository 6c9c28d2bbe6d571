"""The rows of a report: which are on the Pareto front, in which order they stand, how their numbers read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from understudy.core.task import METRICS
from understudy.report.numbers import score, score_with_interval
from understudy.report.record import ROLES, ReportRow

SAME_SPEED = 1.05
"""Latencies whose ratio is smaller differ by noise alone: two runs of one model do."""


def pareto(rows: Sequence[ReportRow]) -> list[bool]:
    """Whether each row is on the front of score (more is better) and p50 latency (less is better).

    A row is on the front when no other has a score at least as high and a latency at least as low, one of the
    two strictly; latencies within `SAME_SPEED` are one. All roles compete. A row without a latency counts as
    infinitely slow.
    """
    points = [(float(row.score), latency(row)) for row in rows]
    return [not any(_dominates(other, point) for other in points) for point in points]


def rank(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """The teacher first, then students, undistilled models and baselines, each from the best score down.

    Equal scores are ordered by latency, then by name.
    """
    return sorted(rows, key=lambda row: (ROLES.index(row.role), -row.score, latency(row), str(row.name)))


def latency(row: ReportRow) -> float:
    """The p50 latency in microseconds; infinite where it was not measured."""
    value = row.latency("p50")
    return math.inf if value is None else float(value)


def other_metrics(rows: Sequence[ReportRow]) -> list[str]:
    """The metrics that the rows have besides the one they are ranked by."""
    names = dict.fromkeys(name for row in rows for name in row.metrics or {})
    return [name for name in names if any(name != row.metric for row in rows)]


def other_score(row: ReportRow, metric: str) -> str:
    """A row's value of a metric, with its interval where one was drawn."""
    interval = row.macro_f1_ci95 if metric == "macro_f1" else None
    return score_with_interval(metric, (row.metrics or {}).get(metric), interval)


def with_steps(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """The rows of which the steps of training were counted."""
    return [row for row in rows if row.steps or row.convergence_steps]


def agreed(row: ReportRow) -> str:
    """A row's agreement with the teacher: a share, between values a correlation."""
    return score("pearson" if row.metric in METRICS["regression"] else "accuracy", row.agreement)


def _dominates(other: tuple[float, float], point: tuple[float, float]) -> bool:
    better, no_slower = other[0] > point[0], other[1] <= point[1] * SAME_SPEED
    faster = other[1] * SAME_SPEED < point[1]
    return other[0] >= point[0] and no_slower and (better or faster)

"""The picture of a learning curve: quality against labels bought."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """What a student reached with the labels bought so far.

    Attributes:
        labels: Bought texts of the transfer set.
        score: The task's metric on dev.
        how: The last batch was chosen; empty where there was none.
        cost: Money spent so far; 0 where prices are unknown.
    """

    labels: int
    score: float
    how: str
    cost: float


def draw(points: Sequence[Point], student: str, metric: str, on: str = "dev") -> bytes:
    """The curve as a PNG: quality on dev against labels bought."""
    from understudy.report.numbers import heading, metric_name
    from understudy.report.svg import COLOURS, MARKERS, new_figure, style

    with style():
        figure = new_figure(6.4, 3.6)
        axes = figure.add_axes((0.12, 0.16, 0.84, 0.72))
        labels, scores = zip(*((point.labels, point.score) for point in points), strict=True)
        axes.plot(labels, scores, color=COLOURS["student"], marker=MARKERS["student"], linewidth=1.5)
        axes.set_xlabel("labels bought")
        axes.set_ylabel(f"{heading(metric_name(metric))} on {on}")
        axes.set_title(student, loc="left")
        axes.grid(visible=True, linewidth=0.5)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=144)
    return buffer.getvalue()

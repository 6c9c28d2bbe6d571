"""The picture of `pool_curve`: score against the size of the pool, a line and a band of seeds a student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from understudy.report.numbers import CORRELATIONS, metric_name, score
from understudy.report.svg import COLOURS, INK, MUTED, add_axes, new_figure, style, to_svg

LINES = (("student", "-"), ("undistilled", "-"), ("teacher", "-"), ("student", "--"), ("undistilled", "--"))
"""Colour and dashes of each student, in order."""

LEVELS = {"teacher": "teacher", "linear": "linear model"}
"""What has one score for all sizes → how it is called."""


def draw(kept: Mapping[str, Any]) -> str:
    """The picture, from the contents of the JSON; a size of 0 has no place on a logarithmic scale."""
    points, metric = [point for point in kept["points"] if point["size"] > 0], kept["metric"]
    students = list(dict.fromkeys(point["student"] for point in points))
    with style():
        figure = new_figure(7.2, 3.8)
        axes = add_axes(figure, 0.75, 0.5, 1.15, 0.2)
        axes.set_xscale("log")
        ends = [_line(axes, number, student, points) for number, student in enumerate(students)]
        ends += [_level(axes, kept[key], called) for key, called in LEVELS.items() if key in kept]
        _name(axes, ends)

        axes.xaxis.set_major_locator(LogLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:g}" if metric in CORRELATIONS else f"{100 * value:g} %")
        )
        axes.grid()
        axes.set_xlabel("texts in the pool", labelpad=4)
        axes.set_ylabel(f"{metric_name(metric)} on test")
        return to_svg(figure, "pool-curve", described(points, students, metric))


def described(points: Sequence[Mapping[str, Any]], students: Sequence[str], metric: str) -> str:
    """The picture in words: where each line begins and ends."""
    parts = []
    for student in students:
        (first, low), *_, (last, high) = _means(student, points) * 2
        parts.append(
            f"{student}: {score(metric, low)} with {first:,} texts, {score(metric, high)} with {last:,}"
        )
    return f"{metric_name(metric)} on test against the size of the pool. {'; '.join(parts)}."


def _means(student: str, points: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    found = sorted({point["size"] for point in points if point["student"] == student})
    return [(size, mean(_scores(student, size, points))) for size in found]


def _scores(student: str, size: int, points: Sequence[Mapping[str, Any]]) -> list[float]:
    return [point["test"] for point in points if (point["student"], point["size"]) == (student, size)]


def _line(
    axes: Axes, number: int, student: str, points: Sequence[Mapping[str, Any]]
) -> tuple[float, str, str]:
    """Draw the mean and the band from the worst to the best seed; → where the line ends, name, colour."""
    role, dashes = LINES[number % len(LINES)]
    sizes, means = zip(*_means(student, points), strict=True)
    scores = [_scores(student, size, points) for size in sizes]
    colour = COLOURS[role]
    axes.fill_between(
        sizes, [min(s) for s in scores], [max(s) for s in scores], color=colour, alpha=0.18, linewidth=0
    )
    axes.plot(sizes, means, color=colour, linestyle=dashes, linewidth=1.6, marker="o", markersize=3.5)
    return means[-1], student, INK


def _level(axes: Axes, value: float, called: str) -> tuple[float, str, str]:
    axes.axhline(value, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    return value, called, MUTED


def _name(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write names at the right end of the lines, no two over each other."""
    low, high = axes.get_ylim()
    least = 0.055 * (high - low)
    before = -float("inf")
    for value, name, colour in sorted(ends):
        before = max(value, before + least)
        axes.annotate(
            name,
            (1.0, before),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )

"""The pictures of a report, each a function from numbers to one inline ``<svg>``; ``""``: nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from understudy.report.label_placement import Mark, place_labels
from understudy.report.numbers import CORRELATIONS, duration, metric_name, percent, score, shorten, size
from understudy.report.record import ROLES, ReportDocument, ReportRow
from understudy.report.rows import latency, rank
from understudy.report.svg import (
    COLOURS,
    INK,
    LINE,
    MARKERS,
    MUTED,
    PAPER,
    add_axes,
    new_figure,
    style,
    to_svg,
)
from understudy.report.wording import labels_of, wording

MOST_LABELS = 30
"""A picture by label shows no more than these, the ones with the most to see."""

COUNTED_LABELS = 15
"""Up to so many labels, the confusion matrix has room for counts."""

CurveKey = Literal["dev_score", "train_loss"]
"""What is drawn of a training curve."""

_LARGEST, _SMALLEST = 1000.0, 30.0  # areas of markers, in square points
_COLUMNS = 4  # of small pictures side by side


def quality_against_latency(report: ReportDocument) -> str:
    """All rows with a latency: score with its interval against p50 latency; area is size on disk."""
    rows = [row for row in rank(report.rows) if math.isfinite(latency(row)) and latency(row) > 0]
    if not rows:
        return ""

    metric = report.task.metric
    with style():
        figure = new_figure(10, 5.2)
        axes = add_axes(figure, 0.75, 0.62, 0.25, 0.45)
        _set_cost_axes(axes, rows, metric, wording(report.task).item)
        stair = _draw_front(axes, [row for row in rows if row.pareto])
        place_labels(axes, [_draw_row(axes, row, _area(row, rows)) for row in rows], stair)
        _add_key(figure, [role for role in ROLES if any(row.role == role for row in rows)], rows)
        named = "; ".join(
            f"{shorten(r.name, 60)}: {score(metric, r.score)}, {duration(latency(r))}" for r in rows
        )
        return to_svg(
            figure, "quality-against-latency", f"{metric_name(metric)} against p50 latency. {named}."
        )


def confusion_matrix(row: ReportRow, labels: Sequence[str]) -> str:
    """Right label by row, given label by column, shaded by share of the row; counts where there is room.

    Of more than `MOST_LABELS` labels, those with the most errors are shown.
    """
    matrix = row.confusion
    if not matrix:
        return ""

    shown = _most_confused(matrix)
    names = [shorten(labels[column], 18) for column in shown]
    with style():
        cell = 0.42 if len(shown) <= COUNTED_LABELS else 0.22
        side = max(cell * len(shown), 1.4)
        room = 0.45 + 0.07 * max(map(len, names))  # inches for the longest name
        figure = new_figure(side + room + 0.1, side + room + 0.1)
        axes = add_axes(figure, room, 0.1, 0.1, room)
        for y, gold in enumerate(shown):
            total = sum(matrix[gold])
            for x, answer in enumerate(shown):
                _draw_cell(axes, x, y, matrix[gold][answer], total, counted=len(shown) <= COUNTED_LABELS)
        axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(len(shown) - 0.5, -0.5))
        axes.set_xticks(range(len(shown)), names, rotation=90)
        axes.set_yticks(range(len(shown)), names)
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False, labelsize=7.5)
        axes.set_frame_on(False)
        axes.set_ylabel("right label", labelpad=4)
        axes.set_title("given label", color=MUTED, fontsize=9, pad=6)
        return to_svg(figure, "confusion-matrix", f"Confusion matrix of {shorten(row.name, 60)}.")


def training_curves(rows: Sequence[ReportRow]) -> str:
    """Score on dev and training loss by epoch, one column of two small pictures per row that has a curve."""
    rows = [row for row in rows if row.curve]
    if not rows:
        return ""

    with style():
        figure = new_figure(10, 2.9 * math.ceil(len(rows) / _COLUMNS))
        for number, row in enumerate(rows):
            upper = _panel(figure, number, len(rows), 2.9, (1.55, 0.35))
            lower = _panel(figure, number, len(rows), 2.9, (0.5, 1.6))
            _draw_curve(upper, row, "dev_score")
            _draw_curve(lower, row, "train_loss")
            upper.set_title(shorten(row.name, 26), loc="left")
            upper.tick_params(labelbottom=False)
            upper.set_ylim(_common_limits(rows, "dev_score"))
            lower.set_ylim(0, _common_limits(rows, "train_loss")[1])
            if number % _COLUMNS == 0:
                upper.set_ylabel("dev score")
                lower.set_ylabel("train loss")
            else:
                upper.tick_params(labelleft=False)
                lower.tick_params(labelleft=False)
            lower.set_xlabel("epoch", labelpad=1)
        named = ", ".join(shorten(row.name, 60) for row in rows)
        return to_svg(figure, "training-curves", f"Dev score and training loss by epoch of {named}.")


def calibration_curve(rows: Sequence[ReportRow]) -> str:
    """Accuracy against stated confidence, one small picture per row; area is the number of answers."""
    rows = [row for row in rows if row.bins]
    if not rows:
        return ""

    with style():
        figure = new_figure(10, 2.75 * math.ceil(len(rows) / _COLUMNS))
        for number, row in enumerate(rows):
            axes = _panel(figure, number, len(rows), 2.75, (0.5, 0.35))
            _draw_reliability(axes, row)
            axes.set_xlabel("confidence", labelpad=1)
            if number % _COLUMNS == 0:
                axes.set_ylabel("accuracy")
            else:
                axes.tick_params(labelleft=False)
        named = ", ".join(f"{shorten(r.name, 60)} {percent(r.ece)}" for r in rows)
        return to_svg(
            figure, "calibration-curve", f"Calibration curves; expected calibration error: {named}."
        )


def per_label(rows: Sequence[ReportRow]) -> str:
    """F1 by label as dots, one per row, from the biggest loss against the teacher to the biggest gain.

    Without a teacher, from the worst label up. Of more than `MOST_LABELS` labels, the first are shown.
    """
    scored = [(row, row.per_label_f1) for row in rows if row.per_label_f1]
    rows = [row for row, _ in scored]
    known = labels_of(rows)
    if not known:
        return ""

    shown = sorted(known, key=lambda label: _gain(rows, label))[:MOST_LABELS]
    with style():
        figure = new_figure(10, 0.9 + 0.24 * len(shown))
        names = [shorten(label, 26) for label in shown]
        axes = add_axes(figure, 0.3 + 0.085 * max(map(len, names)), 0.5, 0.25, 0.4)
        for y, label in enumerate(shown):
            values = [(row.role, f1[label]) for row, f1 in scored if label in f1]
            ends = [100 * value for _, value in values]
            axes.plot([min(ends), max(ends)], [y, y], color=LINE, linewidth=2, zorder=1)
            for role, value in values:
                _dot(axes, 100 * value, y, role, 34)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_yticks(range(len(shown)), names)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        axes.set_xlabel("F1", labelpad=2)
        _add_names(figure, rows)
        return to_svg(
            figure, "per-label", f"F1 by label, the first: {', '.join(shorten(s, 40) for s in shown[:5])}."
        )


def _set_cost_axes(axes: Axes, rows: Sequence[ReportRow], metric: str, item: str) -> None:
    speeds = [latency(row) for row in rows]
    reaches = [bound for row in _in_scale(rows) for bound in _reach(row)]
    pad = max(0.06 * (max(reaches) - min(reaches)), 0.004)
    axes.set_xscale("log")
    axes.set_xlim(min(speeds) / 1.8, max(speeds) * 2.2)
    axes.set_ylim(min(reaches) - pad, max(reaches) + pad)

    axes.xaxis.set_major_locator(
        LogLocator(subs=(1.0,) if max(speeds) / min(speeds) > 30 else (1.0, 2.0, 5.0))
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(metric, value)))
    axes.grid()
    axes.set_xlabel(f"p50 latency of one {item} (faster to the left)", labelpad=6)
    axes.set_ylabel(f"{metric_name(metric)} on test")


def _in_scale(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """All rows but baselines so far below that the others would be crowded together."""
    low = min((_reach(row)[0] for row in rows if row.role != "baseline"), default=-math.inf)
    high = max(_reach(row)[1] for row in rows)
    return [row for row in rows if row.score >= low - (high - low)]


def _tick(metric: str, value: float) -> str:
    return f"{value:g}" if metric in CORRELATIONS else f"{100 * value:g} %"


def _reach(row: ReportRow) -> tuple[float, float]:
    low, high = row.ci95 or (row.score, row.score)
    return (low, high)


def _draw_row(axes: Axes, row: ReportRow, area: float) -> Mark:
    x, y = latency(row), row.score
    low, high = _reach(row)
    floor = axes.get_ylim()[0]
    if y < floor:  # off the scale: a mark on the lower edge says where it would be
        _dot(axes, x, floor, row.role, _SMALLEST)
        text = f"{shorten(row.name, 30)} ↓ {score(row.metric, y)}"
        return Mark(x=x, y=floor, radius=_radius(row.role, _SMALLEST), text=text, reach=(floor, floor))
    axes.plot([x, x], [low, high], color=COLOURS[row.role], linewidth=1.1, zorder=3)
    _dot(axes, x, y, row.role, area, see_through=True)
    text = f"{shorten(row.name, 30)} · {size(row.size_bytes)}"
    return Mark(x=x, y=y, radius=_radius(row.role, area), text=text, reach=(low, high))


def _radius(role: str, area: float) -> float:
    """Half the width of a marker, in points; a diamond stands on its corner."""
    return math.sqrt(area) / (math.sqrt(2) if MARKERS[role] == "D" else 2)


def _dot(axes: Axes, x: float, y: float, role: str, area: float, *, see_through: bool = False) -> None:
    """A marker of a role; a large one lets what is behind it shine through."""
    clear = see_through and area > 2 * _SMALLEST
    axes.scatter(
        [x],
        [y],
        s=area,
        marker=MARKERS[role],
        facecolor=COLOURS[role],
        edgecolor=PAPER,
        linewidth=0.7,
        zorder=4,
        alpha=0.75 if clear else 1.0,
        clip_on=False,
    )


def _area(row: ReportRow, rows: Sequence[ReportRow]) -> float:
    """Area in proportion to size on disk, the largest at `_LARGEST`, none too small to see."""
    largest = max((other.size_bytes or 0) for other in rows)
    return max(_SMALLEST, _LARGEST * (row.size_bytes or 0) / largest) if largest else _SMALLEST


def _draw_front(axes: Axes, front: Sequence[ReportRow]) -> list[tuple[float, float]]:
    """The best score to be had at each latency, as a stair; its corners are returned."""
    points = sorted((latency(row), row.score) for row in front)
    corners = points[:1]
    for x, y in points[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    if corners:
        corners.append((axes.get_xlim()[1], corners[-1][1]))
        xs, ys = zip(*corners, strict=True)
        axes.plot(xs, ys, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    return corners


def _add_key(figure: Figure, roles: Sequence[str], rows: Sequence[ReportRow]) -> None:
    handles = [_handle(role, role) for role in roles]
    handles.append(Line2D([], [], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="Pareto front"))
    largest = max((row.size_bytes or 0) for row in rows)
    small = largest * _SMALLEST / _LARGEST
    note = f"area: size on disk (all below {size(small)} alike)" if largest else ""
    figure.legend(handles=handles, loc="upper left", ncols=len(handles), handletextpad=0.3, labelcolor=INK)
    figure.text(0.978, 0.962, note, ha="right", va="center", color=MUTED, fontsize=8.5)


def _add_names(figure: Figure, rows: Sequence[ReportRow]) -> None:
    handles = [_handle(row.role, f"{shorten(row.name, 34)} ({row.role})") for row in rows]
    figure.legend(handles=handles, loc="upper left", ncols=len(handles), handletextpad=0.3, labelcolor=INK)


def _handle(role: str, label: str) -> Line2D:
    colour, marker = COLOURS[role], MARKERS[role]
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markeredgewidth=0, label=label)


def _most_confused(matrix: Sequence[Sequence[int]]) -> list[int]:
    """Columns of the labels to show, in the task's order."""
    n = len(matrix)
    errors = [sum(matrix[i]) + sum(row[i] for row in matrix) - 2 * matrix[i][i] for i in range(n)]
    return sorted(sorted(range(n), key=lambda i: -errors[i])[:MOST_LABELS])


def _draw_cell(axes: Axes, x: int, y: int, texts: int, total: int, *, counted: bool) -> None:
    if not texts:
        return
    share = texts / total
    colour = COLOURS["student"] if x == y else COLOURS["teacher"]
    axes.fill([x - 0.48, x + 0.48, x + 0.48, x - 0.48], [y - 0.48, y - 0.48, y + 0.48, y + 0.48],
              facecolor=colour, alpha=0.12 + 0.88 * share, linewidth=0)  # fmt: skip
    if counted:
        written = PAPER if share > 0.5 else INK
        axes.text(x, y, str(texts), ha="center", va="center_baseline", fontsize=7.5, color=written)


def _panel(figure: Figure, number: int, n: int, height: float, margins: tuple[float, float]) -> Axes:
    """One of ``n`` small pictures in rows of `_COLUMNS`; margins below and above it in inches."""
    line, column = divmod(number, _COLUMNS)
    width, full = figure.get_size_inches()
    cell = (width - 0.65) / min(max(n, 3), _COLUMNS)
    below, above = margins
    left = 0.65 + column * cell
    bottom = full - (line + 1) * height + below
    return figure.add_axes(
        (left / width, bottom / full, (cell - 0.42) / width, (height - below - above) / full)
    )


def _draw_curve(axes: Axes, row: ReportRow, key: CurveKey) -> None:
    points = [(point["epoch"], point[key]) for point in row.curve if point[key] is not None]
    colour = COLOURS[row.role]
    axes.plot(
        [x for x, _ in points], [y for _, y in points], color=colour, linewidth=1.5, marker="o", markersize=2
    )
    if key == "dev_score" and points:
        epoch, value = max(points, key=lambda point: (point[1], -point[0]))
        axes.scatter([epoch], [value], s=34, facecolor="none", edgecolor=colour, linewidth=1.2, zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y")


def _common_limits(rows: Sequence[ReportRow], key: CurveKey) -> tuple[float, float]:
    values = [point[key] for row in rows for point in row.curve if point[key] is not None] or [0.0, 1.0]
    pad = max(0.06 * (max(values) - min(values)), 1e-3)
    return min(values) - pad, max(values) + pad


def _draw_reliability(axes: Axes, row: ReportRow) -> None:
    bins = row.bins
    most = max(b["count"] for b in bins)
    colour = COLOURS[row.role]
    xs, ys = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(xs, ys, color=colour, linewidth=1.2)
    axes.scatter(
        xs, ys, s=[max(7, 70 * b["count"] / most) for b in bins], color=colour, linewidth=0, zorder=3
    )
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 0.5, 1])
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))

    axes.tick_params(labelsize=7.5)
    axes.set_title(shorten(row.name, 26), loc="left")
    axes.text(1, 0.02, f"ECE {percent(row.ece)}", ha="right", color=MUTED, fontsize=8.5)
    axes.grid()


def _gain(rows: Sequence[ReportRow], label: str) -> float:
    """What the first student gains on the teacher, or where there is no teacher, the lowest F1."""
    by_role = {row.role: (row.per_label_f1 or {}).get(label) for row in reversed(rows)}
    teacher, student = by_role.get("teacher"), by_role.get("student")
    if teacher is not None and student is not None:
        return float(student - teacher)
    return min(float(value) for value in by_role.values() if value is not None)

"""Draw quality against latency of every student on some sets: ``python tools/front_picture.py RUN RUN RUN``.

The numbers are kept in docs/front.json; without arguments the picture is drawn from them again. It goes to
docs/front.svg, and the README shows it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finished_runs import FinishedRun
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from pages import DOCS, put, standalone

from understudy.report.label_placement import Mark, place_labels
from understudy.report.numbers import duration, metric_name, score
from understudy.report.rows import latency
from understudy.report.svg import COLOURS, INK, MARKERS, MUTED, PAPER, add_axes, new_figure, style, to_svg

NUMBERS, PICTURE = DOCS / "front.json", DOCS / "front.svg"
README, MARK = DOCS.parent / "README.md", "front-picture"

ROLES = ("teacher", "student", "baseline")
"""Whose rows are drawn: students that were taught, and what they are compared with."""

HEIGHT, PANEL, LEFT = 3.6, 3.5, 0.55
"""Height of the picture, width of a panel, and room for its scale, in inches."""

RADIUS = 3.4
"""Of a dot, in points."""

Row = Mapping[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Read the runs, if any are named, and write numbers, picture and the README's part."""
    if arguments:
        sets = [collect(FinishedRun(Path(folder))) for folder in arguments]
        NUMBERS.write_text(json.dumps({"sets": sets}, indent=1) + "\n", encoding="utf-8")
    sets = json.loads(NUMBERS.read_text(encoding="utf-8"))["sets"]
    PICTURE.write_text(standalone(draw(sets)), encoding="utf-8")
    put(README, MARK, sentence(sets))


def collect(run: FinishedRun) -> dict[str, Any]:
    """What is drawn of a run: each row's name, role, score, and microseconds for one item at the median."""
    rows = [
        {
            "name": row.name if row.role == "student" else NAMES[row.role],
            "role": row.role,
            "score": round(row.score, 4),
            "us": float(f"{latency(row):.3g}"),
        }
        for row in run.report.rows
        if row.role in ROLES
    ]
    machine = run.report.machine["cpu"]
    return {"set": run.name, "metric": run.report.task.metric, "machine": machine, "rows": rows}


NAMES = {"teacher": "teacher", "baseline": "TF-IDF + LR"}
"""How rows that are no students are called."""


def draw(sets: Sequence[Mapping[str, Any]]) -> str:
    """A panel for each set: a dot a row, and the best score that is to be had at each latency."""
    with style():
        width = PANEL * len(sets)
        figure = new_figure(width, HEIGHT)
        for number, each in enumerate(sets):
            left = PANEL * number + LEFT
            axes = add_axes(figure, left, 0.55, width - PANEL * (number + 1) + 0.12, 0.62)
            _draw_set(axes, each)
        handles = [_dot([], [], role, label=role) for role in ROLES]
        handles.append(Line2D([], [], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="Pareto front"))
        figure.legend(handles=handles, loc="upper left", ncols=4, handletextpad=0.4, labelcolor=INK)
        return to_svg(figure, "front", described(sets))


def described(sets: Sequence[Mapping[str, Any]]) -> str:
    """The numbers of the picture in words."""
    parts = []
    for each in sets:
        rows = [
            f"{row['name']} {score(each['metric'], row['score'])} in {duration(row['us'])}"
            for row in each["rows"]
        ]
        parts.append(f"{each['set']}: {', '.join(rows)}")
    return f"Score on test against the median latency of one text. {'; '.join(parts)}."


def sentence(sets: Sequence[Mapping[str, Any]]) -> str:
    """The picture, and what it shows."""
    named = ", ".join(f"`{each['set']}`" for each in sets)
    machines = " and ".join(dict.fromkeys(each["machine"] for each in sets))
    return (
        "![Score on test against latency, for every student on three sets](docs/front.svg)\n\n"
        f"Every student of the plain command on {named}: score on test, and the median time of one text, "
        f"from the string to\nits label; one thread of {machines}.\n"
    )


def front(rows: Sequence[Row]) -> list[Row]:
    """The rows that no quicker row is as good as, from the quickest on."""
    found: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["us"], -row["score"])):
        if not found or row["score"] > found[-1]["score"]:
            found.append(row)
    return found


def _draw_set(axes: Axes, each: Mapping[str, Any]) -> None:
    rows, metric = each["rows"], each["metric"]
    _set_axes(axes, rows, metric)
    axes.set_title(each["set"], loc="left", fontsize=9.5, color=INK, pad=6)

    corners = [(row["us"], row["score"]) for row in front(rows)]
    stair = corners[:1]
    for x, y in corners[1:]:
        stair += [(x, stair[-1][1]), (x, y)]
    axes.plot(*zip(*stair, strict=True), color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=2)

    marks = []
    for row in rows:
        x, y = row["us"], row["score"]
        axes.add_line(_dot([x], [y], row["role"]))
        marks.append(Mark(x=x, y=y, radius=RADIUS, text=row["name"], reach=(y, y)))
    place_labels(axes, marks, stair)


def _set_axes(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    times, scores = [row["us"] for row in rows], [row["score"] for row in rows]
    pad = 0.12 * (max(scores) - min(scores)) or 0.01
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 2.5, max(times) * 3)
    axes.set_ylim(min(scores) - pad, max(scores) + pad)
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: score(metric, value).replace(".0 %", " %")))
    axes.grid()
    axes.set_xlabel(f"{metric_name(metric)} against median latency", labelpad=4)


def _dot(x: Sequence[float], y: Sequence[float], role: str, label: str = "") -> Line2D:
    return Line2D(
        x,
        y,
        linestyle="none",
        marker=MARKERS[role],
        markersize=2 * RADIUS,
        markerfacecolor=COLOURS[role],
        markeredgecolor=PAPER,
        markeredgewidth=0.5,
        zorder=4,
        clip_on=False,
        label=label,
    )


if __name__ == "__main__":
    if len(sys.argv) > 4:
        raise SystemExit(__doc__)
    main(sys.argv[1:])

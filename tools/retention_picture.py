"""Draw what students keep of their teachers, before and now: ``python tools/retention_picture.py OLD NEW``.

OLD and NEW are folders of runs of the plain command, made by two versions. The numbers are kept in
docs/retention.json; without arguments the picture is drawn from them again. It goes to docs/retention.svg,
and the README shows it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from finished_runs import FinishedRun, finished_below
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from pages import DOCS, put, standalone

from understudy.report.numbers import percent
from understudy.report.recommendation import best
from understudy.report.record import ReportRow
from understudy.report.svg import COLOURS, INK, LINE, PAPER, add_axes, new_figure, style, to_svg

NUMBERS, PICTURE = DOCS / "retention.json", DOCS / "retention.svg"
README, MARK = DOCS.parent / "README.md", "retention-picture"

KINDS = ("old", "new", "linear")
"""What has a dot, in the order in which it is drawn: the small squares last."""

SHOWN = {"old": "student, before", "new": "student, now", "linear": "linear model"}

LEAST, MOST = 0.0, 1.5
"""The widest scale; a dot beyond it stands on its edge, and the table has its number."""


def main(arguments: Sequence[str]) -> None:
    """Read the runs, if any are named, and write numbers, picture and the README's part."""
    if arguments:
        old, new = (finished_below(Path(folder)) for folder in arguments)
        NUMBERS.write_text(json.dumps(collect(old, new), indent=2) + "\n", encoding="utf-8")
    sets = json.loads(NUMBERS.read_text(encoding="utf-8"))["sets"]
    PICTURE.write_text(standalone(draw(sets)), encoding="utf-8")
    put(README, MARK, sentence(sets))


def collect(old: Sequence[FinishedRun], new: Sequence[FinishedRun]) -> dict[str, Any]:
    """What each set's recommended student keeps of its own run's teacher, and the linear model.

    Of an old run it is the student that its version recommended: the taught one that was best on dev.
    """
    before, now = ({run.name: run for run in runs} for runs in (old, new))
    sets = []
    for name in sorted(before | now):
        found: dict[str, Any] = {"set": name}
        if name in before:
            found["old"] = numbers(before[name], best(before[name].report.rows, "student"))
        if name in now:
            found["new"] = numbers(now[name], now[name].recommended)
        run = now.get(name) or before[name]
        if run.baseline is not None:
            found["linear"] = numbers(run, run.baseline)
        sets.append({"metric": run.report.task.metric, **found})
    return {"sets": sets}


def numbers(run: FinishedRun, row: ReportRow | None) -> dict[str, Any] | None:
    """Score and retention of a row, and the score of its run's teacher."""
    if row is None or row.retention is None:
        return None
    score, teacher = round(row.score, 4), round(run.teacher.score, 4)
    return {"name": row.name, "score": score, "teacher": teacher, "retention": round(row.retention, 4)}


def retention(each: Mapping[str, Any], kind: str) -> float | None:
    """What is kept of the teacher's score, where that is known."""
    return each[kind]["retention"] if each.get(kind) else None


def draw(sets: Sequence[Mapping[str, Any]]) -> str:
    """A line for each set, the best kept now on top: a dot for each kind, and the teacher at 100 %."""
    ranked = sorted(sets, key=lambda each: retention(each, "new") or retention(each, "old") or 0.0)
    with style():
        figure = new_figure(7.2, 1.0 + 0.27 * len(ranked))
        axes = add_axes(figure, 1.05, 0.45, 0.25, 0.45)
        axes.axvline(1.0, color=COLOURS["teacher"], linewidth=1.2, zorder=1)
        for y, each in enumerate(ranked):
            _draw_set(axes, y, each)
        _set_axes(axes, ranked)
        handles = [
            *(_marker([], [], kind) for kind in ("new", "old", "linear")),
            Line2D([], [], color=COLOURS["teacher"], linewidth=1.2, label="teacher"),
        ]
        figure.legend(handles=handles, loc="upper left", ncols=4, handletextpad=0.4, labelcolor=INK)
        return to_svg(figure, "retention", described(ranked))


def described(ranked: Sequence[Mapping[str, Any]]) -> str:
    """The numbers of the picture in words."""
    parts = [
        f"{each['set']}: {percent(retention(each, 'old'))} before, {percent(retention(each, 'new'))} now"
        for each in reversed(ranked)
    ]
    return f"Share of the teacher's score that the recommended student keeps. {'; '.join(parts)}."


def sentence(sets: Sequence[Mapping[str, Any]]) -> str:
    """The picture, and its numbers in a sentence."""
    both = [each for each in sets if each.get("old") and each.get("new")]
    middle = ""
    if both:
        old, new = (median(each[kind]["retention"] for each in both) for kind in ("old", "new"))
        middle = f" On {len(both)} sets the median went from {percent(old)} to {percent(new)}."
    return (
        "![Share of the teacher's score that students keep on public sets](docs/retention.svg)\n\n"
        "`understudy distill SET` with no other option: the share of its teacher's score on test that the "
        f"recommended student\nkeeps, in the version before this one and now.{middle}\n"
        "[docs/results.md](docs/results.md#the-plain-command) has the table.\n"
    )


def _set_axes(axes: Axes, ranked: Sequence[Mapping[str, Any]]) -> None:
    found = [kept for each in ranked for kind in KINDS if (kept := retention(each, kind)) is not None]
    axes.set_xlim(max(LEAST, min([*found, 0.95]) - 0.02), min(MOST, max([*found, 1.0]) + 0.02))
    axes.set_ylim(-0.6, len(ranked) - 0.4)
    axes.set_yticks(range(len(ranked)), [each["set"] for each in ranked])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_xlabel("score on test / teacher's score on test", labelpad=2)


def _draw_set(axes: Axes, y: int, each: Mapping[str, Any]) -> None:
    known = {kind: kept for kind in KINDS if (kept := retention(each, kind)) is not None}
    found = {kind: min(MOST, max(LEAST, kept)) for kind, kept in known.items()}
    if "old" in found and "new" in found:
        axes.plot([found["old"], found["new"]], [y, y], color=LINE, linewidth=2.5, zorder=2)
    for kind, kept in found.items():
        axes.add_line(_marker([kept], [y], kind))


def _marker(x: Sequence[float], y: Sequence[float], kind: str) -> Line2D:
    """A dot: filled for now, hollow for before, a square for the linear model."""
    role = "baseline" if kind == "linear" else "student"
    return Line2D(
        x,
        y,
        linestyle="none",
        marker="s" if kind == "linear" else "o",
        markersize=4.5 if kind == "linear" else 7.0,
        markerfacecolor=PAPER if kind == "old" else COLOURS[role],
        markeredgecolor=PAPER if kind == "new" else COLOURS[role],
        markeredgewidth=1.4 if kind == "old" else 0.5,
        zorder=3 + KINDS.index(kind),
        clip_on=False,
        label=SHOWN[kind],
    )


if __name__ == "__main__":
    if len(sys.argv) not in (1, 3):
        raise SystemExit(__doc__)
    main(sys.argv[1:])

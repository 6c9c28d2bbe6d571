"""The ranking as a table for the terminal, at most 110 columns wide."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from understudy.report.numbers import (
    count,
    duration,
    metric_name,
    percent,
    score_with_interval,
    shorten,
    size,
    times,
)
from understudy.report.record import ReportDocument, ReportRow
from understudy.report.rows import agreed, rank
from understudy.report.wording import wording

STYLES: Mapping[str, str] = {
    "teacher": "yellow",
    "student": "bold",
    "undistilled": "green",
    "baseline": "dim",
}
"""Style of a row's name and role."""


def table(report: ReportDocument) -> Table:
    """All rows with score, retention, agreement, size and speed; ★ marks the Pareto front."""
    metric, item = metric_name(report.task.metric), wording(report.task).item
    note = f"★ no other row is at least as good and at least as fast. Latency: one {item} at a time."
    by = ", labelled by the teacher" if report.is_judged_by_teacher else ""
    shown = Table(
        title=Text(f"{shorten(report.name, 60)}: {metric} on the test split{by}"),
        caption=Text(note),
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold",
    )
    shown.add_column("Name", no_wrap=True)
    shown.add_column("Role", no_wrap=True)
    shown.add_column("Score (95 % interval)", no_wrap=True)
    for heading in ("Reten-\ntion", "Agree-\nment", "Para-\nmeters", "Size", "p50", "Speed-\nup", "★"):
        shown.add_column(heading, justify="right", no_wrap=True)

    for row in rank(report.rows):
        shown.add_row(*_cells(row))
    return shown


def _cells(row: ReportRow) -> list[Text]:
    style = STYLES[row.role]
    numbers = (
        score_with_interval(row.metric, row.score, row.ci95),
        percent(row.retention),
        agreed(row),
        count(row.parameters),
        size(row.size_bytes),
        duration(row.latency("p50")),
        times(row.speedup),
        "★" if row.pareto else "",
    )
    return [Text(shorten(row.name, 24), style), Text(row.role, style), *map(Text, numbers)]

"""Write one table of every run below a folder into docs/results.md: ``python tools/plain.py runs/plain``.

Each run is ``understudy distill SET --out FOLDER/SET`` with no other option.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from finished_runs import FinishedRun, difference, finished_below
from pages import DOCS, put

from understudy.report.markdown import escape, grid
from understudy.report.numbers import NONE, metric_name, percent, score, signed, whole
from understudy.report.recommendation import twin
from understudy.report.record import ComparisonRecord, ReportRow
from understudy.report.verdict import judge, span

PAGE, MARK = DOCS / "results.md", "plain"

HEADER = (
    "Set", "Kind", "Train", "Metric", "Teacher", "Linear", "Students: labels only → taught", "Recommended",
    "Against linear (95 %)", "Against teacher (95 %)", "Retention", "Chosen on dev",
)  # fmt: skip

KEPT = {"gold": " (labels)", "mix": " (mix)"}
"""What stands behind a score of a student that was better without the soft targets, or with half of them."""


def main(folder: str) -> None:
    """Replace what stands between the marks by the table of all finished runs."""
    put(PAGE, MARK, section(finished_below(Path(folder))))


def section(runs: Sequence[FinishedRun]) -> str:
    """The table, and how often the recommended student is better than the linear model."""
    return f"{grid(HEADER, map(line, runs))}\n\n{summary(runs)}\n"


def line(run: FinishedRun) -> list[str]:
    """One run as cells of the table."""
    report, chosen = run.report, run.recommended
    metric, baseline = report.task.metric, run.baseline
    method = f" ({run.method})" if run.method else ""
    return [
        run.name,
        report.task.kind,
        whole(report.data["sizes"]["train"]),
        metric_name(metric),
        score(metric, run.teacher.score) + method,
        score(metric, baseline.score if baseline else None),
        "<br>".join(student(run, row) for row in report.rows if row.role == "student"),
        f"{escape(chosen.name)} {score(metric, chosen.score)}",
        paired(metric, difference(chosen, "baseline")) if baseline else NONE,
        paired(metric, difference(chosen, "teacher")),
        percent(chosen.retention),
        run.choice,
    ]


def student(run: FinishedRun, row: ReportRow) -> str:
    """A student's scores on gold labels alone and taught, and where it was better otherwise, how."""
    alone = twin(row, run.report.rows)
    before = score(row.metric, alone.score if alone else None)
    return f"{escape(row.name)} {before} → {score(row.metric, row.score)}{KEPT.get(run.kept(row), '')}"


def paired(metric: str, found: ComparisonRecord) -> str:
    """A paired difference with its interval: ``+3.2 (+1.7 to +4.7)``."""
    return f"{signed(metric, found['difference'])} ({span(metric, found)})"


def summary(runs: Sequence[FinishedRun]) -> str:
    """A sentence on the recommended students beside the linear models."""
    judged = [run for run in runs if run.baseline is not None]
    counts = Counter(judge(difference(run.recommended, "baseline")) for run in judged)
    worse = [run.name for run in judged if judge(difference(run.recommended, "baseline")) == "clearly worse"]
    named = f" ({', '.join(worse)})" if worse else ""
    return (
        f"Of {len(judged)} sets, the recommended student is clearly better than the linear model on "
        f"{counts['clearly better']}, within noise on {counts['within noise']}, clearly worse on "
        f"{counts['clearly worse']}{named}."
    )


if __name__ == "__main__":
    main(sys.argv[1])

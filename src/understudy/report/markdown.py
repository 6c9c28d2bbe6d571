"""``report.md``: the report for readers of plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from understudy.report.numbers import (
    clean,
    count,
    duration,
    heading,
    metric_name,
    moment,
    percent,
    score_with_interval,
    size,
    stretch,
    times,
    whole,
)
from understudy.report.prose import CONVERGED, PAIRED, conditions, graphs, limits, machine_facts, reading
from understudy.report.recommendation import best, recommended
from understudy.report.record import DataRecord, ReportDocument, ReportRow, StageRecord
from understudy.report.rows import agreed, other_metrics, other_score, rank, with_steps
from understudy.report.verdict import find_gains, find_gaps, give_verdict, name_gaps
from understudy.report.wording import Wording, wording

_SPECIAL = re.compile(r"([\\`*_\[\]|])")


def render_markdown(report: ReportDocument) -> str:
    """The whole report as Markdown, names and notes escaped."""
    rows, words = report.rows, wording(report.task)
    verdict = give_verdict(report)

    sections = [
        f"# {escape(report.name)}",
        f"**{escape(verdict.headline)}**",
        escape(" ".join(verdict.details)),
        "## Ranking",
        ranking(rows, report.task.metric),
        "★ marks the Pareto front.",
        *_gains(rows),
        *_losses(rows, words),
        *training(rows),
        "## Data",
        describe_data(report.data, words),
        "## Cost",
        f"{escape(conditions(report))}",
        lines(map(escape, graphs(report))),
        lines(f"{escape(name)}: {escape(value)}" for name, value in machine_facts(report.machine)),
        "## Stages",
        _stages(report.stages),
        "## How to read it",
        lines(f"**{term}**: {meaning}" for term, meaning in reading(report)),
        "## Limits",
        lines(limits(report)),
        f"Written by Understudy {escape(report.understudy_version)}, {escape(moment(report.created))}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def escape(text: object) -> str:
    """One line in which no character is read as Markdown or HTML."""
    line = _SPECIAL.sub(r"\\\1", clean(text))
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def lines(items: Iterable[str]) -> str:
    """A bulleted list; empty when there is nothing to list."""
    return "\n".join(f"- {item}" for item in items)


def grid(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *body))


def ranking(rows: Sequence[ReportRow], metric: str) -> str:
    """The table of all rows, ranked."""
    others = other_metrics(rows)
    header = [
        "Name", "Role", f"{heading(metric_name(metric))} (95 %)", *(heading(metric_name(m)) for m in others),
        "Retention", "Agreement", "Parameters", "Size", "p50", "p95", "Speed-up", "Pareto",
    ]  # fmt: skip
    return grid(header, (_cells(row, others) for row in rank(rows)))


def describe_data(data: DataRecord, words: Wording) -> str:
    """Sizes of the splits, then what was dropped, then the notes."""
    facts = [
        f"{escape(data['name'])}: {words.gist}, from {escape(data['source'])}",
        f"fingerprint `{clean(data['fingerprint'])[:16]}`",
        *(f"dropped {whole(number)}: {escape(reason)}" for reason, number in data["dropped"].items()),
        *(f"note: {escape(note)}" for note in data["notes"]),
    ]
    sizes = grid(
        ["Split", heading(words.items)], ([escape(name), whole(n)] for name, n in data["sizes"].items())
    )
    return f"{lines(facts)}\n\n{sizes}"


def _gains(rows: Sequence[ReportRow]) -> list[str]:
    """A table of what each student gains on its undistilled twin and on the baseline."""
    body = [
        [
            escape(gain.student),
            gain.role,
            escape(gain.other),
            f"{gain.difference} ({gain.interval})",
            gain.verdict,
        ]
        for gain in find_gains(rank(rows))
    ]
    header = ["Student", "Against", "Name", "Difference (95 %)", "Verdict"]
    return ["## What distillation adds", grid(header, body), PAIRED] if body else []


def _losses(rows: Sequence[ReportRow], words: Wording) -> list[str]:
    if not words.has_labels:
        return []
    gaps = find_gaps(best(rows, "teacher"), recommended(rows))
    return ["## Where it loses", escape(name_gaps(gaps, words))]


def training(rows: Sequence[ReportRow]) -> list[str]:
    """A table of steps and seconds, where steps were counted."""
    body = [
        [
            escape(row.name),
            whole(row.steps),
            whole(row.convergence_steps),
            stretch(row.train_seconds),
        ]
        for row in with_steps(rank(rows))
    ]
    header = ["Model", "Steps", "Steps to converge", "Time"]
    return ["## Training", grid(header, body), CONVERGED] if body else []


def _cells(row: ReportRow, others: Sequence[str]) -> list[str]:
    return [
        escape(row.name),
        row.role,
        score_with_interval(row.metric, row.score, row.ci95),
        *(other_score(row, name) for name in others),
        percent(row.retention),
        agreed(row),
        count(row.parameters),
        size(row.size_bytes),
        duration(row.latency("p50")),
        duration(row.latency("p95")),
        times(row.speedup),
        "★" if row.pareto else "",
    ]


def _stages(stages: Sequence[StageRecord]) -> str:
    if not stages:
        return "No stage was recorded."
    body = (
        [escape(stage["name"]), "unchanged, skipped" if stage["skipped"] else stretch(stage["seconds"])]
        for stage in stages
    )
    return grid(["Stage", "Time"], body)

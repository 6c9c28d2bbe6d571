"""``report.md``: the report for readers of plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from understudy.report.prose import LIMITS, READING, conditions, machine_facts
from understudy.report.rows import (
    Row,
    clean,
    count,
    duration,
    metric_name,
    moment,
    percent,
    rank,
    score_with_interval,
    size,
    stretch,
    times,
    whole,
)
from understudy.report.verdict import best, find_gaps, give_verdict, name_gaps

_SPECIAL = re.compile(r"([\\`*_\[\]|])")


def render_markdown(report: Mapping[str, Any]) -> str:
    """The whole report as Markdown, names and notes escaped."""
    data, rows = report["data"], report["rows"]
    verdict = give_verdict(report)
    sections = [
        f"# {escape(report['name'])}",
        f"**{escape(verdict.headline)}**",
        escape(" ".join(verdict.details)),
        "## Ranking",
        ranking(rows, report["task"]["metric"]),
        "★ marks the Pareto front.",
        "## Where it loses",
        escape(name_gaps(find_gaps(best(rows, "teacher"), best(rows, "student")))),
        "## Data",
        describe_data(data, report["task"]["labels"]),
        "## Cost",
        f"{escape(conditions(report))}",
        lines(f"{escape(name)}: {escape(value)}" for name, value in machine_facts(report["machine"])),
        "## Stages",
        _stages(report["stages"]),
        "## How to read it",
        lines(f"**{term}**: {meaning}" for term, meaning in READING),
        "## Limits",
        lines(LIMITS),
        f"Written by Understudy {escape(report['understudy_version'])}, {escape(moment(report['created']))}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def escape(text: Any) -> str:
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


def ranking(rows: Sequence[Row], metric: str) -> str:
    """The table of all rows, ranked."""
    name = metric_name(metric)
    header = [
        "Name", "Role", f"{name[:1].upper()}{name[1:]} (95 %)", "Macro F1 (95 %)", "Retention", "Agreement",
        "Parameters", "Size", "p50", "p95", "Speed-up", "Pareto",
    ]  # fmt: skip
    return grid(header, map(_cells, rank(rows)))


def describe_data(data: Mapping[str, Any], labels: Sequence[str]) -> str:
    """Sizes of the splits, then what was dropped, then the notes."""
    facts = [
        f"{escape(data['name'])}, {len(labels)} labels, from {escape(data['source'])}",
        f"fingerprint `{clean(data['fingerprint'])[:16]}`",
        *(f"dropped {whole(number)}: {escape(reason)}" for reason, number in data["dropped"].items()),
        *(f"note: {escape(note)}" for note in data["notes"]),
    ]
    sizes = grid(["Split", "Texts"], ([escape(name), whole(n)] for name, n in data["sizes"].items()))
    return f"{lines(facts)}\n\n{sizes}"


def _cells(row: Row) -> list[str]:
    clock = row["latency_us"] or {}
    return [
        escape(row["name"]),
        row["role"],
        score_with_interval(row["metric"], row["score"], row["ci95"]),
        score_with_interval("macro_f1", row["macro_f1"], row["macro_f1_ci95"]),
        percent(row["retention"]),
        percent(row["agreement"]),
        count(row["parameters"]),
        size(row["size_bytes"]),
        duration(clock.get("p50")),
        duration(clock.get("p95")),
        times(row["speedup"]),
        "★" if row["pareto"] else "",
    ]


def _stages(stages: Sequence[Mapping[str, Any]]) -> str:
    if not stages:
        return "No stage was recorded."
    body = (
        [escape(stage["name"]), "unchanged, skipped" if stage["skipped"] else stretch(stage["seconds"])]
        for stage in stages
    )
    return grid(["Stage", "Time"], body)

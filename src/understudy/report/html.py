"""``report.html``: the report as one self-contained page, without scripts and without anything to fetch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from understudy.report import charts as pictures
from understudy.report import numbers, prose, rows, verdict
from understudy.report.recommendation import best, recommended, twin
from understudy.report.record import ReportDocument, ReportRow
from understudy.report.wording import labels_of, wording

MOST_PANELS = 8
"""Calibration and training curves are drawn for at most so many rows, the first in rank."""

MOST_EXAMPLES = 10
"""Disagreements shown per student."""

TEXT_WIDTH = 320
"""Longer texts are shortened; the full text, up to `FULL_WIDTH` characters, is in the tooltip."""

FULL_WIDTH = 2000


def render_html(report: ReportDocument) -> str:
    """The whole report as one HTML document; every text in it is escaped."""
    environment = Environment(
        loader=PackageLoader("understudy.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(_FILTERS)
    return environment.get_template("report.html.j2").render(_context(report))


def _context(report: ReportDocument) -> dict[str, Any]:
    """What the template shows, all judged and drawn; it only lays out."""
    ranked = rows.rank(report.rows)
    teacher, student = best(ranked, "teacher"), recommended(ranked)
    shown = student or ranked[0]
    gaps = verdict.find_gaps(teacher, student)
    labels, words = report.task.labels, wording(report.task)

    return {
        "report": report,
        "words": words,
        "rows": ranked,
        "metric": numbers.metric_name(report.task.metric),
        "others": rows.other_metrics(ranked),
        "gains": verdict.find_gains(ranked),
        "verdict": verdict.give_verdict(report),
        "figures": _key_figures(teacher, student, report.rows, words.item),
        "strip": partial(_strip, *_scale(ranked)),
        "teacher": teacher,
        "student": student,
        "shown": shown,
        "gap_sentence": verdict.name_gaps(gaps, words),
        "gaps": [gap for gap in gaps if gap.loss > 0][:5],
        "confusions": verdict.find_confusions(shown, labels),
        "pictures": _pictures(report, ranked, shown, teacher),
        "steps": rows.with_steps(ranked),
        "thresholds": _thresholds(shown, labels),
        "classes": labels_of(ranked),
        "wide": len(labels) > pictures.COUNTED_LABELS,
        "most_labels": pictures.MOST_LABELS,
        "most_panels": MOST_PANELS,
        "disagreements": _disagreements(report, ranked),
        "balance": _balance(report.data["label_counts"], is_ordered=not words.has_labels),
        "paired": prose.PAIRED,
        "converged": prose.CONVERGED,
        "conditions": prose.conditions(report),
        "graphs": prose.graphs(report),
        "machine": prose.machine_facts(report.machine),
        "recipe": _recipe(report.recipe),
        "reading": prose.reading(report),
        "limits": prose.limits(report),
    }


def _pictures(
    report: ReportDocument, ranked: Sequence[ReportRow], shown: ReportRow, teacher: ReportRow | None
) -> dict[str, Markup]:
    """Name of a picture → its SVG, safe because `pictures` escapes what it writes."""
    labels = report.task.labels
    compared = [row for row in (teacher, shown, twin(shown, ranked)) if row is not None]
    compared = [row for number, row in enumerate(compared) if row not in compared[:number]]
    drawn = {
        "cost": pictures.quality_against_latency(report),
        "per_label": pictures.per_label(compared),
        "confusion": pictures.confusion_matrix(shown, labels),
        "calibration": pictures.calibration_curve([row for row in ranked if row.calibration][:MOST_PANELS]),
        "training": pictures.training_curves([row for row in ranked if row.curve][:MOST_PANELS]),
    }
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _key_figures(
    teacher: ReportRow | None, student: ReportRow | None, all_rows: Sequence[ReportRow], item: str
) -> list[tuple[str, str, str]]:
    """Up to four ``(number, what it is, how it comes about)`` on the best student."""
    if student is None:
        return []
    metric = student.metric
    interval = f"95 % interval {numbers.bounds(metric, student.ci95)}"
    figures = [(numbers.score(metric, student.score), numbers.metric_name(metric), interval)]
    if student.retention is not None and teacher is not None:
        scored = numbers.score(metric, teacher.score)
        figures.append(
            (numbers.percent(student.retention), "of the teacher kept", f"the teacher has {scored}")
        )
    if student.speedup is not None:
        pace = numbers.duration(rows.latency(student))
        figures.append(
            (numbers.times(student.speedup), "the teacher's speed", f"{pace} for one {item} (p50)")
        )

    if student.size_bytes is not None:
        small = f"{numbers.count(student.parameters)} parameters"
        if student.compression is not None:
            small += f" (compression {numbers.times(student.compression)})"
        figures.append((numbers.size(student.size_bytes), "on disk", small))
    other = twin(student, all_rows)
    if other is not None:
        gain = student.score - other.score
        sign = "+" if gain >= 0 else "−"
        note = f"{numbers.score(metric, other.score)} on labels only; {_sure(student, other)}"
        figures.append((f"{sign}{numbers.difference(metric, gain)}", "from distillation", note))
    return figures


def _sure(student: ReportRow, other: ReportRow) -> str:
    """In few words, whether the scores of a student and its twin differ."""
    paired = student.against_undistilled
    if paired and paired["name"] == other.name:
        return verdict.judge(paired)
    says = {True: "intervals overlap", False: "intervals do not overlap", None: "no intervals"}
    return says[verdict.overlap(student, other)]


def _scale(ranked: Sequence[ReportRow]) -> tuple[float, float]:
    """The range of scores that the small interval strips in the table share."""
    bounds = [bound for row in ranked for bound in (row.ci95 or [row.score])]
    low, high = min(bounds), max(bounds)
    floor = min([b for row in ranked if row.role != "baseline" for b in (row.ci95 or [row.score])] or [low])
    low = max(low, floor - (high - floor))  # a baseline far below must not crowd the others
    pad = 0.04 * (high - low) or 0.01
    return low - pad, high + pad


def _strip(low: float, high: float, row: ReportRow) -> Markup:
    """A small picture of a score and its interval on the table's common scale."""

    def at(value: float) -> float:
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 1)

    start, end = (at(bound) for bound in row.ci95 or [row.score, row.score])
    return Markup(  # noqa: S704 -- numbers only
        f'<svg class="strip" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M0 6H100"/><rect x="{start}" y="4" width="{max(end - start, 0.8):.1f}" height="4"/>'
        f'<rect x="{at(row.score) - 0.9:.1f}" y="1" width="1.8" height="10"/></svg>'
    )


def _disagreements(report: ReportDocument, ranked: Sequence[ReportRow]) -> list[dict[str, Any]]:
    """By student in the order of rank: name, how many there are, and the first few."""
    by_name = report.disagreements
    order = [row.name for row in ranked if by_name.get(row.name)]
    order += [name for name in by_name if name not in order and by_name[name]]
    return [{"name": n, "total": len(by_name[n]), "examples": by_name[n][:MOST_EXAMPLES]} for n in order]


def _thresholds(row: ReportRow, labels: Sequence[str]) -> list[tuple[str, float]]:
    """Label and the probability from which a row's model gives it, where it has such."""
    return list(zip(labels, row.thresholds or (), strict=False))


def _balance(counts: Mapping[str, Mapping[str, int]], *, is_ordered: bool) -> list[dict[str, Any]]:
    """By label, counts per split and the share of the longest bar in train.

    The most frequent in train comes first, unless the labels have an order, such as ranges of values.
    """
    train = counts.get("train", {})
    most = max(train.values(), default=0) or 1
    labels = dict.fromkeys(label for tally in counts.values() for label in tally)
    ordered = list(labels) if is_ordered else sorted(labels, key=lambda label: -train.get(label, 0))
    return [
        {
            "label": label,
            "counts": [counts.get(split, {}).get(label, 0) for split in ("train", "dev", "test")],
            "bar": round(100 * train.get(label, 0) / most, 1),
        }
        for label in ordered
    ]


def _recipe(recipe: Any) -> str:
    """The recipe as text, however it is kept."""
    if not recipe:
        return ""
    return recipe if isinstance(recipe, str) else json.dumps(recipe, indent=2, ensure_ascii=False)


_FILTERS = {
    "percent": numbers.percent,
    "scored": numbers.score_with_interval,
    "duration": numbers.duration,
    "bytes": numbers.size,
    "params": numbers.count,
    "whole": numbers.whole,
    "times": numbers.times,
    "agreed": rows.agreed,
    "named": lambda metric: numbers.heading(numbers.metric_name(metric)),
    "heading": numbers.heading,
    "other": rows.other_score,
    "stretch": numbers.stretch,
    "moment": numbers.moment,
    "clean": numbers.clean,
    "short": partial(numbers.shorten, width=TEXT_WIDTH),
    "full": partial(numbers.shorten, width=FULL_WIDTH),
}

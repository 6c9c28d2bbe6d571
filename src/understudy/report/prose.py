"""The sentences that every report shares: how to read it, how cost was measured, what it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from understudy.report.numbers import clean, duration, heading, metric_name
from understudy.report.record import MachineRecord, ReportDocument
from understudy.report.verdict import UNJUDGED
from understudy.report.wording import wording

PAIRED = (
    "Both were scored on the same resamples of the test split. A difference is clear where its 95 % interval "
    "leaves out 0; else it is within noise."
)
"""Under the table of what students gain."""

CONVERGED = "Converged: the score on dev first came within half a point of its best."
"""Under the table of training."""

METRICS: Mapping[str, str] = {
    "accuracy": "the share of test {rows} that are answered rightly.",
    "macro_f1": "the mean over {labels} of F1, the harmonic mean of precision and recall.",
    "micro_f1": "F1, the harmonic mean of precision and recall, over all labels of all {items} together.",
    "span_f1": "F1, the harmonic mean of precision and recall, over spans; only the whole span is right.",
    "mcc": "Matthews correlation, between -1 and 1; 0 is chance.",
    "pearson": "the linear correlation with the right values, between -1 and 1.",
    "spearman": "the correlation of the ranks with those of the right values, between -1 and 1.",
    "f1": "the harmonic mean of precision and recall of the second of two {labels}.",
    "accuracy_f1": "the mean of accuracy and of F1 of the second of two {labels}, as GLUE has it.",
    "pearson_spearman": "the mean of the correlations of values and of ranks, as GLUE has it.",
}
"""What a metric is, by name."""


def reading(report: ReportDocument) -> list[tuple[str, str]]:
    """Term and explanation, in the order of the table's columns."""
    words = wording(report.task)
    items = words.items
    metric = report.task.metric
    meaning = METRICS[metric].format(rows=words.rows, labels=words.labels, items=items)

    return [
        (heading(metric_name(metric)), meaning),
        ("Interval", f"95 %, from resamples of the test {items}: a bootstrap."),
        ("Retention", f"the student's score divided by the teacher's, on the same test {items}."),
        ("Agreement", words.agreement),
        (
            "Speed-up",
            "the teacher's p50 latency divided by the model's, measured in one run on the same machine.",
        ),
        ("Compression", "the teacher's number of parameters divided by the model's."),
        (
            "Pareto front (★)",
            "no other row is at least as good and at least as fast, and better in one of the two.",
        ),
        (
            "Undistilled",
            f"the student's architecture trained on the labelled {items} alone, without a teacher.",
        ),
        (
            "Baseline",
            f"a classical method trained on the labelled {items} alone: what any student has to beat.",
        ),
    ]


def limits(report: ReportDocument) -> list[str]:
    """What the numbers do not say."""
    words = wording(report.task)
    sentences = [
        f"The scores hold for {words.items} like those of the test split, and for no others.",
        "What is within noise is not proven equal: this test split cannot tell, a larger one might.",
        "Latencies and sizes hold for the machine named here. Ratios travel better than absolute numbers.",
    ]
    if report.is_judged_by_teacher:
        sentences.insert(0, UNJUDGED)
    if words.has_confidence:
        sentences.append(
            "Confidence is what the model states. The calibration curves show how far it can be believed."
        )
    return sentences


def conditions(report: ReportDocument) -> str:
    """How cost was measured: CPU, threads, batch, what the clock includes, what a call alone costs."""
    machine, item = report.machine, wording(report.task).item
    threads = sorted({row.threads for row in report.rows if row.threads is not None})
    threads = threads or [machine["threads"]]
    named = " or ".join(map(str, threads))
    plural = "" if threads == [1] else "s"
    measured = (
        f"Latency is the time to answer one {item} at a time, tokenisation included, after a warm-up, "
        f"with {named} thread{plural} on {clean(machine['cpu'])}."
    )

    calls = [row.call_us for row in report.rows if row.call_us is not None]
    if not calls:  # an earlier version did not measure it
        return measured
    return f"{measured} A call that does nothing takes {duration(median(calls))} of it."


def graphs(report: ReportDocument) -> list[str]:
    """What was decided about the graphs of those models for which int8 was asked for."""
    rows = report.rows
    return [f"{clean(row.name)}: {clean(row.quantisation)}." for row in rows if row.quantisation]


def machine_facts(machine: MachineRecord) -> list[tuple[str, str]]:
    """Name and value of what describes the machine, versions of absent packages left out."""
    memory = machine["memory_gib"]
    facts = [
        ("CPU", clean(machine["cpu"])),
        ("Logical cores", str(machine["logical_cores"])),
        ("Threads used", str(machine["threads"])),
        ("Memory", "unknown" if memory is None else f"{memory:.1f} GiB"),
        ("Operating system", clean(machine["os"])),
        ("Python", clean(machine["python"])),
    ]
    versions = machine["versions"].items()
    return facts + [(clean(name), clean(version)) for name, version in versions if version is not None]

"""The sentences that every report shares: how to read it, how cost was measured, what it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from understudy.report.rows import clean

READING: tuple[tuple[str, str], ...] = (
    ("Score", "measured on the test split; in parentheses its 95 % interval."),
    ("Retention", "the student's score divided by the teacher's, on the same test texts."),
    ("Agreement", "the share of test texts on which the model and the teacher answer alike, right or wrong."),
    (
        "Speed-up",
        "the teacher's p50 latency divided by the model's, measured in one run on the same machine.",
    ),
    ("Compression", "the teacher's number of parameters divided by the model's."),
    (
        "Pareto front (★)",
        "no other row is at least as good and at least as fast, and better in one of the two.",
    ),
    ("Undistilled", "the student's architecture trained on the labelled texts alone, without a teacher."),
    ("Baseline", "a classical method trained on the labelled texts alone: what any student has to beat."),
)
"""Term and explanation, in the order of the table's columns."""

LIMITS: tuple[str, ...] = (
    "The scores hold for texts like those of the test split; other domains, languages or lengths may differ.",
    "Overlapping intervals do not prove that two models are equal, only that this test split cannot tell.",
    "Latencies and sizes hold for the machine named here. Ratios travel better than absolute numbers.",
    "Confidence is what the model states. The calibration curves show how far it can be believed.",
)
"""What the numbers do not say."""


def conditions(report: Mapping[str, Any]) -> str:
    """One sentence on how cost was measured: CPU, threads, batch, what the clock includes."""
    machine = report["machine"]
    threads = sorted({row["threads"] for row in report["rows"] if row["threads"] is not None})
    threads = threads or [machine["threads"]]
    said = " or ".join(map(str, threads))
    plural = "" if threads == [1] else "s"
    return (
        f"Latency is the time to answer one text at a time, tokenisation included, after a warm-up, "
        f"with {said} thread{plural} on {clean(machine['cpu'])}."
    )


def machine_facts(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
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

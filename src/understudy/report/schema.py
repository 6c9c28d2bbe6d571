"""Whether a report has all that its readers need, before anything is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from understudy.core.task import Task
from understudy.errors import UnderstudyError, nearest
from understudy.report.numbers import clean
from understudy.report.record import ROLES

SCHEMA = 1

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "": (
        "schema", "name", "created", "understudy_version", "task", "data", "machine", "stages", "rows",
        "disagreements",
    ),
    "task": ("kind", "labels", "metric"),
    "data": ("name", "source", "fingerprint", "sizes", "label_counts", "dropped", "notes"),
    "machine": ("cpu", "logical_cores", "threads", "memory_gib", "os", "python", "versions"),
}  # fmt: skip

_ROW = (
    "name", "role", "metric", "score", "ci95", "macro_f1", "macro_f1_ci95", "metrics", "retention",
    "agreement", "parameters", "size_bytes", "latency_us", "throughput_per_s", "threads", "peak_memory_bytes",
    "speedup", "compression", "train_seconds", "pareto", "per_label_f1", "confusion", "calibration", "curve",
)  # fmt: skip
_COMPARISONS = ("against_teacher", "against_undistilled", "against_baseline")
_COMPARISON = ("name", "difference", "interval", "share_not_better")
_STAGE = ("name", "seconds", "skipped")
_DISAGREEMENT = ("text", "gold", "teacher", "student", "teacher_confidence", "student_confidence")


def check_report(report: Mapping[str, Any]) -> None:
    """Refuse a report that could not be shown in full. A value may be ``None`` where nothing was measured.

    Raises:
        UnderstudyError: Another schema; a key missing; no such task; a row without a name, a known role or a
            score; a confusion matrix of another size than the labels; a number that is not finite. The
            message names the place.
    """
    for place, keys in _NEEDED.items():
        _need(report[place] if place else report, keys, place)
    if report["schema"] != SCHEMA:
        raise UnderstudyError(
            f"The report has schema {report['schema']!r}, but this version of Understudy writes {SCHEMA}. "
            "Run the evaluation again."
        )
    Task.from_dict(report["task"])
    if not report["rows"]:
        raise UnderstudyError("The report has no rows: evaluate at least one model first.")

    for number, row in enumerate(report["rows"]):
        _check_row(row, f"rows[{number}]", len(report["task"]["labels"]))
    for number, stage in enumerate(report["stages"]):
        _need(stage, _STAGE, f"stages[{number}]")
    for name, examples in report["disagreements"].items():
        for number, example in enumerate(examples):
            _need(example, _DISAGREEMENT, f"disagreements[{clean(name)!r}][{number}]")
    for place in _not_finite(report, ""):
        raise UnderstudyError(
            f"The report's {place} is not a finite number. Where nothing was measured, write null."
        )


def _need(part: Any, keys: tuple[str, ...], place: str) -> None:
    where = f"report.{place}" if place else "report"
    if not isinstance(part, Mapping):
        raise UnderstudyError(f"{where} must be a mapping with the keys {', '.join(keys)}, but is {part!r}.")
    missing = [key for key in keys if key not in part]
    if missing:
        raise UnderstudyError(f"{where} lacks {', '.join(map(repr, missing))}. Run the evaluation again.")


def _check_row(row: Any, place: str, n_labels: int) -> None:
    _need(row, _ROW, place)
    for key in ("name", "role", "metric", "score"):
        if row[key] is None:
            raise UnderstudyError(f"report.{place}.{key} is null, but every row needs it.")
    if row["role"] not in ROLES:
        raise UnderstudyError(
            f"report.{place} has the unknown role {row['role']!r}. {nearest(row['role'], ROLES)}"
        )

    matrix = row["confusion"] or []
    if matrix and [len(line) for line in matrix] != [n_labels] * n_labels:
        raise UnderstudyError(
            f"report.{place}.confusion must be {n_labels} by {n_labels}, one row and column per label, "
            f"but has {len(matrix)} rows."
        )
    for key in _COMPARISONS:
        if row.get(key) is not None:
            _need(row[key], _COMPARISON, f"{place}.{key}")
    _need(row["calibration"] or {"ece": None, "bins": []}, ("ece", "bins"), f"{place}.calibration")


def _not_finite(value: Any, place: str) -> Iterator[str]:
    """Where in a JSON-ready value numbers are infinite or not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{place}.{clean(key)}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _not_finite(item, f"{place}[{number}]")

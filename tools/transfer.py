"""Write docs/transfer.md from the reports of runs, a table for each heading (an argument with a colon).

Run: python tools/transfer.py "SST-2:" runs/transfer/sst2-both runs/transfer/sst2-all "Few labels:" …
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pages import DOCS, put

from understudy.report import numbers
from understudy.report.markdown import grid

PAGE = DOCS / "transfer.md"


def main(arguments: list[str]) -> None:
    """Replace what stands between the two marks by one table a heading, one row a run."""
    tables: dict[str, list[Path]] = {}
    for argument in arguments:
        if argument.endswith(":"):
            tables[argument.removesuffix(":")] = folders = []
        else:
            folders.append(Path(argument))
    sections = {heading: section(folders) for heading, folders in tables.items()}
    put(PAGE, "tables", "\n".join(f"## {heading}\n\n{table}" for heading, table in sections.items()))


def section(folders: list[Path]) -> str:
    """The table: teacher, and each student on gold labels alone, then on what the teacher says."""
    reports = [json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in folders]
    students = list(dict.fromkeys(bare(row) for report in reports for row in named(report, "student")))
    body = [line(folder, report, students) for folder, report in zip(folders, reports, strict=True)]
    header = ["Recipe", "Labelled", "Pool", "Teacher", *students, "Linear"]
    metrics = dict.fromkeys(numbers.metric_name(report["task"]["metric"]) for report in reports)
    return f"{grid(header, body)}\n\nMeasured by {' and '.join(metrics)}.\n"


def bare(row: dict[str, Any]) -> str:
    """A student's name without its epochs, of which small sets need more: they stand in the recipe."""
    return re.sub(r"[:,]epochs=\d+", "", row["student"])


def line(folder: Path, report: dict[str, Any], students: list[str]) -> list[str]:
    """One run: sizes, and scores in per cent."""
    sizes = report["data"]["sizes"]
    found = {role: named(report, role) for role in ("teacher", "student", "undistilled", "baseline")}
    return [
        f"`{folder.name}`",
        f"{sizes['train']:,}",
        f"{max(0, sizes['transfer'] - sizes['train']):,}",
        score(found["teacher"]),
        *(cell(of(found["undistilled"], student), of(found["student"], student)) for student in students),
        score(found["baseline"]),
    ]


def named(report: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """The rows of one role."""
    return [row for row in report["rows"] if row["role"] == role]


def of(rows: list[dict[str, Any]], student: str) -> list[dict[str, Any]]:
    """The rows of one student."""
    return [row for row in rows if bare(row) == student]


def cell(alone: list[dict[str, Any]], taught: list[dict[str, Any]]) -> str:
    """A student's scores on gold labels alone and taught, or a dash for one that was not asked for."""
    return f"{score(alone)} → {score(taught)}" if taught else numbers.NONE


def score(rows: list[dict[str, Any]]) -> str:
    """The first row's score, or a dash."""
    return numbers.score(rows[0]["metric"], rows[0]["score"]) if rows else numbers.NONE


if __name__ == "__main__":
    main(sys.argv[1:])

"""Print the tables that a verb ends with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from understudy.pipeline.result import Result

TABLE_WIDTH = 110
"""Columns of the table where standard output is a file."""


def console_for_tables() -> Console:
    """Standard output; as wide as a table needs where it is not a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    return console


def print_pool(folder: Path) -> None:
    """Print what became of a run's pool, and where its page is."""
    from understudy.augment.charts import PAGE
    from understudy.augment.terminal import tables
    from understudy.pipeline.stages.augment import inspect

    console = console_for_tables()
    console.print(tables(inspect(folder)))
    console.print(f"\nPage: {folder / 'augment' / PAGE}", markup=False)


def print_result(result: Result) -> None:
    """Print the report's table, where everything is, and what to try next."""
    console = console_for_tables()
    if result.report is None:
        console.print(f"Done: {result.folder}", markup=False)
        return
    from understudy.report.record import ReportDocument
    from understudy.report.terminal import table

    console.print(table(ReportDocument.from_dict(result.report)))
    console.print(f"\nReport: {result.html}", markup=False)
    for name, folder in result.models.items():
        console.print(f"Model:  {folder}  ({name})", markup=False)

    best, name_of = result.best, {folder.name: name for name, folder in result.models.items()}
    example = "$'...\\t...'" if result.report["task"]["texts"] == 2 else '"..."'
    console.print(f"Try it: understudy predict {shlex.quote(str(best))} {example}", markup=False)
    console.print(
        "Next, with your own file: understudy distill your.csv --unlabelled more.txt --student "
        + name_of[best.name],
        markup=False,
    )


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def print_students(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of `students.registry.listing`, and why some cannot do some kinds of task."""
    console = console_for_tables()
    columns = (Column(name, no_wrap=True) for name in ("name", "parameters", "vocabulary", "kinds of task"))
    table = Table(*columns, "source", box=None)
    for row in rows:
        refused = [kind for kind, answer in row["kinds"].items() if answer is not True]
        kinds = f"all but {', '.join(refused)}" if refused else "all"
        cells = (_count(row["parameters"]), f"{row['vocabulary_size']:,}", kinds, row["source"])
        table.add_row(row["name"], *cells)

        for preset, facts in row["presets"].items():
            sizes = ", ".join(f"{size} {value}" for size, value in facts["sizes"].items())
            table.add_row(f"  {preset}", _count(facts["parameters"]), "", "", sizes or "the sizes above")

    console.print(table)
    for reason in (answer for row in rows for answer in row["kinds"].values() if answer is not True):
        console.print(reason, markup=False)

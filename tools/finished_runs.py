"""Finished runs, read from their folders for tables and pictures; no model is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from understudy.core.configs import AUTO, RANDOM, LossConfig, candidates
from understudy.core.items import from_json
from understudy.core.task import Item, Task
from understudy.data import Dataset, Split
from understudy.data.dataset import GOLD_KEYS
from understudy.data.gold import encode
from understudy.data.unlabelled import ItemFiles
from understudy.pipeline.decisions import Decisions, describe
from understudy.pipeline.kept_answers import ANSWERS, compared, folder_of, read_answers
from understudy.report.recommendation import best, recommended
from understudy.report.record import ComparisonRecord, ReportDocument, ReportRow
from understudy.runtime.layout import slug

REPORT = "report.json"


def finished_below(folder: Path) -> list[FinishedRun]:
    """The runs of a folder that have a report, by name.

    Raises:
        SystemExit: There is none.
    """
    found = [FinishedRun(path.parent) for path in sorted(folder.glob(f"*/{REPORT}"))]
    if not found:
        raise SystemExit(f"No folder in {folder} has a {REPORT}: no run is finished there.")
    return found


@dataclass(frozen=True)
class FinishedRun:
    """A run that has its report.

    Attributes:
        folder: Folder of the run.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.folder.name

    @cached_property
    def report(self) -> ReportDocument:
        """Its report; rows of students say what dev says of the weights that were kept."""
        report = ReportDocument.from_dict(read(self.folder / REPORT))
        return replace(report, rows=tuple(self._with_dev(row) for row in report.rows))

    @cached_property
    def dataset(self) -> Dataset:
        """The data of the run, as they were used."""
        return read_data(self.folder / "data")

    @property
    def teacher(self) -> ReportRow:
        """The teacher's row, which every report has."""
        return next(row for row in self.report.rows if row.role == "teacher")

    @property
    def baseline(self) -> ReportRow | None:
        """The linear baseline's row, if it was not turned off."""
        return best(self.report.rows, "baseline")

    @cached_property
    def recommended(self) -> ReportRow:
        """The student that the report recommends, compared with the teacher and the baseline.

        Raises:
            SystemExit: The report has no student.
        """
        row = recommended(self.report.rows)
        if row is None:
            raise SystemExit(f"The report of {self.folder} has no student.")
        is_known = row.against_teacher and (row.against_baseline or self.baseline is None)
        return row if is_known else self._compared(row)

    @property
    def decisions(self) -> Decisions:
        """What was chosen on dev; where nothing was open, what the recipe says."""
        file = self.folder / "choice" / "choice.json"
        if file.is_file():
            return Decisions.from_dict(read(file))
        recipe: Any = self.report.recipe or {}
        loss = LossConfig(**recipe.get("loss", {}))
        loss = candidates(self.report.task)[0] if loss.name == AUTO else loss
        return Decisions(loss, recipe.get("training", {}).get("embeddings"))

    @property
    def choice(self) -> str:
        """Loss, start of the word tables, and pool, in a few words."""
        chosen = self.decisions
        return "; ".join((describe(chosen.loss), chosen.embeddings or RANDOM, self._pool()))

    @property
    def method(self) -> str:
        """How the teacher was made, where ways to make it were compared; else empty."""
        file = self.folder / "teacher" / "finetuning.json"
        comparison = read(file).get("comparison") if file.is_file() else None
        return comparison["chosen"] if comparison else ""

    def kept(self, row: ReportRow) -> str:
        """What a student learnt from in the end: ``taught``, ``mix`` or ``gold``."""
        return str(self._facts(row).get("kept", "taught"))

    def _pool(self) -> str:
        given = self.report.data["sizes"].get("unlabelled", 0)
        if given:
            return "given pool"
        return "made pool" if (self.folder / "pool-budget").is_dir() else "no pool"

    def _facts(self, row: ReportRow) -> dict[str, Any]:
        folder = slug(row.student or row.name) + (".gold" if row.role == "undistilled" else "")
        file = self.folder / "train" / folder / "student.json"
        return dict(read(file).get("facts", {})) if file.is_file() else {}

    def _with_dev(self, row: ReportRow) -> ReportRow:
        if row.dev is not None or row.role not in ("student", "undistilled"):
            return row
        return replace(row, dev=self._facts(row).get("dev"))

    def _compared(self, row: ReportRow) -> ReportRow:
        """The row with the paired comparisons that its report lacks, from the answers that the run kept."""
        others = [other for other in (self.teacher, self.baseline) if other is not None]
        folder, task = self.folder / ANSWERS, self.report.task
        rows = [row, *others]
        answers = [read_answers(folder_of(folder, each.role, each.name), task) for each in rows]
        recipe: Any = self.report.recipe or {}
        return compared(rows, answers, self.dataset, recipe.get("seed", 0))[0]


def difference(row: ReportRow, role: str) -> ComparisonRecord:
    """A row's paired comparison with the row of another role.

    Raises:
        SystemExit: They were not compared.
    """
    paired = row.against(role)
    if paired is None:
        raise SystemExit(f"{row.name} was not compared with the {role}.")
    return paired


def read_data(folder: Path) -> Dataset:
    """The data set that a run wrote into its folder ``data``."""
    facts = read(folder / "dataset.json")
    task = Task.from_dict(facts["task"])
    text, gold = ("words" if task.kind == "tagging" else "text"), GOLD_KEYS.get(task.kind, "label")

    def split(name: str) -> Split:
        rows = list(_rows(folder / f"{name}.jsonl"))
        labels = [tuple(row[gold]) if isinstance(row[gold], list) else row[gold] for row in rows]
        return Split(tuple(from_json(row[text]) for row in rows), encode(labels, task))

    further: ItemFiles | tuple[Item, ...]
    if files := facts.get("files"):
        further = ItemFiles(tuple(map(Path, files["paths"])), tuple(files["text_columns"]), files["is_pair"])
    else:
        further = tuple(from_json(row[text]) for row in _rows(folder / "unlabelled.jsonl"))
    splits = {name: split(name) for name in ("train", "dev", "test")}
    return Dataset(facts["name"], task, **splits, unlabelled=further, source=facts["source"])


def read(file: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(file.read_text(encoding="utf-8"))


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)

"""What a run left behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.core.manifest import read_manifest
from understudy.errors import RecipeError
from understudy.report.record import ReportRow
from understudy.report.verdict import best


@dataclass(frozen=True)
class Result:
    """What a run left behind.

    Attributes:
        folder: of the run.
        report: the contents of ``report.json``; ``None`` where the run ended before it.
    """

    folder: Path
    report: dict[str, Any] | None

    @property
    def models(self) -> dict[str, Path]:
        """Student → folder to hand to `understudy.load`."""
        folders = sorted(path.parent for path in (self.folder / "models").glob("*/config.json"))
        return {(read_manifest(folder) or {})["name"]: folder for folder in folders}

    @property
    def best(self) -> Path:
        """The folder of the student that was best on dev, which the report's verdict is about.

        Raises:
            RecipeError: the run ended before its report, so nothing was compared.
        """
        if self.report is None:
            raise RecipeError("This run ended before its report: no student is known to be the best.")
        row = best([ReportRow.from_dict(row) for row in self.report["rows"]], "student")
        if row is None:
            raise RecipeError("The report has no student.")
        return self.models[row.name]

    @property
    def html(self) -> Path:
        """The report to open in a browser."""
        return self.folder / "report.html"

"""The result of a run, for Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.core.manifest import read_manifest
from understudy.errors import RecipeError
from understudy.report.recommendation import recommended
from understudy.report.record import ReportRow
from understudy.runtime.layout import slug


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        folder: Folder of the run.
        report: Contents of ``report.json``; ``None`` where the run ended before its report.
        students: Names of the students that the recipe asks for. Students that an earlier recipe left in the
            folder are not listed.
    """

    folder: Path
    report: dict[str, Any] | None = field(repr=False)
    students: tuple[str, ...] = ()

    @property
    def models(self) -> dict[str, Path]:
        """Name of a student → its folder, for `understudy.load`."""
        folders = {name: self.folder / "models" / slug(name) for name in self.students}
        return {name: folder for name, folder in folders.items() if read_manifest(folder) is not None}

    @property
    def best(self) -> Path:
        """The folder of the student that the report recommends: the best on dev.

        Where being taught made every student worse on dev, it is one that learnt from labels only.

        Raises:
            RecipeError: The run ended before its report, so that nothing was compared.
        """
        if self.report is None:
            raise RecipeError(
                "This run ended before its report, so that no student is known to be the best. Run it to the "
                "end: until='report'."
            )
        row = recommended([ReportRow.from_dict(row) for row in self.report["rows"]])
        if row is None:
            raise RecipeError("The report has no student.")
        if row.role == "undistilled":
            return self.folder / "undistilled" / slug(row.student)
        return self.models[row.name]

    @property
    def html(self) -> Path:
        """The report to open in a browser.

        Raises:
            RecipeError: The run ended before its report.
        """
        if self.report is None:
            raise RecipeError("This run ended before its report. Run it to the end: until='report'.")
        return self.folder / "report.html"

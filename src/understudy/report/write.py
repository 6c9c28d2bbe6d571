"""Put a report on disk: the numbers first, then what people read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.report.check import check_report
from understudy.report.html import render_html
from understudy.report.markdown import render_markdown


@dataclass(frozen=True)
class ReportPaths:
    """Where the three forms of one report are.

    Attributes:
        json: the numbers.
        markdown: for a terminal or a repository.
        html: one self-contained page.
    """

    json: Path
    markdown: Path
    html: Path


def write_report(report: Mapping[str, Any], folder: Path) -> ReportPaths:
    """Check a report, then write ``report.json``, ``report.md`` and ``report.html`` into ``folder``.

    Each file is whole or as it was before. The numbers are written before anything is drawn from them.

    Raises:
        UnderstudyError: a key is missing, or a value cannot be shown; nothing was written.
    """
    check_report(report)
    folder.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(folder / "report.json", folder / "report.md", folder / "report.html")
    # In JSON a lone surrogate is written as its escape; elsewhere it becomes a question mark.
    _write(paths.json, json.dumps(report, ensure_ascii=False, indent=2) + "\n", errors="backslashreplace")
    _write(paths.markdown, render_markdown(report), errors="replace")
    _write(paths.html, render_html(report), errors="replace")
    return paths


def _write(path: Path, text: str, errors: str) -> None:
    """Write to a neighbour and rename it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(text.encode("utf-8", errors))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)

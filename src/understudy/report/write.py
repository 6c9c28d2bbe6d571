"""Put a report on disk: the numbers first, then what people read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.core.manifest import write_bytes
from understudy.report.html import render_html
from understudy.report.markdown import render_markdown
from understudy.report.record import ReportDocument
from understudy.report.schema import check_report


@dataclass(frozen=True)
class ReportPaths:
    """Where the three forms of one report are.

    Attributes:
        json: The numbers.
        markdown: For a terminal or a repository.
        html: One self-contained page.
    """

    json: Path
    markdown: Path
    html: Path


def write_report(report: Mapping[str, Any], folder: Path) -> ReportPaths:
    """Check a report, then write ``report.json``, ``report.md`` and ``report.html`` into ``folder``.

    Each file is whole or as it was before. The numbers are written before anything is drawn from them.

    Raises:
        UnderstudyError: A key is missing, or a value cannot be shown; nothing was written.
    """
    check_report(report)
    folder.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(folder / "report.json", folder / "report.md", folder / "report.html")
    # In JSON a lone surrogate is written as its escape; elsewhere it becomes a question mark.
    numbers = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    write_bytes(paths.json, numbers.encode("utf-8", "backslashreplace"))
    document = ReportDocument.from_dict(report)
    write_bytes(paths.markdown, render_markdown(document).encode("utf-8", "replace"))
    write_bytes(paths.html, render_html(document).encode("utf-8", "replace"))
    return paths

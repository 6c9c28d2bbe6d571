"""Put the table of a run's report into the README: ``python tools/readme_table.py runs/demo/report.json``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from understudy.report.markdown import ranking
from understudy.report.numbers import percent
from understudy.report.record import ReportDocument
from understudy.report.rows import rank

START, END = "<!-- demo-table -->", "<!-- /demo-table -->"
KEPT, KEPT_END = "<!-- retention -->", "<!-- /retention -->"


def main(path: str) -> None:
    """Replace what stands between the two marks."""
    report = ReportDocument.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    machine = report.machine
    table = ranking(rank(report.rows), report.task.metric)
    conditions = (
        f"`{report.data['source']}`, {report.data['sizes']['test']:,} test texts; {machine['cpu']}, "
        f"{machine['threads']} thread, one text at a time, tokenisation included."
    )
    readme = Path(__file__).parents[1] / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    text = f"{before}{START}\n{table.strip()}\n\n{conditions}\n{END}{after}"

    # The first sentence names what the best student keeps.
    kept = max(row.retention or 0.0 for row in report.rows if row.role == "student")
    text = re.sub(f"{KEPT}.*?{KEPT_END}", f"{KEPT}{percent(kept)}{KEPT_END}", text)
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

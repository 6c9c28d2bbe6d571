"""Write docs/results.md from the reports of runs: ``python tools/results.py runs/rte runs/mrpc …``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from understudy.report.markdown import ranking, training
from understudy.report.numbers import stretch
from understudy.report.record import ReportDocument
from understudy.report.rows import rank

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
START, END = "<!-- tables -->", "<!-- /tables -->"


def main(runs: list[str]) -> None:
    """Replace what stands between the two marks by one section a run."""
    sections = [section(Path(run)) for run in runs]
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{START}\n\n" + "\n".join(sections) + f"\n{END}{after}", encoding="utf-8")


def section(run: Path) -> str:
    """Heading, what was run, and the table."""
    report = ReportDocument.from_dict(json.loads((run / "report.json").read_text(encoding="utf-8")))
    tables = [ranking(rank(report.rows), report.task.metric).strip()]
    if any("embeddings=" in row.name for row in report.rows):
        tables += training(report.rows)[1:2]
    return "\n\n".join([f"## {run.name}", facts(run.name, report), *tables]) + "\n"


def facts(name: str, report: ReportDocument) -> str:
    """Recipe, texts, times, machine."""
    sizes, machine = report.data["sizes"], report.machine
    unlabelled = f", {sizes['unlabelled']:,} unlabelled" if sizes["unlabelled"] else ""
    spent = {stage["name"].split()[0]: 0.0 for stage in report.stages}
    for stage in report.stages:
        spent[stage["name"].split()[0]] += stage["seconds"]
    times = ", ".join(f"{verb} {stretch(seconds)}" for verb, seconds in spent.items() if seconds >= 1)
    dropped = "; ".join(f"{count:,} {reason}" for reason, count in report.data["dropped"].items() if count)
    return (
        f"`recipes/tables/{name}.yaml`: {sizes['train']:,} to train on{unlabelled}, {sizes['dev']:,} dev, "
        f"{sizes['test']:,} test{f' (left out: {dropped})' if dropped else ''}. "
        f"Wall time on {machine['logical_cores']} cores of {machine['cpu']}, beside other work: {times}, "
        f"together {stretch(sum(spent.values()))}."
    )


if __name__ == "__main__":
    main(sys.argv[1:])

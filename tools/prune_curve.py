"""Put the curve of pruning into docs/quantisation.md: ``python tools/prune_curve.py RUN``.

RUN is the folder of a finished run. Its weighted bags are exported for each share of their rows, with the
precision of rows that dev chooses, and scored and timed on test. Nothing in RUN is changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import understudy
from understudy.core.items import from_json
from understudy.core.manifest import read_json
from understudy.core.task import Gold, Item, Task
from understudy.data.dataset import GOLD_KEYS, Split
from understudy.data.gold import encode
from understudy.evaluation.clock import measure
from understudy.evaluation.machine import cpu_name
from understudy.evaluation.metrics import score
from understudy.export.folder import export
from understudy.export.pruning import why_not_pruned
from understudy.runtime.layout import Layout
from understudy.training.torch_student import TorchStudent, load_trained

START, END = "<!-- prune-curve -->", "<!-- /prune-curve -->"
PAGE = Path(__file__).parents[1] / "docs" / "quantisation.md"

SHARES = (1.0, 0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class Point:
    """A student with a share of its rows.

    Attributes:
        student: Its name.
        share: Share of the rows that is kept.
        rows: Rows that are kept.
        form: Precision of the rows.
        score: The task's metric on test.
        size: Bytes of ``model.fast``, or of the graph where there is none.
        us: Median time for one text, microseconds.
    """

    student: str
    share: float
    rows: int
    form: str
    score: float
    size: int
    us: float


def points(run: Path) -> Iterator[Point]:
    """The curve of each weighted bag that a run trained on soft targets, from all rows down.

    Raises:
        SystemExit: there is none.
    """
    folders = [each for each in sorted((run / "train").glob("*")) if (each / "student.json").is_file()]
    students = [load_trained(each).student for each in folders if not each.name.endswith(".gold")]
    pruned = [each for each in students if not why_not_pruned(each.name, each.vocabulary.kind)]
    if not pruned:
        raise SystemExit(f"{run} has no student whose rows can be left out, trained on soft targets.")

    task = Task.from_dict(read_json(run / "data" / "dataset.json")["task"])
    train, dev, test = (_split(run / "data" / f"{name}.jsonl", task) for name in ("train", "dev", "test"))
    for student in pruned:
        for share in SHARES:
            yield _point(student, share, train.texts, (dev.texts, dev.labels), test)


def _split(file: Path, task: Task) -> Split:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    gold = [row[GOLD_KEYS.get(task.kind, "label")] for row in rows]
    return Split(tuple(from_json(row["text"]) for row in rows), encode(gold, task))


def _point(
    student: TorchStudent, share: float, texts: Sequence[Item], dev: tuple[Sequence[Item], Gold], test: Split
) -> Point:
    """Export, open, score and time a student with a share of its rows."""
    with tempfile.TemporaryDirectory() as place:
        layout = Layout(Path(place) / "student")
        export(student, layout.folder, teacher={}, about={}, table="auto", prune=share, texts=texts, dev=dev)
        config, model = read_json(layout.config), understudy.load(layout.folder)
        served = layout.fast if layout.fast.is_file() else layout.onnx
        items = list(test.texts)
        decisions = model.task.decisions(model.logits(items))

        return Point(
            student.name,
            share,
            config["vocabulary"]["size"],
            config["quantisation"]["table"]["form"],
            float(score(model.task, test.labels, decisions, model.task.rows(items))),
            served.stat().st_size,
            measure(model, items, threads=1).latency_us.p50,
        )


def table(curve: Sequence[Point], name: str, metric: str, cpu: str) -> str:
    """The curve as Markdown, and a line that says how it was measured."""
    lines = [
        f"| student | rows kept | rows | {metric} on test | of all rows' | model.fast, MB | one text, µs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    full = {point.student: point.score for point in curve if point.share == 1.0}
    for point in curve:
        shown = f"`{point.student}`" if point.share == 1.0 else ""
        kept = f"{100 * point.score / full[point.student]:.1f} %" if full[point.student] > 0 else "–"
        lines.append(
            f"| {shown} | {100 * point.share:g} % | {point.rows:,} | {100 * point.score:.1f} | {kept} | "
            f"{point.size / 1e6:.3f} ({point.form}) | {point.us:.2f} |"
        )
    said = (
        f"`tools/prune_curve.py`: `{name}`, {cpu}, one thread, medians of the time for one text, other work "
        "running on the machine. Students were trained once; the shares were not chosen on test."
    )
    return "\n".join(lines) + "\n\n" + said


def place(text: str, new: str) -> str:
    """The page's text with ``new`` between the two marks.

    Raises:
        SystemExit: a mark is missing.
    """
    if text.count(START) != 1 or text.count(END) != 1:
        raise SystemExit(f"The page needs each of {START} and {END} once.")
    before, after = text.partition(START)[0], text.partition(END)[2]
    return f"{before}{START}\n{new}\n{END}{after}"


def main(run: Path) -> None:
    """Measure the curves of a run, and write the page."""
    page = PAGE.read_text(encoding="utf-8")
    place(page, "")  # a mark that is missing is told before anything is measured
    facts = read_json(run / "data" / "dataset.json")
    new = table(list(points(run)), facts["name"], facts["task"]["metric"], cpu_name())
    PAGE.write_text(place(page, new), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))

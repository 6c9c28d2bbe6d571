"""Run recipes of few labels with several seeds, and average them: ``python tools/draws.py RECIPE …``.

The seed draws which texts keep their labels, so that one run says little: draws of 200 labels differ by five
points. The runs go to runs/draws/NAME-SEED; those that are finished are read, not run again. The table goes
into docs/transfer.md.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev

from finished_runs import REPORT, FinishedRun
from pages import DOCS, put
from scipy.stats import t as student_t

from understudy.core.progress import Progress, Silent
from understudy.pipeline.distillation import distill
from understudy.pipeline.recipe_file import make_recipe
from understudy.report import numbers
from understudy.report.markdown import escape, grid
from understudy.report.recommendation import twin
from understudy.report.record import ReportRow

PAGE, MARK = DOCS / "transfer.md", "draws"
OUT, DRAWS = Path("runs") / "draws", 5


def main(arguments: Sequence[str] | None = None, progress: Callable[[], Progress] = Silent) -> None:
    """Run what is not finished, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, nargs="+", help="A recipe of few labels, such as sst2-200.yaml.")
    parser.add_argument("--draws", type=int, default=DRAWS, help="Number of seeds, from 0.")
    parser.add_argument("--out", type=Path, default=OUT, help="Folder of the runs.")
    chosen = parser.parse_args(arguments)
    if chosen.draws < 2:
        raise SystemExit(f"--draws is {chosen.draws}, but an interval needs at least 2.")

    found = {}
    for recipe in chosen.recipe:
        found[recipe.stem] = [run(recipe, seed, chosen.out, progress) for seed in range(chosen.draws)]
    put(PAGE, MARK, section(found, chosen.draws))


def run(recipe: Path, seed: int, out: Path, progress: Callable[[], Progress]) -> FinishedRun:
    """The run of a recipe with a seed, made unless it is finished; a stopped one continues."""
    folder = out / f"{recipe.stem}-{seed}"
    if not (folder / REPORT).is_file():
        distill(recipe=make_recipe(recipe, {"seed": seed}), out=folder, progress=progress())
    return FinishedRun(folder)


def section(found: dict[str, list[FinishedRun]], draws: int) -> str:
    """Heading, and a table of all recipes."""
    students = list(dict.fromkeys(name for runs in found.values() for name in _students(runs[0])))
    header = ["Recipe", "Labelled", "Teacher", "Chosen", "Linear", *students, "Recommended"]
    body = [line(name, runs, students) for name, runs in found.items()]
    return (
        "## Few labels, several draws\n\n"
        f"`tools/draws.py` with seeds 0 to {draws - 1}, each of which draws other texts to be labelled: mean "
        "on test, ± half the width of its 95 % interval (Student's t over the draws; of the teacher and of "
        "taught students). *Chosen* says how often each way to make the teacher won. *Recommended* is the "
        "student that each report "
        f"recommends.\n\n{grid(header, body)}\n"
    )


def line(name: str, runs: Sequence[FinishedRun], students: Sequence[str]) -> list[str]:
    """A recipe's means over its draws."""
    first = runs[0].report
    metric = first.task.metric
    methods = Counter(run.method for run in runs if run.method)
    baselines = [run.baseline for run in runs]
    linear = [row.score for row in baselines if row is not None]
    return [
        f"`{name}`",
        numbers.whole(first.data["sizes"]["train"]),
        averaged(metric, [run.teacher.score for run in runs]),
        ", ".join(f"{way} {times}" for way, times in methods.most_common()) or numbers.NONE,
        numbers.score(metric, mean(linear)) if len(linear) == len(runs) else numbers.NONE,
        *(_cell(metric, runs, student) for student in students),
        averaged(metric, [run.recommended.score for run in runs]),
    ]


def averaged(metric: str, scores: Sequence[float]) -> str:
    """A mean, ± half the width of its 95 % interval: ``80.1 % ± 2.4``."""
    half = float(student_t.ppf(0.975, len(scores) - 1)) * stdev(scores) / len(scores) ** 0.5
    return (
        f"{numbers.score(metric, mean(scores))} ± {numbers.difference(metric, half).removesuffix(' points')}"
    )


def _cell(metric: str, runs: Sequence[FinishedRun], student: str) -> str:
    """A student on gold labels alone → taught, or a dash where not every draw has it."""
    rows = [(run, row) for run in runs if (row := _students(run).get(student)) is not None]
    if len(rows) != len(runs):
        return numbers.NONE
    alone = [other.score for run, row in rows if (other := twin(row, run.report.rows)) is not None]
    before = numbers.score(metric, mean(alone)) if len(alone) == len(rows) else numbers.NONE
    return f"{before} → {averaged(metric, [row.score for _, row in rows])}"


def _students(run: FinishedRun) -> dict[str, ReportRow]:
    """The taught students of a run by their names, without epochs, which stand in the recipe."""
    rows = (row for row in run.report.rows if row.role == "student")
    return {escape(re.sub(r"[:,]epochs=\d+", "", row.name)): row for row in rows}


if __name__ == "__main__":
    from understudy import Terminal

    main(progress=Terminal)

"""Measure students against the size of the pool: ``python tools/pool_curve.py RUN --sizes 1000,10000``.

RUN has labelled a large pool: its students are trained here on its labelled texts and the first N texts of
the pool, in an order drawn from a seed, and scored on test. No teacher is opened. Points are written to
docs/pool-curve.json one by one, so that a stopped command continues; then docs/pool-curve.svg is drawn, and
the table goes into docs/transfer.md. Without RUN, both are made again from the JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from finished_runs import REPORT, FinishedRun, read, read_data
from pages import DOCS, put, standalone
from pool_picture import draw

from understudy.augment import PoolTexts
from understudy.core.configs import AUTO, LossConfig, TrainingConfig, candidates
from understudy.core.items import from_json
from understudy.core.progress import Progress, Silent
from understudy.core.task import Item
from understudy.data import Dataset
from understudy.errors import StoreError
from understudy.evaluation.metrics import score
from understudy.pipeline.decisions import Decisions
from understudy.pipeline.label_record import LabelRecord
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.run import POOL, POOL_FOLDER
from understudy.report import numbers
from understudy.report.markdown import grid
from understudy.students import spec
from understudy.targets.store import LogitStore
from understudy.training.embeddings.known import KnownWords
from understudy.training.transfer_set import TransferSet, with_soft_targets

NUMBERS, PICTURE, PAGE, MARK = (
    DOCS / "pool-curve.json",
    DOCS / "pool-curve.svg",
    DOCS / "transfer.md",
    "pool-curve",
)

STUDENTS = ("dan.v2", "cbow.v2", "kim-cnn.v1")
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SEEDS = (0, 1, 2)

Point = dict[str, Any]


@dataclass(frozen=True)
class Lesson:
    """What students of a run learn from, and how.

    Attributes:
        dataset: The data of the run.
        pool: The texts without gold labels, in the order of the run.
        store: Soft targets of all of them.
        loss: Which loss.
        config: How students are trained.
        known: The teacher's vectors of words, if the run has made them.
    """

    dataset: Dataset
    pool: tuple[Item, ...]
    store: LogitStore
    loss: LossConfig
    config: TrainingConfig
    known: KnownWords | None

    def transfer(self, size: int, seed: int) -> TransferSet:
        """The labelled texts, and the first ``size`` of the pool in an order drawn from the seed.

        So of one seed, a smaller pool is part of each larger one.
        """
        order = np.random.default_rng(seed).permutation(len(self.pool))[:size]
        train, further = self.dataset.train, [self.pool[row] for row in order]
        return with_soft_targets(self.dataset.task, train.texts, train.labels, further, self.store)

    def point(self, student: str, size: int, seed: int, progress: Progress) -> Point:
        """Train a student and score it on test."""
        from understudy.training.fit import fit

        data = self.dataset
        what = f"{student}, {size:,} texts, seed {seed}"
        trained = fit(
            student,
            data.task,
            self.transfer(size, seed),
            (data.dev.texts, data.dev.labels),
            seed=seed,
            loss=self.loss,
            config=self._config(student),
            known=self.known,
            progress=progress,
            what=what,
        )
        answers = trained.student.task.decisions(trained.student.logits(data.test.texts))
        reached = score(data.task, data.test.labels, answers, data.task.rows(data.test.texts))
        facts = {
            "dev": round(trained.dev_score, 5),
            "test": round(reached, 5),
            "seconds": round(trained.seconds, 1),
        }
        return {"student": student, "size": size, "seed": seed, **facts}

    def _config(self, student: str) -> TrainingConfig:
        """As a run has it: word tables start from the teacher only where they can, and vectors are known."""
        encoder = spec(student).encoder
        can_start = hasattr(encoder, "word_table") and not hasattr(encoder, "inside")
        return self.config if can_start and self.known else replace(self.config, embeddings=None)


def open_lesson(folder: Path) -> Lesson:
    """Read what a run has left.

    Raises:
        SystemExit: The run has no pool, or no logit store of its last teacher.
        UnderstudyError: Something is missing or damaged.
    """
    recipe, dataset = make_recipe(folder / "recipe.yaml"), read_data(folder / "data")
    choice, vectors = folder / "choice" / "choice.json", folder / "vectors"
    loss = candidates(dataset.task)[0] if recipe.loss.name == AUTO else recipe.loss
    chosen = Decisions.from_dict(read(choice)) if choice.is_file() else None
    embeddings = chosen.embeddings if chosen else recipe.training.embeddings
    pool = tuple(pool_of(folder, dataset))
    if not pool:
        raise SystemExit(f"{folder} has no pool. Name a run that was given unlabelled texts, or made some.")
    return Lesson(
        dataset,
        pool,
        store_of(folder, dataset),
        chosen.loss if chosen else loss,
        replace(recipe.training, embeddings=embeddings),
        KnownWords.load(vectors) if vectors.is_dir() else None,
    )


def pool_of(folder: Path, dataset: Dataset) -> Iterator[Item]:
    """The pool of a run: made or streamed texts, else the unlabelled ones."""
    made = folder / POOL_FOLDER
    if (made / POOL).is_file():
        with (made / POOL).open(encoding="utf-8") as lines:
            yield from (from_json(json.loads(line)["text"]) for line in lines)
    else:
        yield from PoolTexts(made) if made.is_dir() else dataset.unlabelled


def store_of(folder: Path, dataset: Dataset) -> LogitStore:
    """The logit store that the run's last labelling filled."""
    fingerprint = LabelRecord.load(folder / "logits").fingerprint
    for place in sorted(path for path in (folder / "logits").iterdir() if path.is_dir()):
        try:
            return LogitStore(place, teacher=fingerprint, labels=dataset.task.labels)
        except StoreError:
            continue  # it is of an earlier teacher
    raise SystemExit(
        f"No logit store in {folder / 'logits'} is of the teacher that its {LabelRecord.__name__} names."
    )


def measure(
    folder: Path, students: Sequence[str], sizes: Sequence[int], seeds: Sequence[int], progress: Progress
) -> None:
    """Add to the JSON every point that it does not have, the small ones first.

    Raises:
        SystemExit: The pool is smaller than a size, or the JSON is of other data or another loss.
    """
    lesson = open_lesson(folder)
    if max(sizes) > len(lesson.pool):
        raise SystemExit(f"The pool of {folder} has {len(lesson.pool):,} texts, fewer than {max(sizes):,}.")
    kept = about(folder, lesson)
    if NUMBERS.is_file():
        before = read(NUMBERS)
        if before["identity"] != kept["identity"]:
            raise SystemExit(
                f"{NUMBERS} holds points of another run or loss. Move it away to begin a new curve."
            )
        kept["points"] = before["points"]
    done = {(point["student"], point["size"], point["seed"]) for point in kept["points"]}
    for wanted in ((student, size, seed) for size in sorted(sizes) for seed in seeds for student in students):
        if wanted not in done:
            kept["points"].append(lesson.point(*wanted, progress))
            NUMBERS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def about(folder: Path, lesson: Lesson) -> dict[str, Any]:
    """What the JSON says besides its points."""
    task = lesson.dataset.task
    found = {
        "metric": task.metric,
        "labelled": len(lesson.dataset.train),
        "pool": len(lesson.pool),
        "points": [],
    }
    if (folder / REPORT).is_file():
        run = FinishedRun(folder)
        rows = {"teacher": run.teacher, "linear": run.baseline}
        found |= {name: round(row.score, 5) for name, row in rows.items() if row is not None}
    identity = [lesson.dataset.fingerprint, lesson.store.teacher, vars(lesson.loss), lesson.config.embeddings]
    return {"run": folder.name, "identity": identity, **found}


def table(kept: dict[str, Any]) -> str:
    """Mean and standard deviation over seeds, a line for each size."""
    students = list(dict.fromkeys(point["student"] for point in kept["points"]))
    body = [
        [f"{size:,}", *(cell(kept, student, size) for student in students)]
        for size in sorted({point["size"] for point in kept["points"]})
    ]
    return grid(["Pool", *students], body)


def cell(kept: dict[str, Any], student: str, size: int) -> str:
    """A mean with its standard deviation, or a dash."""
    found = [p["test"] for p in kept["points"] if (p["student"], p["size"]) == (student, size)]
    if not found:
        return numbers.NONE
    metric = kept["metric"]
    spread = (
        f" ± {numbers.difference(metric, stdev(found)).removesuffix(' points')}" if len(found) > 1 else ""
    )
    return f"{numbers.score(metric, mean(found))}{spread}"


def section(kept: dict[str, Any]) -> str:
    """Heading, picture, table, and what they show."""
    metric, seeds = kept["metric"], len({point["seed"] for point in kept["points"]})
    named = "; ".join(
        f"{name} {numbers.score(metric, kept[key])}"
        for name, key in (("teacher", "teacher"), ("linear model on gold labels", "linear"))
        if key in kept
    )
    return (
        "## Size of the pool\n\n"
        "![Score on test against the number of texts in the pool](pool-curve.svg)\n\n"
        f"`tools/pool_curve.py` on the run `{kept['run']}`: students learn from its {kept['labelled']:,} "
        "labelled texts and so many of its pool, drawn at random. "
        f"{numbers.heading(numbers.metric_name(metric))} on test, mean ± standard deviation of "
        f"{seeds} seeds{f' ({named})' if named else ''}.\n\n{table(kept)}\n"
    )


def main(arguments: Sequence[str] | None = None, progress: Callable[[], Progress] = Silent) -> None:
    """Measure where a run is named; then picture and table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?", help="Folder of a run that has labelled a large pool.")
    parser.add_argument("--sizes", default=SIZES, type=whole_numbers, help="Texts of the pool, with commas.")
    parser.add_argument("--seeds", default=SEEDS, type=whole_numbers, help="Seeds, with commas.")
    parser.add_argument("--student", action="append", help="Name of a student; may be given again.")
    chosen = parser.parse_args(arguments)
    if chosen.run is not None:
        measure(chosen.run, chosen.student or STUDENTS, chosen.sizes, chosen.seeds, progress())
    kept = read(NUMBERS)
    PICTURE.write_text(standalone(draw(kept)), encoding="utf-8")
    put(PAGE, MARK, section(kept))


def whole_numbers(text: str) -> tuple[int, ...]:
    """Numbers with commas between."""
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    from understudy import Terminal

    main(progress=Terminal)

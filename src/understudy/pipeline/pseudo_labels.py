"""Data for a run without gold labels: the teacher's answers take their place, and the report states it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from understudy.core.corpus import Items
from understudy.core.progress import Progress
from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.data import Dataset
from understudy.data.dataset import Split
from understudy.data.leakage import drop_known, normaliser_for
from understudy.data.unlabelled import read_pool
from understudy.errors import DataError, TeacherError
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.teacher import Labeller, find_teacher, label_names
from understudy.targets.store import LogitStore
from understudy.teachers.function import Function

NOTE = (
    "There are no gold labels: dev and test were labelled by the teacher, so every score is agreement with "
    "the teacher, and says nothing of how often the teacher is right."
)
"""A note on the data of every such run."""

SOURCE = "texts without labels"
"""Source of the data, for the report."""


def labelled_by_teacher(
    data: Dataset, recipe: Recipe, folder: Path, progress: Progress, function: Function | None = None
) -> Dataset:
    """Label dev and test with the teacher.

    Args:
        data: The data from `draw`.
        recipe: The recipe, which names the teacher.
        folder: Folder of the run, where the answers are kept.
        progress: Where progress is shown.
        function: The teacher, where it is handed over in Python.

    Raises:
        TeacherError: The budget is spent before dev and test are labelled, or the teacher answers too few.
    """
    teacher = find_teacher(recipe, data.task, folder, function)
    labeller = teacher.open(data.task, progress, recipe.seed)
    store = folder / "logits" / teacher.key[:16]
    dev = _labelled(labeller, data.task, data.dev.texts, store)
    test = _labelled(labeller, data.task, data.test.texts, store)
    lost = len(data.dev) + len(data.test) - len(dev) - len(test)
    dropped = {**data.dropped, **({"dev and test texts without an answer": lost} if lost else {})}
    return replace(data, dev=dev, test=test, dropped=dropped)


def draw(recipe: Recipe, function: Function | None = None) -> Dataset:
    """Read the texts of ``data.unlabelled``, and draw dev and test from them at random.

    The teacher is not asked yet, so that dev and test have no labels.

    Args:
        recipe: The recipe, with the files, the shares of dev and test, and the seed.
        function: The teacher, where it is handed over in Python.

    Raises:
        DataError: The texts cannot be read, or are too few to be split.
    """
    task = task_of(recipe, function)
    pool = read_pool(recipe.data.unlabelled, recipe.data.text_column, kind=task.kind, texts=task.texts)
    dev, test, rest, notes = _drawn(pool.texts, recipe)

    # A text that stands in test in another case or spacing leaves dev; one of dev or test leaves the rest.
    normaliser = normaliser_for(task.texts)
    known = set(map(normaliser, test))
    apart = [item for item in dev if normaliser(item) not in known]
    kept, dropped = drop_known(rest, (), (*dev, *test), normaliser)
    if len(apart) < len(dev):
        dropped = {**dropped, "dev texts also in test": len(dev) - len(apart)}

    return Dataset(
        name=Path(recipe.data.unlabelled[0]).name.split(".")[0].strip("*") or "texts",
        task=task,
        train=Split((), task.no_gold(0)),
        dev=Split(tuple(apart), task.no_gold(len(apart))),
        test=Split(tuple(test), task.no_gold(len(test))),
        unlabelled=Items(kept),
        notes=(NOTE, *pool.notes, *notes),
        dropped=dropped,
        source=SOURCE,
    )


def task_of(recipe: Recipe, function: Function | None = None) -> Task:
    """The task of a run without labelled data: its labels are the teacher's."""
    kind = recipe.data.kind or "classification"
    return Task(label_names(recipe, function), kind, recipe.data.metric or "")


def _drawn(
    texts: Sequence[Item], recipe: Recipe
) -> tuple[list[Item], list[Item], list[Item], tuple[str, ...]]:
    """Dev, test and a sample of the rest, each in the order of the texts; and notes on what was left out."""
    shares = (recipe.data.dev_fraction, recipe.data.test_fraction)
    sizes = [max(1, round(share * len(texts))) for share in shares]
    if sum(sizes) >= len(texts):
        raise DataError(
            f"There are {len(texts):,} texts, too few for {sizes[0]:,} in dev, {sizes[1]:,} in test and any "
            "to learn from. Add more with data.unlabelled."
        )

    order = np.random.default_rng(recipe.seed).permutation(len(texts))
    cuts = np.split(order, np.cumsum(sizes))

    def texts_at(rows: IntArray) -> list[Item]:
        return [texts[row] for row in np.sort(rows)]

    dev, test, rest = cuts
    chosen = rest[: recipe.data.sample]
    note = f"Kept {len(chosen):,} of {len(rest):,} texts to learn from: drawn at random, seed {recipe.seed}"
    notes = () if len(chosen) == len(rest) else (f"{note} (data.sample).",)
    return texts_at(dev), texts_at(test), texts_at(chosen), notes


def _labelled(labeller: Labeller, task: Task, items: Sequence[Item], folder: Path) -> Split:
    """Items with the teacher's decisions as their labels."""
    done = labeller.label(items, Items(), folder)
    if done.remaining:
        raise TeacherError(
            f"{done.remaining:,} texts of dev or test are not labelled yet, and without them nothing can "
            f"be evaluated. {done.why} Answers that were bought are kept: raise the budget and run again."
        )

    store = LogitStore(folder, teacher=done.fingerprint, labels=task.labels)
    missing = set(store.missing(items))
    kept = [item for item in items if item not in missing]
    if not kept:
        raise TeacherError("The teacher gave no usable answer to any text of dev or test.")
    return _split(kept, store.look_up(kept), task)


def _split(items: Sequence[Item], logits: FloatArray, task: Task) -> Split:
    return Split(tuple(items), task.decisions(logits))

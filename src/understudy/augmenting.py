"""The stage that builds the pool: the texts that students learn from beside the labelled ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from understudy.data import Dataset
from understudy.errors import DataError, RecipeError, nearest
from understudy.folders import publish, read_json
from understudy.opening import open_predictor
from understudy.recipe import Recipe
from understudy.run import POOL, Run
from understudy.stages import wanted_digest
from understudy.task import FloatArray, Item, Task

if TYPE_CHECKING:
    from understudy.augment import Step, Tools
    from understudy.augment.inspection import Inspection

NUMBERS, PAGE = "inspection.json", "inspection.html"


def asks_teacher(recipe: Recipe) -> bool:
    """Whether a step of the recipe asks the teacher."""
    if not recipe.augment:
        return False
    from understudy.augment import read_steps

    return any(step.spec.needs_teacher for step in read_steps(recipe.augment))


def augment(run: Run) -> None:
    """Make and filter the texts that the recipe asks for; without steps, leave the unlabelled ones alone."""
    if not run.recipe.augment:
        return
    from understudy.augment import read_steps

    steps, data = read_steps(run.recipe.augment), run.dataset
    if data.task.kind == "tagging":
        raise RecipeError("Sentences to be tagged cannot be augmented: their words change, tags do not.")
    check_described(steps, data.task)
    run.stages.run("augment", run.pool_folder, _inputs(run, steps), lambda about: _build(run, steps, about))


def made_pool(run: Run) -> tuple[Item, ...] | None:
    """The texts without gold labels, as the recipe wants them; ``None``: steps must make them first."""
    if run.recipe.augment:
        from understudy.augment import read_steps

        wanted = wanted_digest("augment", _inputs(run, read_steps(run.recipe.augment)))
        if not run.stages.is_current("augment", run.pool_folder, wanted):
            return None
    return run.pool


def check_described(steps: Sequence[Step], task: Task) -> None:
    """Refuse descriptions of labels that the task does not have."""
    for step in steps:
        if step.spec.needs_labels:
            for name in step.config.labels:
                if name not in task.index:
                    raise RecipeError(f"{step.name}.labels describes {name!r}. {nearest(name, task.labels)}")


def tools_of(run: Run) -> Tools:
    """What a run lends to the steps: its teacher, the labels of train, a folder for what is bought."""
    from understudy.augment import Tools

    return Tools(predict=_asking(run), labels=label_names(run.dataset), kept=run.folder)


def label_names(dataset: Dataset) -> dict[Item, tuple[str, ...]]:
    """Labelled texts → the names of their gold labels; values have none, nor have texts without any label."""
    task, gold = dataset.task, dataset.train.labels
    if task.kind in ("regression", "tagging"):
        return {}
    columns: list[list[int]] = [[] for _ in range(len(gold))]
    if task.is_exclusive:
        columns = [[column] if column >= 0 else [] for column in gold.tolist()]
    else:
        for row, column in np.argwhere(gold == 1).tolist():
            columns[row].append(column)
    found: dict[Item, tuple[str, ...]] = {}
    for item, held in zip(dataset.train.texts, columns, strict=True):
        found.setdefault(item, tuple(task.labels[column] for column in held))
    return found


def _inputs(run: Run, steps: Sequence[Step]) -> dict[str, Any]:
    """Everything that decides the pool."""
    data = run.dataset
    return {
        "steps": [[step.name, asdict(step.config), step.of] for step in steps],
        "texts": [list(data.train.texts), list(data.unlabelled)],
        "held out": [list(data.dev.texts), list(data.test.texts)],
        "labels": run.labelled_key if any(step.spec.needs_labels for step in steps) else None,
        "teacher": run.teacher_key if asks_teacher(run.recipe) else None,
        "seed": run.recipe.seed,
    }


def _build(run: Run, steps: Sequence[Step], about: dict[str, Any]) -> None:
    from understudy.augment import build_pool, held_out_forms
    from understudy.augment.inspection import inspect_pool
    from understudy.augment.picture import save_page

    data = run.dataset
    pool = build_pool(
        data.train.texts,
        data.unlabelled,
        steps,
        seed=run.recipe.seed,
        held_out=held_out_forms([*data.dev.texts, *data.test.texts]),
        tools=tools_of(run),
        progress=run.stages.progress,
    )
    asks = data.task.is_exclusive and any(step.spec.needs_teacher for step in steps)
    found = inspect_pool(
        pool,
        data.train.texts,
        labels=data.task.labels,
        gold=data.train.labels if data.task.is_exclusive else None,
        logits=_asking(run)(pool.items) if asks else None,
    )
    run.stages.progress.say(f"augment: {len(pool):,} texts beside {len(data.train):,} labelled ones")
    with publish(run.pool_folder, about) as aside:
        with (aside / POOL).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": item}) + "\n" for item in pool.items)
        (aside / NUMBERS).write_text(json.dumps(found.to_dict()), encoding="utf-8")
        save_page(found, aside / PAGE)


def _asking(run: Run) -> Callable[[Sequence[Item]], FloatArray]:
    """Texts → the teacher's logits, each bought once: what is asked here is in the logit store afterwards."""

    def predict(items: Sequence[Item]) -> FloatArray:
        from understudy.logits import LogitStore, label

        if run.outside is None:
            opened = open_predictor(run.teacher_order, run.dataset.task)
            teacher, fingerprint = opened.predictor, opened.fingerprint
        elif run.outside.teacher is not None:
            teacher, fingerprint = run.outside.teacher, run.outside.fingerprint
        else:
            raise RecipeError(
                "A step of augment asks the teacher of every text, but this one is an endpoint: texts would "
                "be paid for and thrown away. Drop the step, or filter without the teacher."
            )
        store = LogitStore(run.store_folder, teacher=fingerprint, labels=run.dataset.task.labels)
        label(teacher, items, store, progress=run.stages.progress)
        return store.look_up(items)

    return predict


def inspect(folder: Path) -> Inspection:
    """What a run's pool looks like.

    Raises:
        DataError: the run has no pool.
    """
    from understudy.augment.inspection import Inspection

    numbers = folder / "augment" / NUMBERS
    if not numbers.is_file():
        raise DataError(
            f"{folder} has no pool. Build one: understudy augment DATA --augment rules --out {folder}"
        )
    return Inspection.from_dict(read_json(numbers))

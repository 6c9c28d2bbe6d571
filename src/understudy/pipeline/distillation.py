"""The stages of a run, chained: data → teacher → soft targets → students → export → evaluation → report."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from understudy.core.configs import check_loss
from understudy.core.manifest import (
    read_json,
    write_bytes,
)
from understudy.core.progress import Progress, Silent
from understudy.core.task import Task
from understudy.data import load_dataset, save_dataset
from understudy.errors import RecipeError, nearest
from understudy.pipeline import pseudo_labels as unlabelled
from understudy.pipeline import streaming
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_file import make_recipe, to_yaml
from understudy.pipeline.result import Result
from understudy.pipeline.run import Run, alone
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages.augment import asks_teacher, augment, check_steps
from understudy.pipeline.stages.evaluate import evaluate
from understudy.pipeline.stages.export import export
from understudy.pipeline.stages.finetune import finetune
from understudy.pipeline.stages.label import label
from understudy.pipeline.stages.report import report
from understudy.pipeline.stages.train import train
from understudy.teachers.fingerprints import reference_of
from understudy.teachers.function import Function

STAGES = ("data", "finetune", "augment", "label", "train", "export", "evaluate", "report")
"""In order; a run can end after any of them."""


def distill(
    source: str | None = None,
    *,
    students: Sequence[str] | str | None = None,
    teacher: str | Function | None = None,
    unlabelled: Sequence[str] | str | None = None,
    out: str | Path | None = None,
    recipe: Recipe | None = None,
    until: str = "report",
    progress: Progress | None = None,
    **settings: Any,
) -> Result:
    """Distil a teacher into students and report how good they are.

    Args:
        source: data; see `understudy.data.load_dataset`.
        students: names; one or several.
        teacher: folder, hub id or short name; or a function from texts to logits.
        unlabelled: files or globs of further texts.
        out: folder of the run; by default ``runs/NAME``. What is there and still valid is used again.
        recipe: all of it, instead of the arguments above.
        until: last stage to do, one of `STAGES`.
        progress: audience.
        settings: further recipe keys, ``__`` for the dot: ``training__epochs=5``.

    Raises:
        RecipeError: arguments that do not fit, all named at once.
        UnderstudyError: data or teacher cannot be used; the message says what to do.
    """
    if until not in STAGES:
        raise RecipeError(f"Unknown stage {until!r}. {nearest(until, STAGES)}")
    flags = {
        "data.source": source,
        "data.unlabelled": [unlabelled] if isinstance(unlabelled, str) else unlabelled,
        "students": [students] if isinstance(students, str) else students,
        **({"teacher.callable": reference_of(teacher)} if callable(teacher) else {"teacher.model": teacher}),
    } | {key.replace("__", "."): value for key, value in settings.items()}
    if recipe is not None and any(value is not None for value in flags.values()):
        raise RecipeError("Give a recipe or single settings, not both.")
    function = teacher if callable(teacher) else None
    made = recipe or make_recipe(flags=flags)
    steps: Sequence[Callable[[Run], object]] = (finetune, augment, label, train, export, evaluate, report)
    with started(made, Path(out) if out else None, progress or Silent(), function) as run:
        for step in steps[: STAGES.index(until)]:
            if step is not finetune or until != "augment" or asks_teacher(run.recipe):
                step(run)
        shutil.rmtree(run.folder / ".checkpoints", ignore_errors=True)
    written = read_json(run.folder / "report.json") if until == "report" else None
    return Result(run.folder, written)


@contextlib.contextmanager
def started(
    recipe: Recipe,
    out: Path | None,
    progress: Progress,
    function: Function | None = None,
    *,
    may_stream: bool = True,
) -> Iterator[Run]:
    """A run whose data is read and whose resolved recipe is written down; its folder is this process's alone.

    Raises:
        RecipeError: another process is at work there.
    """
    if recipe.data.source is None:
        dataset = unlabelled.draw(recipe, function)
    else:
        above = streaming.threshold(recipe, progress) if may_stream else None
        options = {**recipe.data.options, "stream_above": above}
        dataset = load_dataset(recipe.data.source, **options, seed=recipe.seed)
    _check_task(recipe, dataset.task)
    folder = out or Path("runs") / dataset.name
    with alone(folder):
        if recipe.data.source is None:
            dataset = unlabelled.judged(dataset, recipe, folder, progress, function)
        for note in dataset.notes:
            progress.say(note)
        for reason, count in dataset.dropped.items():
            if count:
                progress.say(f"Dropped {count:,}: {reason}.")
        write_bytes(folder / "recipe.yaml", to_yaml(recipe).encode())
        stages = StageCache(folder, progress)
        key = {"fingerprint": dataset.fingerprint, "notes": list(dataset.notes), "name": dataset.name}
        stages.run("data", folder / "data", key, lambda about: save_dataset(dataset, folder / "data", about))
        yield Run(folder, recipe, stages, dataset, function)


def _check_task(recipe: Recipe, task: Task) -> None:
    """Refuse what cannot be honoured for this kind of task, before any work is done."""
    from understudy.students.registry import spec

    check_loss(task, recipe.loss)
    check_steps(recipe, task)
    if recipe.data.stream is True and task.kind == "tagging":
        raise RecipeError("data.stream: sentences of words are tagged in memory. Leave it out.")
    weights = recipe.training.class_weights or recipe.teacher.finetune.class_weights
    if weights and task.kind == "regression" and not task.is_binned:
        raise RecipeError("Class weights weigh labels, but a regression on values has none. Drop them.")
    for name in recipe.students:
        if reason := spec(name).refusal(task.kind):
            raise RecipeError(reason)

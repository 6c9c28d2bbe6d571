"""The stage that builds the pool: the texts that students learn from beside the labelled ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from understudy.augment import (
    PoolTexts,
    StepContext,
    build_pool,
    known_steps,
    normalise_held_out,
    read_steps,
    stream_pool,
)
from understudy.augment.charts import NUMBERS, save_inspection
from understudy.augment.dedup import DUPLICATE, HELD_OUT
from understudy.augment.fingerprint import digests
from understudy.augment.inspection import Inspection, inspect_pool, inspect_streamed
from understudy.augment.streamed_pool import OURS
from understudy.core.manifest import MANIFEST, discard, invalidate, publish, read_json, read_manifest
from understudy.core.resumable import STATE, save_state
from understudy.core.task import Item, Task
from understudy.data import Dataset
from understudy.errors import ArtifactError, DataError, RecipeError, nearest
from understudy.pipeline.made_pool import plan_pool
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.run import POOL, Run
from understudy.pipeline.stage_cache import wanted_digest
from understudy.pipeline.stages.label import answers_of_teacher

if TYPE_CHECKING:
    from understudy.augment import Step
    from understudy.augment.paraphrase_ledger import ParaphraseLedger

LEFT_OUT = "set_aside"
"""Key of the pool's manifest for the texts to which a server gave no usable answer."""


def asks_teacher(recipe: Recipe) -> bool:
    """Whether a step of the recipe asks the teacher."""
    return any(step.spec.needs_teacher for step in read_steps(recipe.augment))


def augment(run: Run) -> None:
    """Make and filter texts as the recipe's steps describe, or by rules where there is no other text."""
    plan_pool(run)
    if run.is_streamed:
        augment_streamed(run)
        return
    if not run.recipe.augment:
        return

    steps, data = read_steps(run.recipe.augment), run.dataset
    _ask_again(run, steps)
    run.stages.run("augment", run.pool_folder, _inputs(run, steps), lambda about: _build(run, steps, about))

    notes = [
        f"Variants bought from {step.config.model}: {answers.bill.sentence(step.config)}."
        for step, answers in _bought(run, steps)
    ]
    run.dataset = replace(data, notes=(*data.notes, *notes))


def made_pool(run: Run) -> Iterable[Item] | None:
    """The texts without gold labels that the recipe asks for; ``None`` where steps must make them first."""
    if run.recipe.augment:
        wanted = wanted_digest("augment", _inputs(run, read_steps(run.recipe.augment)))
        if not run.stages.is_current("augment", run.pool_folder, wanted):
            return None
    return run.pool


def check_steps(recipe: Recipe, task: Task) -> None:
    """Refuse steps that do not work for this task, before any work is done.

    Raises:
        RecipeError: A step changes words that are to be tagged, a filter needs texts of exactly one label, or
            a step describes a label that the task does not have.
    """
    if not recipe.augment:
        return

    if task.kind == "tagging":
        _check_keeps_words(recipe)

    for step in read_steps(recipe.augment):
        if step.spec.needs_teacher and not (task.is_exclusive or task.is_binned):
            raise RecipeError(
                f"The filter {step.name!r} reads the one label that the teacher gives to each text, but this "
                f"is a {task.kind} task. Leave it out."
            )
        if step.spec.needs_labels:
            for name in step.config.labels:
                if name not in task.index:
                    raise RecipeError(f"{step.name}.labels describes {name!r}. {nearest(name, task.labels)}")


def _check_keeps_words(recipe: Recipe) -> None:
    """Refuse steps that write new texts: of sentences to be tagged, nobody could say which word is which."""
    refused = [step.name for step in read_steps(recipe.augment) if not step.spec.keeps_words]
    if refused:
        fitting = [name for name, step in known_steps().items() if step.keeps_words]
        raise RecipeError(
            f"augment: {', '.join(dict.fromkeys(refused))} cannot be used on sentences to be tagged, which "
            f"are lists of words. Steps that keep words as they are can: {', '.join(fitting)}."
        )


def tools_of(run: Run) -> StepContext:
    """What steps may use: the run's teacher, the labels of train, and a folder for bought answers."""
    return StepContext(
        predict=answers_of_teacher(run),
        labels=gold_names(run.dataset),
        are_words=run.dataset.task.kind == "tagging",
        kept=run.folder,
    )


def gold_names(dataset: Dataset) -> dict[Item, tuple[str, ...]]:
    """Labelled texts → the names of their gold labels; a regression on values has none."""
    task, gold = dataset.task, dataset.train.labels
    if task.kind in ("regression", "tagging"):
        return {}

    columns: list[list[int]] = [[] for _ in range(len(gold))]
    if task.is_exclusive:
        columns = [[column] if column >= 0 else [] for column in gold.tolist()]
    else:
        for row, column in np.argwhere(gold == 1).tolist():
            columns[row].append(column)

    # Of a text that stands in train twice the first labels count.
    names: dict[Item, tuple[str, ...]] = {}
    for item, chosen in zip(dataset.train.texts, columns, strict=True):
        names.setdefault(item, tuple(task.labels[column] for column in chosen))
    return names


def _bought(run: Run, steps: Sequence[Step]) -> list[tuple[Step, ParaphraseLedger]]:
    """Steps that ask a server, each with the answers so far; of steps that ask the same server, the last."""
    from understudy.augment.paraphrase import Paraphraser

    asking = {(step.config.base_url, step.config.model): step for step in steps if step.spec.needs_labels}
    return [(step, Paraphraser(step.config, tools_of(run)).answers) for step in asking.values()]


def _ask_again(run: Run, steps: Sequence[Step]) -> None:
    """Drop the pool if a text that it left out is not set aside any more: somebody deleted its line."""
    try:
        left_out = set((read_manifest(run.pool_folder) or {}).get(LEFT_OUT, ()))
    except ArtifactError:
        return  # the stage reports the damage, and makes the pool again

    if left_out and left_out.difference(*(answers.aside for _, answers in _bought(run, steps))):
        run.stages.progress.say("augment: a text that was set aside is asked for again")
        invalidate(run.pool_folder)


def _inputs(run: Run, steps: Sequence[Step]) -> dict[str, object]:
    """Everything that decides the pool."""
    data, files = run.dataset, digests(steps)

    # Without files the key is left out, so that pools from before it was added stay valid.
    return {
        **({"files": files} if files else {}),
        "steps": [[step.name, asdict(step.config), step.of] for step in steps],
        "texts": [list(data.train.texts), list(data.unlabelled)],
        "held out": [list(data.dev.texts), list(data.test.texts)],
        "labels": run.labelled_key
        if any(step.spec.needs_labels for step in steps) and len(data.train)
        else None,
        "teacher": run.teacher.key if asks_teacher(run.recipe) else None,
        "seed": run.recipe.seed,
    }


def _build(run: Run, steps: Sequence[Step], about: dict[str, str]) -> None:
    data, tools = run.dataset, tools_of(run)
    is_per_text = data.task.is_exclusive and not tools.are_words
    pool = build_pool(
        data.train.texts,
        data.given,
        steps,
        seed=run.recipe.seed,
        held_out=normalise_held_out([*data.dev.texts, *data.test.texts], are_words=tools.are_words),
        tools=tools,
        progress=run.stages.progress,
    )

    asks = is_per_text and any(step.spec.needs_teacher for step in steps)
    inspection = inspect_pool(
        pool,
        data.train.texts,
        labels=data.task.labels,
        gold=data.train.labels if is_per_text else None,
        logits=answers_of_teacher(run)(pool.items) if asks else None,
    )
    run.stages.progress.say(f"augment: {len(pool):,} texts beside {len(data.train):,} labelled ones")

    left_out = sorted(frozenset[str]().union(*(answers.aside for _, answers in _bought(run, steps))))
    if (run.pool_folder / STATE).is_file():  # a streamed pool that was not finished
        discard(run.pool_folder, (*OURS, STATE))
    with publish(run.pool_folder, {**about, LEFT_OUT: left_out} if left_out else about) as aside:
        with (aside / POOL).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": item}) + "\n" for item in pool.items)
        save_inspection(inspection, aside)


def inspect(folder: Path) -> Inspection:
    """Read the inspection of a run's pool.

    Raises:
        DataError: The run does not have a pool.
    """
    numbers = folder / "augment" / NUMBERS
    if not numbers.is_file():
        raise DataError(
            f"{folder} has no pool. Build one: understudy augment DATA --augment rules --out {folder}"
        )
    return Inspection.from_dict(read_json(numbers))


def augment_streamed(run: Run) -> None:
    """The stage ``augment`` on disk: given texts and those that rules make, each once, as Parquet shards."""
    steps, data = read_steps(run.recipe.augment), run.dataset
    files = data.unlabelled
    held_out, named = [*data.dev.texts, *data.test.texts], digests(steps)
    inputs = {
        **({"files": named} if named else {}),
        "steps": [[step.name, asdict(step.config)] for step in steps],
        "texts": [list(data.train.texts), files.fingerprint],
        "held out": held_out,
        "seed": run.recipe.seed,
    }

    def work(about: dict[str, str]) -> None:
        if any((run.pool_folder / name).is_file() for name in (MANIFEST, POOL)):
            # The pool belongs to other inputs or to a run in memory, or is damaged. What others put into its
            # folder stays, and the state says that the folder is ours.
            discard(run.pool_folder, (*OURS, POOL))
            if run.pool_folder.is_dir():
                save_state(run.pool_folder, {"identity": "", "shards": []})

        stream_pool(
            files,
            steps,
            run.pool_folder,
            source=about["inputs"],
            labelled=data.train.texts,
            seed=run.recipe.seed,
            held_out=normalise_held_out(held_out),
            progress=run.stages.progress,
            total=len(data.train) + files.rows,
            about=about,
        )

    run.stages.run("augment", run.pool_folder, inputs, work)
    _describe(run)


def _describe(run: Run) -> None:
    """Count the given texts that were read and dropped, for the report, and write the pool's page."""
    pool, data = PoolTexts(run.pool_folder), run.dataset
    if not (run.pool_folder / NUMBERS).is_file():
        gold = data.train.labels if data.task.is_exclusive else None
        inspection = inspect_streamed(pool, data.train.texts, labels=data.task.labels, gold=gold)
        save_inspection(inspection, run.pool_folder)
    run.stages.progress.say(f"augment: {len(pool):,} texts on disk beside {len(data.train):,} labelled ones")

    names = ", ".join(data.unlabelled.names)
    given = pool.counts[0]
    note = f"Read {given.made:,} unlabelled texts from {names}, block by block."
    reasons = {
        HELD_OUT: "unlabelled texts also in dev or test",
        DUPLICATE: "unlabelled texts that are repeated or also in train",
    }
    dropped = {reasons[reason]: count for reason, count in given.removed.items()}
    run.dataset = replace(data, notes=(*data.notes, note), dropped={**data.dropped, **dropped})

"""Check a recipe against its data, its teacher and its students, before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

from understudy.core.configs import RANDOM, VECTORS_OF_TEACHER, TrainingConfig, check_loss
from understudy.core.task import Task
from understudy.errors import RecipeError, UnderstudyError
from understudy.pipeline.local_teacher import members_of
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.stages.augment import check_steps
from understudy.teachers.methods import check_method

MOST_PARAMETERS = 1_000_000_000
"""Most parameters of a student: each takes four bytes, and three times that in training."""


def check_run(recipe: Recipe, task: Task, folder: Path) -> None:
    """Refuse a recipe that cannot be carried out, with every problem in one error.

    Args:
        recipe: The recipe; its own keys and values are valid.
        task: The task that the data makes.
        folder: Folder of the run.

    Raises:
        RecipeError: All problems of the recipe.
        UnderstudyError: A single problem, as it is; or several that are not all the recipe's.
    """
    problems = list(_problems(recipe, task, folder))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        kind = RecipeError if all(isinstance(each, RecipeError) for each in problems) else UnderstudyError
        listed = "\n".join(f"  {problem}" for problem in dict.fromkeys(map(str, problems)))
        raise kind(f"The recipe has {len(problems)} problems with this data:\n{listed}")


def _problems(recipe: Recipe, task: Task, folder: Path) -> Iterator[UnderstudyError]:
    """Make every check, and yield the problem of each that fails."""
    checks: list[Callable[[], None]] = [
        lambda: check_loss(task, recipe.loss),
        lambda: check_steps(recipe, task),
        lambda: _check_kind(recipe, task),
        lambda: _check_teacher(recipe, task, folder),
    ]
    for name in recipe.students:
        checks += [
            lambda name=name: _check_student(name, recipe, task),  # type: ignore[misc]
            lambda name=name: _check_layers(name, recipe),  # type: ignore[misc]
            lambda name=name: _check_start(name, recipe),  # type: ignore[misc]
            lambda name=name: _check_rows(name, recipe),  # type: ignore[misc]
        ]

    for check in checks:
        try:
            check()
        except UnderstudyError as error:
            yield error


def _check_kind(recipe: Recipe, task: Task) -> None:
    """Refuse options that this kind of task cannot use."""
    if recipe.data.stream is True and task.kind == "tagging":
        raise RecipeError("data.stream: sentences of words are tagged in memory. Leave it out.")
    weights = recipe.training.class_weights or recipe.teacher.finetune.class_weights
    if weights and task.kind == "regression" and not task.is_binned:
        raise RecipeError("Class weights weigh labels, but a regression on values has none. Drop them.")
    check_method(recipe.teacher.method, task)


def _check_student(name: str, recipe: Recipe, task: Task) -> None:
    """Refuse a student that cannot learn this kind of task, or whose sizes are not possible."""
    from understudy.students.registry import parse, spec
    from understudy.training.vocabularies import characters_refusal

    student, parsed = spec(name), parse(name)
    options = replace(recipe.training, **parsed.options)
    pair = options.pair or student.training.pair
    reason = student.refusal(task.kind, parsed.sizes)
    if reason := reason or (student.pair_refusal(pair) if task.texts == 2 else ""):
        raise RecipeError(reason)

    usual = {field.name: field.default for field in fields(student.config)}
    for size, value in parsed.sizes.items():
        _check_size(f"{name}: {size}", value, usual[size])

    words = options.vocabulary_size or student.training.vocabulary_size
    chosen = {**usual, **parsed.sizes}
    rows = words + (chosen["ngrams"] if student.has_ngrams else 0)
    if chosen.get("characters"):
        rows += chosen["parts"]
        if options.vocabulary == "wordpiece":
            raise RecipeError(characters_refusal(name, options.vocabulary))
    sizes = {**parsed.sizes, "vocabulary_size": rows}
    parameters = student.parameters(student.config(**sizes), len(task.labels))
    if parameters > MOST_PARAMETERS:
        raise RecipeError(
            f"{name} would have {parameters:,} parameters, but a student has {MOST_PARAMETERS:,} at most. "
            "Choose smaller sizes."
        )


def _check_layers(name: str, recipe: Recipe) -> None:
    """Refuse a loss on layers for a student that does not have the layers of a transformer."""
    from understudy.students.registry import spec

    if recipe.loss.layers > 0.0 and not hasattr(spec(name).encoder, "inside"):
        raise RecipeError(
            f"loss.layers compares layers of transformers, but {name} is not one. Drop it, or choose a BERT."
        )


def _check_size(what: str, value: object, usual: object) -> None:
    """Refuse a size that is not a whole number of at least 1, or not a switch, where the default is one."""
    if isinstance(usual, bool) and not isinstance(value, bool):
        raise RecipeError(f"{what} is {value!r}, but must be true or false.")
    if isinstance(usual, bool) or not isinstance(usual, int):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RecipeError(f"{what} is {value!r}, but must be a whole number of at least 1, such as {usual}.")


def _check_start(name: str, recipe: Recipe) -> None:
    """Refuse a file of word vectors that does not exist."""
    from understudy.students.registry import parse

    options: TrainingConfig = replace(recipe.training, **parse(name).options)
    source = options.embeddings
    if source and source not in (*VECTORS_OF_TEACHER, RANDOM) and not Path(source).is_file():
        raise RecipeError(
            f"training.embeddings: there is no file {source!r} of word vectors. Give one, or "
            f"{' or '.join(map(repr, VECTORS_OF_TEACHER))}."
        )


def _check_rows(name: str, recipe: Recipe) -> None:
    """Refuse to leave out rows of a student that has none of words, or where there is no text to count in."""
    if recipe.prune == "none":
        return
    if recipe.data.source is None:
        raise RecipeError(
            "prune: rows are counted in labelled texts, but there is no data.source. Drop it, or give one."
        )

    from understudy.export.pruning import why_not_pruned
    from understudy.students.registry import parse

    student, options = parse(name).student, replace(recipe.training, **parse(name).options)
    reason = why_not_pruned(student, "words" if options.vocabulary == "words" else "pieces")
    if reason and recipe.prune != "auto":
        raise RecipeError(
            f"prune: {reason}. Drop it, or use auto, which leaves students without such rows as they are."
        )


def _check_teacher(recipe: Recipe, task: Task, folder: Path) -> None:
    """Refuse a fine-tuned model on this machine that does not answer the task; its weights are not read.

    A model of the hub is asked for only by the stages that need it: this check needs no connection.
    """
    _check_method(recipe, folder)
    for member in members_of(recipe, folder):
        if member.source.folder is None or member.source.is_student or not member.is_finetuned:
            continue
        from understudy.teachers.transformer import check_answers

        check_answers(member.source, task, recipe.teacher.labels)


def _check_method(recipe: Recipe, folder: Path) -> None:
    """Refuse a way to make a teacher where all teachers, being folders on this machine, need no making."""
    members = members_of(recipe, folder)
    if recipe.teacher.method == "auto" or not members:
        return
    if all(member.source.folder is not None and member.is_finetuned for member in members):
        raise RecipeError(
            f"teacher.method: {recipe.teacher.method} makes a teacher of a bare encoder, but "
            f"{members[0].source.name!r} is fine-tuned already. Drop it, or choose a bare encoder."
        )

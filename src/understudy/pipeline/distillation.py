"""A whole run: data → teacher → soft targets → students → export → evaluation → report."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from understudy.core.manifest import read_json, write_bytes
from understudy.core.progress import Progress, Silent
from understudy.core.wording import with_article
from understudy.data import Dataset, load_dataset, save_dataset
from understudy.errors import RecipeError, nearest
from understudy.pipeline import streaming
from understudy.pipeline.checks import check_run
from understudy.pipeline.made_pool import wants_pool
from understudy.pipeline.pseudo_labels import draw, labelled_by_teacher
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_file import check, make_recipe, to_yaml, with_whole_paths
from understudy.pipeline.result import Result
from understudy.pipeline.run import Run
from understudy.pipeline.run_folder import claimed
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages.augment import asks_teacher, augment
from understudy.pipeline.stages.choose import choose
from understudy.pipeline.stages.evaluate import evaluate
from understudy.pipeline.stages.export import export
from understudy.pipeline.stages.finetune import finetune
from understudy.pipeline.stages.label import label
from understudy.pipeline.stages.report import report
from understudy.pipeline.stages.train import train
from understudy.teachers.fingerprints import reference_of
from understudy.teachers.function import Function

STAGES = ("data", "finetune", "augment", "label", "choose", "train", "export", "evaluate", "report")
"""The stages in order; a run can end after any of them."""


def distill(
    source: str | Path | None = None,
    *,
    students: Sequence[str] | str | None = None,
    teacher: str | Path | Function | None = None,
    unlabelled: Sequence[str | Path] | str | Path | None = None,
    out: str | Path | None = None,
    recipe: Recipe | str | Path | Mapping[str, object] | None = None,
    until: str = "report",
    progress: Progress | None = None,
    **settings: object,
) -> Result:
    """Distil a teacher into students and report how good they are.

    Args:
        source: The data: a file, a folder or a named set; see `understudy.data.load_dataset`.
        students: Name of a student, or several names.
        teacher: Folder, hub id or short name of a model; or a function from texts to logits.
        unlabelled: Files or globs of texts without labels.
        out: Folder of the run; by default ``runs/NAME``. Results in it that are still valid are used again.
            A folder that holds anything but a run is refused.
        recipe: Everything in the place of the arguments above: a recipe, the path of its file, or a mapping.
        until: Last stage to do, one of `STAGES`.
        progress: Where progress is shown, such as ``understudy.Terminal()``; by default nowhere.
        settings: Further keys of the recipe, with ``__`` for the dot: ``training__epochs=5``.

    Raises:
        RecipeError: All problems of the arguments at once.
        UnderstudyError: Data or teacher cannot be used; the message says what to do.
    """
    if until not in STAGES:
        raise RecipeError(f"Unknown stage {until!r}. {nearest(until, STAGES)}")
    _check_arguments(source, teacher, out)

    flags = {
        "data.source": _plain(source),
        "data.unlabelled": _listed(unlabelled),
        "students": _listed(students),
        **_teacher_flag(teacher),
    } | {key.replace("__", "."): value for key, value in settings.items()}
    made = _made(recipe, flags)
    function = teacher if callable(teacher) else None

    steps: Sequence[Callable[[Run], object]] = (
        finetune,
        augment,
        label,
        choose,
        train,
        export,
        evaluate,
        report,
    )
    with started(made, Path(out) if out else None, progress or Silent(), function) as run:
        for step in steps[: STAGES.index(until)]:
            # A pool needs a fine-tuned teacher only where a step asks it, or where its size is its speed's.
            if step is not finetune or until != "augment" or asks_teacher(run.recipe) or wants_pool(run):
                step(run)
        shutil.rmtree(run.folder / ".checkpoints", ignore_errors=True)

    written = read_json(run.folder / "report.json") if until == "report" else None
    return Result(run.folder, written, run.recipe.students)


def _check_arguments(source: object, teacher: object, out: object) -> None:
    """Refuse what is neither a name nor a path, and say what to pass.

    Raises:
        RecipeError: An argument of another type, or an empty one.
    """
    if out is not None and not str(out):
        raise RecipeError("out is empty. Name a folder, or leave it out: then it is runs/NAME.")

    if source is not None and not isinstance(source, str | Path):
        raise RecipeError(
            "The data is the path of a file or folder, or the name of a set, not "
            f"{with_article(type(source).__name__)}. Write it to a file first, such as with "
            "frame.to_csv('reviews.csv', index=False)."
        )

    if teacher is not None and not isinstance(teacher, str | Path | list | tuple) and not callable(teacher):
        raise RecipeError(
            "The teacher is a folder, a hub id, a short name or a function from texts to logits, not "
            f"{with_article(type(teacher).__name__)}."
        )
    if hasattr(teacher, "save_pretrained"):
        raise RecipeError(
            "A model object is not a teacher: its tokenizer is missing. Save both into one folder with "
            "save_pretrained(FOLDER), and give the folder."
        )


def _made(recipe: Recipe | str | Path | Mapping[str, object] | None, flags: Mapping[str, object]) -> Recipe:
    """The recipe itself, read from a file or a mapping, or put together from single settings."""
    if recipe is None:
        return make_recipe(flags=flags)
    if any(value is not None for value in flags.values()):
        raise RecipeError("Give a recipe or single settings, not both.")
    if isinstance(recipe, Recipe):
        return recipe
    return make_recipe(Path(recipe)) if isinstance(recipe, str | Path) else check(recipe)


def _teacher_flag(teacher: str | Path | Function | None) -> dict[str, str | None]:
    """The key of the recipe for this kind of teacher, with its value."""
    if callable(teacher):
        return {"teacher.callable": reference_of(teacher)}
    return {"teacher.model": _plain(teacher)}


def _plain(value: str | Path | None) -> str | None:
    """A path as a string."""
    return str(value) if isinstance(value, Path) else value


def _listed(values: Sequence[str | Path] | str | Path | None) -> list[str] | None:
    """One value or several as a list of strings."""
    if values is None:
        return None
    return [str(values)] if isinstance(values, str | Path) else [str(value) for value in values]


@contextlib.contextmanager
def started(
    recipe: Recipe,
    out: Path | None,
    progress: Progress,
    function: Function | None = None,
    *,
    may_stream: bool = True,
) -> Iterator[Run]:
    """Read the data, lock the run's folder and write the resolved recipe into it, until the block ends.

    Args:
        recipe: The recipe.
        out: Folder of the run; ``None`` for ``runs/NAME``.
        progress: Where progress is shown.
        function: The teacher, where it is handed over in Python.
        may_stream: Whether unlabelled texts may stay on disk.

    Raises:
        RecipeError: The recipe does not fit the data, or the folder is not one to write into.
    """
    if recipe.data.source is None:
        dataset = draw(recipe, function)
    else:
        above = streaming.threshold(recipe, progress) if may_stream else None
        options = {**recipe.data.options, "stream_above": above}
        dataset = load_dataset(recipe.data.source, **options, seed=recipe.seed)
    folder = out or Path("runs") / dataset.name
    settled = recipe.settled(dataset.task.kind)
    check_run(settled, dataset.task, folder)

    saved = with_whole_paths(settled)
    with claimed(folder, saved.data.source or saved.data.unlabelled[0], dataset.fingerprint):
        if recipe.data.source is None:
            dataset = labelled_by_teacher(dataset, recipe, folder, progress, function)
        _say_notes(dataset, progress)
        write_bytes(folder / "recipe.yaml", to_yaml(saved).encode())

        stages = StageCache(folder, progress)
        key = {"fingerprint": dataset.fingerprint, "notes": list(dataset.notes), "name": dataset.name}
        stages.run("data", folder / "data", key, lambda about: save_dataset(dataset, folder / "data", about))
        yield Run(folder, settled, stages, dataset, function)


def _say_notes(dataset: Dataset, progress: Progress) -> None:
    """Show how the data was read, and what was dropped."""
    for note in dataset.notes:
        progress.say(note)
    for reason, count in dataset.dropped.items():
        if count:
            progress.say(f"Dropped {count:,}: {reason}.")

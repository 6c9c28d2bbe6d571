"""The teacher of a run, whatever it is: a protocol, and the list of what can be one.

A kind of teacher is one class that is a `RunTeacher`, and one function that makes it from a recipe,
registered with `teacher_kind`. No stage asks which kind it has. A new kind is both in one file, which a
plugin or a test imports; `teacher.callable` chooses it, since the recipe has no key of its own for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from understudy.core.corpus import Corpus
from understudy.core.progress import Progress
from understudy.core.task import Item, Task
from understudy.errors import RecipeError
from understudy.pipeline.local_teacher import Member
from understudy.pipeline.predictors import PredictorSpec
from understudy.pipeline.recipe import Recipe
from understudy.teachers.function import Function


@dataclass(frozen=True)
class Labelled:
    """How many of the texts that were wanted have soft targets, after a teacher was asked.

    Attributes:
        texts: Number of distinct texts that were wanted.
        found: Number of these that have soft targets in the store now.
        new: Number of these that were answered just now.
        fingerprint: What the store is opened with: it changes when the teacher's answers may change.
        set_aside: Number of texts for which the teacher has no usable answer.
        remaining: Number of texts that were neither answered nor set aside.
        why: Why some remain; empty where none does.
        notes: Sentences for the report.
        sentences: Sentences about this call, for the user.
    """

    texts: int
    found: int
    new: int
    fingerprint: str
    set_aside: int = 0
    remaining: int = 0
    why: str = ""
    notes: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


class Labeller(Protocol):
    """An opened teacher: it fills the logit store of a run."""

    @property
    def fingerprint(self) -> str:
        """Changes when the answers may change."""
        ...

    def label(self, first: Sequence[Item], pool: Corpus, folder: Path) -> Labelled:
        """Put soft targets of every distinct item that has none yet into the store in ``folder``.

        Args:
            first: Items in memory; where answers are paid for, these are bought before the pool's.
            pool: Further items.
            folder: Folder of the logit store.
        """
        ...


class RunTeacher(Protocol):
    """What a run needs to know about its teacher; the teacher is opened only when it is needed."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def key(self) -> str:
        """Changes when its answers may change."""
        ...

    @property
    def spec(self) -> PredictorSpec | None:
        """How another process opens it to time it; ``None`` where no other process can."""
        ...

    @property
    def members(self) -> Sequence[Member]:
        """The local models that it consists of, which may need fine-tuning; empty for other teachers."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether its answers to the test split are stored too, and evaluated from there.

        That is so for a teacher that costs money, or that only this process can ask. Some texts may stay
        without an answer; students do not learn from these.
        """
        ...

    @property
    def is_paid(self) -> bool:
        """Whether answers cost money, so that it is asked only about texts that students learn from."""
        ...

    def soft_key(self, found: int) -> object:
        """Changes when the soft targets change.

        Args:
            found: Number of texts that have soft targets; more may be bought later.
        """
        ...

    def open(self, task: Task, progress: Progress, seed: int) -> Labeller:
        """Open it.

        Args:
            task: The task; it answers with the labels of the task, in their order.
            progress: Where progress is shown.
            seed: Seed of the jitter added to waiting times, where a server is asked.
        """
        ...

    def set_aside(self, folder: Path) -> Mapping[Item, str]:
        """Items without a usable answer, each with the reason, from the store in ``folder``."""
        ...

    def cost(self, folder: Path) -> float:
        """Money spent on the answers in the store in ``folder``; 0 where they are free."""
        ...


TeacherKind = Callable[[Recipe, Task, Path, Function | None], RunTeacher | None]
"""Recipe, task, folder of the run, function handed over in Python → the teacher, if it is of this kind."""

KINDS: list[TeacherKind] = []
"""Every kind of teacher, in the order in which they are tried."""


def teacher_kind(make: TeacherKind) -> TeacherKind:
    """Register a kind of teacher: a decorator for the function that makes it from a recipe."""
    KINDS.append(make)
    return make


def find_teacher(recipe: Recipe, task: Task, folder: Path, function: Function | None = None) -> RunTeacher:
    """The teacher that a recipe names.

    Args:
        recipe: The recipe, which names the teacher.
        task: The task that it answers.
        folder: Folder of the run, where fine-tuned models are saved.
        function: A function handed over in Python, in the place of the one that the recipe names.

    Raises:
        TeacherError: The teacher cannot be opened, or does not fit the task.
        RecipeError: The recipe does not name a teacher of a known kind.
    """
    import understudy.pipeline.teacher_kinds  # noqa: F401 -- registers the kinds that we bring

    for make in KINDS:
        teacher = make(recipe, task, folder, function)
        if teacher is not None:
            return teacher
    raise RecipeError(
        "The recipe names no teacher. Give one of teacher.model, .endpoint, .callable or .table."
    )


def label_names(recipe: Recipe, function: Function | None = None) -> tuple[str, ...]:
    """The label names in the teacher's part of the recipe, for runs without labelled data.

    Raises:
        RecipeError: There are none.
    """
    if recipe.teacher.endpoint is not None:
        return tuple(recipe.teacher.endpoint.labels)
    names = recipe.teacher.labels or getattr(function, "labels", None)
    if names is None:
        raise RecipeError(
            "There is no labelled data (data.source), and the teacher does not name its labels. Give one of "
            "both: data, or teacher.labels (of an endpoint: teacher.endpoint.labels)."
        )
    return tuple(names)

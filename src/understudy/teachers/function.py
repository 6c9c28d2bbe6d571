"""Any Python function as a teacher: texts in, logits out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from understudy.core.label_order import column_order
from understudy.core.manifest import digest
from understudy.core.task import FloatArray, Item, Task
from understudy.errors import TeacherError
from understudy.teachers.fingerprints import fingerprint_of, reference_of

Function = Callable[[Sequence[Any]], Any]
"""Items → logits ``(rows, labels)``: an array, or nested lists."""


def find_function(reference: str) -> Function:
    """The function that ``module:function`` names; a dot reaches into a class or object.

    Raises:
        TeacherError: The reference has another form, or there is no such module or function.
    """
    module, colon, path = reference.partition(":")
    if not colon or not module or not path:
        raise TeacherError(
            f"teacher.callable is 'module:function', such as 'judge:score', not {reference!r}."
        )

    try:
        target: Any = importlib.import_module(module)
    except ImportError as error:
        raise TeacherError(
            f"The module of the teacher {reference!r} cannot be imported: {error}. It must lie on Python's "
            "path (PYTHONPATH), or be installed."
        ) from error

    for name in path.split("."):
        if not hasattr(target, name):
            raise TeacherError(
                f"The module {module!r} has no {path!r}, which the teacher {reference!r} names."
            )
        target = getattr(target, name)
    if not callable(target):
        raise TeacherError(f"The teacher {reference!r} is a {type(target).__name__}, which cannot be called.")
    return target  # type: ignore[no-any-return]


class FunctionTeacher:
    """A Predictor made of a function.

    Args:
        function: Items → logits ``(rows, labels)``.
        task: The label names, in the order that is wanted.
        labels: The names of the function's columns, in its own order; by default the task's.

    Raises:
        TeacherError: The names are not the task's, or the function's state cannot be fingerprinted.
    """

    def __init__(self, function: Function, task: Task, labels: Sequence[str] | None = None) -> None:
        held = tuple(labels or getattr(function, "labels", None) or task.labels)
        columns = column_order(held, task.labels)
        if columns is None:
            raise TeacherError(
                f"The teacher {reference_of(function)} answers {list(held)}, but the task has "
                f"{list(task.labels)}. Name its columns with teacher.labels."
            )
        self.task, self._function, self._columns = task, function, columns
        self.name = reference_of(function)
        self.fingerprint = digest([fingerprint_of(function), list(held), list(task.labels)])

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, labels)``.

        Raises:
            TeacherError: The function gives another shape, or something that is not a finite number.
        """
        expected = (int(self.task.rows(texts).sum()), len(self.task.labels))
        try:
            answers = np.asarray(self._function(list(texts)), dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise TeacherError(
                f"The teacher {self.name} was to give logits of shape {expected}, but: {error}."
            ) from error

        is_alike = answers.shape == expected
        if not is_alike or not np.isfinite(answers).all():
            given = "some that are not finite" if is_alike else f"the shape {answers.shape}"
            raise TeacherError(
                f"The teacher {self.name} was to give finite logits of shape {expected}, but gave {given}."
            )
        return answers[:, self._columns]

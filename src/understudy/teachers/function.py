"""Any Python function as a teacher: texts in, logits out."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from understudy.core.manifest import digest
from understudy.core.task import FloatArray, Item, Task
from understudy.errors import TeacherError

Function = Callable[[Sequence[Any]], Any]
"""Items → logits ``(rows, labels)``: an array, or nested lists."""


def find_function(reference: str) -> Function:
    """The function that ``module:function`` names; a dot reaches into a class or object.

    Raises:
        TeacherError: it has another form, or there is no such module or function.
    """
    module, colon, path = reference.partition(":")
    if not colon or not module or not path:
        raise TeacherError(
            f"teacher.callable is 'module:function', such as 'judge:score', not {reference!r}."
        )
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise TeacherError(
            f"The module of the teacher {reference!r} cannot be imported: {error}. It must lie on Python's "
            "path (PYTHONPATH), or be installed."
        ) from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise TeacherError(
                f"The module {module!r} has no {path!r}, which the teacher {reference!r} names."
            )
        found = getattr(found, name)
    if not callable(found):
        raise TeacherError(f"The teacher {reference!r} is a {type(found).__name__}, which cannot be called.")
    return found  # type: ignore[no-any-return]


def reference_of(function: Function) -> str:
    """What a function is called: ``module:function``, which need not be importable."""
    kind = type(function)
    name = getattr(function, "__qualname__", kind.__qualname__)
    return f"{getattr(function, '__module__', None) or kind.__module__}:{name}"


def fingerprint_of(function: Function) -> str:
    """Changes with the function's name, its source, and plain values that it closes over.

    What the function itself calls is not seen. A function whose answers depend on more, such as weights that
    it loads, may carry an attribute ``fingerprint`` that says so.
    """
    said = getattr(function, "fingerprint", None)
    if isinstance(said, str):
        return digest(["callable", reference_of(function), said])
    try:
        source = inspect.getsource(function if inspect.isroutine(function) else type(function))
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is None:
            raise TeacherError(
                f"The source of the teacher {reference_of(function)} cannot be read, so its answers cannot "
                "be kept under a name. Give it an attribute 'fingerprint' that changes when they do."
            ) from None
        source = repr((code.co_code, code.co_names, [str(each) for each in code.co_consts]))
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    held = [repr(value) for value in cells if isinstance(value, str | int | float | tuple | None)]
    return digest(["callable", reference_of(function), held, hashlib.sha256(source.encode()).hexdigest()])


class FunctionTeacher:
    """A Predictor made of a function.

    Args:
        function: items → logits ``(rows, labels)``.
        task: the label names, in the order that is wanted.
        labels: the names of the function's columns, in its own order; by default the task's.

    Raises:
        TeacherError: the names are not the task's.
    """

    def __init__(self, function: Function, task: Task, labels: Sequence[str] | None = None) -> None:
        own = tuple(labels or getattr(function, "labels", None) or task.labels)
        if sorted(own) != sorted(task.labels):
            raise TeacherError(
                f"The teacher {reference_of(function)} answers {list(own)}, but the task has "
                f"{list(task.labels)}. Name its columns with teacher.labels."
            )
        self.task, self._function = task, function
        self._columns = [own.index(label) for label in task.labels]
        self.name = reference_of(function)
        self.fingerprint = digest([fingerprint_of(function), list(own), list(task.labels)])

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, labels)``.

        Raises:
            TeacherError: the function gives another shape, or something that is no finite number.
        """
        expected = (int(self.task.rows(texts).sum()), len(self.task.labels))
        try:
            found = np.asarray(self._function(list(texts)), dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise TeacherError(
                f"The teacher {self.name} was to give logits of shape {expected}, but: {error}."
            ) from error
        if found.shape != expected or not np.isfinite(found).all():
            raise TeacherError(
                f"The teacher {self.name} was to give finite logits of shape {expected}, but gave "
                f"{'some that are not finite' if found.shape == expected else f'the shape {found.shape}'}."
            )
        return found[:, self._columns]

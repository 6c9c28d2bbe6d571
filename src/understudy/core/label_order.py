"""Columns matched by label name: names, not indices, cross the boundary between two tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from understudy.core.manifest import digest
from understudy.core.task import FloatArray, Item, Predictor, Task
from understudy.errors import TeacherError


def column_order(held: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """For each wanted label the column that holds it; ``None`` where the names differ.

    Names match exactly, or else all of them ignoring case, where no two then become one.

    >>> column_order(("bad", "good"), ("Good", "Bad")), column_order(("bad", "good"), ("bad", "poor"))
    ([1, 0], None)
    """
    for reading in (str, str.casefold):
        columns = {reading(label): column for column, label in enumerate(held)}
        names = [reading(label) for label in wanted]
        if len(columns) == len(held) and sorted(columns) == sorted(names):
            return [columns[name] for name in names]
    return None


class KnownPredictor(Predictor, Protocol):
    """A Predictor with a fingerprint and a size."""

    @property
    def fingerprint(self) -> str:
        """Changes when the answers may change."""
        ...

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        ...


@dataclass(frozen=True)
class Relabelled:
    """A Predictor, such as an exported student, with its columns in the order of another task.

    Attributes:
        predictor: What answers.
        task: The other task, of the same kind and with the same label names.

    Raises:
        TeacherError: The tasks differ in more than the order of their labels.
    """

    predictor: KnownPredictor
    task: Task
    _columns: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        held = self.predictor.task
        columns = column_order(held.labels, self.task.labels) if held.kind == self.task.kind else None
        if columns is None:
            raise TeacherError(
                "This predictor does not answer the task: it answers "
                f"{list(held.labels)} ({held.kind}), but the task is {list(self.task.labels)} "
                f"({self.task.kind}). Choose one with the task's labels."
            )
        object.__setattr__(self, "_columns", columns)

    @property
    def fingerprint(self) -> str:
        """Changes when the answers may change, or their order."""
        return digest([self.predictor.fingerprint, list(self.task.labels)])

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return self.predictor.parameters

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, labels)`` in the order of the task's labels."""
        return self.predictor.logits(texts)[:, self._columns]

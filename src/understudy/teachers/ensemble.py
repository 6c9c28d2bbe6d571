"""Several teachers that answer as one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from understudy.core.label_order import KnownPredictor, Relabelled
from understudy.core.manifest import digest
from understudy.core.task import FloatArray, Item, Task
from understudy.errors import RecipeError, TeacherError, nearest

Doubles = npt.NDArray[np.float64]

MEANS = ("logits", "probabilities")


@runtime_checkable
class _Arrangeable(Protocol):
    """A teacher that can put its own columns in the order of a task."""

    def arranged(self, task: Task) -> KnownPredictor: ...


class Ensemble:
    """The mean of several teachers' answers.

    A mean of logits is a geometric mean of probabilities, in which a member that is sure of a *no* has a
    veto; a mean of probabilities has none (Hinton et al. 2015, section 1, allow either as the target).

    Args:
        members: Two or more, for one task; those whose columns are in another order are arranged by name.
        mean: What the mean is taken of: ``logits``, or ``probabilities``, whose logarithms are then the
            logits: ``log p`` less its mean over the labels (a student that copies logits need not learn the
            offset), or in multilabel ``log p - log(1 - p)``. Regression on values takes the mean of values
            with either.
        name: What the user calls it; by default the members' names with ``+`` between.

    Raises:
        RecipeError: The mean is unknown.
        TeacherError: There are fewer than two members, or one does not answer the first one's task.
    """

    def __init__(
        self, members: Sequence[KnownPredictor], mean: str = "logits", *, name: str | None = None
    ) -> None:
        if mean not in MEANS:
            raise RecipeError(f"Unknown mean {mean!r} of an ensemble. {nearest(mean, MEANS)}")
        if len(members) < 2:
            raise TeacherError(f"An ensemble needs at least two teachers, but has {len(members)}.")
        self.task: Task = members[0].task
        self.members = tuple(_arranged(member, self.task) for member in members)
        self.mean = mean
        self.name = name or " + ".join(getattr(member, "name", "teacher") for member in members)

    def arranged(self, task: Task) -> Ensemble:
        """This ensemble with its columns in the order of ``task.labels``, matched by name."""
        members = [_arranged(member, task) for member in self.members]
        return Ensemble(members, self.mean, name=self.name)

    @property
    def parameters(self) -> int:
        """Number of parameters of all members."""
        return sum(member.parameters for member in self.members)

    @property
    def fingerprint(self) -> str:
        """Changes with a member, their order, or the mean."""
        return digest(["ensemble", self.mean, [member.fingerprint for member in self.members]])

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for whoever watches the members at work."""
        return tuple(note for member in self.members for note in getattr(member, "notes", ()))

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, c)`` float32; the members answer one after another."""
        answers = (self._addends(member.logits(texts).astype(np.float64)) for member in self.members)
        return self._mean(reduce(self._sum, answers))

    @property
    def _is_plain(self) -> bool:
        return self.mean == "logits" or self.task.bounds is not None

    def _addends(self, logits: Doubles) -> Doubles:
        """What is added up: logits, or logarithms of probabilities (in multilabel those of yes and of no)."""
        if self._is_plain:
            return logits
        if self.task.kind == "multilabel":
            return np.stack([-np.logaddexp(0.0, -logits), -np.logaddexp(0.0, logits)])
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))

    def _sum(self, one: Doubles, other: Doubles) -> Doubles:
        return np.asarray(one + other if self._is_plain else np.logaddexp(one, other))

    def _mean(self, total: Doubles) -> FloatArray:
        if self._is_plain:
            logits = total / len(self.members)
        elif self.task.kind == "multilabel":
            logits = total[0] - total[1]
        else:
            logits = total - total.mean(axis=-1, keepdims=True)
        return np.asarray(logits, dtype=np.float32)


def _arranged(member: KnownPredictor, task: Task) -> KnownPredictor:
    """The member with its columns in the task's order."""
    if _asked(member.task) == _asked(task):
        return member
    if isinstance(member, _Arrangeable):
        return member.arranged(task)
    if (member.task.texts, member.task.bounds) != (task.texts, task.bounds):
        raise TeacherError(
            f"A member of the ensemble answers {list(member.task.labels)} ({member.task.kind}), but the "
            f"ensemble's task is {list(task.labels)} ({task.kind})."
        )
    return Relabelled(member, task)


def _asked(task: Task) -> list[object]:
    """What two tasks must share for their answers to be added up."""
    return [task.labels, task.kind, task.texts, task.bounds]

"""Several teachers that answer as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np

from understudy.core.manifest import digest
from understudy.core.task import FloatArray, Item, Predictor, Task
from understudy.errors import RecipeError, TeacherError, nearest

MEANS = ("logits", "probabilities")


class EnsembleMember(Predictor, Protocol):
    """What an ensemble is made of: a `Teacher`, or another Predictor with a fingerprint and a size."""

    @property
    def fingerprint(self) -> str:
        """Changes when the answers may change."""
        ...

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        ...


class Ensemble:
    """The mean of several teachers' answers.

    A mean of logits is a geometric mean of probabilities, in which a member that is sure of a *no* has a
    veto; a mean of probabilities has none (Hinton et al. 2015, section 1, allow either as the target).

    Args:
        members: two or more, for one task; those whose columns are in another order are arranged by name.
        mean: of ``logits``, or of ``probabilities``, whose logarithms are then the logits: ``log p`` less its
            mean over the labels (a student that copies logits need not learn the offset), or in multilabel
            ``log p - log(1 - p)``. Regression on values takes the mean of values with either.
        name: what the user calls it; by default the members' names with ``+`` between.

    Raises:
        RecipeError: unknown mean.
        TeacherError: fewer than two members, or one that does not answer the first one's task.
    """

    def __init__(
        self, members: Sequence[EnsembleMember], mean: str = "logits", *, name: str | None = None
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

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, c)`` float32; the members answer one after another."""
        total: Any = None
        for member in self.members:
            answers = self._outward(member.logits(texts).astype(np.float64))
            total = answers if total is None else self._joined(total, answers)
        return self._inward(total)

    @property
    def _is_plain(self) -> bool:
        return self.mean == "logits" or self.task.bounds is not None

    def _outward(self, logits: Any) -> Any:
        """What is added up: logits, or logarithms of probabilities (in multilabel those of yes and of no)."""
        if self._is_plain:
            return logits
        if self.task.kind == "multilabel":
            return np.stack([-np.logaddexp(0.0, -logits), -np.logaddexp(0.0, logits)])
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)

    def _joined(self, one: Any, other: Any) -> Any:
        return one + other if self._is_plain else np.logaddexp(one, other)

    def _inward(self, total: Any) -> FloatArray:
        if self._is_plain:
            logits = total / len(self.members)
        elif self.task.kind == "multilabel":
            logits = total[0] - total[1]
        else:
            logits = total - total.mean(axis=-1, keepdims=True)
        return np.asarray(logits, dtype=np.float32)


def _arranged(member: EnsembleMember, task: Task) -> EnsembleMember:
    def asked(one: Task) -> list[Any]:
        return [one.labels, one.kind, one.texts, one.bounds]

    if asked(member.task) == asked(task):
        return member
    if not hasattr(member, "arranged"):
        raise TeacherError(
            f"A member of the ensemble answers {list(member.task.labels)} ({member.task.kind}), but the "
            f"ensemble's task is {list(task.labels)} ({task.kind})."
        )
    return cast("EnsembleMember", member.arranged(task))

"""What a task is: its kind, its label names in order, its metric, and how logits become answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from understudy.errors import RecipeError, nearest

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

KINDS = ("classification",)
"""Kinds of task that are supported from end to end."""

METRICS: Mapping[str, tuple[str, ...]] = {"classification": ("accuracy", "macro_f1", "mcc")}
"""Metrics by kind of task; the first is the default. All are shares or correlations: higher is better."""


@dataclass(frozen=True)
class Task:
    """A kind, label **names** in the order of the logits' columns, and the metric that selects and reports.

    Raises:
        RecipeError: unknown kind or metric, fewer than two labels, or a label named twice.
    """

    labels: tuple[str, ...]
    kind: str = "classification"
    metric: str = "accuracy"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.kind not in KINDS:
            raise RecipeError(f"Unknown kind of task {self.kind!r}. {nearest(self.kind, KINDS)}")
        if self.metric not in METRICS[self.kind]:
            raise RecipeError(f"Unknown metric {self.metric!r}. {nearest(self.metric, METRICS[self.kind])}")
        if len(self.labels) < 2:
            raise RecipeError(f"A {self.kind} task needs at least two labels, but has {list(self.labels)}.")
        if len(set(self.labels)) != len(self.labels):
            raise RecipeError(f"A label is named twice in {list(self.labels)}.")

    @property
    def index(self) -> dict[str, int]:
        """Label name → column of the logits."""
        return {label: column for column, label in enumerate(self.labels)}

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Softmax over the last axis: ``(n, labels)`` → ``(n, labels)``, rows sum to 1."""
        shifted = logits - logits.max(axis=-1, keepdims=True)
        weights = np.exp(shifted)
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float32)

    def answers(self, logits: FloatArray) -> list[str]:
        """The label name of the highest logit in each row of ``(n, labels)``."""
        return [self.labels[column] for column in logits.argmax(axis=-1)]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; `from_dict` is its inverse."""
        return {**asdict(self), "labels": list(self.labels)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Task:
        """Rebuild a task from `to_dict`."""
        return cls(labels=tuple(data["labels"]), kind=data["kind"], metric=data["metric"])


@runtime_checkable
class Predictor(Protocol):
    """Anything that answers: a teacher, a torch student, an exported student, a baseline, a switch."""

    @property
    def task(self) -> Task:
        """The task whose labels name the logits' columns."""
        ...

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Unnormalised scores ``(len(texts), labels)``, float32, columns in the order of ``task.labels``."""
        ...

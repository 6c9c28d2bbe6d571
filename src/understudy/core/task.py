"""What a task is: its kind, its label names in order, its metric, and how logits become answers.

A task is asked about **items** and answered in **rows** of logits. An item is a text; a pair of texts; or, in
tagging, the words of a sentence. It has one row, or in tagging one row a word, in order. So the logits of any
kind of task are one array ``(rows, labels)``, and losses, metrics and stores handle all kinds alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from understudy.errors import RecipeError, nearest

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Gold = npt.NDArray[Any]
"""Gold labels, by kind of task.

``(rows,)`` int64 columns of the labels, -1 where there is none: classification, pair, tagging.
``(rows, labels)`` float32, 1 where a label holds, else 0; NaN where a text is not labelled: multilabel.
``(rows,)`` float32 values in the data's own unit, NaN where there is none: regression.
"""

Item = str | tuple[str, ...]
"""What is asked: a text, a pair of texts, or (tagging) the words of a sentence."""

Answer = str | float | tuple[str, ...]
"""A label; a value (regression); or the labels that hold, perhaps none (multilabel)."""

METRICS: Mapping[str, tuple[str, ...]] = {
    "classification": ("accuracy", "macro_f1", "mcc", "f1", "accuracy_f1"),
    "pair": ("accuracy", "macro_f1", "mcc", "f1", "accuracy_f1"),
    "multilabel": ("micro_f1", "macro_f1"),
    "regression": ("pearson", "spearman", "pearson_spearman"),
    "tagging": ("span_f1", "macro_f1", "accuracy"),
}
"""Metrics by kind of task; the first is the default. All are shares or correlations: higher is better.

GLUE (Wang et al. 2018) reports ``accuracy_f1`` and ``pearson_spearman``, means of two metrics; F1 there is
that of the second of two labels."""

OF_TWO_LABELS = ("f1", "accuracy_f1")
"""Metrics that need exactly two labels, of which they take the second for the positive one."""

KINDS = tuple(METRICS)
"""Kinds of task."""

OUTSIDE = "O"
"""The tag of a word that is in no span."""

_IN_SPAN = re.compile(r"[BIES]-.+").fullmatch

THRESHOLD = 0.5
"""Probability from which a label holds, where nothing better is known (multilabel)."""


@dataclass(frozen=True)
class Task:
    """A kind, label **names** in the order of the logits' columns, and the metric that selects and reports.

    Attributes:
        labels: Names of the logits' columns. In regression one name stands for a direct value; several are
            numbers, the centres of bins, and the answer is their expected value.
        kind: One of `KINDS`.
        metric: One of `METRICS` for the kind; empty takes the first, or accuracy for tags that mark no spans.
        texts: How many texts an item has: 1, or 2 (always in ``pair``; multilabel and regression may).
        thresholds: Probability from which each label holds (multilabel); ``None`` is `THRESHOLD` for all.
        bounds: Values that the logits 0 and 1 stand for (regression with one column).
        transitions: ``(c + 1, c)``, what a tag's score gains behind each tag, and at the beginning of a
            sentence (tagging; `understudy.core.chain`). Predictors whose task has them give logits in order.

    Raises:
        RecipeError: unknown kind or metric, too few labels, a label named twice, or a field that the kind
            does not have.
    """

    labels: tuple[str, ...]
    kind: str = "classification"
    metric: str = ""
    texts: int = 1
    thresholds: tuple[float, ...] | None = None
    bounds: tuple[float, float] | None = None
    transitions: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RecipeError(f"Unknown kind of task {self.kind!r}. {nearest(self.kind, KINDS)}")
        for name in ("labels", "thresholds", "bounds"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))
        if self.transitions is not None:
            object.__setattr__(self, "transitions", tuple(map(tuple, self.transitions)))
        object.__setattr__(self, "metric", self.metric or self._usual_metric())
        object.__setattr__(self, "texts", 2 if self.kind == "pair" else self.texts)
        if self.metric not in METRICS[self.kind]:
            raise RecipeError(
                f"Unknown metric {self.metric!r} of a {self.kind} task. "
                f"{nearest(self.metric, METRICS[self.kind])}"
            )
        self._check_labels()
        if self.metric in OF_TWO_LABELS and len(self.labels) != 2:
            raise RecipeError(
                f"The metric {self.metric} is of the second of two labels, but there are {len(self.labels)}. "
                "Use macro_f1."
            )
        self._check_fields()

    def _usual_metric(self) -> str:
        """The kind's first; of tags that mark no spans, such as parts of speech, accuracy."""
        return "accuracy" if self.kind == "tagging" and not self.has_spans else METRICS[self.kind][0]

    def _check_labels(self) -> None:
        fewest = 1 if self.kind == "regression" else 2
        if len(self.labels) < fewest:
            many = "one label" if fewest == 1 else "two labels"
            raise RecipeError(f"A {self.kind} task needs at least {many}, but has {list(self.labels)}.")
        if len(set(self.labels)) != len(self.labels):
            raise RecipeError(f"A label is named twice in {list(self.labels)}.")
        if self.metric == "span_f1" and not self.has_spans:
            raise RecipeError(
                f"The metric 'span_f1' needs tags such as O, B-PER, I-PER, but the labels are "
                f"{list(self.labels)[:5]}. Choose 'accuracy' or 'macro_f1'."
            )

    def _check_fields(self) -> None:
        if self.texts not in (1, 2) or (self.texts == 2 and self.kind in ("classification", "tagging")):
            raise RecipeError(f"An item of a {self.kind} task cannot have {self.texts} texts.")
        if self.thresholds is not None and (
            self.kind != "multilabel" or len(self.thresholds) != len(self.labels)
        ):
            raise RecipeError("Only multilabel tasks have thresholds, one per label.")

        if self.transitions is not None:
            sizes = [len(self.labels)] * (len(self.labels) + 1)
            if self.kind != "tagging" or list(map(len, self.transitions)) != sizes:
                raise RecipeError(
                    "Only tagging tasks have transitions: a row a tag and another, a number a tag."
                )

        if (self.bounds is not None) != (self.kind == "regression" and len(self.labels) == 1):
            raise RecipeError("Bounds belong to a regression task with one column, and it needs them.")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise RecipeError(f"The lower of the bounds {self.bounds} must be less than the upper.")
        if self.is_binned:
            try:
                list(map(float, self.labels))
            except ValueError as error:
                raise RecipeError(f"Bins are named by numbers, but one is not: {error}.") from error

    @property
    def index(self) -> dict[str, int]:
        """Label name → column of the logits."""
        return {label: column for column, label in enumerate(self.labels)}

    @cached_property
    def steps(self) -> npt.NDArray[np.float64] | None:
        """``(c + 1, c)``: what a tag's probability is multiplied with; ``None`` without transitions."""
        return None if self.transitions is None else np.exp(np.array(self.transitions, dtype=np.float64))

    @property
    def is_exclusive(self) -> bool:
        """Whether each row has exactly one label."""
        return self.kind in ("classification", "pair", "tagging")

    @property
    def is_binned(self) -> bool:
        """Whether it is a regression whose columns are bins."""
        return self.kind == "regression" and len(self.labels) > 1

    @property
    def has_spans(self) -> bool:
        """Whether tags mark spans: ``O``, ``B-X``, ``I-X``."""
        return self.kind == "tagging" and all(tag == OUTSIDE or _IN_SPAN(tag) for tag in self.labels)

    @property
    def centres(self) -> FloatArray:
        """The bins' values, ``(labels,)``."""
        return np.array([float(label) for label in self.labels], dtype=np.float32)

    def rows(self, items: Sequence[Item]) -> IntArray:
        """How many rows of logits each item has: ``(items,)``."""
        if self.kind == "tagging":
            return np.fromiter(map(len, items), dtype=np.int64, count=len(items))
        return np.ones(len(items), dtype=np.int64)

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """``(rows, labels)`` → ``(rows, labels)``: softmax, or in multilabel the sigmoid of each.

        Raises:
            RecipeError: a regression with one column, whose logits do not stand for probabilities.
        """
        if self.kind == "multilabel":
            return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)
        if self.kind == "regression" and not self.is_binned:
            raise RecipeError("A regression gives values, not probabilities.")
        shifted = logits - logits.max(axis=-1, keepdims=True)
        weights = np.exp(shifted)
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float32)

    def decisions(self, logits: FloatArray) -> npt.NDArray[Any]:
        """What rows of logits decide, in the form of `Gold`: columns, 0 / 1 by label, or values.

        The value of a regression is its logit put between its bounds, or the bins' expected value.
        """
        if self.is_exclusive:
            return np.asarray(logits.argmax(axis=-1))
        if self.kind == "multilabel":
            least = np.array(self.thresholds or (THRESHOLD,) * len(self.labels), dtype=np.float32)
            return (self.probabilities(logits) >= least).astype(np.float32)
        if self.is_binned:
            return self.probabilities(logits) @ self.centres
        low, high = self.bounds or (0.0, 1.0)
        return low + (high - low) * logits[..., 0]

    def answers(self, logits: FloatArray) -> list[Answer]:
        """The answer of each row of ``(rows, labels)``."""
        decided = self.decisions(logits)
        if self.is_exclusive:
            return [self.labels[column] for column in decided]
        if self.kind == "regression":
            return [float(value) for value in decided]
        held: list[list[str]] = [[] for _ in decided]
        for row, column in np.argwhere(decided > 0):
            held[row].append(self.labels[column])
        return [tuple(names) for names in held]

    def targets(self, gold: Gold) -> Gold:
        """Gold labels as the losses take them: values of a regression become a bin's column, or a logit."""
        if self.kind != "regression":
            return gold
        if self.is_binned:
            nearest_bin = np.abs(gold[:, None] - self.centres).argmin(axis=1)
            return np.where(np.isnan(gold), -1, nearest_bin).astype(np.int64)
        low, high = self.bounds or (0.0, 1.0)
        return np.asarray((gold - low) / (high - low), dtype=np.float32)

    def no_gold(self, rows: int) -> Gold:
        """Gold labels for ``rows`` rows that have none."""
        if self.is_exclusive:
            return np.full(rows, -1, dtype=np.int64)
        shape = (rows, len(self.labels)) if self.kind == "multilabel" else (rows,)
        return np.full(shape, np.nan, dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; `from_dict` is its inverse."""
        held = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in held.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Task:
        """Rebuild a task from `to_dict`."""
        return cls(**data)


@runtime_checkable
class Predictor(Protocol):
    """Anything that answers: a teacher, a torch student, an exported student, a baseline, a switch."""

    @property
    def task(self) -> Task:
        """The task whose labels name the logits' columns."""
        ...

    def logits(self, texts: Sequence[Any]) -> FloatArray:
        """Scores ``(rows, labels)``, float32, of the task's items, columns in the order of its labels."""
        ...

"""Answers that stand in a table, by text, as a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from understudy.errors import TeacherError
from understudy.folders import digest
from understudy.items import key, shown
from understudy.task import FloatArray, Item, Task
from understudy.teachers.answering import hard_row

TINY = 1e-6
"""A probability of 0 or 1 is taken to be this far from it, so that its logit is finite."""


class TableTeacher:
    """A Predictor that looks answers up.

    Args:
        items: distinct.
        rows: their logits, ``(items, labels)``.
        task: the label names.
        name: what reports call it.
    """

    def __init__(self, items: Sequence[Item], rows: FloatArray, task: Task, name: str) -> None:
        self.task, self.name = task, name
        self._rows = rows
        self._places = {item: place for place, item in enumerate(items)}

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any of its answers."""
        rows = [[key(item), self._rows[place].tolist()] for item, place in self._places.items()]
        return digest(["table", self.task.to_dict(), rows])

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(texts, labels)``.

        Raises:
            TeacherError: some texts do not stand in the table; the first ones are named.
        """
        missing = list(dict.fromkeys(text for text in texts if text not in self._places))
        if missing:
            first = "; ".join(repr(shown(text)[:80]) for text in missing[:5])
            raise TeacherError(
                f"{self.name} has no answer for {len(missing):,} of {len(texts):,} texts, the first: "
                f"{first}. Add rows for them, or leave them out of the data."
            )
        return self._rows[[self._places[text] for text in texts]]


def logits_of_values(values: Mapping[str, Sequence[Any]], task: Task, form: str, where: str) -> FloatArray:
    """One column a label → logits ``(rows, labels)``.

    Args:
        values: label name → its values.
        task: the label names.
        form: ``logits``, or ``probabilities``, whose centred logarithms (multilabel: log-odds) are taken.
        where: they stand, for the message.

    Raises:
        TeacherError: a value is no finite number; or no probability.
    """
    try:
        found = np.array([[float(value) for value in values[label]] for label in task.labels]).T
    except (TypeError, ValueError) as error:
        raise TeacherError(
            f"{where}: a column of logits holds something that is no number: {error}."
        ) from error
    faults = np.argwhere(~np.isfinite(found) | ((form == "probabilities") & ((found < 0) | (found > 1))))
    if len(faults):
        row, column = faults[0]
        what = "a probability" if form == "probabilities" else "a finite number"
        raise TeacherError(
            f"{where}, row {row + 1}, column {task.labels[column]!r}: {found[row, column]} is not {what}."
        )
    if form == "probabilities":
        found = np.clip(found, TINY, 1 - TINY)
        logs = np.log(found)
        rest = np.log1p(-found) if task.kind == "multilabel" else logs.mean(axis=1, keepdims=True)
        found = logs - rest
    return np.asarray(found, dtype=np.float32)


def logits_of_labels(columns: Sequence[Sequence[int]], task: Task, smoothing: float) -> FloatArray:
    """The columns of each row's labels → smoothed logits ``(rows, labels)``; see `answering.hard_row`."""
    return np.stack([hard_row(each, task, smoothing) for each in columns])
